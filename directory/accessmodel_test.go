package directory_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// The access check of the tests. It reads the octets by itself and shares nothing with
// the product, so that a mistake there is not made twice.

// A token is the SIDs that somebody works under.
type token []migrate.SID

// A rawACE is one entry, as far as the access check asks.
type rawACE struct {
	kind, flags byte
	mask        uint32
	object      []byte // nil: all
	sid, tail   []byte
	raw         []byte
}

const inheritOnly = 0x08 // the entry is for those below alone (MS-DTYP 2.4.4.1)

// readDACL returns the entries of a self-relative descriptor (MS-DTYP 2.4.6, 2.4.5).
func readDACL(sd []byte) []rawACE {
	acl := sd[binary.LittleEndian.Uint32(sd[16:]):]
	rest := acl[8:binary.LittleEndian.Uint16(acl[2:])]
	var aces []rawACE
	for range binary.LittleEndian.Uint16(acl[4:]) {
		size := binary.LittleEndian.Uint16(rest[2:])
		aces = append(aces, readACE(rest[:size]))
		rest = rest[size:]
	}
	return aces
}

// readACE reads an entry of the types 0, 1, 5, 6 and 9 to 12 (MS-DTYP 2.4.4.2 to
// 2.4.4.9); any other has no trustee.
func readACE(raw []byte) rawACE {
	e := rawACE{kind: raw[0], flags: raw[1], raw: raw}
	if !slices.Contains([]byte{0, 1, 5, 6, 9, 10, 11, 12}, e.kind) {
		return e
	}
	e.mask = binary.LittleEndian.Uint32(raw[4:])
	rest := raw[8:]
	if slices.Contains([]byte{5, 6, 11, 12}, e.kind) {
		present := binary.LittleEndian.Uint32(rest)
		rest = rest[4:]
		if present&1 != 0 {
			e.object, rest = rest[:16], rest[16:]
		}
		if present&2 != 0 {
			rest = rest[16:]
		}
	}
	size := 8 + 4*int(rest[1])
	e.sid, e.tail = rest[:size], rest[size:]
	return e
}

func (e rawACE) denies() bool    { return slices.Contains([]byte{1, 6, 10, 12}, e.kind) }
func (e rawACE) inherited() bool { return e.flags&0x10 != 0 }

// holds evaluates the condition of a callback entry: those of the tests say true or
// false by their last octet (MS-DTYP 2.4.4.17 is none of ours).
func (e rawACE) holds() bool { return len(e.tail) == 0 || e.tail[len(e.tail)-1] == 1 }

// allowed walks the entries in their order, as MS-DTYP 2.5.3.2 does: the first one that
// speaks of the right decides, and what none speaks of is not allowed.
func allowed(aces []rawACE, who token, right uint32, object []byte) bool {
	for _, e := range aces {
		about := e.sid != nil && e.flags&inheritOnly == 0 && e.mask&right != 0 && e.holds() &&
			(e.object == nil || bytes.Equal(e.object, object))
		if about && slices.ContainsFunc(who, func(sid migrate.SID) bool { return bytes.Equal(sidBytes(sid), e.sid) }) {
			return !e.denies()
		}
	}
	return false
}

// The rights and object types that are asked for.
var (
	askedRights  = []uint32{1, 0x10, 0x100, 0x40000}
	askedObjects = [][]byte{nil, guidOf(ntsd.SendAs()), guidOf(ntsd.ReceiveAs()), bytes.Repeat([]byte{7}, 16)}
)

func guidOf(g migrate.GUID) []byte { return g[:] }

// access returns everything that somebody may do, as comparable text.
func access(aces []rawACE, who token) string {
	var answers []byte
	for _, right := range askedRights {
		for _, object := range askedObjects {
			answer := byte('-')
			if allowed(aces, who, right, object) {
				answer = '+'
			}
			answers = append(answers, answer)
		}
	}
	return string(answers)
}

