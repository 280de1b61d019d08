package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// CarrySeen is Carry of a plan that was computed a moment ago from what was read then, as
// those of a Staging are. It does not look once more before it writes: one search for a
// hundred objects has told what two hundred looks would. Instead each write is worded so
// that the server refuses it where what was seen is not there any more: what is replaced
// is deleted by its values, in the same operation that adds the new ones (RFC 4511 4.6).
// What is refused is looked at and carried out as Carry does.
//
// An attribute without a value that was to be filled and that somebody has filled
// meanwhile keeps theirs: one with a single value by the server's refusal, one with
// several beside ours.
func (d *Directories) CarrySeen(ctx context.Context, journal Journal, plan Plan) error {
	if len(plan.Forbidden()) > 0 {
		return d.Carry(ctx, journal, plan) // which says so
	}
	for _, change := range plan.Changes {
		if err := d.applySeen(ctx, journal, change); err != nil {
			return fmt.Errorf("%s %q on the %s: %w", change.Op, change.DN, change.Forest, err)
		}
	}
	return nil
}

func (d *Directories) applySeen(ctx context.Context, journal Journal, change Change) error {
	wire, safe := change.guarded()
	if !safe {
		return d.applyOne(ctx, journal, change)
	}
	err := d.recordAs(ctx, journal, change, wire)
	if err != nil && refused(err) {
		return d.applyOne(ctx, journal, change)
	}
	return err
}

// guarded returns the operation that has the change's effect on what was seen and that a
// server refuses on anything else. False: there is none, so that it takes a look first.
func (c Change) guarded() (Change, bool) {
	switch c.Op {
	case Add: // refused where there is one; whose that is, its mark tells
		return c, slices.ContainsFunc(c.Mods, func(m Mod) bool { return m.Attr == attrMark })
	case Delete:
		return c, len(c.Before) > 0
	case Modify:
	}
	wire := c
	wire.Mods = nil
	for _, mod := range c.Mods {
		if mod.Op == RandomPassword || unguardable[strings.ToLower(mod.Attr)] {
			return c, false
		}
		wire.Mods = append(wire.Mods, mod.guarded(c.was(mod.Attr).Values)...)
	}
	return wire, len(wire.Mods) > 0
}

// unguardable are attributes whose values a server alters by itself, so that none can be
// named that is to be deleted.
var unguardable = lowerSet(attrSecurity, "msExchMailboxSecurityDescriptor", attrAccountControl, "unicodePwd")

// guarded words a mod so that it touches the values that were there before by name.
func (m Mod) guarded(before [][]byte) []Mod {
	switch {
	case m.Op == ReplaceValues:
	case m.Op == DeleteValues && len(m.Values) == 0:
	default:
		return []Mod{m}
	}
	without := func(values, others [][]byte) [][]byte {
		return slices.DeleteFunc(slices.Clone(values), func(v []byte) bool {
			return slices.ContainsFunc(others, func(o []byte) bool { return exactValue(m.Attr, o, v) })
		})
	}
	var mods []Mod
	if gone := without(before, m.Values); len(gone) > 0 {
		mods = append(mods, Mod{Op: DeleteValues, Attr: m.Attr, Values: gone})
	}
	if fresh := without(m.Values, before); len(fresh) > 0 {
		mods = append(mods, Mod{Op: AddValues, Attr: m.Attr, Values: fresh})
	}
	return mods
}
