package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const whyUndo = "take back what staging did"

// PlanUndo plans to take back what was changed for the sake of one person. changes are
// that person's, the newest first, and known to have been carried out; touched are the
// keys of all objects that staging made or changed, for whomever. An attribute that
// somebody else has changed since is a finding that forbids the undoing, and so is a
// mailbox: nobody's mail is taken away here.
//
// What was there before is put back before what was made is deleted, so that an address
// never is without an owner.
func (d *Directories) PlanUndo(ctx context.Context, changes []Change, touched map[string]bool) (Plan, error) {
	var plan Plan
	var deletions []Change
	for _, group := range byObject(changes) {
		u := undo{d: d, changes: group, first: group[len(group)-1]}
		if err := u.read(ctx); err != nil {
			return Plan{}, fmt.Errorf("look at %q: %w", u.first.DN, err)
		}
		if u.entry == nil {
			continue // gone, with all that was done to it
		}
		if u.first.Op == Add {
			deleted, err := u.planDelete(ctx, &plan, touched)
			if err != nil {
				return Plan{}, fmt.Errorf("look who leads to %q: %w", u.entry.DN, err)
			}
			deletions = append(deletions, deleted...)
			continue
		}
		u.planRestore(&plan)
	}
	plan.Changes = append(plan.Changes, deletions...)
	return plan, nil
}

// byObject groups the changes by what they changed, keeping their order. What was
// changed last comes first.
func byObject(changes []Change) [][]Change {
	var groups [][]Change
	at := map[string]int{}
	for _, change := range changes {
		key := string(change.Forest) + " " + change.DN.Key()
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], change)
	}
	return groups
}

// An undo takes back what was done to one object.
type undo struct {
	d       *Directories
	changes []Change // newest first
	first   Change   // the oldest
	entry   *Entry   // as it is now; nil if it is gone
}

// read looks at the object, wherever it has been moved to since and whatever it is called
// now: a source object is known by its objectGUID, a target one by the mark that it was
// given. Anything else is known by its name alone.
func (u *undo) read(ctx context.Context) error {
	if u.first.Forest == Source && !u.first.Person.IsZero() {
		return u.find(ctx, EqBytes("objectGUID", u.first.Person[:])) // its name may be somebody else's by now
	}
	entry, err := u.d.forest(u.first.Forest).Reader.Get(ctx, u.first.DN)
	if err == nil {
		u.entry = entry
		return nil
	}
	mark := u.written()[strings.ToLower(attrMark)]
	if !errors.Is(err, ErrNotFound) || len(mark) != 1 || !strings.HasPrefix(string(mark[0]), markPrefix) {
		return ignoreMissing(err)
	}
	return u.find(ctx, EqBytes(attrMark, mark[0]))
}

// find looks for the object in every domain that the server answers for.
func (u *undo) find(ctx context.Context, filter Filter) error {
	f := u.d.forest(u.first.Forest)
	for _, domain := range f.Info.domainsHeld() {
		for found, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: filter}) {
			if err != nil {
				return ignoreMissing(err)
			}
			u.entry = found
			return nil
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// planDelete plans the deletion of an object that staging made, unless it has become
// somebody's in the meantime.
func (u *undo) planDelete(ctx context.Context, plan *Plan, touched map[string]bool) ([]Change, error) {
	foreign, err := u.foreign(ctx, touched)
	if err != nil {
		return nil, err
	}
	if len(foreign) > 0 {
		plan.Findings = append(plan.Findings, forbid("undo.changed", string(u.entry.DN),
			fmt.Sprintf("Staging made it, and somebody has since set %s.", strings.Join(foreign, ", ")),
			"Clear what was set, or delete the object by hand if it is not needed."))
		return nil, nil
	}
	return []Change{{Forest: u.first.Forest, Op: Delete, DN: u.entry.DN, Why: whyUndo}}, nil
}

// foreign returns the attributes of an object that staging made which it did not set,
// nor the server, and those that no longer are as it left them.
func (u *undo) foreign(ctx context.Context, touched map[string]bool) (names []string, err error) {
	ours := u.written()
	for _, attr := range u.entry.Attrs() {
		want, written := ours[strings.ToLower(attr)]
		switch {
		case isBackLink(attr):
			others, err := u.others(ctx, u.entry.Values(attr), touched)
			if err != nil {
				return nil, err
			}
			if others {
				names = append(names, attr)
			}
		case !written && !serverMade[strings.ToLower(attr)]:
			names = append(names, attr)
		case written && !left(attr, want, u.entry.Bytes(attr)):
			names = append(names, attr)
		}
	}
	return names, nil
}

// others reports whether one of the objects is none that staging touched, by its name or,
// if it was renamed since, by its mark.
func (u *undo) others(ctx context.Context, dns []string, touched map[string]bool) (bool, error) {
	for _, dn := range dns {
		if touched[DN(dn).Key()] {
			continue
		}
		entry, err := u.d.forest(u.first.Forest).Reader.Get(ctx, DN(dn), attrMark)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return false, err
		case !strings.HasPrefix(entry.First(attrMark), markPrefix):
			return true, nil
		}
	}
	return false, nil
}

// left reports whether the attribute is as staging left it. Links may be fewer: those to
// an object that has been deleted go with it.
func left(attr string, want, have [][]byte) bool {
	isLink := slices.ContainsFunc(links, func(l link) bool { return strings.EqualFold(l.name, attr) })
	if !isLink {
		return sameSet(attr, want, have)
	}
	return !slices.ContainsFunc(have, func(v []byte) bool { return !contains(attr, want, v) })
}