// inOrder reports whether explicit denials come first, then what is explicit besides,
// then what is inherited.
func inOrder(aces []rawACE) bool {
	return slices.IsSortedFunc(aces, func(a, b rawACE) int { return place(a) - place(b) })
}

func place(e rawACE) int {
	switch {
	case e.inherited():
		return 2
	case e.denies():
		return 0
	}
	return 1
}

// canonical puts entries into canonical order and keeps it otherwise.
func canonical(entries ...[]byte) [][]byte {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b []byte) int { return place(readACE(a)) - place(readACE(b)) })
	return sorted
}

// anyEntry draws an explicit entry for one of the SIDs: permissions and denials, plain,
// for objects, with conditions, for heirs only.
func anyEntry(sids ...migrate.SID) *rapid.Generator[[]byte] {
	return rapid.Custom(func(r *rapid.T) []byte {
		kind := rapid.SampledFrom([]byte{0, 1, 5, 6, 9, 10, 11, 12}).Draw(r, "type")
		flags := rapid.SampledFrom([]byte{0, 0, 0, 2, inheritOnly | 2}).Draw(r, "flags")
		b := binary.LittleEndian.AppendUint32([]byte{kind, flags, 0, 0}, anyMask(r))
		if slices.Contains([]byte{5, 6, 11, 12}, kind) {
			present := rapid.Uint32Range(0, 3).Draw(r, "objects")
			b = binary.LittleEndian.AppendUint32(b, present)
			if present&1 != 0 {
				b = append(b, rapid.SampledFrom(askedObjects[1:]).Draw(r, "object")...)
			}
			if present&2 != 0 {
				b = append(b, bytes.Repeat([]byte{9}, 16)...)
			}
		}
		b = append(b, sidBytes(rapid.SampledFrom(sids).Draw(r, "sid"))...)
		if kind >= 9 && rapid.Bool().Draw(r, "conditional") {
			b = append(b, 'a', 'r', 't', 'x', 0, 0, 0, rapid.Byte().Draw(r, "condition")&1)
		}
		binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
		return b
	})
}

func anyMask(r *rapid.T) uint32 {
	var mask uint32
	for _, right := range askedRights {
		if rapid.Bool().Draw(r, "right") {
			mask |= right
		}
	}
	return mask
}

// unknownEntry draws an entry of a type that is not known.
func unknownEntry(sids ...migrate.SID) *rapid.Generator[[]byte] {
	return rapid.Custom(func(r *rapid.T) []byte {
		raw := ace(ntsd.Allow, 1, migrate.GUID{}, rapid.SampledFrom(sids).Draw(r, "sid"))
		raw[0] = rapid.SampledFrom([]byte{0x13, 0x04, 0xfe}).Draw(r, "type")
		return raw
	})
}

// alikes draws entries that a twin has already, much like those of the person it stands
// for: with more or fewer rights, for heirs, or under a condition.
func alikes(r *rapid.T, raw [][]byte) [][]byte {
	twins := map[string]migrate.SID{}
	for i, sid := range []migrate.SID{alice, bob, carol, migratedGroup} {
		twins[string(sidBytes(sid))] = twinSIDs[i]
	}
	var out [][]byte
	for _, b := range raw {
		e := readACE(b)
		twin, ok := twins[string(e.sid)]
		if !ok || rapid.IntRange(0, 2).Draw(r, "alike") == 0 {
			continue
		}
		alike := slices.Concat(b[:len(b)-len(e.sid)-len(e.tail)], sidBytes(twin), e.tail)
		switch rapid.IntRange(0, 4).Draw(r, "how") {
		case 0:
			alike[1] ^= inheritOnly
		case 1:
			alike[4] |= 0x11
		case 2:
			alike[4] &^= 0x10
		case 3:
			if len(e.tail) > 0 {
				alike[len(alike)-1] ^= 1
			} else if e.kind >= 9 {
				alike = append(alike, 0, 0, 0, 0)
				binary.LittleEndian.PutUint16(alike[2:], uint16(len(alike)))
			}
		}
		out = append(out, alike)
	}
	return out
}

