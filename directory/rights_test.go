package directory_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// The colleagues who have rights on the target, by their SIDs on both sides.
const (
	alice, aliceTwin  = alpine + "-2001", baltic + "-3001"
	bob, bobTwin      = alpine + "-2002", baltic + "-3002"
	carol, carolTwin  = alpine + "-2003", baltic + "-3003"
	carolOnce         = ancient + "-500"
	domainUsers       = alpine + "-513" // has no mail, and so no twin
	leftBehind        = alpine + "-2009"
	migratedGroup     = alpine + "-2010" // gone at the source, in the sIDHistory of its twin
	migratedGroupTwin = baltic + "-3010"
	fullControl       = uint32(0xf01ff)
	readProperty      = uint32(0x10)
	administrators    = migrate.SID("S-1-5-32-544")
	longerSID         = migrate.SID("S-1-5-21-10-20-30-40-2001") // not of alpine: another domain's that begins alike
	birgitsOwn        = alpine + "-1999"
	singled           = migrate.SID("S-1-5-21-4-4-4-2000") // an account that is listed by itself
)

// legacySecurity is what a target user may have after ADMT or a restore.
var legacySecurity = security(
	ace(ntsd.DenyObject, ntsd.MaskControlAccess, ntsd.SendAs(), bob),
	ace(ntsd.Allow, fullControl, migrate.GUID{}, "S-1-5-18"),
	ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), migrate.Self),
	ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), alice),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, alice),
	ace(ntsd.Allow, fullControl, migrate.GUID{}, aliceTwin), // covers the entry before
	ace(ntsd.Allow, readProperty, migrate.GUID{}, carolOnce),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, domainUsers),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, leftBehind),
	ace(ntsd.Allow, fullControl, migrate.GUID{}, leftBehind),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, migratedGroup),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, birgitsOwn),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, administrators),
	ace(ntsd.Allow, readProperty, migrate.GUID{}, longerSID),
	inherited(ace(ntsd.Allow, readProperty, migrate.GUID{}, alice)),
	inherited(ace(ntsd.Allow, fullControl, migrate.GUID{}, baltic+"-512")),
)

func (l *lab) putColleagues(t testing.TB) {
	t.Helper()
	for name, sids := range map[string][]migrate.SID{
		"alice": {alice, aliceTwin}, "bob": {bob, bobTwin}, "carol": {carol, carolTwin},
	} {
		l.source.put(t, people.Child("CN", name), map[string][]string{
			"objectClass": {"user"}, "proxyAddresses": {"SMTP:" + name + "@alpine.test"}, "objectSid": {string(sidBytes(sids[0]))},
			"objectGUID": {name + strings.Repeat("s", 16-len(name))},
		})
		l.target.put(t, staffDN(name), map[string][]string{
			"objectClass": {"user"}, "proxyAddresses": {"smtp:" + name + "@alpine.test"}, "objectSid": {string(sidBytes(sids[1]))},
			"objectGUID": {name + strings.Repeat("t", 16-len(name))},
		})
	}
	l.source.entries[people.Child("CN", "carol").Key()].attrs["sidhistory"] = [][]byte{sidBytes(carolOnce)}
	l.source.put(t, "CN=Domain Users,DC=alpine,DC=test", map[string][]string{
		"objectClass": {"group"}, "objectSid": {string(sidBytes(domainUsers))}, "sAMAccountName": {"Domain Users"},
		"objectGUID": {"domain users src"},
	})
	l.target.put(t, staffDN("Migrated"), map[string][]string{
		"objectClass": {"group"}, "objectSid": {string(sidBytes(migratedGroupTwin))}, "sIDHistory": {string(sidBytes(migratedGroup))},
		"objectGUID": {"migrated group t"},
	})
}

// cleanLab has birgit staged, with the legacy rights on her target user.
func cleanLab(t testing.TB) (*lab, directory.Pair) {
	t.Helper()
	l := newLab(t)
	l.putColleagues(t)
	pair := l.stage(t, l.putBirgit(t, map[string][]string{"objectSid": {string(sidBytes(birgitsOwn))}}))
	l.legacyRights(t, pair)
	return l, pair
}

// dacl returns the target's entries, each as one line.
func (l *lab) dacl(t testing.TB, pair directory.Pair) []string {
	t.Helper()
	d, err := ntsd.Parse(l.target.get(t, pair.Target.DN).Bytes("nTSecurityDescriptor")[0])
	if err != nil {
		t.Fatal(err)
	}
	if !d.DACL.Canonical() {
		t.Error("the DACL is not in canonical order")
	}
	var lines []string
	for _, e := range d.DACL.ACEs {
		line := "allow "
		if e.Denies() {
			line = "deny "
		}
		if e.Inherited() {
			line = "inherited " + line
		}
		if e.ObjectType == ntsd.SendAs() {
			line += "send-as "
		}
		lines = append(lines, line+string(e.SID))
	}
	return lines
}

