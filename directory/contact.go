package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// contactAttrs are what of a contact goes to the user that replaces it, where neither the
// source nor the user has a value: what address books show of a person, and what else the
// organisation keeps of them.
var contactAttrs = slices.DeleteFunc(Copied(), func(a Attribute) bool {
	kept := a.Set == SetGAL || a.Set == SetAdditional || a.Name == "displayName"
	return !kept || slices.Contains(notOfContact, a.Name)
})

// notOfContact are attributes that say how the contact is treated and not who it is.
// Contacts often are hidden so that nobody is listed twice.
var notOfContact = []string{
	"msExchHideFromAddressLists", "mAPIRecipient", "textEncodedORAddress", attrPoliciesExcluded, "showInAdvancedViewOnly",
}

// countryAttrs say the same thing three times, and are taken together or not at all.
var countryAttrs = []string{"c", "co", "countryCode"}

// retiredAttrs are what makes a contact a recipient. They go when it is retired.
var retiredAttrs = []string{
	"mailNickname", attrProxies, "mail", attrTargetAddress, attrLegacy, "showInAddressBook", "textEncodedORAddress",
	attrTypeDetails, attrDisplayType,
}

// planContact plans that the target user of the plan takes the place of the contact, in an
// order that leaves no address without an owner at any instant: first the user gets all
// that the contact has, then each object that points to the contact points to the user
// instead, and last the contact is retired in one modification. The contact is not
// deleted, so that it can be brought back as the same object.
//
// Between the first step and the last two objects own the addresses. Exchange defers mail
// to an ambiguous address and tries again; it does not bounce it.
func (d *Directories) planContact(ctx context.Context, plan *Plan, pair Pair) error {
	if pair.Contact == nil {
		return nil
	}
	contact, err := d.Target.readContact(ctx, pair.Contact.DN)
	if contact == nil || err != nil {
		return err
	}
	if stop := d.checkContact(pair, contact); len(stop) > 0 {
		plan.Findings = append(plan.Findings, stop...)
		return nil
	}
	user := heirOf(plan, pair)
	if user == nil {
		return fmt.Errorf("replace contact %q: the plan makes no target user", contact.DN)
	}
	d.inherit(user, pair.Source, contact)
	user.putInto(plan)
	d.nameContact(plan, pair, user, contact)
	if err := d.repoint(ctx, plan, pair.Source, contact, user.change.DN); err != nil {
		return fmt.Errorf("re-point what points to %q: %w", contact.DN, err)
	}
	retire(plan, pair.Source, contact)
	return nil
}

// readContact reads all of the contact that is taken over. It is nil if there is no such
// entry any more or it has been retired: then it has been replaced.
func (f *Forest) readContact(ctx context.Context, dn DN) (*Recipient, error) {
	attrs := slices.Concat(RecipientAttrs, copiedNames, retiredAttrs, allLinks)
	entry, err := f.Reader.Get(ctx, dn, distinct(attrs)...)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read contact %q: %w", dn, err)
	}
	contact, err := ParseRecipient(entry)
	if err != nil || contact.isRetired() {
		return nil, err
	}
	return contact, nil
}

// checkContact refuses a contact that leads somewhere else: its mail would go to another
// place than now.
func (d *Directories) checkContact(pair Pair, contact *Recipient) []migrate.Finding {
	_, text := splitProxy(contact.TargetAddress)
	addr := migrate.SMTPAddress(text)
	source := pair.Source
	_, sent := splitProxy(source.TargetAddress)
	for _, known := range []migrate.SMTPAddress{"", source.Mail, d.routingAddress(source), migrate.SMTPAddress(sent)} {
		if addr.Key() == known.Key() {
			return nil
		}
	}
	if source.Proxies.HasSMTP(addr) {
		return nil
	}
	return []migrate.Finding{forbid("contact.address-elsewhere", source.String(),
		fmt.Sprintf("The contact %s, which is to be replaced, sends its mail to %s, which is not an address of the source.", contact.DN, contact.TargetAddress),
		"Correct targetAddress of the contact, or add the address to the source.")}
}

