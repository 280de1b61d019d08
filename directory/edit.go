package directory

import (
	"slices"
	"strconv"
	"strings"
)

// An edit collects what one entry still lacks. What is there already adds nothing to
// it, so the edit of an entry that is as it should be is empty.
type edit struct {
	entry  *Entry
	mods   []Mod
	attrs  []string // that were asked for, lacking or not
	origin string   // of what the next call asks for; see from
}

// from says where the values come from that the next call asks for.
func (e *edit) from(origin string) *edit {
	e.origin = origin
	return e
}

// about notes that the attribute was asked for, and returns where its values come from.
func (e *edit) about(attr string) (origin string) {
	if !slices.Contains(e.attrs, attr) {
		e.attrs = append(e.attrs, attr)
	}
	origin, e.origin = e.origin, ""
	return origin
}

// watch notes attributes that the step looks after, whether or not it still has to write
// them: a process that died after it had written waits for every server all the same.
func (e *edit) watch(attrs ...string) {
	for _, attr := range attrs {
		e.about(attr)
	}
}

// set makes the values all that the attribute has.
func (e *edit) set(attr string, values ...[]byte) {
	mod := Mod{Op: ReplaceValues, Attr: attr, Values: values, Origin: e.about(attr)}
	if !satisfied(mod, e.entry.Bytes(attr)) {
		e.mods = append(e.mods, mod)
	}
}

// setText is set for text.
func (e *edit) setText(attr string, values ...string) { e.set(attr, texts(values...)...) }

// fill sets the attribute if it has no value. No values, or an empty one, fill nothing.
func (e *edit) fill(attr string, values ...[]byte) {
	origin := e.about(attr)
	values = slices.DeleteFunc(slices.Clone(values), func(v []byte) bool { return len(v) == 0 })
	if !e.entry.Has(attr) && len(values) > 0 {
		e.mods = append(e.mods, Mod{Op: ReplaceValues, Attr: attr, Values: values, Origin: origin})
	}
}

// fillText is fill for text.
func (e *edit) fillText(attr string, values ...string) { e.fill(attr, texts(values...)...) }

// add adds those of the values that the attribute does not have, nor is asked to have.
func (e *edit) add(attr string, values ...string) {
	origin := e.about(attr)
	have := slices.Clone(e.entry.Bytes(attr))
	for _, m := range e.mods {
		if m.Op == AddValues && m.Attr == attr {
			have = append(have, m.Values...)
		}
	}
	lacking := slices.DeleteFunc(distinctValues(attr, texts(values...)), among(attr, have))
	if len(lacking) > 0 {
		e.mods = append(e.mods, Mod{Op: AddValues, Attr: attr, Values: lacking, Origin: origin})
	}
}

// clear removes the attribute.
func (e *edit) clear(attr string) {
	origin := e.about(attr)
	if e.entry.Has(attr) {
		e.mods = append(e.mods, Mod{Op: DeleteValues, Attr: attr, Origin: origin})
	}
}

// addTo adds the edit to the plan: as one Change, unless there is nothing to do.
func (e *edit) addTo(plan *Plan, side Side, why string) {
	plan.Spots = append(plan.Spots, Spot{Forest: side, DN: e.entry.DN, Attrs: e.attrs})
	if len(e.mods) > 0 {
		plan.Changes = append(plan.Changes, Change{
			Forest: side, Op: Modify, DN: e.entry.DN, Mods: e.mods, Before: before(e.entry, e.mods), Why: why,
		})
	}
}

// plan returns the edit as a plan of its own.
func (e *edit) plan(side Side, why string) Plan {
	var plan Plan
	e.addTo(&plan, side, why)
	return plan
}

