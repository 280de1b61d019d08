package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// A PermissionMode says what becomes of the permissions of the source's domains.
type PermissionMode string

// The modes.
const (
	// TranslatePermissions gives the twins what those they stand for have on the source
	// and on the target, then takes the legacy entries of the target away.
	TranslatePermissions PermissionMode = "translate"
	// StripPermissions takes the legacy entries away and gives nobody anything.
	StripPermissions PermissionMode = "strip"
	// KeepPermissions does neither.
	KeepPermissions PermissionMode = "keep"
)

// permissionMode returns the mode of the Rules, or what is wrong with it.
func (d *Directories) permissionMode() (PermissionMode, []migrate.Finding) {
	switch mode := d.Rules.Permissions; mode {
	case "":
		return TranslatePermissions, nil
	case TranslatePermissions, StripPermissions, KeepPermissions:
		return mode, nil
	}
	return "", []migrate.Finding{forbid("rules.permissions", "target",
		fmt.Sprintf("Permissions cannot be treated as %q.", string(d.Rules.Permissions)),
		"Configure translate, strip or keep.")}
}

// PlanTwinRights plans the first half of cleaning: whoever has rights on the source
// object, or by a legacy SID on the target object, has them on the target object by the
// SID of their twin as well, denials included. Where permissions are not translated
// there is nothing to do.
func (d *Directories) PlanTwinRights(ctx context.Context, pair Pair) (Plan, error) {
	mode, wrong := d.permissionMode()
	if mode != TranslatePermissions {
		return Plan{Findings: wrong}, nil
	}
	r, err := d.readRights(ctx, pair, mode)
	if err != nil || len(r.stop) > 0 {
		return Plan{Findings: r.stop}, err
	}
	plan := Plan{Rights: &r.source, Findings: slices.Concat(r.notGiven, r.adminCount())}
	err = r.give()
	if errors.Is(err, ntsd.ErrFull) {
		return Plan{Findings: []migrate.Finding{forbid("permissions.full", string(pair.Target.DN),
			"Its permissions have no room for those of the twins: a list holds 64 KB.",
			"Take away what is no longer needed, or give the rights to a group.")}}, nil
	}
	if err != nil {
		return Plan{}, fmt.Errorf("add the twin's rights on %q: %w", pair.Target.DN, err)
	}
	r.addTo(&plan, "give the twins the rights of those they stand for")
	return plan, nil
}

// PlanStrip plans the second half: the explicit legacy entries go. What is inherited
// stays; it goes where it comes from. It is forbidden as long as the rights of a twin
// are not in place, so that nobody loses access in between. The entries of who has no
// twin yet but may still get one, of whom it is not known, or who still logs on with the
// source's account, stay and are named; those of everybody else go, and are named where
// nobody has others in their place.
func (d *Directories) PlanStrip(ctx context.Context, pair Pair) (Plan, error) {
	mode, wrong := d.permissionMode()
	if len(wrong) > 0 {
		return Plan{Findings: wrong}, nil
	}
	r, err := d.readRights(ctx, pair, mode)
	if err != nil || len(r.stop) > 0 {
		return Plan{Findings: r.stop}, err
	}
	if mode == KeepPermissions {
		return Plan{Findings: r.allKept()}, nil
	}
	if missing := r.missing(); len(missing) > 0 {
		return Plan{Findings: missing}, nil
	}
	inherited, err := d.inheritedLegacy(ctx, pair, r)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Findings: slices.Concat(r.kept(), r.taken(mode), inherited)}
	if mode == StripPermissions {
		plan.Findings = append(plan.Findings, r.adminCount()...)
	}
	if len(r.legacy) > 0 {
		r.acl().Remove(r.goes)
	}
	r.addTo(&plan, "take the legacy permissions away")
	return plan, nil
}

// isLegacy reports whether the SID is an account's that was issued by a source domain,
// or by one that is listed, or that is listed itself. The SID itself decides, never a
// name: with sIDHistory a foreign SID is shown under a local name. The target's own
// domains are never legacy, whatever is listed, nor are built-in and well-known SIDs:
// accounts of domains alone begin with S-1-5-21 (MS-DTYP 2.4.2.4).
func (d *Directories) isLegacy(sid migrate.SID) bool {
	domain := sid.Domain()
	if !strings.HasPrefix(string(sid), "S-1-5-21-") || slices.Contains(d.Target.Info.domainSIDs(), domain) {
		return false
	}
	return slices.Contains(d.Source.Info.domainSIDs(), domain) ||
		slices.Contains(d.Rules.Legacy, domain) || slices.Contains(d.Rules.Legacy, sid)
}

// covered reports whether the list has an explicit entry that says at least what want
// says. An entry with a condition is only covered by itself.
func covered(acl *ntsd.ACL, want ntsd.ACE) bool {
	return slices.ContainsFunc(acl.ACEs, func(have ntsd.ACE) bool { return covers(have, want) })
}

// covers reports whether have is the same kind of entry for the same trustee, object and
// heirs as want, with every bit of it.
func covers(have, want ntsd.ACE) bool {
	if want.SID == "" || want.Conditional() {
		return bytes.Equal(have.Raw(), want.Raw())
	}
	return have.Type == want.Type && have.Flags == want.Flags && have.SID == want.SID &&
		have.ObjectType == want.ObjectType && have.InheritedObjectType == want.InheritedObjectType &&
		have.Mask&want.Mask == want.Mask && !have.Conditional()
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