// written returns, by attribute, what the changes left there.
func (u *undo) written() map[string][][]byte {
	state := map[string][][]byte{}
	for _, change := range slices.Backward(u.changes) {
		for _, mod := range change.Mods {
			key := strings.ToLower(mod.Attr)
			state[key] = mod.applied(state[key])
		}
	}
	return state
}

// applied returns what the mod makes of the values.
func (m Mod) applied(values [][]byte) [][]byte {
	switch m.Op {
	case AddValues:
		return slices.Concat(values, m.Values)
	case DeleteValues:
		if len(m.Values) == 0 {
			return nil
		}
		return slices.DeleteFunc(slices.Clone(values), func(v []byte) bool { return contains(m.Attr, m.Values, v) })
	case ReplaceValues:
		return m.Values
	case RandomPassword:
		return values
	}
	return values
}

// sameSet reports whether the attribute has the values. Of userAccountControl the
// server sets bits by itself.
func sameSet(attr string, want, have [][]byte) bool {
	if strings.EqualFold(attr, attrAccountControl) {
		return len(want) == 0 || contains(attr, have, want[0])
	}
	if strings.EqualFold(attr, "objectClass") {
		return true // the server adds the classes above
	}
	return satisfied(Mod{Op: ReplaceValues, Attr: attr, Values: want}, have)
}

// planRestore plans to put back what the attributes of an object had before.
func (u *undo) planRestore(plan *Plan) {
	e := edit{entry: u.entry}
	state := map[string]*undone{}
	for _, change := range u.changes {
		for _, mod := range slices.Backward(change.Mods) {
			key := strings.ToLower(mod.Attr)
			if state[key] == nil {
				state[key] = &undone{attr: mod.Attr, values: u.entry.Bytes(mod.Attr)}
			}
			state[key].takeBack(mod, change.was(mod.Attr))
		}
	}
	for _, key := range sortedKeys(state) {
		s := state[key]
		if s.changed {
			plan.Findings = append(plan.Findings, forbid("undo.changed", string(u.entry.DN),
				fmt.Sprintf("%s was changed by somebody else since staging set it.", s.attr),
				"Set it to what it should be by hand; the rest can then be taken back."))
			return
		}
		e.restore(s.attr, s.values)
	}
	e.addTo(plan, u.first.Forest, whyUndo)
}

func sortedKeys(m map[string]*undone) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// An undone is an attribute on its way back.
type undone struct {
	attr    string
	values  [][]byte
	changed bool // somebody else has been at it
}

// takeBack undoes one mod; was is what the attribute had before it.
func (s *undone) takeBack(mod, was Mod) {
	switch mod.Op {
	case AddValues:
		s.values = slices.DeleteFunc(slices.Clone(s.values), func(v []byte) bool { return contains(mod.Attr, mod.Values, v) })
	case DeleteValues, ReplaceValues:
		if mod.Op == DeleteValues && len(mod.Values) > 0 {
			s.addBack(mod.Values)
			return
		}
		if !sameSet(mod.Attr, mod.Values, s.values) && !sameSet(mod.Attr, was.Values, s.values) {
			s.changed = true
		}
		s.values = was.Values
	case RandomPassword: // nobody knew it
	}
}

func (s *undone) addBack(values [][]byte) {
	for _, v := range values {
		if !contains(s.attr, s.values, v) {
			s.values = append(slices.Clone(s.values), v)
		}
	}
}

// restore asks for the values by adding and deleting what differs, so that others of a
// long attribute are not written again.
func (e *edit) restore(attr string, values [][]byte) {
	e.about(attr)
	present := e.entry.Bytes(attr)
	if satisfied(Mod{Op: ReplaceValues, Attr: attr, Values: values}, present) {
		return
	}
	if len(values) < 2 && len(present) < 2 {
		e.set(attr, values...)
		return
	}
	lacks := func(in [][]byte) func([]byte) bool {
		return func(v []byte) bool {
			return !slices.ContainsFunc(in, func(w []byte) bool { return exactValue(attr, w, v) })
		}
	}
	gone := slices.DeleteFunc(slices.Clone(present), func(v []byte) bool { return !lacks(values)(v) })
	back := slices.DeleteFunc(slices.Clone(values), func(v []byte) bool { return !lacks(present)(v) })
	if len(gone) > 0 {
		e.mods = append(e.mods, Mod{Op: DeleteValues, Attr: attr, Values: gone})
	}
	if len(back) > 0 {
		e.mods = append(e.mods, Mod{Op: AddValues, Attr: attr, Values: back})
	}
}

func isBackLink(attr string) bool {
	return slices.ContainsFunc(links, func(l link) bool { return strings.EqualFold(l.back, attr) }) ||
		strings.HasSuffix(attr, "BL")
}

// serverMade are attributes that a server gives every object by itself
// (MS-ADTS 3.1.1.5.2.2, 3.1.1.5.2.4).
var serverMade = lowerSet(
	"objectGUID", "objectSid", "objectCategory", "objectClass", "distinguishedName", "name", "cn", "instanceType",
	"whenCreated", "whenChanged", "uSNCreated", "uSNChanged", "nTSecurityDescriptor", "sAMAccountType",
	"primaryGroupID", "accountExpires", "badPasswordTime", "badPwdCount", "codePage", "countryCode", "lastLogoff",
	"lastLogon", "lastLogonTimestamp", "logonCount", "pwdLastSet", "dSCorePropagationData", "replPropertyMetaData",
	"replUpToDateVector", "sAMAccountName", "userAccountControl", "groupType", "msDS-SupportedEncryptionTypes",
	"showInAdvancedViewOnly", "dsasignature", "supplementalCredentials", "isCriticalSystemObject",
)
