package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// PlanTwinRights plans the first half of cleaning: whoever has rights on the target
// object by a legacy SID gets them by the SID of their twin as well, denials included.
func (d *Directories) PlanTwinRights(ctx context.Context, pair Pair) (Plan, error) {
	r, err := d.readRights(ctx, pair)
	if err != nil || len(r.findings) > 0 {
		return Plan{Findings: r.findings}, err
	}
	for _, twin := range r.twins {
		if covered(r.acl(), twin) {
			continue
		}
		if err := r.acl().Add(twin); err != nil {
			return Plan{}, fmt.Errorf("add the twin's rights on %q: %w", pair.Target.DN, err)
		}
	}
	var plan Plan
	r.addTo(&plan, "give the twins the rights of those they stand for")
	return plan, nil
}

// PlanStrip plans the second half: the explicit legacy entries go. What is inherited
// stays; it goes where it comes from. It is forbidden as long as the rights of a twin
// are not in place, so that nobody loses access in between. The entries of who has no
// twin yet but may still get one, or of whom it is not known, stay and are named; those
// of everybody else go, and are named as well.
func (d *Directories) PlanStrip(ctx context.Context, pair Pair) (Plan, error) {
	r, err := d.readRights(ctx, pair)
	if err != nil || len(r.findings) > 0 {
		return Plan{Findings: r.findings}, err
	}
	plan := Plan{}
	for _, twin := range r.twins {
		if !covered(r.acl(), twin) {
			plan.Findings = append(plan.Findings, forbid("permissions.twin-missing", string(pair.Target.DN),
				fmt.Sprintf("%s has no entry of its own yet for what it is to keep.", twin.SID), "Add the rights of the twins first."))
		}
	}
	if len(plan.Findings) > 0 {
		return plan, nil
	}
	plan.Findings = append(plan.Findings, r.kept...)
	for _, sid := range r.unmapped {
		plan.Findings = append(plan.Findings, warn("permissions.unmapped", string(pair.Target.DN),
			fmt.Sprintf("%s has rights on it and no object at the target; they are taken away.", sid),
			"Give the rights to somebody else, if they are still needed."))
	}
	if len(r.legacy) > 0 {
		r.acl().Remove(r.goes)
	}
	r.addTo(&plan, "take the legacy permissions away")
	return plan, nil
}

// rights are those on one target object, seen from a move.
type rights struct {
	entry      *Entry
	descriptor *ntsd.Descriptor
	isLegacy   func(ntsd.ACE) bool
	legacy     []ntsd.ACE              // explicit and legacy
	twins      []ntsd.ACE              // what stands for those of them that have a twin
	trustees   map[migrate.SID]standIn // by whom the legacy entries are for
	unmapped   []migrate.SID           // whose entries go without another in their place
	kept       []migrate.Finding       // whose entries stay for now, and why
	findings   []migrate.Finding       // what stops the cleaning
}

func (r *rights) acl() *ntsd.ACL { return r.descriptor.DACL }

// goes reports whether the entry is to be stripped.
func (r *rights) goes(ace ntsd.ACE) bool {
	return r.isLegacy(ace) && r.trustees[ace.SID].kept == nil
}

func (r *rights) addTo(plan *Plan, why string) {
	e := edit{entry: r.entry}
	e.set(attrSecurity, r.descriptor.Bytes())
	e.addTo(plan, Target, why)
}

// readRights reads the target object's DACL and finds the twins of its legacy entries.
func (d *Directories) readRights(ctx context.Context, pair Pair) (*rights, error) {
	r := &rights{}
	if pair.Target == nil {
		r.findings = []migrate.Finding{forbid("permissions.no-target", pair.Source.String(),
			"There is no target user whose permissions could be cleaned.", "Stage the move first.")}
		return r, nil
	}
	entry, err := d.Target.Reader.Get(ctx, pair.Target.DN, attrSecurity)
	if err != nil {
		return r, fmt.Errorf("read permissions of %q: %w", pair.Target.DN, err)
	}
	if !entry.Has(attrSecurity) {
		return r, &migrate.Error{
			Op: "directory.ReadRights", Reach: migrate.OneMailbox, Retry: migrate.Never,
			Err:  fmt.Errorf("the server does not show %s of %q", attrSecurity, pair.Target.DN),
			Hint: "give the account the right to read and modify permissions in the target OU",
		}
	}
	r.entry = entry
	if r.descriptor, err = ntsd.Parse(entry.Bytes(attrSecurity)[0]); err != nil {
		return r, fmt.Errorf("read permissions of %q: %w", pair.Target.DN, err)
	}
	r.isLegacy = d.legacyTest(pair)
	if r.acl() == nil { // everyone may do everything: there is no entry to clean
		return r, nil
	}
	return r, d.mapRights(ctx, pair, r)
}

