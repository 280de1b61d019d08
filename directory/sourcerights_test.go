package directory_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// callback makes a plain entry one with a condition (MS-DTYP 2.4.4.6, 2.4.4.7).
func callback(raw []byte, condition string) []byte {
	raw = append(slices.Clone(raw), condition...)
	raw[0] += byte(ntsd.AllowCallback)
	binary.LittleEndian.PutUint16(raw[2:], uint16(len(raw)))
	return raw
}

// flagged gives an entry flags.
func flagged(raw []byte, flags byte) []byte {
	raw = slices.Clone(raw)
	raw[1] = flags
	return raw
}

// grantedLab has birgit staged, with the given entries on the source object and on the
// target one.
func grantedLab(t testing.TB, source, target [][]byte) (*lab, directory.Pair) {
	t.Helper()
	l, pair := cleanLab(t)
	l.source.entries[birgitDN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(source...)}
	l.target.entries[pair.Target.DN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(target...)}
	return l, pair
}

// raws returns the entries of the target, octet by octet.
func (l *lab) raws(t testing.TB, pair directory.Pair) [][]byte {
	t.Helper()
	var raw [][]byte
	for _, e := range readDACL(l.target.get(t, pair.Target.DN).Bytes("nTSecurityDescriptor")[0]) {
		raw = append(raw, e.raw)
	}
	return raw
}

// TestRightsOfTheSource: what colleagues may do with the source object, and may not,
// their twins may, and may not, do with the target.
func TestRightsOfTheSource(t *testing.T) {
	t.Parallel()
	const readable = "artx\x01"
	l, pair := grantedLab(t, [][]byte{
		ace(ntsd.DenyObject, ntsd.MaskControlAccess, ntsd.SendAs(), bob),
		ace(ntsd.Deny, readProperty, migrate.GUID{}, "S-1-1-0"),
		ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), alice),
		ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.ReceiveAs(), alice),
		flagged(ace(ntsd.Allow, fullControl, migrate.GUID{}, migratedGroup), 2),
		callback(ace(ntsd.Allow, readProperty, migrate.GUID{}, carol), readable),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, birgitsOwn),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, domainUsers),   // every domain has its own
		ace(ntsd.Allow, fullControl, migrate.GUID{}, alpine+"-512"), // every domain has its own
		ace(ntsd.Allow, fullControl, migrate.GUID{}, administrators),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, longerSID),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, leftBehind),
		ace(ntsd.Allow, readProperty, migrate.GUID{}, leftBehind),
		unknownOf(leftBehind),
		inherited(ace(ntsd.Allow, fullControl, migrate.GUID{}, bob)),
	}, [][]byte{
		ace(ntsd.Allow, fullControl, migrate.GUID{}, "S-1-5-18"),
		ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), alice), // what both sides say is given once
		inherited(ace(ntsd.Allow, readProperty, migrate.GUID{}, baltic+"-512")),
	})
	l.forbidden(t, "strip", "permissions.twin-missing", pair, first(l.PlanStrip))
	plan := l.carryOut(t, pair, l.PlanTwinRights)
	if diff := cmp.Diff([]string{"permissions.unmapped"}, rules(plan.Findings)); diff != "" || !strings.Contains(fmt.Sprint(plan.Findings), string(leftBehind)) {
		t.Errorf("%s: %v", diff, plan.Findings)
	}
	l.onlyFound(t, "twin rights", pair, l.PlanTwinRights, "permissions.unmapped")
	l.carryOut(t, pair, l.PlanStrip)
	l.nothingLeft(t, "strip", pair, l.PlanStrip)
	want := [][]byte{
		ace(ntsd.DenyObject, ntsd.MaskControlAccess, ntsd.SendAs(), bobTwin),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, "S-1-5-18"),
		ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), aliceTwin),
		ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.ReceiveAs(), aliceTwin),
		flagged(ace(ntsd.Allow, fullControl, migrate.GUID{}, migratedGroupTwin), 2),
		callback(ace(ntsd.Allow, readProperty, migrate.GUID{}, carolTwin), readable),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, pair.Target.SID),
		inherited(ace(ntsd.Allow, readProperty, migrate.GUID{}, baltic+"-512")),
	}
	if diff := cmp.Diff(want, l.raws(t, pair)); diff != "" {
		t.Error(diff)
	}
	l.onlyFound(t, "twin rights after the strip", pair, l.PlanTwinRights, "permissions.unmapped")
}

