package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// rights are those on one target object, seen from a move.
type rights struct {
	pair       Pair
	entry      *Entry
	descriptor *ntsd.Descriptor
	canonical  bool // the entries were in canonical order when they were read
	isLegacy   func(migrate.SID) bool
	cast       *cast             // who stands for the legacy trustees
	legacy     []ntsd.ACE        // explicit and legacy
	mirrors    []mirror          // what stands for those of them that have a twin, in their order
	source     RightsSnapshot    // what is translated from the source
	given      []ntsd.ACE        // what stands for that
	notGiven   []migrate.Finding // whose rights on the source nobody is given
	stop       []migrate.Finding // what stops the cleaning
}

// A mirror is the twin's entry beside a legacy one.
type mirror struct {
	at  int // of the legacy entry in the list
	ace ntsd.ACE
}

func (r *rights) acl() *ntsd.ACL { return r.descriptor.DACL }

// readRights reads the target object's DACL, and the source's where that is translated,
// and finds the twins of the legacy trustees.
func (d *Directories) readRights(ctx context.Context, pair Pair, mode PermissionMode) (*rights, error) {
	r := &rights{pair: pair, isLegacy: d.isLegacy, cast: d.cast(pair, mode)}
	if pair.Target == nil {
		r.stop = []migrate.Finding{forbid("permissions.no-target", pair.Source.String(),
			"There is no target user whose permissions could be cleaned.", "Stage the move first.")}
		return r, nil
	}
	var err error
	if r.entry, r.descriptor, err = d.Target.readSecurity(ctx, pair.Target.DN); err != nil {
		return r, err
	}
	if r.acl() == nil { // everyone may do everything: there is no entry to clean, and nothing to give
		return r, nil
	}
	r.canonical = r.acl().Canonical()
	if err := r.mapTarget(ctx, mode); err != nil || mode != TranslatePermissions {
		return r, err
	}
	return r, d.mapSource(ctx, r)
}

