package directory_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

const mailboxSecurity = "msExchMailboxSecurityDescriptor"

// fullAccess is the right to open a mailbox.
const fullAccess = uint32(1)

// owned returns a descriptor of the owner and group, which has the entries.
func owned(owner, group migrate.SID, aces ...[]byte) []byte {
	o, g, body := sidBytes(owner), sidBytes(group), slices.Concat(aces...)
	b := []byte{1, 0, 0x04, 0x8c, 20, 0, 0, 0, byte(20 + len(o)), 0, 0, 0, 0, 0, 0, 0, byte(20 + len(o) + len(g)), 0, 0, 0}
	b = append(slices.Concat(b, o, g), 4, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(8+len(body)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(aces)))
	return append(append(b, 0, 0), body...)
}

// mailboxLab has birgit staged and her colleagues, with the descriptor on her mailbox.
func mailboxLab(t testing.TB, descriptor []byte) (*lab, directory.Pair) {
	t.Helper()
	l := newLab(t)
	l.putColleagues(t)
	return l, l.stage(t, l.putBirgit(t, map[string][]string{
		"objectSid": {string(sidBytes(birgitsOwn))}, mailboxSecurity: {string(descriptor)},
	}))
}

func full(sid migrate.SID) []byte { return ace(ntsd.Allow, fullAccess, migrate.GUID{}, sid) }

// TestMailboxRights: who may open the mailbox at the source may open it at the target,
// from the first moment on.
func TestMailboxRights(t *testing.T) {
	t.Parallel()
	l, pair := mailboxLab(t, owned(birgitsOwn, domainUsers,
		ace(ntsd.Deny, fullAccess, migrate.GUID{}, bob),
		full(migrate.Self),
		flagged(full(alice), 2),
		full(carol), full(dora), full(leftBehind), full(domainUsers), full(administrators), full(baltic+"-512"), full(birgitsOwn),
		callback(full(migratedGroup), "artx\x01"), unknownOf(alice),
		inherited(full(alpine+"-2500")), inherited(full("S-1-5-18")),
	))
	l.source.put(t, doraDN, with(doraMailbox, map[string][]string{"objectSid": {string(sidBytes(dora))}}))
	l.target.entries[staffDN("carol").Key()].attrs["msexchmasteraccountsid"] = [][]byte{sidBytes(carol)}

	plan := l.carryOut(t, pair, on("", l.PlanOpen))
	want := []string{"permissions.linked", "permissions.waiting", "permissions.unmapped", "permissions.unmapped"}
	if diff := cmp.Diff(want, rules(plan.Findings)); diff != "" {
		t.Error(diff)
	}
	for i, sid := range []migrate.SID{carol, dora, leftBehind, domainUsers} {
		if what := plan.Findings[i].What; !strings.Contains(what, string(sid)) || !strings.Contains(what, "on the mailbox") {
			t.Errorf("finding %d is %q", i, what)
		}
	}
	if plan.Rights == nil || plan.Rights.Attr != mailboxSecurity || len(plan.Rights.Entries) != 8 {
		t.Errorf("got the snapshot %+v", plan.Rights)
	}
	pair = l.reload(t, pair)
	got := pair.Target.Entry.Bytes(mailboxSecurity)
	sd := owned(migrate.Self, migrate.Self,
		ace(ntsd.Deny, fullAccess, migrate.GUID{}, bobTwin),
		full(migrate.Self),
		flagged(full(aliceTwin), 2),
		full(carolTwin), full(carol), full(dora), full(administrators), full(baltic+"-512"), full(pair.Target.SID),
		callback(full(migratedGroupTwin), "artx\x01"), unknownOf(alice),
		inherited(full("S-1-5-18")),
	)
	if len(got) != 1 || !bytes.Equal(got[0], sd) {
		t.Errorf("got  %x\nwant %x", got, sd)
	}
	l.nothingLeft(t, "open", pair, on("", l.PlanOpen))
}

// TestMailboxRightsKeepTheOwner: who is not of the old domains stays owner and group.
func TestMailboxRightsKeepTheOwner(t *testing.T) {
	t.Parallel()
	for name, sd := range map[string][]byte{
		"the object itself": owned(migrate.Self, migrate.Self, full(migrate.Self)),
		"others":            owned(administrators, baltic+"-512", full(migrate.Self)),
		"nobody may":        owned(migrate.Self, "S-1-5-18"),
	} {
		l, pair := mailboxLab(t, sd)
		l.carryOut(t, pair, on("", l.PlanOpen))
		if got := l.reload(t, pair).Target.Entry.Bytes(mailboxSecurity); len(got) != 1 || !bytes.Equal(got[0], sd) {
			t.Errorf("%s: got %x, want %x", name, got, sd)
		}
	}
}

