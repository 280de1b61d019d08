package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// A parent is an object above the target, with its explicit entries.
type parent struct {
	dn   DN
	aces []ntsd.ACE
}

// inheritedLegacy names the legacy trustees of inherited entries, with the object where
// the entry is explicit: there it has to go, and with it it goes here.
func (d *Directories) inheritedLegacy(ctx context.Context, pair Pair, r *rights) ([]migrate.Finding, error) {
	if r.acl() == nil {
		return nil, nil
	}
	var parents []parent
	var findings []migrate.Finding
	for _, ace := range r.acl().Inherited() {
		if !ace.Allows() && !ace.Denies() || !d.isLegacy(ace.SID) {
			continue
		}
		if parents == nil {
			var err error
			if parents, err = d.parents(ctx, pair.Target.DN); err != nil {
				return nil, err
			}
		}
		finding := inheritedFrom(parents, pair.Target.DN, ace, r.cast.name(ace.SID))
		if !slices.Contains(findings, finding) {
			findings = append(findings, finding)
		}
	}
	return findings, nil
}

// inheritedFrom tells from where the object inherits the entry: the nearest above it
// that has the like of its own.
func inheritedFrom(parents []parent, object DN, ace ntsd.ACE, name string) migrate.Finding {
	for _, above := range parents {
		if slices.ContainsFunc(above.aces, func(e ntsd.ACE) bool {
			return e.Type == ace.Type && e.SID == ace.SID && e.ObjectType == ace.ObjectType
		}) {
			return warn("permissions.inherited", string(object),
				fmt.Sprintf("It inherits permissions of %s from %s; they stay.", name, above.dn),
				"Remove them there, once nobody below needs them.")
		}
	}
	return warn("permissions.inherited", string(object),
		fmt.Sprintf("It inherits permissions of %s, and those above do not show from where; they stay.", name),
		"Find the entry above it and remove it there, once nobody below needs it.")
}

// parents returns the objects above the DN, nearest first, up to the head of the domain,
// as far as they and their permissions can be read.
func (d *Directories) parents(ctx context.Context, dn DN) ([]parent, error) {
	head := d.Target.Info.domainOf(dn).DN
	found := []parent{}
	for dn = dn.Parent(); dn != "" && dn.Under(head); dn = dn.Parent() {
		entry, err := d.Target.Reader.Get(ctx, dn, attrSecurity)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read permissions of %q: %w", dn, err)
		}
		if !entry.Has(attrSecurity) {
			continue
		}
		sd, err := ntsd.Parse(entry.Bytes(attrSecurity)[0])
		if err == nil && sd.DACL != nil {
			found = append(found, parent{dn, sd.DACL.Explicit()})
		}
	}
	return found, nil
}
