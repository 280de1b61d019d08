package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

const whyUndo = "take back what staging did"

// PlanUndo plans to take back what was changed for the sake of one person. changes are
// that person's, the newest first, and not known to have been left undone; touched is
// everything that staging made or changed. An attribute that somebody else has changed
// since is a finding that forbids the undoing, and so is a mailbox: nobody's mail is taken
// away here.
//
// What there was before is put back before what was made is deleted, so that an address
// never is without an owner.
func (d *Directories) PlanUndo(ctx context.Context, changes []Change, touched Touched) (Plan, error) {
	var plan Plan
	objects, err := d.undoObjects(ctx, &plan, changes)
	if err != nil {
		return Plan{}, err
	}
	var deletions []Change
	for _, u := range objects {
		if u.first().Op == Add {
			deleted, err := u.planDelete(ctx, &plan, touched)
			if err != nil {
				return Plan{}, err
			}
			deletions = append(deletions, deleted...)
			continue
		}
		u.planRestore(&plan)
	}
	plan.Changes = append(plan.Changes, deletions...)
	return plan, nil
}

// undoObjects reads what the changes changed, each object once, whatever it was called
// when it was changed. What is gone is left out, with all that was done to it.
func (d *Directories) undoObjects(ctx context.Context, plan *Plan, changes []Change) ([]*undo, error) {
	var objects []*undo
	for _, group := range byObject(changes) {
		u := &undo{d: d, changes: group}
		if err := u.read(ctx); err != nil {
			return nil, fmt.Errorf("look at %q: %w", group[0].DN, err)
		}
		if u.entry == nil {
			plan.Findings = append(plan.Findings, u.checkGone()...)
			continue
		}
		at := slices.IndexFunc(objects, u.sameObject)
		if at < 0 {
			objects = append(objects, u)
			continue
		}
		objects[at].changes = append(objects[at].changes, group...)
		slices.SortStableFunc(objects[at].changes, func(a, b Change) int { return cmp.Compare(b.ID, a.ID) })
	}
	return objects, nil
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
	entry   *Entry   // as it is now; nil if it is gone
}

// first returns the oldest of the changes.
func (u *undo) first() Change { return u.changes[len(u.changes)-1] }

func (u *undo) sameObject(other *undo) bool {
	return u.first().Forest == other.first().Forest && u.entry.DN.Equal(other.entry.DN)
}

// read looks at the object, wherever it has been moved to since. At the source staging
// changes the person's own object alone, and at the target what it makes and adopts
// carries our mark; of others it changes links alone, and those are looked for by name.
func (u *undo) read(ctx context.Context) error {
	first := u.first()
	f := u.d.forest(first.Forest)
	if first.Forest == Source && !first.Person.IsZero() {
		return u.find(ctx, f, EqBytes("objectGUID", first.Person[:]))
	}
	entry, err := f.Reader.Get(ctx, first.DN)
	if err == nil && (first.Op != Add || entry.First(attrMark) == u.mark()) {
		u.entry = entry
		return nil
	}
	if err = ignoreMissing(err); err != nil || !u.own() || first.Person.IsZero() {
		return err
	}
	err = u.find(ctx, f, Eq(attrMark, u.mark()))
	if u.entry == nil {
		u.entry = entry // it stands where the object was made, and has lost its mark
	}
	return err
}

// find reads the one object that matches, in any domain that the server answers for;
// several are nobody's.
func (u *undo) find(ctx context.Context, f *Forest, filter Filter) error {
	var found []*Entry
	for _, domain := range f.Info.domainsHeld() {
		for entry, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: filter}) {
			if errors.Is(err, ErrNotFound) {
				break
			}
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(found, func(e *Entry) bool { return e.DN.Equal(entry.DN) }) {
				found = append(found, entry)
			}
		}
	}
	if len(found) == 1 {
		u.entry = found[0]
	}
	return nil
}

// own reports whether the object is the person's, or the contact that stood for them: of
// others staging changes links alone.
func (u *undo) own() bool {
	return slices.ContainsFunc(u.changes, func(c Change) bool {
		return c.Op == Add || slices.ContainsFunc(c.Mods, func(m Mod) bool { return !isLink(m.Attr) })
	})
}

// mark returns the mark by which the object is known.
func (u *undo) mark() string {
	retired := RetiredMark(u.first().Person)
	for _, change := range u.changes {
		for _, mod := range change.Mods {
			if strings.EqualFold(mod.Attr, attrMark) && contains(mod.Attr, mod.Values, []byte(retired)) {
				return retired
			}
		}
	}
	return Mark(u.first().Person)
}

// checkGone tells of an object that was there before staging and is not found any more:
// under another name and without our mark it would still have what staging gave it.
func (u *undo) checkGone() []migrate.Finding {
	first := u.first()
	if first.Op == Add || first.Forest == Source || !u.own() {
		return nil
	}
	return []migrate.Finding{warn("undo.gone", string(first.DN),
		"Staging changed it, and it is neither there nor found by its mark: what was done to it is not taken back.",
		"Nothing, if it was deleted; else take off by hand what the journal says was added.")}
}

func ignoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// planDelete plans the deletion of an object that staging made, unless it has become
// somebody's in the meantime.
func (u *undo) planDelete(ctx context.Context, plan *Plan, touched Touched) ([]Change, error) {
	foreign, err := u.foreign(ctx, touched)
	if err != nil {
		return nil, fmt.Errorf("look who leads to %q: %w", u.entry.DN, err)
	}
	if len(foreign) > 0 {
		plan.Findings = append(plan.Findings, forbid("undo.changed", string(u.entry.DN),
			fmt.Sprintf("Staging made it, and somebody has since set %s.", strings.Join(foreign, ", ")),
			"Clear what was set, or delete the object by hand if it is not needed."))
		return nil, nil
	}
	return []Change{{Forest: u.first().Forest, Op: Delete, DN: u.entry.DN, Before: image(u.entry), Why: whyUndo}}, nil
}