// entries draws up to six.
func entries(r *rapid.T, label string, one *rapid.Generator[[]byte]) [][]byte {
	return rapid.SliceOfN(one, 0, 6).Draw(r, label)
}

// asInherited returns the entries as objects below have them.
func asInherited(raw [][]byte) [][]byte {
	var out [][]byte
	for _, b := range raw {
		out = append(out, inherited(slices.Clone(b)))
	}
	return out
}

// A person of the model works under the legacy SIDs before and under the twin's after.
type person struct {
	before, after token
}

var (
	wellKnown  = []migrate.SID{"S-1-1-0", "S-1-5-11", administrators, "S-1-5-18", "S-1-3-0"}
	strangers  = []migrate.SID{baltic + "-512", baltic + "-4711", longerSID, ancient[:len(ancient)-1] + "9-1234"}
	everyone   = token{"S-1-1-0", "S-1-5-11"}
	mappedSIDs = []migrate.SID{alice, bob, carol, carolOnce, migratedGroup, birgitsOwn}
	twinSIDs   = []migrate.SID{aliceTwin, bobTwin, carolTwin, migratedGroupTwin}
)

// people returns everyone of the model; each may be in the group as well.
func modelPeople(self migrate.SID) []person {
	group := person{token{migratedGroup, migratedGroupTwin}, token{migratedGroupTwin}}
	var people []person
	for _, p := range []person{
		{token{alice, aliceTwin}, token{aliceTwin}},
		{token{bob, bobTwin}, token{bobTwin}},
		{token{carol, carolOnce, carolTwin}, token{carolTwin}},
		{token{birgitsOwn, self}, token{self}},
	} {
		alone := person{slices.Concat(p.before, everyone), slices.Concat(p.after, everyone)}
		member := person{slices.Concat(alone.before, group.before), slices.Concat(alone.after, group.after)}
		people = append(people, alone, member)
	}
	return people
}

// rightsLab is a lab whose people's rights are set and read as octets.
type rightsLab struct {
	*lab
	pair           directory.Pair
	source, target map[string][][]byte
}

func newRightsLab(t testing.TB) rightsLab {
	t.Helper()
	l, pair := cleanLab(t)
	return rightsLab{l, pair, l.source.entries[birgitDN.Key()].attrs, l.target.entries[pair.Target.DN.Key()].attrs}
}

// set gives both sides their entries.
func (l rightsLab) set(source, target [][]byte) {
	l.source["ntsecuritydescriptor"] = [][]byte{security(source...)}
	l.target["ntsecuritydescriptor"] = [][]byte{security(target...)}
}

// cleaned carries out both halves on the octets and returns what has become of them.
func (l rightsLab) cleaned(r *rapid.T, t testing.TB) []rawACE {
	for _, step := range []planner{l.PlanTwinRights, l.PlanStrip} {
		plan, err := step(t.Context(), l.pair)
		if err != nil || len(plan.Forbidden()) > 0 {
			r.Fatalf("%v %v", err, plan.Findings)
		}
		for _, change := range plan.Changes {
			l.target["ntsecuritydescriptor"] = change.Mods[0].Values
		}
		if again, err := step(t.Context(), l.pair); err != nil || len(again.Changes) > 0 {
			r.Fatalf("a second plan: %v, %d changes", err, len(again.Changes))
		}
	}
	return readDACL(l.target["ntsecuritydescriptor"][0])
}

func readAll(raw [][]byte) []rawACE {
	var aces []rawACE
	for _, b := range raw {
		aces = append(aces, readACE(b))
	}
	return aces
}

// sameAccess compares what each may do before with what their twin may do after.
func (l rightsLab) sameAccess(r *rapid.T, before, after []rawACE) {
	for _, p := range modelPeople(l.pair.Target.SID) {
		if was, is := access(before, p.before), access(after, p.after); was != is {
			r.Fatalf("%v could do %s, and %v can do %s", p.before, was, p.after, is)
		}
	}
}