// first makes a planner of one whose findings are many: only the first is kept.
func first(plan planner) planner {
	return func(ctx context.Context, pair directory.Pair) (directory.Plan, error) {
		p, err := plan(ctx, pair)
		p.Findings = p.Findings[:min(1, len(p.Findings))]
		return p, err
	}
}

func unknownOf(sid migrate.SID) []byte {
	raw := ace(ntsd.Allow, fullControl, migrate.GUID{}, sid)
	raw[0] = 0x04
	return raw
}

// TestSnapshotIsPlainData: plans and reports show who had which right and who gets it.
func TestSnapshotIsPlainData(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, [][]byte{
		ace(ntsd.DenyObject, ntsd.MaskControlAccess, ntsd.SendAs(), bob),
		flagged(callback(ace(ntsd.Allow, fullControl, migrate.GUID{}, leftBehind), "artx"), 2),
	}, nil)
	plan, err := l.PlanTwinRights(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(plan.Rights)
	if err != nil {
		t.Fatal(err)
	}
	var got directory.RightsSnapshot
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := directory.RightsSnapshot{Object: birgitDN, Attr: "nTSecurityDescriptor", Entries: []directory.Right{
		{
			Trustee: bob, Name: "bob@alpine.test (" + string(bob) + ")", Twin: bobTwin, Deny: true, Right: "Send-As", Mask: 0x100,
			Object: "ab721a54-1e2f-11d0-9819-00aa0040529b", Entry: ace(ntsd.DenyObject, ntsd.MaskControlAccess, ntsd.SendAs(), bob),
		},
		{
			Trustee: leftBehind, Name: string(leftBehind), Right: "full control", Mask: fullControl, Flags: 2, Condition: true,
			Entry: flagged(callback(ace(ntsd.Allow, fullControl, migrate.GUID{}, leftBehind), "artx"), 2),
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(b), `"right":"Send-As"`) {
		t.Errorf("got %s", b)
	}
}

// TestSourceRightsWaitForTheTwin: who has a right on the source and no twin yet is named,
// and gets the right when there is one.
func TestSourceRightsWaitForTheTwin(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, dora)}, nil)
	l.source.put(t, doraDN, with(doraMailbox, map[string][]string{"objectSid": {string(sidBytes(dora))}}))
	plan := l.carryOut(t, pair, l.PlanTwinRights)
	if diff := cmp.Diff([]string{"permissions.waiting"}, rules(plan.Findings)); diff != "" || plan.Findings[0].Whom != string(birgitDN) {
		t.Errorf("%s: %v", diff, plan.Findings)
	}
	l.nothingLeft(t, "strip", pair, l.PlanStrip)
	twin := l.stage(t, l.match(t, string(doraDN))).Target.SID
	l.carryOut(t, pair, l.PlanTwinRights)
	if diff := cmp.Diff([]string{"allow " + string(twin)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
	l.nothingLeft(t, "twin rights", pair, l.PlanTwinRights)
}

// TestAmbiguousTrusteeOfTheSource: nobody is given rights on a guess.
func TestAmbiguousTrusteeOfTheSource(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, alice), ace(ntsd.Deny, readProperty, migrate.GUID{}, alice)}, nil)
	l.target.put(t, staffDN("Alice again"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:alice@alpine.test"}})
	l.forbidden(t, "twin rights", "permissions.ambiguous", pair, l.PlanTwinRights)
	l.forbidden(t, "strip", "permissions.ambiguous", pair, l.PlanStrip)
}

// TestRightsOfTheSourceThatCannotBeRead: silence is not taken for "nobody has any".
func TestRightsOfTheSourceThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, nil, nil)
	delete(l.source.entries[birgitDN.Key()].attrs, "ntsecuritydescriptor")
	for name, step := range map[string]planner{"twin rights": l.PlanTwinRights, "strip": l.PlanStrip} {
		_, err := step(t.Context(), pair)
		if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || !strings.Contains(e.Hint, "source") {
			t.Errorf("%s: got %v, want an error with a hint", name, err)
		}
	}
	l.Rules.Permissions = directory.StripPermissions
	l.nothingLeft(t, "strip does not ask the source", pair, l.PlanStrip)
}