// foreign returns the attributes of an object that staging made which it did not set,
// nor the server, and those that no longer are as it left them.
func (u *undo) foreign(ctx context.Context, touched Touched) (names []string, err error) {
	ours := u.written()
	for _, attr := range u.entry.Attrs() {
		want, written := ours[strings.ToLower(attr)]
		other := false
		switch {
		case isBackLink(attr):
			other, err = u.others(ctx, attr, func(v []byte) bool { return touched.objects[DN(v).Key()] })
		case isLink(attr):
			other, err = u.others(ctx, attr, func(v []byte) bool { return u.linked(touched, attr, want, v) })
		default:
			other = !written && !serverMade[strings.ToLower(attr)] || written && !sameSet(attr, want, u.entry.Bytes(attr))
		}
		if err != nil {
			return nil, err
		}
		if other {
			names = append(names, attr)
		}
	}
	return names, nil
}

// others reports whether one of the objects that the attribute names is none of staging's:
// it is not known by its name nor, if it was renamed since, by our mark.
func (u *undo) others(ctx context.Context, attr string, known func([]byte) bool) (bool, error) {
	for _, value := range u.entry.Bytes(attr) {
		if known(value) {
			continue
		}
		entry, err := u.d.forest(u.first().Forest).Reader.Get(ctx, DN(value), attrMark)
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

// linked reports whether staging set the link, be it for the sake of who it leads to.
// Links may also be fewer than it set: those to an object that has been deleted go with it.
func (u *undo) linked(touched Touched, attr string, want [][]byte, value []byte) bool {
	return contains(attr, want, value) || touched.links[linkKey(u.entry.DN, attr, value)] || touched.links[linkKey(u.first().DN, attr, value)]
}

// written returns, by attribute, what the changes left there.
func (u *undo) written() map[string][][]byte {
	state := map[string][][]byte{}
	for _, change := range slices.Backward(u.changes) {
		if change.Op == Add {
			clear(state) // made anew: what was done to one before went with it
		}
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
		return slices.DeleteFunc(slices.Clone(values), among(m.Attr, m.Values))
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
	if strings.EqualFold(attr, "objectClass") || strings.EqualFold(attr, attrPasswordSet) {
		return true // the server adds the classes above, and sets the time of a password
	}
	return satisfied(Mod{Op: ReplaceValues, Attr: attr, Values: want}, have)
}

// planRestore plans to put back what the attributes of an object had before.
func (u *undo) planRestore(plan *Plan) {
	if u.first().Forest == Target && u.own() && (u.entry.Has(attrHomeMDB) || u.entry.Has(attrHomeServer)) {
		plan.Findings = append(plan.Findings, forbid("undo.mailbox", string(u.entry.DN),
			"It has a mailbox by now: without what staging gave it, its mail would bounce.",
			"Roll the move back before, or leave it staged."))
		return
	}
	e := edit{entry: u.entry}
	state := map[string]*undone{}
	for _, change := range u.changes {
		for _, mod := range slices.Backward(change.Mods) {
			key := strings.ToLower(mod.Attr)
			if strings.EqualFold(mod.Attr, attrPasswordSet) {
				continue // no time of the past can be written to it (MS-ADA3 2.175)
			}
			if state[key] == nil {
				state[key] = &undone{attr: mod.Attr, values: u.entry.Bytes(mod.Attr)}
			}
			state[key].takeBack(mod, change.was(mod.Attr))
		}
	}
	for _, key := range sortedKeys(state) {
		s := state[key]
		undone := satisfied(Mod{Op: ReplaceValues, Attr: s.attr, Values: s.values}, u.entry.Bytes(s.attr))
		if s.changed && !undone { // an undoing that was killed may have got as far as that
			plan.Findings = append(plan.Findings, forbid("undo.changed", string(u.entry.DN),
				fmt.Sprintf("%s was changed by somebody else since staging set it.", s.attr),
				"Set it to what it should be by hand; the rest can then be taken back."))
			return
		}
		e.restore(s.attr, s.values)
	}
	e.addTo(plan, u.first().Forest, whyUndo)
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
		s.values = slices.DeleteFunc(slices.Clone(s.values), among(mod.Attr, mod.Values))
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
	origin := e.about(attr)
	present := e.entry.Bytes(attr)
	if satisfied(Mod{Op: ReplaceValues, Attr: attr, Values: values}, present) {
		return
	}
	if len(values) < 2 && len(present) < 2 {
		e.from(origin).set(attr, values...)
		return
	}
	gone := slices.DeleteFunc(slices.Clone(present), amongExactly(attr, values))
	back := slices.DeleteFunc(slices.Clone(values), amongExactly(attr, present))
	if len(gone) > 0 {
		e.mods = append(e.mods, Mod{Op: DeleteValues, Attr: attr, Values: gone, Origin: origin})
	}
	if len(back) > 0 {
		e.mods = append(e.mods, Mod{Op: AddValues, Attr: attr, Values: back, Origin: origin})
	}
}

func isLink(attr string) bool {
	return slices.ContainsFunc(links, func(l link) bool { return strings.EqualFold(l.name, attr) })
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
