package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

// What recipients that are no mailboxes are shown as.
const (
	typeContact        int64 = 64
	typeUniversalGroup int64 = 256
	typeSecurityGroup  int64 = 1024
	displayMailUser    int32 = 6 // of contacts as well
	displayGroup       int32 = 1
	displaySecurity    int32 = 1073741833 // 0x40000009
	groupUniversal     int64 = 8          // MS-ADTS 2.2.12
	groupSecurity      int64 = -1 << 31   // GROUP_TYPE_SECURITY_ENABLED in 32 bits
	whyPlain                 = "make the source's recipient known at the target"
)

// isPlain reports whether the source is no mailbox, nor was one before this tool moved it.
func (d *Directories) isPlain(pair Pair) bool {
	switch pair.Source.recipientKind() {
	case KindMailUser:
		return pair.Source.TargetAddress != "" && !d.routes(pair.Source) && (pair.Target == nil || !pair.Target.IsMailbox())
	case KindContact, KindGroup, KindDynamic:
		return true
	}
	return false
}

// twinClass returns the class of the target object that stands for source.
func (d *Directories) twinClass(source *Recipient) string {
	switch source.recipientKind() {
	case KindContact, KindDynamic:
		return ClassContact
	case KindGroup:
		if d.Rules.GroupContacts {
			return ClassContact
		}
		return ClassGroup
	}
	return ClassUser
}

// planPlain plans the target object of a contact, a mail user or a group. Mail to the
// first two goes where the source sends it, and a group's to the twins of its members; a
// dynamic group's goes to the source, which alone knows who is in it.
func (d *Directories) planPlain(ctx context.Context, pair Pair) (Plan, error) {
	plan := Plan{Findings: slices.Concat(d.checkRules(), d.checkPlain(pair), d.checkTenant(pair.Source))}
	if len(plan.Forbidden()) > 0 {
		return plan, nil
	}
	if pair.Target == nil {
		change, err := d.addPlain(ctx, pair.Source)
		if err != nil {
			return Plan{}, fmt.Errorf("plan the twin of %s: %w", pair.Source, err)
		}
		plan.Changes = []Change{change}
	} else {
		e := edit{entry: pair.Target.Entry}
		d.fillPlain(&e, pair.Source)
		d.joinPlain(&e, pair)
		e.addTo(&plan, Target, whyPlain)
	}
	d.answerPlain(&plan, pair)
	if err := d.planContact(ctx, &plan, pair); err != nil {
		return Plan{}, err
	}
	err := d.checkAllTaken(ctx, &plan, pair)
	plan.stamp(pair.Source.GUID)
	return plan, err
}

// joinPlain adds the addresses that the target lacks; a primary one that it has stays.
func (d *Directories) joinPlain(e *edit, pair Pair) {
	primary := pair.Source.Address()
	if len(pair.Target.Proxies.primaries()) > 0 {
		primary = ""
	}
	e.add(attrProxies, d.plainProxies(pair.Source, pair.Target.Legacy).withPrimary(primary)...)
}

// checkAllTaken adds who else has a name that the plan gives to its pair.
func (d *Directories) checkAllTaken(ctx context.Context, plan *Plan, pair Pair) error {
	atTarget, err := d.Target.checkTaken(ctx, d.holder(pair), plan.Changes, pair.Contact)
	if err != nil {
		return err
	}
	atSource, err := d.Source.checkTaken(ctx, pair.Source, plan.Changes)
	plan.Findings = slices.Concat(plan.Findings, atTarget, atSource)
	return err
}

func (d *Directories) checkPlain(pair Pair) []migrate.Finding {
	whom := pair.Source.String()
	if pair.Source.Address() == "" {
		return []migrate.Finding{forbid("source.address", whom, "The source has no SMTP address.", "Give it a primary SMTP address.")}
	}
	target := pair.Target
	if want := d.twinClass(pair.Source); target != nil && (target.Class != want || target.IsMailbox()) {
		return []migrate.Finding{forbid("match.class", whom,
			fmt.Sprintf("%s stands for it at the target (%s) and is a %s; it would be a %s.", target.DN, pair.Evidence, target.Class, want),
			"Take the shared address off the one that is somebody else.")}
	}
	return append(d.checkMatch(pair), d.checkPlainRoute(pair)...)
}

// checkPlainRoute tells of a twin that sends its mail to another address than the source
// does, be it that the source's has changed since. Which of the two is right is not seen
// in the directory.
func (d *Directories) checkPlainRoute(pair Pair) []migrate.Finding {
	want := d.plainRoute(pair.Source)
	if pair.Target == nil || want == "" || pair.Target.TargetAddress == "" {
		return nil
	}
	wantType, wantAddr := splitProxy(want)
	haveType, haveAddr := splitProxy(pair.Target.TargetAddress)
	if wantType == haveType && strings.EqualFold(wantAddr, haveAddr) {
		return nil
	}
	return []migrate.Finding{warn("target.address-elsewhere", pair.Source.String(),
		fmt.Sprintf("%s sends its mail to %s, and the source to %s; it is left so.", pair.Target.DN, pair.Target.TargetAddress, want),
		"Correct targetAddress of the one that is out of date.")}
}