// TestPermissionModes: what is translated by default is only stripped, or left alone,
// where it is configured so.
func TestPermissionModes(t *testing.T) {
	t.Parallel()
	stays, other := "allow "+string(leftBehind), "allow "+string(administrators)
	for mode, test := range map[directory.PermissionMode]struct {
		want  []string
		rules []string
	}{
		"":                             {[]string{"allow send-as " + string(aliceTwin), other, "allow " + string(carolTwin)}, []string{"permissions.unmapped"}},
		directory.TranslatePermissions: {[]string{"allow send-as " + string(aliceTwin), other, "allow " + string(carolTwin)}, []string{"permissions.unmapped"}},
		directory.StripPermissions:     {[]string{other}, []string{"permissions.stripped"}},
		directory.KeepPermissions:      {[]string{"allow send-as " + string(alice), stays, other}, []string{"permissions.kept"}},
	} {
		l, pair := grantedLab(t, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, carol)}, [][]byte{
			ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), alice),
			ace(ntsd.Allow, fullControl, migrate.GUID{}, leftBehind),
			ace(ntsd.Allow, readProperty, migrate.GUID{}, administrators),
		})
		l.Rules.Permissions = mode
		l.carryOut(t, pair, l.PlanTwinRights)
		if diff := cmp.Diff(test.rules, rules(l.carryOut(t, pair, l.PlanStrip).Findings)); diff != "" {
			t.Errorf("%q: %s", mode, diff)
		}
		if diff := cmp.Diff(test.want, l.dacl(t, pair)); diff != "" {
			t.Errorf("%q: %s", mode, diff)
		}
		l.onlyFound(t, string(mode), pair, l.PlanTwinRights)
		findings, err := l.Verify(t.Context(), pair, "")
		if err != nil || strings.Contains(fmt.Sprint(rules(findings)), "permission") {
			t.Errorf("%q: verify finds %v, %v", mode, findings, err)
		}
	}
	l, pair := grantedLab(t, nil, nil)
	l.Rules.Permissions = "translat"
	l.forbidden(t, "twin rights", "rules.permissions", pair, l.PlanTwinRights)
	l.forbidden(t, "strip", "rules.permissions", pair, l.PlanStrip)
}

// TestVerifyMissesRights: the right was given, and somebody took it away again.
func TestVerifyMissesRights(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, carol)}, nil)
	findings, err := l.Verify(t.Context(), pair, "")
	if err != nil || !slices.Contains(rules(findings), "verify.permissions-missing") || !strings.Contains(fmt.Sprint(findings), string(carolTwin)) {
		t.Errorf("got %v, %v", findings, err)
	}
}