// An heir is an object to which a plan gives more than it already does.
type heir struct {
	entry  *Entry // as it is; without attributes if the plan makes it
	change Change
	at     int // of the change in the plan; -1: it is not in it
}

// heirOf returns the target user, with what the plan does to it already; nil if there is
// none and the plan makes none.
func heirOf(plan *Plan, pair Pair) *heir {
	if pair.Target != nil {
		return changeOf(plan, Target, pair.Target.Entry, whyStage)
	}
	at := slices.IndexFunc(plan.Changes, func(c Change) bool { return c.Forest == Target && c.Op == Add })
	if at < 0 {
		return nil
	}
	return &heir{entry: NewEntry(plan.Changes[at].DN, nil), change: plan.Changes[at], at: at}
}

// changeOf returns what the plan modifies of the entry.
func changeOf(plan *Plan, side Side, entry *Entry, why string) *heir {
	for at, c := range plan.Changes {
		if c.Forest == side && c.Op == Modify && c.DN.Equal(entry.DN) {
			return &heir{entry: entry, change: c, at: at}
		}
	}
	return &heir{entry: entry, change: Change{Forest: side, Op: Modify, DN: entry.DN, Why: why}, at: -1}
}

// putInto puts the change into the plan: in its place, else before all others.
func (h *heir) putInto(plan *Plan) {
	if len(h.change.Mods) == 0 {
		return
	}
	if h.change.Op == Modify {
		h.change.Before = before(h.entry, h.change.Mods)
	}
	if h.at < 0 {
		plan.Changes = slices.Insert(plan.Changes, 0, h.change)
		return
	}
	plan.Changes[h.at] = h.change
}

// mod returns what the plan does to the attribute; nil if nothing.
func (h *heir) mod(attr string) *Mod {
	for i := range h.change.Mods {
		if strings.EqualFold(h.change.Mods[i].Attr, attr) {
			return &h.change.Mods[i]
		}
	}
	return nil
}

// has reports whether the object has a value of the attribute, or gets one.
func (h *heir) has(attr string) bool { return h.entry.Has(attr) || h.mod(attr) != nil }

// will returns the values that the attribute will have.
func (h *heir) will(attr string) []string {
	mod := h.mod(attr)
	if mod == nil {
		return h.entry.Values(attr)
	}
	var values []string
	if mod.Op == AddValues {
		values = h.entry.Values(attr)
	}
	for _, v := range mod.Values {
		values = append(values, string(v))
	}
	return values
}

// fill gives the object the values if it has none.
func (h *heir) fill(attr, origin string, values [][]byte) {
	if h.has(attr) || len(values) == 0 {
		return
	}
	op := ReplaceValues
	if h.change.Op == Add {
		op = AddValues
	}
	h.change.Mods = append(h.change.Mods, Mod{Op: op, Attr: attr, Values: values, Origin: origin})
}

// add gives the object those of the addresses that it does not have.
func (h *heir) add(origin string, addresses Proxies) {
	have := Proxies(h.will(attrProxies))
	var lacking [][]byte
	for _, value := range addresses {
		if !have.has(value) {
			have = append(have, value)
			lacking = append(lacking, []byte(value))
		}
	}
	switch mod := h.mod(attrProxies); {
	case len(lacking) == 0:
	case mod == nil:
		h.change.Mods = append(h.change.Mods, Mod{Op: AddValues, Attr: attrProxies, Values: lacking, Origin: origin})
	default:
		mod.Values = slices.Concat(mod.Values, lacking)
		mod.Origin = strings.TrimPrefix(mod.Origin+", "+origin, ", ")
	}
}