func (d *Directories) addPlain(ctx context.Context, source *Recipient) (Change, error) {
	names, err := d.newNames(ctx, source)
	if err != nil {
		return Change{}, err
	}
	e := edit{entry: NewEntry(d.place(source).Child("CN", names.cn), nil)}
	switch d.twinClass(source) {
	case ClassContact:
		e.add("objectClass", "top", "person", "organizationalPerson", "contact")
	case ClassGroup:
		e.add("objectClass", "top", "group")
		e.fillText("groupType", strconv.FormatInt(universal(source), 10))
	default:
		e.add("objectClass", "top", "person", "organizationalPerson", "user")
		e.fillText("userPrincipalName", names.upn)
		e.fillText(attrAccountControl, accountDisabledNormal)
	}
	e.fillText("sAMAccountName", names.sam)
	d.fillPlain(&e, source)
	e.add(attrProxies, d.plainProxies(source, d.mintLegacy(source)).withPrimary(source.Address())...)
	for i := range e.mods {
		e.mods[i].Op = AddValues
	}
	return Change{Forest: Target, Op: Add, DN: e.entry.DN, Mods: e.mods, Why: whyPlain}, nil
}

// universal returns the groupType of a group's twin: universal, because its members may
// come to be in any domain, and for security if the source's is.
func universal(source *Recipient) int64 {
	kind, _ := strconv.ParseInt(source.Entry.First("groupType"), 10, 64) // absent: for distribution
	return groupUniversal | kind&groupSecurity
}

func (d *Directories) fillPlain(e *edit, source *Recipient) {
	e.fillText(attrMark, Mark(source.GUID))
	e.fillText("displayName", source.DisplayName)
	e.fillText("mail", string(source.Address()))
	e.fillText("mailNickname", plainAlias(source))
	e.fillText(attrLegacy, string(d.mintLegacy(source)))
	e.fillText(attrVersion, versionExchange2010)
	details, display := d.plainTypes(source)
	e.fillText(attrTypeDetails, number(details))
	e.fillText(attrDisplayType, number(display))
	if address := d.plainRoute(source); address != "" {
		e.fillText(attrTargetAddress, address)
	}
	for _, attr := range galAttrs {
		if d.twinClass(source) != ClassGroup || groupAttrs[attr] {
			e.fill(attr, source.Entry.Bytes(attr)...)
		}
	}
}

// plainAlias returns the alias, without which Exchange does not take an object for a
// recipient; where the source has none it is made of the address.
func plainAlias(source *Recipient) string {
	if source.Alias != "" {
		return source.Alias
	}
	local, _, _ := strings.Cut(string(source.Address()), "@")
	return legacyName(local)
}

// groupAttrs are those of galAttrs that groups have.
var groupAttrs = map[string]bool{"info": true, "msExchHideFromAddressLists": true}

func (d *Directories) plainTypes(source *Recipient) (details int64, display int32) {
	switch d.twinClass(source) {
	case ClassContact:
		return typeContact, displayMailUser
	case ClassGroup:
		if universal(source)&groupSecurity != 0 {
			return typeSecurityGroup, displaySecurity
		}
		return typeUniversalGroup, displayGroup
	}
	return typeMailUser, displayMailUser
}

// plainRoute returns the targetAddress of the twin; "" for a group, which has members.
func (d *Directories) plainRoute(source *Recipient) string {
	if d.twinClass(source) == ClassGroup {
		return ""
	}
	if source.TargetAddress != "" {
		return source.TargetAddress
	}
	return "SMTP:" + string(source.Address())
}

// plainProxies returns the source's addresses and its legacyExchangeDN as X500; own is
// the twin's legacyExchangeDN.
func (d *Directories) plainProxies(source *Recipient, own migrate.LegacyDN) Proxies {
	proxies := Proxies{}
	if !source.Proxies.HasSMTP(source.Address()) {
		proxies = append(proxies, "SMTP:"+string(source.Address()))
	}
	for _, v := range source.Proxies.collapse().legal() {
		if kind, dn := splitProxy(v); kind != "x500" || migrate.LegacyDN(dn).Key() != own.Key() {
			proxies = append(proxies, v)
		}
	}
	if source.Legacy != "" && source.Legacy.Key() != own.Key() && !proxies.HasX500(source.Legacy) {
		proxies = append(proxies, "X500:"+string(source.Legacy))
	}
	return proxies
}

// answerPlain plans that the source is found under every X500 name of its twin.
func (d *Directories) answerPlain(plan *Plan, pair Pair) {
	names := []migrate.LegacyDN{d.mintLegacy(pair.Source)}
	if pair.Target != nil && pair.Target.Legacy != "" {
		names = pair.Target.x500()
	}
	e := edit{entry: pair.Source.Entry}
	var values []string
	for _, name := range names {
		if name.Key() != pair.Source.Legacy.Key() {
			values = append(values, "X500:"+string(name))
		}
	}
	e.add(attrProxies, values...)
	e.addTo(plan, Source, whyStageBack)
}
