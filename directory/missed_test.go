package directory_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// TestNoLinksToTheRefused: whoever is not staged, because a name is taken or because
// what was found is somebody else, gets no link and is the end of none, and nobody else
// suffers from it.
func TestNoLinksToTheRefused(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]map[string][]string{
		"the routing address is another's": {"proxyAddresses": {"SMTP:a@baltic.test", "smtp:john.smith01@mail.baltic.test"}},
		"a mailbox shares an address": {
			"proxyAddresses": {"SMTP:a@baltic.test", "smtp:JOHN.SMITH01@alpine.test"}, "homeMDB": {"CN=DB,DC=baltic,DC=test"},
			"msExchMailboxGuid": {"another-mailbox!"},
		},
	} {
		l := newLab(t)
		l.putMany(t, 4)
		other := staffDN("Another")
		l.target.put(t, other, with(map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"another"}}, taken))
		before := l.target.get(t, other)
		staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		refused := l.carryAll(t, staging)
		if diff := cmp.Diff([]string{"john.smith01"}, refused); diff != "" {
			t.Errorf("%s: refused (-want +got):\n%s", name, diff)
		}
		// The manager of the first is the second, who is refused.
		first := l.match(t, "john.smith00@alpine.test").Target.DN
		if got := l.target.get(t, first); got.Has("manager") || len(got.Values("publicDelegates")) != 2 {
			t.Errorf("%s: manager %q, delegates %q, want none and two", name, got.Values("manager"), got.Values("publicDelegates"))
		}
		after := l.target.get(t, other)
		if !slices.Equal(before.Attrs(), after.Attrs()) {
			t.Errorf("%s: %q has changed: %q, then %q", name, other, before.Attrs(), after.Attrs())
		}
	}
}

// carryAll carries out what the staging plans, and returns the aliases of those who are
// refused.
func (l *lab) carryAll(t *testing.T, staging *directory.Staging) (refused []string) {
	t.Helper()
	journal := newJournal(l.clock)
	for p, err := range staging.Plans(t.Context()) {
		if err != nil || p.Err != nil {
			t.Fatal(err, p.Err)
		}
		if len(p.Plan.Forbidden()) > 0 {
			refused = append(refused, p.Pair.Source.Alias)
			continue
		}
		if err := l.CarrySeen(t.Context(), journal, p.Plan); err != nil {
			t.Fatal(err)
		}
	}
	for p, err := range staging.Links(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := l.CarrySeen(t.Context(), journal, p.Plan); err != nil {
			t.Errorf("link %s: %v", p.Pair.Source, err)
		}
	}
	return refused
}

// TestMissedByTheServer: an object that could not be made is no end of a link either.
func TestMissedByTheServer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putMany(t, 3)
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var missed migrate.GUID
	for p, err := range staging.Plans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Pair.Source.Alias == "john.smith01" {
			missed = p.Pair.Source.GUID
			staging.Missed(missed)
		}
	}
	planned := 0
	for p, err := range staging.Links(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Pair.Source.GUID == missed && len(p.Plan.Changes) > 0 {
			t.Errorf("links of the one who was missed are planned: %+v", p.Plan.Changes)
		}
		for _, change := range p.Plan.Changes {
			for _, mod := range change.Mods {
				planned += len(mod.Values)
			}
		}
	}
	if planned != 3 { // of the nine: not the three of his own, nor the three that lead to him
		t.Errorf("%d links are planned, want 3", planned)
	}
}

// TestAnew: the plan of one person is made once more, from what stands there now.
func TestAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 2)
	journal := newJournal(l.clock)
	l.stageAll(t, journal, directory.Selection{})
	pair := l.match(t, string(dns[0]))
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	delete(l.target.entries[pair.Target.DN.Key()].attrs, "mailnickname")
	delete(l.target.entries[pair.Target.DN.Key()].attrs, "manager")
	for attr, links := range map[string]bool{"mailNickname": false, "manager": true} {
		p, err := staging.Anew(t.Context(), pair.Source.GUID, links)
		if err != nil || len(p.Plan.Changes) != 1 || len(p.Plan.Changes[0].Mods) != 1 || p.Plan.Changes[0].Mods[0].Attr != attr {
			t.Errorf("%s: got %+v, %v", attr, p.Plan.Changes, err)
		}
	}
}