// mapRights finds out what is to become of each legacy entry.
func (d *Directories) mapRights(ctx context.Context, pair Pair, r *rights) error {
	r.trustees = map[migrate.SID]standIn{}
	for _, ace := range r.acl().ACEs {
		if !r.isLegacy(ace) {
			continue
		}
		r.legacy = append(r.legacy, ace)
		if _, known := r.trustees[ace.SID]; !known {
			found, err := d.standInOf(ctx, pair, ace.SID)
			if err != nil {
				return r.stop(pair, ace.SID, err)
			}
			r.note(ace.SID, found)
		}
		if twin := r.trustees[ace.SID].twin; twin != "" {
			mirrored, err := ace.WithSID(twin)
			if err != nil {
				return err
			}
			r.twins = append(r.twins, mirrored)
		}
	}
	return nil
}

// note keeps what was found out about the trustee with the SID.
func (r *rights) note(sid migrate.SID, found standIn) {
	r.trustees[sid] = found
	switch {
	case found.kept != nil:
		r.kept = append(r.kept, *found.kept)
	case found.twin == "":
		r.unmapped = append(r.unmapped, sid)
	}
}

// stop turns an ambiguous trustee into a finding: taking rights away on a guess would
// lock somebody out.
func (r *rights) stop(pair Pair, sid migrate.SID, err error) error {
	var ambiguous *AmbiguousError
	if !errors.As(err, &ambiguous) {
		return err
	}
	r.findings = append(r.findings, forbid("permissions.ambiguous", string(pair.Target.DN),
		fmt.Sprintf("%s has rights on it, and %s.", sid, ambiguous), "Leave the shared address on one of them."))
	return nil
}

// legacyTest returns what makes an entry a legacy one: it is explicit, and its SID was
// issued by a source domain or one that is listed. The SID itself decides, never a name:
// with sIDHistory a foreign SID is shown under a local name. The target's own domains
// are never legacy, whatever is listed.
func (d *Directories) legacyTest(pair Pair) func(ntsd.ACE) bool {
	domains := slices.Concat(d.Source.Info.domainSIDs(), d.Rules.Legacy)
	domains = slices.DeleteFunc(domains, func(sid migrate.SID) bool {
		return slices.Contains(d.Target.Info.domainSIDs(), sid)
	})
	return func(ace ntsd.ACE) bool {
		return !ace.Inherited() && (ace.Allows() || ace.Denies()) && ace.SID != pair.Target.MasterSID &&
			slices.Contains(domains, ace.SID.Domain())
	}
}

// covered reports whether the list has an explicit entry that says at least what want
// says: the same kind of entry for the same trustee, object and heirs, with every bit.
// An entry with a condition is only covered by itself.
func covered(acl *ntsd.ACL, want ntsd.ACE) bool {
	if want.SID == "" || want.Conditional() {
		return acl.Contains(want)
	}
	return slices.ContainsFunc(acl.ACEs, func(have ntsd.ACE) bool {
		return have.Type == want.Type && have.Flags == want.Flags && have.SID == want.SID &&
			have.ObjectType == want.ObjectType && have.InheritedObjectType == want.InheritedObjectType &&
			have.Mask&want.Mask == want.Mask && !have.Conditional()
	})
}

// sameRights reports whether two descriptors have the same explicit entries, in any
// order: the server orders them, and fills in the inherited ones, by itself.
func sameRights(a, b []byte) bool {
	x, xErr := ntsd.Parse(a)
	y, yErr := ntsd.Parse(b)
	if xErr != nil || yErr != nil {
		return bytes.Equal(a, b)
	}
	if x.DACL == nil || y.DACL == nil {
		return x.DACL == nil && y.DACL == nil
	}
	return slices.EqualFunc(sortedRaw(x.DACL), sortedRaw(y.DACL), bytes.Equal)
}

func sortedRaw(acl *ntsd.ACL) [][]byte {
	var raw [][]byte
	for _, ace := range acl.Explicit() {
		raw = append(raw, ace.Raw())
	}
	slices.SortFunc(raw, bytes.Compare)
	return raw
}
