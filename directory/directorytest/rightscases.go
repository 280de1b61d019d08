package directorytest

import (
	"bytes"
	"slices"
	"testing"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// rightsCases are about permissions of the source's domains.
func rightsCases() []decision {
	return []decision{
		{name: "entry of somebody who has a twin", run: testTwinEntry},
		{name: "entry of a SID that nobody has any more", run: testOrphan},
		{name: "inherited entry", run: testInheritedEntry},
		{name: "SELF and well-known SIDs", run: testWellKnown},
		{name: "domain with the same short name", run: testSameShortName},
		{name: "denials", run: testDenials},
		{name: "entry of a SID of long ago", needs: SIDHistory, run: testHistorySID},
	}
}

// A ward is a person with a target object on which others have rights.
type ward struct {
	*world
	who    directory.DN
	target directory.DN
	before [][]byte // its explicit entries before the case, sorted
}

// ward plants a person and the target user that they join.
func (w *world) ward(t *testing.T) *ward {
	t.Helper()
	who := w.person(t, "ada", nil)
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")))
	w.carry(t, who, stage)
	own := &ward{world: w, who: who, target: w.target(t, who).DN}
	own.before = own.explicit(t)
	return own
}

// staged plants a colleague who has a twin, and returns the SIDs of both.
func (w *world) staged(t *testing.T, name string, more attrs) (source, target migrate.SID) {
	t.Helper()
	who := w.person(t, name, more)
	w.carry(t, who, stage)
	pair := w.match(t, who)
	return pair.Source.SID, pair.Target.SID
}

func (w *world) descriptor(t *testing.T, side directory.Side, dn directory.DN) *ntsd.Descriptor {
	t.Helper()
	d, err := ntsd.Parse(w.get(t, side, dn, sdAttr).Bytes(sdAttr)[0])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// explicit returns the target's explicit entries, sorted.
func (a *ward) explicit(t *testing.T) [][]byte {
	t.Helper()
	entries := raw(a.descriptor(t, directory.Target, a.target).DACL.Explicit())
	slices.SortFunc(entries, bytes.Compare)
	return entries
}

// grant adds entries to the permissions of an object.
func (w *world) grant(t *testing.T, side directory.Side, dn directory.DN, entries ...ntsd.ACE) {
	t.Helper()
	d := w.descriptor(t, side, dn)
	for _, e := range entries {
		if err := d.DACL.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	w.change(t, side, dn, mod(directory.ReplaceValues, sdAttr, string(d.Bytes())))
}

// clean carries out both halves of cleaning and wants, of explicit entries, those from
// before and the given ones.
func (a *ward) clean(t *testing.T, want ...ntsd.ACE) {
	t.Helper()
	a.carry(t, a.who, twinRights, strip)
	all := append(slices.Clone(a.before), raw(want)...)
	slices.SortFunc(all, bytes.Compare)
	same(t, "explicit entries after cleaning", a.explicit(t), all)
}

func entry(t *testing.T, kind ntsd.ACEType, mask uint32, object migrate.GUID, sid migrate.SID) ntsd.ACE {
	t.Helper()
	e, err := ntsd.NewACE(kind, mask, object, sid)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func sendAs(t *testing.T, sid migrate.SID) ntsd.ACE {
	t.Helper()
	return entry(t, ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), sid)
}

// readAll is the right to read every property (MS-ADTS 5.1.3.2).
const readAll uint32 = 0x10

// testTwinEntry: what bea may do with the source, and what her old account may do with
// the target, her new account may.
func testTwinEntry(t *testing.T, w *world) {
	a := w.ward(t)
	legacy, twin := w.staged(t, "bea", nil)
	w.grant(t, directory.Source, a.who, entry(t, ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.ReceiveAs(), legacy))
	w.grant(t, directory.Target, a.target, sendAs(t, legacy))
	w.refused(t, a.who, strip, "permissions.twin-missing", "permissions.twin-missing")
	a.clean(t, sendAs(t, twin), entry(t, ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.ReceiveAs(), twin))
}

// testOrphan: an account that has been deleted can have no twin.
func testOrphan(t *testing.T, w *world) {
	a := w.ward(t)
	gone := w.person(t, "gone", nil)
	sid := w.match(t, gone).Source.SID
	w.remove(t, directory.Source, gone)
	w.grant(t, directory.Target, a.target, sendAs(t, sid))
	a.clean(t)
	w.told(t, "permissions.unmapped")
}

// testInheritedEntry: it is left where it comes from, which is told.
func testInheritedEntry(t *testing.T, w *world) {
	a := w.ward(t)
	legacy, _ := w.staged(t, "bea", nil)
	const toChildren = 0x02 // CONTAINER_INHERIT_ACE (MS-DTYP 2.4.4.1)
	handed, err := entry(t, ntsd.Allow, readAll, migrate.GUID{}, legacy).WithFlags(toChildren)
	if err != nil {
		t.Fatal(err)
	}
	w.grant(t, directory.Target, w.Forests.Target.Base, handed)
	w.inherit(t, a.target, handed)
	before := raw(w.descriptor(t, directory.Target, a.target).DACL.Inherited())
	a.clean(t)
	w.told(t, "permissions.inherited")
	same(t, "inherited entries", raw(w.descriptor(t, directory.Target, a.target).DACL.Inherited()), before)
	if !w.descriptor(t, directory.Target, w.Forests.Target.Base).DACL.Contains(handed) {
		t.Error("the entry of the unit above has gone")
	}
}

// inherit makes the entry that the unit hands down show on the object, where the server
// does not do so itself.
func (w *world) inherit(t *testing.T, dn directory.DN, handed ntsd.ACE) {
	t.Helper()
	d := w.descriptor(t, directory.Target, dn)
	if seed := w.Forests.Target.SeedDescriptor; seed != nil {
		down, err := handed.WithFlags(handed.Flags | ntsd.FlagInherited)
		if err == nil {
			err = d.DACL.Add(down)
		}
		if err != nil {
			t.Fatal(err)
		}
		seed(t, dn, d.Bytes())
		d = w.descriptor(t, directory.Target, dn)
	}
	if !slices.ContainsFunc(d.DACL.Inherited(), func(e ntsd.ACE) bool { return e.SID == handed.SID }) {
		t.Fatalf("%q inherits nothing of %s", dn, handed.SID)
	}
}

// testWellKnown: these SIDs mean the same in every domain, and are nobody's legacy, even
// if somebody lists them as such.
func testWellKnown(t *testing.T, w *world) {
	w.Rules.Legacy = []migrate.SID{"S-1-5-32", "S-1-5-11", migrate.Self, w.Forests.Target.Forest.Info.Domains[0].SID}
	a := w.ward(t)
	var granted []ntsd.ACE
	for _, sid := range []migrate.SID{migrate.Self, "S-1-1-0", "S-1-5-11", "S-1-5-18", "S-1-5-32-544", "S-1-3-0"} {
		granted = append(granted, entry(t, ntsd.AllowObject, ntsd.MaskControlAccess, migrate.GUID{0: 7}, sid))
	}
	w.grant(t, directory.Target, a.target, granted...)
	with := a.explicit(t)
	a.carry(t, a.who, twinRights, strip)
	same(t, "explicit entries", a.explicit(t), with)
}

// testSameShortName: a domain of another forest may be called as the source's is. Its SIDs
// are its own.
func testSameShortName(t *testing.T, w *world) {
	a := w.ward(t)
	source := w.Forests.Source.Forest.Info.Domains[0].SID
	other := sendAs(t, source[:len(source)-1]+"-1105") // one digit less: a name that begins alike
	w.grant(t, directory.Target, a.target, other)
	a.clean(t, other)
}

// testDenials: the twin is denied what the old account is, and what others are denied
// stays.
func testDenials(t *testing.T, w *world) {
	a := w.ward(t)
	legacy, twin := w.staged(t, "bea", nil)
	deny := func(sid migrate.SID) ntsd.ACE { return entry(t, ntsd.Deny, readAll, migrate.GUID{}, sid) }
	denyObject := func(sid migrate.SID) ntsd.ACE {
		return entry(t, ntsd.DenyObject, ntsd.MaskControlAccess, ntsd.SendAs(), sid)
	}
	own := w.Forests.Target.Forest.Info.Domains[0].SID + "-514" // Domain Guests of the target: nobody whom the test reads as
	w.grant(t, directory.Target, a.target, deny(legacy), denyObject(legacy), deny(own), sendAs(t, own))
	w.grant(t, directory.Source, a.who, entry(t, ntsd.Deny, 0x20, migrate.GUID{}, legacy))
	a.clean(t, deny(twin), denyObject(twin), deny(own), sendAs(t, own), entry(t, ntsd.Deny, 0x20, migrate.GUID{}, twin))
	if !w.descriptor(t, directory.Target, a.target).DACL.Canonical() {
		t.Error("the entries are not in canonical order")
	}
}

// testHistorySID: an entry names a SID that bea had in an older domain, or that her twin
// has taken over.
func testHistorySID(t *testing.T, w *world) {
	const ancient migrate.SID = "S-1-5-21-7-7-7"
	w.Rules.Legacy = []migrate.SID{ancient}
	a := w.ward(t)
	bea := w.mailbox("bea").with(attrs{"sIDHistory": {octets(t, ancient+"-1105")}})
	home := w.Forests.Source
	who := home.Base.Child("CN", "bea")
	home.Seed(t, who, bea)
	w.carry(t, who, stage)
	twin := w.target(t, who).SID
	w.Forests.Target.Seed(t, w.Forests.Target.Base.Child("CN", "cem"), w.account("cem").with(attrs{"sIDHistory": {octets(t, ancient+"-1106")}}))
	cem := w.get(t, directory.Target, w.Forests.Target.Base.Child("CN", "cem"), "objectSid")
	taken, err := migrate.SIDFromBytes(cem.Bytes("objectSid")[0])
	if err != nil {
		t.Fatal(err)
	}
	w.grant(t, directory.Target, a.target, sendAs(t, ancient+"-1105"), sendAs(t, ancient+"-1106"))
	a.clean(t, sendAs(t, twin), sendAs(t, taken))
}
