package imap

import (
	"maps"
	"strings"
	"unicode"

	"reforest/migrate"
)

// A foresight tells with which CREATE the placing of a folder will begin, as long as those
// before it go well. It errs on the side of not telling: a mailbox that is created ahead
// and then placed elsewhere stays, empty.
type foresight struct {
	names    *names            // as they will be
	now      *names            // as they are
	spelt    map[string]string // mailbox names in lower case, as they are spelt
	doubtful map[string]bool   // paths that may come to lie elsewhere than foreseen
	implied  map[string]bool   // paths above those that are put off
	uses     map[string]bool   // special uses that are asked for
}

func newForesight(now *names) foresight {
	then := *now
	then.exists, then.holds = maps.Clone(now.exists), maps.Clone(now.holds)
	then.owner, then.placed = maps.Clone(now.owner), maps.Clone(now.placed)
	f := foresight{
		names: &then, now: now, spelt: map[string]string{},
		doubtful: map[string]bool{}, implied: map[string]bool{}, uses: map[string]bool{},
	}
	for name := range now.exists {
		f.spelt[folded(name)] = name
	}
	return f
}

// see returns the command; its name is "" where none is needed or none can be told. sure
// is false where the folder should be looked at again once others are placed.
func (f foresight) see(p placement, want migrate.Wanted) (command create, sure bool) {
	path, have := want.Path, string(want.Have)
	// Who asks first for a use gets it: that is not this one if another comes before.
	late := want.SpecialUse != "" && f.uses[want.SpecialUse]
	f.uses[want.SpecialUse] = true
	switch _, placed := f.names.placed[pathKey(path)]; {
	case f.names.usable(have, want.Container):
		f.names.take(path, spot{name: have})
		return create{}, true
	case placed:
		return create{}, true
	case len(path) == 1 && strings.EqualFold(path[0], inbox):
		p.placeInbox(path)
		return create{}, true
	}
	name, known := f.name(path)
	if !known || late || f.implied[pathKey(path)] {
		f.putOff(path)
		return create{}, false
	}
	if !f.names.usable(name, want.Container) {
		command = p.creation(name, want.Container)
	}
	if s, asked := f.now.asked[command]; asked {
		command = create{}
		known = s.ok()
	}
	if !known || !f.only(name) {
		f.doubtful[pathKey(path)] = true
	}
	f.names.made(name, want.Container)
	f.names.take(path, spot{name: name})
	return command, true
}

// putOff leaves a path, of which nothing can be told, until it is its turn. That may make
// what is above it.
func (f foresight) putOff(path []string) {
	f.doubtful[pathKey(path)] = true
	for n := 1; n < len(path); n++ {
		f.implied[pathKey(path[:n])] = true
	}
}

// usable reports whether a mailbox is there and can be what is wanted.
func (n *names) usable(name string, container bool) bool {
	return n.exists[name] && (container || n.holds[name])
}

// name is the first name under which the path will be tried, if what is above it is sure
// to lie where it will be looked for then.
func (f foresight) name(path []string) (string, bool) {
	last := path[len(path)-1]
	if f.names.delim == "" || !plainName(last, f.names.delim) || strings.Contains(last, "=") {
		return "", false
	}
	above := path[:len(path)-1]
	_, placed := f.now.placed[pathKey(above)]
	for n := 1; n < len(path) && !placed; n++ {
		if !f.certain(path[:n]) {
			return "", false
		}
	}
	parent, _ := placement{names: f.names}.parent(path)
	name := f.names.join(parent.name, last, len(path) == 1)
	owner, taken := f.names.owner[name]
	return name, !taken || owner == pathKey(path)
}

// certain reports whether a path lies, or will lie, at its plain name.
func (f foresight) certain(path []string) bool {
	plain := f.names.plain(path)
	if at, placed := f.now.placed[pathKey(path)]; placed {
		return at.name == plain
	}
	if owner, taken := f.names.owner[plain]; taken && owner != pathKey(path) {
		return false
	}
	return !f.doubtful[pathKey(path)] && (f.now.exists[plain] || tame(path[len(path)-1]) && f.only(plain))
}

// only reports whether no mailbox has the same name in other letters, which a server may
// take for this one, and notes the name.
func (f foresight) only(name string) bool {
	key := folded(name)
	if other, spelt := f.spelt[key]; spelt {
		return other == name
	}
	f.spelt[key] = name
	return true
}

func folded(name string) string { return strings.ToLower(decodeName(name)) }

// tame reports whether no server refuses a name like this one.
func tame(component string) bool {
	if component != strings.Trim(component, " .") || len(encodeUTF7(component)) > maxName {
		return false
	}
	return !strings.ContainsFunc(component, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.,&+()'@!", r)
	})
}