// TestMailboxRightsAreLeftAlone where they would not count, are somebody else's, or are
// not to be touched.
func TestMailboxRightsAreLeftAlone(t *testing.T) {
	t.Parallel()
	others := string(owned(migrate.Self, migrate.Self, full(baltic+"-4711")))
	for name, test := range map[string]struct {
		prepare func(l *lab, target map[string][][]byte)
		want    []string
		rules   []string
	}{
		"strip": {func(l *lab, _ map[string][][]byte) { l.Rules.Permissions = directory.StripPermissions }, nil, nil},
		"keep":  {func(l *lab, _ map[string][][]byte) { l.Rules.Permissions = directory.KeepPermissions }, nil, nil},
		"set by others": {func(_ *lab, target map[string][][]byte) {
			target[strings.ToLower(mailboxSecurity)] = [][]byte{[]byte(others)}
		}, []string{others}, nil},
		"Exchange": {func(l *lab, target map[string][][]byte) {
			l.Target.Info.HasExchange = true
			target["homemdb"] = [][]byte{[]byte(database1)}
		}, nil, nil},
		"opened by others": {func(_ *lab, target map[string][][]byte) { target["homemdb"] = [][]byte{[]byte(database1)} }, nil, nil},
	} {
		l, pair := mailboxLab(t, owned(migrate.Self, migrate.Self, full(alice), full(leftBehind)))
		test.prepare(l, l.target.entries[pair.Target.DN.Key()].attrs)
		pair, err := l.Match(t.Context(), pair.Source, l.reload(t, pair).Target.GUID)
		if err != nil {
			t.Fatal(err)
		}
		plan := l.carryOut(t, pair, on("", l.PlanOpen))
		if diff := cmp.Diff(test.rules, rules(plan.Findings)); diff != "" || plan.Rights != nil {
			t.Errorf("%s: %s %v", name, diff, plan.Rights)
		}
		if diff := cmp.Diff(test.want, l.reload(t, pair).Target.Entry.Values(mailboxSecurity)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestMailboxRightsThatCannotBeTaken: the mailbox is opened without them, and a person
// is told.
func TestMailboxRightsThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	var linked [][]byte // of each of them there is one for the twin as well
	for mask := range uint32(1000) {
		linked = append(linked, ace(ntsd.Allow, mask, migrate.GUID{}, alice))
	}
	for name, test := range map[string]struct {
		sd   []byte
		rule string
	}{
		"junk":     {[]byte{1, 0}, "permissions.mailbox-unreadable"},
		"no list":  {[]byte{1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "permissions.mailbox-unreadable"},
		"too long": {owned(migrate.Self, migrate.Self, linked...), "permissions.full"},
	} {
		l, pair := mailboxLab(t, test.sd)
		l.target.entries[staffDN("alice").Key()].attrs["msexchmasteraccountsid"] = [][]byte{sidBytes(alice)}
		plan := l.carryOut(t, pair, on("", l.PlanOpen))
		if !slices.Contains(rules(plan.Findings), test.rule) {
			t.Errorf("%s: got %v, want %s", name, plan.Findings, test.rule)
		}
		pair = l.reload(t, pair)
		if !pair.Target.IsMailbox() || pair.Target.Entry.Has(mailboxSecurity) {
			t.Errorf("%s: mailbox %v with %x", name, pair.Target.IsMailbox(), pair.Target.Entry.Bytes(mailboxSecurity))
		}
	}
}

// TestMailboxRightsOfAnAmbiguousTrustee: nobody is given them on a guess, and nothing is
// lost.
func TestMailboxRightsOfAnAmbiguousTrustee(t *testing.T) {
	t.Parallel()
	sd := owned(migrate.Self, migrate.Self, full(alice))
	l, pair := mailboxLab(t, sd)
	l.target.put(t, staffDN("Alice again"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:alice@alpine.test"}})
	plan := l.carryOut(t, pair, on("", l.PlanOpen))
	if diff := cmp.Diff([]string{"permissions.ambiguous"}, rules(plan.Findings)); diff != "" || plan.Findings[0].Severity != migrate.Warn {
		t.Errorf("%s %v", diff, plan.Findings)
	}
	if got := l.reload(t, pair).Target.Entry.Bytes(mailboxSecurity); len(got) != 1 || !bytes.Equal(got[0], sd) {
		t.Errorf("got %x, want %x", got, sd)
	}
}

// TestMailboxRightsNeitherReduceNorEnlarge: in a list of any order the twin may do with
// the mailbox what the person could, and everyone else what they could.
func TestMailboxRightsNeitherReduceNorEnlarge(t *testing.T) {
	t.Parallel()
	l, pair := mailboxLab(t, nil)
	people := rightsLab{lab: l, pair: pair}
	any := anyEntry(slices.Concat(wellKnown, strangers, mappedSIDs, mappedSIDs, twinSIDs, []migrate.SID{leftBehind})...)
	rapid.Check(t, func(r *rapid.T) {
		counts := slices.Concat(entries(r, "first", any), entries(r, "unknown", unknownEntry(alice)), entries(r, "last", any),
			asInherited(entries(r, "inherited", anyEntry(slices.Concat(wellKnown, twinSIDs)...))))
		sd := owned(alice, administrators, append(counts, asInherited(entries(r, "of the database", anyEntry(mappedSIDs...)))...)...)
		pair.Source.Entry = directory.NewEntry(pair.Source.DN, map[string][][]byte{mailboxSecurity: {sd}})
		plan, err := l.PlanOpen(t.Context(), pair, "")
		if err != nil || len(plan.Forbidden()) > 0 || len(plan.Changes) != 2 {
			r.Fatalf("%v %v", err, plan)
		}
		i := slices.IndexFunc(plan.Changes[0].Mods, func(m directory.Mod) bool { return m.Attr == mailboxSecurity })
		after := readDACL(plan.Changes[0].Mods[i].Values[0])
		people.sameAccess(r, readAll(counts), after)
		people.sameForOthers(r, readAll(counts), after)
	})
}
