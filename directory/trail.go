package directory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// A trail is what some steps of a move wrote to one side's object and no step back has
// taken back yet, oldest first. The journal of a move may hold several switches and ways
// back; each way back ends the trails of the steps that it takes back, and because every
// step and every way back of it is one modification, none ever is taken back by half. What
// a process died over counts as soon as Resume has found it done, so Resume comes before
// the journal is read.
type trail []Change

// The steps whose trails are asked for, each with those that take them back.
var (
	trailShut   = steps{side: Source, do: []string{whyShutOut}, undo: []string{whyLetIn}}
	trailOpened = steps{side: Target, do: []string{whyOpen, whyAccount}, undo: []string{whyClose}}
	trailTakes  = steps{side: Target, do: []string{whyDeliver}, undo: []string{whyStepBack, whySendBack}, redirects: true}
	trailLeft   = steps{side: Source, do: []string{whyForward, whyDisconnect}, undo: []string{whyReturn}}
)

// steps are some of one side's, as Change.Why has them.
type steps struct {
	side     Side
	do, undo []string
	// redirects takes in what the links have redirected, which they do only where the
	// target delivers: whoever got a twin after it did so.
	redirects bool
}

// trail returns what of the committed changes, oldest first, is not taken back.
func (s steps) trail(changes []Change) trail {
	var t trail
	for _, change := range changes {
		switch {
		case change.Forest != s.side:
		case slices.Contains(s.undo, change.Why):
			t = nil
		case slices.Contains(s.do, change.Why):
			t = append(t, change)
		case s.redirects && change.Why == whyLinks && change.redirects():
			change.Mods = slices.DeleteFunc(slices.Clone(change.Mods), func(m Mod) bool { return !m.redirects() })
			t = append(t, change)
		}
	}
	return t
}

// redirects reports whether one of the mods is of whom mail is redirected to.
func (c Change) redirects() bool { return slices.ContainsFunc(c.Mods, Mod.redirects) }

func (m Mod) redirects() bool {
	return strings.EqualFold(m.Attr, attrAltRecipient) || strings.EqualFold(m.Attr, attrRedirect)
}

// A former is an attribute that a trail has changed.
type former struct {
	attr    string
	was     [][]byte // what it had before the trail began, somebody else's additions included
	left    [][]byte // what the trail made of it
	present [][]byte
	changed bool // somebody else has been at it since
}

// formers returns the attributes of the entry that the trail has changed, in the order in
// which it did.
func (t trail) formers(entry *Entry) []former {
	back, left := map[string]*undone{}, map[string][][]byte{}
	var order []string
	for _, change := range t {
		for _, mod := range change.Mods {
			key := strings.ToLower(mod.Attr)
			if mod.Op == RandomPassword {
				continue
			}
			if back[key] == nil {
				order = append(order, key)
				back[key] = &undone{attr: mod.Attr, values: entry.Bytes(mod.Attr)}
				left[key] = change.was(mod.Attr).Values
			}
			left[key] = mod.applied(left[key])
		}
	}
	for _, change := range slices.Backward(t) {
		for _, mod := range slices.Backward(change.Mods) {
			if s := back[strings.ToLower(mod.Attr)]; s != nil {
				s.takeBack(mod, change.was(mod.Attr))
			}
		}
	}
	var all []former
	for _, key := range order {
		s := back[key]
		f := former{attr: s.attr, was: s.values, left: left[key], present: entry.Bytes(s.attr)}
		f.changed = s.changed && !satisfied(Mod{Op: ReplaceValues, Attr: f.attr, Values: f.was}, f.present)
		all = append(all, f)
	}
	return all
}

// of returns the former of the attribute; false if the trail has not changed it.
func (t trail) of(entry *Entry, attr string) (former, bool) {
	for _, f := range t.formers(entry) {
		if strings.EqualFold(f.attr, attr) {
			return f, true
		}
	}
	return former{attr: attr}, false
}

// has reports whether one of the mods of the trail is of the kind.
func (t trail) has(op ModOp) bool {
	return slices.ContainsFunc(t, func(c Change) bool {
		return slices.ContainsFunc(c.Mods, func(m Mod) bool { return m.Op == op })
	})
}

// overwritten refuses to write over what somebody else has set since.
func (f former) overwritten(side Side, dn DN) migrate.Finding {
	return forbid("rollback.changed", string(dn),
		fmt.Sprintf("%s of %s in the %s forest was changed by somebody else: the move left it %s, and it is %s now.",
			f.attr, dn, side, shown(f.attr, f.left), shown(f.attr, f.present)),
		fmt.Sprintf("Find out who needs it so, set it to what it was left as, or to what it was before (%s), and go on.", shown(f.attr, f.was)))
}

// secretAttrs are those whose values are not shown to anyone who reads a report.
var secretAttrs = lowerSet(attrSecurity, attrMailboxSecurity, attrPassword)

// shown writes values for a sentence. What is secret or of no use to a reader is only
// counted.
func shown(attr string, values [][]byte) string {
	key := strings.ToLower(attr)
	switch {
	case len(values) == 0:
		return "without a value"
	case secretAttrs[key]:
		return fmt.Sprintf("with a value of %d octets", len(bytes.Join(values, nil)))
	case len(values) == 1 && binaryAttrs[key]:
		return octetsText(values[0])
	}
	return valuesText(values)
}
