package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"reforest/migrate"
)

// A referrer is an object that points to the contact.
type referrer struct {
	dn    DN
	attrs []string
}

// repoint plans that whatever points to the contact points to the user: one modification
// for each object, which never points to neither. What lies in a domain that the server
// does not answer for is left to a person, and the contact with it.
func (d *Directories) repoint(ctx context.Context, plan *Plan, source, contact *Recipient, user DN) error {
	referrers, err := d.Target.referrers(ctx, contact)
	if err != nil {
		return err
	}
	for _, r := range referrers {
		if !d.Target.Info.holdsDN(r.dn) {
			plan.Findings = append(plan.Findings, forbid("contact.links-elsewhere", source.String(),
				fmt.Sprintf("%s points to the contact %s, which is to be replaced, and lies in a domain that the target's server does not answer for.", r.dn, contact.DN),
				fmt.Sprintf("Replace the contact in %s by hand.", r.attrs)))
			continue
		}
		entry, err := d.Target.Reader.Get(ctx, r.dn, append(r.attrs, "groupType")...)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %q: %w", r.dn, err)
		}
		change := repointed(entry, r.attrs, contact.DN, user)
		if len(change.Mods) == 0 {
			continue
		}
		change.Person = source.GUID
		plan.Changes = append(plan.Changes, change)
		plan.Findings = append(plan.Findings, checkSecurityGroup(source, entry, contact, user)...)
	}
	return nil
}

// referrers returns what points to the contact, in the order of the DNs: as the server
// shows it, and as the Catalog does, which knows the universal groups of other domains.
func (f *Forest) referrers(ctx context.Context, contact *Recipient) ([]referrer, error) {
	entries := []*Entry{contact.Entry}
	if f.Catalog != nil {
		shown, err := f.Catalog.Get(ctx, contact.DN, allLinks...)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("read %q from the catalog: %w", contact.DN, err)
		}
		if err == nil {
			entries = append(entries, shown)
		}
	}
	byDN := map[string]*referrer{}
	for _, entry := range entries {
		for _, l := range links {
			for _, value := range entry.Values(l.back) {
				noteReferrer(byDN, DN(value), l.name)
			}
		}
	}
	var all []referrer
	for _, key := range slices.Sorted(maps.Keys(byDN)) {
		all = append(all, *byDN[key])
	}
	return all, nil
}

func noteReferrer(byDN map[string]*referrer, dn DN, attr string) {
	r := byDN[dn.Key()]
	if r == nil {
		r = &referrer{dn: dn}
		byDN[dn.Key()] = r
	}
	if !slices.Contains(r.attrs, attr) {
		r.attrs = append(r.attrs, attr)
	}
}

// repointed returns the modification of the entry by which the user takes the contact's
// place in the attributes. The contact goes before the user comes: most of these links
// hold one value only, and the whole is one operation.
func repointed(entry *Entry, attrs []string, contact, user DN) Change {
	change := Change{Forest: Target, Op: Modify, DN: entry.DN, Why: "let the target user take the contact's place"}
	for _, attr := range attrs {
		if !contains(attr, entry.Bytes(attr), []byte(contact)) {
			continue // the back link is older than the link
		}
		change.Mods = append(change.Mods, Mod{Op: DeleteValues, Attr: attr, Values: texts(string(contact))})
		if !contains(attr, entry.Bytes(attr), []byte(user)) && !entry.DN.Equal(user) {
			change.Mods = append(change.Mods, Mod{Op: AddValues, Attr: attr, Values: texts(string(user)), Origin: "contact " + string(contact)})
		}
	}
	change.Before = before(entry, change.Mods)
	return change
}

// checkSecurityGroup names a group that gives a user rights, which a contact did not have
// from it.
func checkSecurityGroup(source *Recipient, group *Entry, contact *Recipient, user DN) []migrate.Finding {
	groupType, err := strconv.ParseInt(group.First("groupType"), 10, 64)
	if err != nil || groupType&groupSecurity == 0 {
		return nil
	}
	return []migrate.Finding{warn("contact.security-group", source.String(),
		fmt.Sprintf("The contact %s is a member of the security group %s; %s will have the rights of the group once its account is enabled.", contact.DN, group.DN, user),
		"Take the contact out of the group before, if the person is only to receive its mail.")}
}