// TestLinkedAccountKeepsItsRights: who still logs on with the source's account works
// under the legacy SID, and under the twin's once the mailbox is the target account's.
func TestLinkedAccountKeepsItsRights(t *testing.T) {
	t.Parallel()
	sendAs := func(sid migrate.SID) []byte { return ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), sid) }
	for _, mode := range []directory.PermissionMode{directory.TranslatePermissions, directory.StripPermissions} {
		l, pair := grantedLab(t, [][]byte{sendAs(bob)}, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, alice)})
		l.Rules.Permissions = mode
		want := []string{"allow " + string(alice)}
		found := []string{"permissions.linked"}
		for _, sid := range []migrate.SID{alice, bob} {
			name := map[migrate.SID]string{alice: "alice", bob: "bob"}[sid]
			l.target.entries[staffDN(name).Key()].attrs["msexchmasteraccountsid"] = [][]byte{sidBytes(sid)}
		}
		if mode == directory.TranslatePermissions {
			want = append(want, "allow "+string(aliceTwin), "allow send-as "+string(bobTwin), "allow send-as "+string(bob))
			found = append(found, "permissions.linked")
		}
		l.carryOut(t, pair, l.PlanTwinRights)
		l.onlyFound(t, "linked", pair, l.PlanStrip, found...)
		if diff := cmp.Diff(want, l.dacl(t, pair)); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
		l.onlyFound(t, "linked", pair, l.PlanTwinRights)
		for _, name := range []string{"alice", "bob"} {
			delete(l.target.entries[staffDN(name).Key()].attrs, "msexchmasteraccountsid")
		}
		l.carryOut(t, pair, l.PlanTwinRights)
		l.carryOut(t, pair, l.PlanStrip)
		want = nil
		if mode == directory.TranslatePermissions {
			want = []string{"allow " + string(aliceTwin), "allow send-as " + string(bobTwin)}
		}
		if diff := cmp.Diff(want, l.dacl(t, pair)); diff != "" {
			t.Errorf("%s, no longer linked: %s", mode, diff)
		}
	}
}

// TestLinkedAccountWithoutMail: in its own forest the account has no mail, so that
// nothing but the linked mailbox tells who it is.
func TestLinkedAccountWithoutMail(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, dora)}, nil)
	l.source.put(t, doraDN, map[string][]string{"objectClass": {"user"}, "objectSid": {string(sidBytes(dora))}})
	linked := map[string][]string{"objectClass": {"user"}, "objectSid": {string(sidBytes(doraTwin))}, "msExchMasterAccountSid": {string(sidBytes(dora))}}
	l.target.put(t, staffDN("dora"), linked)
	l.carryOut(t, pair, l.PlanTwinRights)
	l.onlyFound(t, "strip", pair, l.PlanStrip, "permissions.linked")
	if diff := cmp.Diff([]string{"allow " + string(doraTwin), "allow " + string(dora)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
}

// TestAdminCount: the directory would undo what is set on a protected account.
func TestAdminCount(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, nil, [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, alice)})
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["admincount"] = [][]byte{[]byte("1")}
	if diff := cmp.Diff([]string{"permissions.admin-count"}, rules(l.carryOut(t, pair, l.PlanTwinRights).Findings)); diff != "" {
		t.Error(diff)
	}
	l.carryOut(t, pair, l.PlanStrip)
	l.nothingLeft(t, "nothing to set", pair, l.PlanTwinRights)
	attrs = l.target.entries[pair.Target.DN.Key()].attrs
	attrs["ntsecuritydescriptor"] = [][]byte{security(ace(ntsd.Allow, readProperty, migrate.GUID{}, alice))}
	l.Rules.Permissions = directory.StripPermissions
	if diff := cmp.Diff([]string{"permissions.stripped", "permissions.admin-count"}, rules(l.carryOut(t, pair, l.PlanStrip).Findings)); diff != "" {
		t.Error(diff)
	}
}