// onlyFound checks that the step wants nothing any more and finds the given.
func (l *lab) onlyFound(t testing.TB, name string, pair directory.Pair, plan planner, want ...string) directory.Plan {
	t.Helper()
	p, err := plan(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, rules(p.Findings)); diff != "" || len(p.Changes) != 0 {
		t.Errorf("%s: a second plan wants %+v and finds %s", name, p.Changes, diff)
	}
	return p
}

func TestCleanRights(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	self := pair.Target.SID
	l.carryOut(t, pair, l.PlanTwinRights)
	l.nothingLeft(t, "twin rights", pair, l.PlanTwinRights)
	both := l.dacl(t, pair)
	for _, want := range []string{
		"deny send-as " + string(bobTwin), "allow send-as " + string(aliceTwin), "allow " + string(carolTwin),
		"allow " + string(migratedGroupTwin), "allow " + string(self), "deny send-as " + string(bob), "allow " + string(leftBehind),
	} {
		if !slices.Contains(both, want) {
			t.Errorf("after the first half %q is missing in %v", want, both)
		}
	}
	plan := l.carryOut(t, pair, l.PlanStrip)
	if diff := cmp.Diff([]string{"permissions.unmapped", "permissions.unmapped", "permissions.inherited"}, rules(plan.Findings)); diff != "" {
		t.Error(diff)
	}
	for i, sid := range []migrate.SID{domainUsers, leftBehind, alice} {
		if !strings.Contains(plan.Findings[i].What, string(sid)) || plan.Findings[i].Severity != migrate.Warn {
			t.Errorf("finding %d: %v, want %s", i, plan.Findings[i], sid)
		}
	}
	l.onlyFound(t, "strip", pair, l.PlanStrip, "permissions.inherited")
	want := []string{
		"deny send-as " + string(bobTwin),
		"allow S-1-5-18", "allow send-as S-1-5-10", "allow send-as " + string(aliceTwin), "allow " + string(aliceTwin),
		"allow " + string(carolTwin), "allow " + string(migratedGroupTwin), "allow " + string(self),
		"allow " + string(administrators), "allow " + string(longerSID),
		"inherited allow " + string(alice), "inherited allow " + string(baltic) + "-512",
	}
	if diff := cmp.Diff(want, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
	l.nothingLeft(t, "twin rights after the strip", pair, l.PlanTwinRights)
}

// TestTwinWithLess: a twin who may do a part of it already still lacks the rest.
func TestTwinWithLess(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	l.target.entries[pair.Target.DN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(
		ace(ntsd.Allow, fullControl, migrate.GUID{}, carol),
		ace(ntsd.Allow, readProperty, migrate.GUID{}, carolTwin),
	)}
	l.forbidden(t, "strip", "permissions.twin-missing", pair, l.PlanStrip)
	l.carryOut(t, pair, l.PlanTwinRights)
	l.carryOut(t, pair, l.PlanStrip)
	if diff := cmp.Diff([]string{"allow " + string(carolTwin), "allow " + string(carolTwin)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
}

// TestStripWaitsForTwins: nobody loses access before their twin has it.
func TestStripWaitsForTwins(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	plan, err := l.PlanStrip(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) != 0 || len(plan.Forbidden()) != 5 {
		t.Errorf("got %d changes, %v", len(plan.Changes), plan.Findings)
	}
	for _, f := range plan.Findings {
		if f.Rule != "permissions.twin-missing" {
			t.Errorf("got %v", f)
		}
	}
}

// TestAmbiguousTrustee: rights are not taken away on a guess.
func TestAmbiguousTrustee(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	l.target.put(t, staffDN("Alice again"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:alice@alpine.test"}})
	for name, step := range map[string]planner{"twin rights": l.PlanTwinRights, "strip": l.PlanStrip} {
		plan, err := step(t.Context(), pair)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"permissions.ambiguous"}, rules(plan.Forbidden())); diff != "" || len(plan.Changes) != 0 {
			t.Errorf("%s: %s %v", name, diff, plan.Changes)
		}
	}
}

// TestMasterAccountKeepsRights: the owner of a linked mailbox is not stripped, whatever
// domain the account is in.
func TestMasterAccountKeepsRights(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	l.target.entries[pair.Target.DN.Key()].attrs["msexchmasteraccountsid"] = [][]byte{sidBytes(leftBehind)}
	pair = l.reload(t, pair)
	l.carryOut(t, pair, l.PlanTwinRights)
	l.carryOut(t, pair, l.PlanStrip)
	if got := l.dacl(t, pair); !slices.Contains(got, "allow "+string(leftBehind)) || slices.Contains(got, "allow "+string(domainUsers)) {
		t.Errorf("got %v", got)
	}
}

// TestTargetDomainIsNeverLegacy: somebody lists the target's own domain by mistake.
func TestTargetDomainIsNeverLegacy(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	l.Rules.Legacy = append(l.Rules.Legacy, baltic)
	l.carryOut(t, pair, l.PlanTwinRights)
	l.carryOut(t, pair, l.PlanStrip)
	if got := l.dacl(t, pair); !slices.Contains(got, "allow "+string(aliceTwin)) {
		t.Errorf("got %v", got)
	}
}

// TestRightsChangedSincePlanned: what an administrator set in between is not lost.
func TestRightsChangedSincePlanned(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	plan, err := l.PlanTwinRights(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ntsd.Parse(legacySecurity)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.DACL.Add(must(ntsd.NewACE(ntsd.Allow, readProperty, migrate.GUID{}, baltic+"-4711"))); err != nil {
		t.Fatal(err)
	}
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["ntsecuritydescriptor"] = [][]byte{d.Bytes()}
	err = l.Apply(t.Context(), newJournal(l.clock), plan)
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Now {
		t.Errorf("got %v, want to be planned anew", err)
	}
	l.carryOut(t, pair, l.PlanTwinRights)
	if got := l.dacl(t, pair); !slices.Contains(got, "allow "+string(baltic)+"-4711") {
		t.Errorf("got %v", got)
	}
}

// TestServerOrdersRights: a server that writes the same rights in another order, and
// fills in inherited ones, has done what was asked for.
func TestServerOrdersRights(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	plan, err := l.PlanTwinRights(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ntsd.Parse(plan.Changes[0].Mods[0].Values[0])
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(d.DACL.ACEs)
	d.DACL.Remove(ntsd.ACE.Inherited)
	d.Control |= 0x0400
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["ntsecuritydescriptor"] = [][]byte{d.Bytes()}
	if missing, err := l.Settled(t.Context(), plan); missing != "" || err != nil {
		t.Errorf("got %q, %v", missing, err)
	}
	attrs["ntsecuritydescriptor"] = [][]byte{legacySecurity}
	if missing, err := l.Settled(t.Context(), plan); !strings.Contains(missing, "nTSecurityDescriptor") || err != nil {
		t.Errorf("got %q, %v", missing, err)
	}
}

func TestRightsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["ntsecuritydescriptor"] = [][]byte{{1, 2, 3}}
	if _, err := l.PlanStrip(t.Context(), pair); err == nil {
		t.Error("a broken descriptor was read")
	}
	delete(attrs, "ntsecuritydescriptor")
	if _, err := l.PlanStrip(t.Context(), pair); migrate.AsError(err) == nil {
		t.Errorf("got %v, want an error with a hint", err)
	}
	attrs["ntsecuritydescriptor"] = [][]byte{{1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	l.nothingLeft(t, "null DACL", pair, l.PlanTwinRights)
	l.nothingLeft(t, "null DACL", pair, l.PlanStrip)
}

// TestStripTakesExactlyTheLegacy: of any list, the explicit entries of legacy domains
// go, and everything else stays, octet for octet and in its order.
func TestStripTakesExactlyTheLegacy(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	l.Rules.Legacy = append(l.Rules.Legacy, singled)
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	all := []migrate.SID{
		alpine + "-7001", ancient + "-7002", domainUsers, singled, aliceTwin, baltic + "-512", administrators, migrate.Self,
		longerSID, "S-1-5-11", "S-1-1-0", "S-1-3-0", "S-1-5-21-4-4-4-1999",
	}
	anyACE := rapid.Custom(func(r *rapid.T) []byte {
		raw := anyEntry(all...).Draw(r, "entry")
		raw[1] = rapid.Byte().Draw(r, "flags")
		return raw
	})
	unknown := unknownEntry(domainUsers)
	rapid.Check(t, func(r *rapid.T) {
		raw := rapid.SliceOfN(rapid.OneOf(anyACE, anyACE, unknown), 0, 15).Draw(r, "entries")
		attrs["ntsecuritydescriptor"] = [][]byte{security(raw...)}
		var want [][]byte
		for _, b := range raw {
			if !explicitLegacy(b) {
				want = append(want, b)
			}
		}
		plan, err := l.PlanStrip(t.Context(), pair)
		if err != nil || len(plan.Forbidden()) > 0 {
			r.Fatalf("%v %v", err, plan.Findings)
		}
		if (len(plan.Changes) == 0) != (len(want) == len(raw)) {
			r.Fatalf("%d changes for %d of %d entries", len(plan.Changes), len(raw)-len(want), len(raw))
		}
		if len(plan.Changes) == 1 && !bytes.Equal(plan.Changes[0].Mods[0].Values[0], security(want...)) {
			r.Fatalf("got  %x\nwant %x", plan.Changes[0].Mods[0].Values[0], security(want...))
		}
	})
}

// explicitLegacy judges by the octets: the type is one that names a trustee, the flag for
// inheritance is off, and the SID is a legacy one.
func explicitLegacy(raw []byte) bool {
	e := readACE(raw)
	return !e.inherited() && slices.ContainsFunc([]migrate.SID{alpine + "-7001", ancient + "-7002", domainUsers, singled}, func(sid migrate.SID) bool {
		return bytes.Equal(e.sid, sidBytes(sid))
	})
}