// readSecurity reads the security descriptor of an object, and whether the directory
// protects it.
func (f *Forest) readSecurity(ctx context.Context, dn DN) (*Entry, *ntsd.Descriptor, error) {
	entry, err := f.Reader.Get(ctx, dn, attrSecurity, attrAdminCount)
	if err != nil {
		return nil, nil, fmt.Errorf("read permissions of %q: %w", dn, err)
	}
	if !entry.Has(attrSecurity) {
		return nil, nil, &migrate.Error{
			Op: "directory.ReadRights", Reach: migrate.OneMailbox, Retry: migrate.Never,
			Err:  fmt.Errorf("the server does not show %s of %q", attrSecurity, dn),
			Hint: fmt.Sprintf("give the account of the %s forest the right to read permissions there, and at the target to modify them", f.Side),
		}
	}
	descriptor, err := ntsd.Parse(entry.Bytes(attrSecurity)[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read permissions of %q: %w", dn, err)
	}
	return entry, descriptor, nil
}

// mapTarget finds out what is to become of each legacy entry of the target.
func (r *rights) mapTarget(ctx context.Context, mode PermissionMode) error {
	for at, ace := range r.acl().ACEs {
		if !r.legacyEntry(ace) {
			continue
		}
		r.legacy = append(r.legacy, ace)
		if mode == KeepPermissions {
			continue
		}
		found, err := r.standIn(ctx, ace.SID, r.pair.Target.DN)
		if err != nil {
			return err
		}
		if found.twin == "" || mode == StripPermissions {
			continue
		}
		twin, err := ace.WithSID(found.twin)
		if err != nil {
			return fmt.Errorf("mirror an entry of %s: %w", ace.SID, err)
		}
		r.mirrors = append(r.mirrors, mirror{at, twin})
	}
	return nil
}

// standIn returns who stands for a trustee of the object. An ambiguous one stops the
// cleaning: rights that are given or taken away on a guess are somebody else's.
func (r *rights) standIn(ctx context.Context, sid migrate.SID, object DN) (standIn, error) {
	_, known := r.cast.known[sid]
	found, err := r.cast.of(ctx, sid)
	if err == nil && found.ambiguous != nil && !known {
		r.stop = append(r.stop, forbid("permissions.ambiguous", string(object),
			fmt.Sprintf("%s has rights on it, and %s.", sid, found.ambiguous), "Leave the shared address on one of them."))
	}
	return found, err
}

// legacyEntry reports whether an entry of the target is one that cleaning is about: it
// is explicit, and its trustee is legacy. The owner of a linked mailbox is not: it works
// under that SID.
func (r *rights) legacyEntry(ace ntsd.ACE) bool {
	return !ace.Inherited() && (ace.Allows() || ace.Denies()) && ace.SID != r.pair.Target.MasterSID && r.isLegacy(ace.SID)
}

// goes reports whether the entry is to be stripped.
func (r *rights) goes(ace ntsd.ACE) bool {
	return r.legacyEntry(ace) && r.cast.known[ace.SID].kept == nil
}

// lacking reports whether the list does not give yet what the mirror does. In a list
// that is not in canonical order its place decides what an entry means, so only the one
// right behind the legacy entry counts.
func (r *rights) lacking(m mirror) bool {
	if r.canonical {
		return !covered(r.acl(), m.ace)
	}
	aces := r.acl().ACEs
	return m.at+1 == len(aces) || !covers(aces[m.at+1], m.ace)
}

// give adds what the twins lack. A mirror goes right behind the legacy entry, so that
// it means the same in a list of any order; the others go to their canonical place.
func (r *rights) give() error {
	for _, m := range slices.Backward(r.mirrors) { // so that the places before stay as they are
		if !r.lacking(m) {
			continue
		}
		if err := r.acl().Insert(m.at+1, m.ace); err != nil {
			return err
		}
	}
	for _, ace := range r.given {
		if covered(r.acl(), ace) { // maybe by one that was just added
			continue
		}
		if err := r.acl().Add(ace); err != nil {
			return err
		}
	}
	return nil
}

// lacks returns the entries that the twins lack.
func (r *rights) lacks() []ntsd.ACE {
	var aces []ntsd.ACE
	for _, m := range r.mirrors {
		if r.lacking(m) {
			aces = append(aces, m.ace)
		}
	}
	return append(aces, r.ungiven()...)
}

// ungiven returns those of the entries for rights on the source that are lacking.
func (r *rights) ungiven() []ntsd.ACE {
	return slices.DeleteFunc(slices.Clone(r.given), func(ace ntsd.ACE) bool { return covered(r.acl(), ace) })
}

// missing forbids to strip anything as long as the twins lack something.
func (r *rights) missing() []migrate.Finding {
	var findings []migrate.Finding
	for _, ace := range r.lacks() {
		findings = append(findings, forbid("permissions.twin-missing", string(r.pair.Target.DN),
			fmt.Sprintf("%s has no entry of its own yet for what it is to keep.", ace.SID), "Add the rights of the twins first."))
	}
	return findings
}

// trustees returns the trustees of the legacy entries, each once.
func (r *rights) trustees() []migrate.SID {
	var sids []migrate.SID
	for _, ace := range r.legacy {
		if !slices.Contains(sids, ace.SID) {
			sids = append(sids, ace.SID)
		}
	}
	return sids
}

// kept tells whose legacy entries stay, and why.
func (r *rights) kept() []migrate.Finding {
	var findings []migrate.Finding
	for _, sid := range r.trustees() {
		if found := r.cast.known[sid]; found.kept != nil {
			findings = append(findings, found.finding(r.pair.Target.DN, "it", "the legacy permissions are kept"))
		}
	}
	return findings
}

// taken tells whose legacy entries go without others in their place.
func (r *rights) taken(mode PermissionMode) []migrate.Finding {
	var findings []migrate.Finding
	var names []string
	for _, sid := range r.trustees() {
		switch found := r.cast.known[sid]; {
		case found.kept != nil:
		case mode == StripPermissions:
			names = append(names, found.name)
		case found.twin == "":
			findings = append(findings, found.finding(r.pair.Target.DN, "it", "they are taken away"))
		}
	}
	if len(names) > 0 {
		findings = append(findings, note("permissions.stripped", string(r.pair.Target.DN),
			fmt.Sprintf("The permissions of %s are taken away, and nobody is given them, as configured.", strings.Join(names, ", "))))
	}
	return findings
}

// allKept tells how many legacy entries stay because the Rules want it so.
func (r *rights) allKept() []migrate.Finding {
	if len(r.legacy) == 0 {
		return nil
	}
	return []migrate.Finding{note("permissions.kept", string(r.pair.Target.DN),
		fmt.Sprintf("%d explicit permissions of old domains stay, as configured.", len(r.legacy)))}
}

// left tells of legacy entries that should be gone.
func (r *rights) left() []migrate.Finding {
	var names []string
	left := 0
	for _, ace := range r.legacy {
		if !r.goes(ace) {
			continue
		}
		left++
		if !slices.Contains(names, string(ace.SID)) {
			names = append(names, string(ace.SID))
		}
	}
	if left == 0 {
		return nil
	}
	return []migrate.Finding{warn("verify.legacy-permissions", r.pair.Target.String(),
		fmt.Sprintf("%d explicit permissions of the old domain are still there: %s.", left, strings.Join(names, ", ")),
		"Clean the move.")}
}

// lost tells of rights on the source that the twins lack on the target.
func (r *rights) lost() []migrate.Finding {
	var names []string
	for _, ace := range r.ungiven() {
		if !slices.Contains(names, string(ace.SID)) {
			names = append(names, string(ace.SID))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []migrate.Finding{warn("verify.permissions-missing", r.pair.Target.String(),
		fmt.Sprintf("%s do not have all the permissions that those they stand for have.", strings.Join(names, ", ")),
		"Clean the move.")}
}

// adminCount warns of an object whose descriptor the directory writes over: on members
// of protected groups SDProp puts that of AdminSDHolder, every hour (MS-ADTS 3.1.1.6.1).
func (r *rights) adminCount() []migrate.Finding {
	touched := len(r.legacy) + len(r.mirrors) + len(r.given)
	if touched == 0 || r.entry.First(attrAdminCount) != "1" {
		return nil
	}
	return []migrate.Finding{warn("permissions.admin-count", string(r.pair.Target.DN),
		"It is protected (adminCount is 1), and the directory writes its permissions over with those of AdminSDHolder.",
		"Take it out of the protected groups, clear adminCount and clean again, or set the permissions on AdminSDHolder.")}
}

// addTo adds the descriptor, as it has become, to the plan.
func (r *rights) addTo(plan *Plan, why string) {
	e := edit{entry: r.entry}
	e.set(attrSecurity, r.descriptor.Bytes())
	if len(e.mods) > 0 && !r.canonical && r.acl() != nil {
		plan.Findings = append(plan.Findings, disorder(r.pair.Target.DN,
			"so the server may put denials first as it writes them"))
	}
	e.addTo(plan, Target, why)
}

// disorder warns of permissions whose order is not the canonical one.
func disorder(object DN, so string) migrate.Finding {
	return warn("permissions.order", string(object),
		"Its permissions are not in canonical order (denials first), "+so+".", "Look who is denied something, and set it right.")
}