// sameForOthers: whoever is neither legacy nor a twin may do what they could.
func (l rightsLab) sameForOthers(r *rapid.T, before, after []rawACE) {
	for _, sid := range slices.Concat(wellKnown, strangers) {
		who := slices.Concat(token{sid}, everyone)
		if was, is := access(before, who), access(after, who); was != is {
			r.Fatalf("%s could do %s and can do %s", sid, was, is)
		}
	}
}

// TestTwinMayDoWhatThePersonCould: where the entries for everybody else are the same on
// both sides, the twin may do on the target exactly what the person may do on the source.
func TestTwinMayDoWhatThePersonCould(t *testing.T) {
	t.Parallel()
	l := newRightsLab(t)
	others := slices.Concat(wellKnown, strangers)
	rapid.Check(t, func(r *rapid.T) {
		common := slices.Concat(entries(r, "common", anyEntry(others...)), entries(r, "unknown", unknownEntry(alice, "S-1-1-0")),
			asInherited(entries(r, "inherited", anyEntry(others...))))
		source := canonical(slices.Concat(common, entries(r, "legacy", anyEntry(mappedSIDs[:3]...)), entries(r, "more", anyEntry(migratedGroup, birgitsOwn)))...)
		target := canonical(common...)
		l.set(source, target)
		after := l.cleaned(r, t)
		if !inOrder(after) {
			r.Fatal("the order is no longer canonical")
		}
		l.sameAccess(r, readAll(source), after)
		l.sameForOthers(r, readAll(target), after)
	})
}

// TestTranslateNeitherReducesNorEnlarges: with legacy entries on both sides, and entries
// that the twins have already, nobody may do more or less than all of them together say.
// Inherited legacy entries are the only ones that do not count: they stay, for nobody.
func TestTranslateNeitherReducesNorEnlarges(t *testing.T) {
	t.Parallel()
	l := newRightsLab(t)
	others := slices.Concat(wellKnown, strangers)
	rapid.Check(t, func(r *rapid.T) {
		onTarget := entries(r, "on the target", anyEntry(mappedSIDs...))
		onSource := entries(r, "on the source", anyEntry(alice, bob, carol, migratedGroup, birgitsOwn))
		common := slices.Concat(entries(r, "common", anyEntry(others...)), alikes(r, slices.Concat(onTarget, onSource)),
			entries(r, "unknown", unknownEntry(alice, carolOnce)), asInherited(entries(r, "inherited", anyEntry(slices.Concat(others, twinSIDs)...))))
		foreign := asInherited(entries(r, "inherited by legacy", anyEntry(mappedSIDs...)))
		unrelated := entries(r, "of the source alone", anyEntry("S-1-1-0", domainUsers, baltic+"-4711"))

		l.set(canonical(slices.Concat(unrelated, onSource, foreign)...), canonical(slices.Concat(common, onTarget, foreign)...))
		before := readAll(canonical(slices.Concat(common, onTarget, onSource)...))
		target := readDACL(l.target["ntsecuritydescriptor"][0])
		after := l.cleaned(r, t)
		if !inOrder(after) {
			r.Fatal("the order is no longer canonical")
		}
		l.sameAccess(r, before, after)
		l.sameForOthers(r, target, after)
	})
}

// TestTranslateInAnyOrder: in a list whose order is not canonical the place of an entry
// counts, and the twin's takes the same one.
func TestTranslateInAnyOrder(t *testing.T) {
	t.Parallel()
	l := newRightsLab(t)
	explicit := anyEntry(slices.Concat(wellKnown, strangers, mappedSIDs, mappedSIDs, twinSIDs)...)
	rapid.Check(t, func(r *rapid.T) {
		first := entries(r, "first", explicit)
		target := slices.Concat(first, asInherited(entries(r, "inherited", anyEntry(slices.Concat(wellKnown, twinSIDs)...))),
			entries(r, "last", explicit), alikes(r, first))
		l.set(nil, target)
		after := l.cleaned(r, t)
		l.sameAccess(r, readAll(target), after)
		l.sameForOthers(r, readAll(target), after)
	})
}