// TestInheritedLegacyIsNamed: what comes from an OU goes only there, and the finding
// says where that is, once for each trustee.
func TestInheritedLegacyIsNamed(t *testing.T) {
	t.Parallel()
	l, pair := grantedLab(t, nil, [][]byte{
		inherited(ace(ntsd.Allow, readProperty, migrate.GUID{}, alice)),
		inherited(ace(ntsd.Allow, fullControl, migrate.GUID{}, alice)),
		inherited(ace(ntsd.Deny, fullControl, migrate.GUID{}, bob)),
		inherited(ace(ntsd.Allow, fullControl, migrate.GUID{}, carol)),
		inherited(ace(ntsd.Allow, fullControl, migrate.GUID{}, administrators)),
	})
	give := func(dn directory.DN, aces ...[]byte) {
		l.target.entries[dn.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(aces...)}
	}
	give(staff, flagged(ace(ntsd.Allow, fullControl, migrate.GUID{}, alice), 2), inherited(ace(ntsd.Deny, fullControl, migrate.GUID{}, bob)),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, bob))
	give("DC=baltic,DC=test", flagged(ace(ntsd.Deny, fullControl, migrate.GUID{}, bob), 2))
	plan := l.onlyFound(t, "strip", pair, l.PlanStrip, "permissions.inherited", "permissions.inherited", "permissions.inherited")
	for i, want := range []string{string(alice) + " from " + string(staff) + ";", string(bob) + " from DC=baltic,DC=test;", string(carol) + ", and those above do not show from where"} {
		if got := plan.Findings[i].What; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLegacyIsAnAccountOfADomain: listed are domains and single accounts; what is listed
// by mistake, and stands for the same everywhere, is never taken for legacy.
func TestLegacyIsAnAccountOfADomain(t *testing.T) {
	t.Parallel()
	const neighbour = "S-1-5-21-4-4-4-2001"
	stay := []migrate.SID{neighbour, "S-1-1-0", "S-1-3-0", "S-1-3-4", "S-1-5-11", administrators, "S-1-5-18", "S-1-5-32-547", "S-1-5-80-1-2-3-4-5"}
	var target [][]byte
	var want []string
	for _, sid := range append([]migrate.SID{singled}, stay...) {
		target = append(target, ace(ntsd.Deny, readProperty, migrate.GUID{}, sid))
		want = append(want, "deny "+string(sid))
	}
	l, pair := grantedLab(t, nil, target)
	l.Rules.Legacy = append(slices.Clone(stay[1:]), singled, "S-1-5-32", "S-1-5", "S-1-1", "S-1-3", "S-1-5-21")
	l.carryOut(t, pair, l.PlanTwinRights)
	l.carryOut(t, pair, l.PlanStrip)
	if diff := cmp.Diff(want[1:], l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
}

// TestRightsThatDoNotFit: a list that is full is for a person to thin out, and nothing
// goes before the rest is in.
func TestRightsThatDoNotFit(t *testing.T) {
	t.Parallel()
	var many [][]byte
	for i := range 1800 {
		many = append(many, ace(ntsd.Allow, readProperty, migrate.GUID{}, migrate.SID(fmt.Sprintf("%s-%d", baltic, 5000+i))))
	}
	l, pair := grantedLab(t, nil, append(many, ace(ntsd.Allow, readProperty, migrate.GUID{}, alice)))
	for range 19 {
		many = append(many, ace(ntsd.Allow, readProperty, migrate.GUID{}, baltic+"-9999"))
	}
	l.forbidden(t, "room", "permissions.twin-missing", pair, l.PlanStrip)
	l.target.entries[pair.Target.DN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(append(many, ace(ntsd.Allow, readProperty, migrate.GUID{}, alice))...)}
	l.forbidden(t, "no room", "permissions.full", pair, l.PlanTwinRights)
	l.forbidden(t, "no room", "permissions.twin-missing", pair, l.PlanStrip)
}

// TestDisorderIsNamed: a server may put denials first as it writes.
func TestDisorderIsNamed(t *testing.T) {
	t.Parallel()
	mixed := [][]byte{ace(ntsd.Allow, readProperty, migrate.GUID{}, alice), ace(ntsd.Deny, readProperty, migrate.GUID{}, alice)}
	l, pair := grantedLab(t, mixed, nil)
	if diff := cmp.Diff([]string{"permissions.order"}, rules(l.carryOut(t, pair, l.PlanTwinRights).Findings)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"deny " + string(aliceTwin), "allow " + string(aliceTwin)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
	l, pair = grantedLab(t, nil, mixed)
	plan, err := l.PlanTwinRights(t.Context(), pair)
	if diff := cmp.Diff([]string{"permissions.order"}, rules(plan.Findings)); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