// join takes over what a part of the step wants of the same object, so that it becomes one
// modification with the rest; what it wants of others goes to the plan.
func (e *edit) join(plan *Plan, side Side, part Plan) {
	same := func(s Side, dn DN) bool { return s == side && dn.Equal(e.entry.DN) }
	for _, spot := range part.Spots {
		if !same(spot.Forest, spot.DN) {
			plan.Spots = append(plan.Spots, spot)
			continue
		}
		for _, attr := range spot.Attrs {
			e.about(attr)
		}
	}
	for _, change := range part.Changes {
		if change.Op == Modify && same(change.Forest, change.DN) {
			e.mods = append(e.mods, change.Mods...)
		} else {
			plan.Changes = append(plan.Changes, change)
		}
	}
	plan.Findings = append(plan.Findings, part.Findings...)
	if part.Rights != nil {
		plan.Rights = part.Rights
	}
}

// before returns the values that the attributes of mods have in entry; of a link of which
// single values come and go, those alone. A group may have tens of thousands of others, which
// would be noted again with each member.
func before(entry *Entry, mods []Mod) []Mod {
	var image []Mod
	for _, m := range mods {
		if slices.ContainsFunc(image, func(b Mod) bool { return b.Attr == m.Attr }) {
			continue
		}
		if values := concerned(m.Attr, entry.Bytes(m.Attr), mods); len(values) > 0 {
			image = append(image, Mod{Op: ReplaceValues, Attr: m.Attr, Values: values})
		}
	}
	return image
}

// concerned returns those of the present values of the attribute that a before-image has.
func concerned(attr string, present [][]byte, mods []Mod) [][]byte {
	if !isLink(attr) {
		return present
	}
	var named [][]byte
	for _, m := range mods {
		switch {
		case m.Attr != attr:
		case m.Op == ReplaceValues, m.Op == DeleteValues && len(m.Values) == 0:
			return present
		default:
			named = append(named, m.Values...)
		}
	}
	return slices.DeleteFunc(slices.Clone(present), func(v []byte) bool { return !contains(attr, named, v) })
}

// contains reports whether the attribute takes value for one of values. Of
// userAccountControl the server sets further bits by itself (MS-ADTS 3.1.1.5.2.4), so
// the bits of value are enough.
func contains(attr string, values [][]byte, value []byte) bool {
	if strings.EqualFold(attr, attrAccountControl) && len(values) == 1 {
		return hasBits(string(values[0]), string(value))
	}
	return slices.ContainsFunc(values, func(v []byte) bool { return sameValue(attr, v, value) })
}

// satisfied reports whether an attribute with the present values is as mod wants it.
func satisfied(mod Mod, present [][]byte) bool {
	_, left := remainder(mod, present)
	return !left
}

// remainder returns what mod still has to do to an attribute with the present values:
// an addition without the values that are there, a deletion without those that are
// not. The second result is false if that is nothing.
func remainder(mod Mod, present [][]byte) (Mod, bool) {
	switch mod.Op {
	case AddValues:
		mod.Values = slices.DeleteFunc(slices.Clone(mod.Values), among(mod.Attr, present))
		return mod, len(mod.Values) > 0
	case DeleteValues:
		if len(mod.Values) == 0 {
			return mod, len(present) > 0
		}
		there := among(mod.Attr, present)
		mod.Values = slices.DeleteFunc(slices.Clone(mod.Values), func(v []byte) bool { return !there(v) })
		return mod, len(mod.Values) > 0
	case ReplaceValues:
		return mod, !replaced(mod, present)
	case RandomPassword: // never shown: the account's state tells
	}
	return mod, true
}

// replaced reports whether the present values are those of a replacement.
func replaced(mod Mod, present [][]byte) bool {
	if strings.EqualFold(mod.Attr, attrSecurity) && len(mod.Values) == 1 && len(present) == 1 {
		return sameRights(present[0], mod.Values[0])
	}
	if len(present) != len(mod.Values) {
		return false
	}
	there := amongExactly(mod.Attr, present)
	return !slices.ContainsFunc(mod.Values, func(want []byte) bool { return !there(want) })
}

func hasBits(have, want string) bool {
	h, err := strconv.ParseInt(have, 10, 64)
	w, err2 := strconv.ParseInt(want, 10, 64)
	return err == nil && err2 == nil && h&w == w
}