// inherit gives the user what the contact has: every address, and what is known of the
// person that the source does not say. The mark lets the next look know the user for the
// person's while the contact still has the same addresses.
func (d *Directories) inherit(user *heir, source, contact *Recipient) {
	origin := "contact " + string(contact.DN)
	user.add(origin, addressesOf(contact, user))
	if user.change.Op == Add {
		user.fill(attrMark, "constant", texts(Mark(source.GUID)))
	}
	country := slices.ContainsFunc(countryAttrs, user.has)
	for _, a := range contactAttrs {
		policy := d.Rules.Attributes[strings.ToLower(a.Name)]
		if policy == Omit || policy == Force || slices.Contains(countryAttrs, a.Name) && country {
			continue // by force the source's word counts, also if it says nothing
		}
		values := contact.Entry.Bytes(a.Name)
		if a.Policy != Merge && len(values) > 1 {
			values = values[:1] // an account has one description, a contact may have several
		}
		user.fill(a.Name, origin, values)
	}
}

// addressesOf returns every address of the contact as a secondary one, its mail and
// legacyExchangeDN included. What is the user's own name is not an address of it.
func addressesOf(contact *Recipient, user *heir) Proxies {
	addresses := slices.Clone(contact.Proxies)
	for _, a := range contact.allSMTP() {
		addresses = append(addresses, "smtp:"+string(a))
	}
	for _, name := range contact.x500() {
		addresses = append(addresses, "X500:"+string(name))
	}
	own := strings.Join(user.will(attrLegacy), "")
	has := user.will(attrProxies)
	var out Proxies
	for _, value := range addresses {
		kind, addr := splitProxy(value)
		if kind == "x500" && migrate.LegacyDN(addr).Key() == migrate.LegacyDN(own).Key() {
			continue
		}
		if secondary := asSecondary(value, has); !out.has(secondary) {
			out = append(out, secondary)
		}
	}
	return out
}

// asSecondary writes the type of an address in lower case where one of the others is the
// primary one of that type. X500 addresses have no primary.
func asSecondary(value string, others []string) string {
	kind, addr, typed := strings.Cut(value, ":")
	if !typed || strings.EqualFold(kind, "x500") || kind == strings.ToLower(kind) {
		return value
	}
	primary := slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(o, kind+":") })
	if primary || kind == "SMTP" {
		return strings.ToLower(kind) + ":" + addr
	}
	return value
}

// nameContact lets the source be found under the names of the contact, which become the
// user's: replies to mail that was sent to the contact resolve on both sides.
func (d *Directories) nameContact(plan *Plan, pair Pair, user *heir, contact *Recipient) {
	source := changeOf(plan, Source, pair.Source.Entry, whyStageBack)
	var names Proxies
	for _, name := range Proxies(user.will(attrProxies)).X500() {
		if name.Key() != pair.Source.Legacy.Key() {
			names = append(names, "X500:"+string(name))
		}
	}
	source.add("contact "+string(contact.DN), names)
	if source.at >= 0 {
		source.putInto(plan)
		return
	}
	if len(source.change.Mods) > 0 {
		source.change.Before = before(source.entry, source.change.Mods)
		plan.Changes = append(plan.Changes, source.change)
	}
}

// retire plans that the contact is no recipient any more.
func retire(plan *Plan, source, contact *Recipient) {
	change := Change{Forest: Target, Op: Modify, DN: contact.DN, Why: "retire the contact that the target user replaces", Person: source.GUID}
	for _, attr := range retiredAttrs {
		if contact.Entry.Has(attr) {
			change.Mods = append(change.Mods, Mod{Op: DeleteValues, Attr: attr})
		}
	}
	change.Mods = append(change.Mods, Mod{Op: ReplaceValues, Attr: attrMark, Values: texts(RetiredMark(source.GUID)), Origin: "constant"})
	change.Before = before(contact.Entry, change.Mods)
	plan.Changes = append(plan.Changes, change)
}
