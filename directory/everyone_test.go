package directory_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// putMany puts n mailboxes of one name into the source, each the manager of the next and
// the delegate of the one before.
func (l *lab) putMany(t testing.TB, n int) []directory.DN {
	t.Helper()
	var dns []directory.DN
	for i := range n {
		dns = append(dns, people.Child("OU", fmt.Sprint(i)).Child("CN", "Smith, John"))
	}
	for i, dn := range dns {
		alias := fmt.Sprintf("john.smith%02d", i)
		l.source.put(t, dn, with(birgit(), map[string][]string{
			"sAMAccountName": {alias}, "userPrincipalName": {alias + "@group.test"}, "mailNickname": {alias},
			"mail": {alias + "@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/ou=G/cn=Recipients/cn=" + alias},
			"proxyAddresses":    {"SMTP:" + alias + "@alpine.test", "X500:/o=Old/cn=" + alias},
			"msExchMailboxGuid": {fmt.Sprintf("%016d", i)}, "manager": {string(dns[(i+1)%n])},
			"publicDelegates": {string(dns[(i+n-1)%n]), string(dns[(i+n-2)%n])},
		}))
	}
	return dns
}

// stageAll stages the selection, links and all, and returns how much was planned.
func (l *lab) stageAll(t testing.TB, journal directory.Journal, selection directory.Selection) (changes int) {
	t.Helper()
	staging, err := l.Everyone(t.Context(), selection, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, plans := range []func(context.Context) iter.Seq2[directory.PersonPlan, error]{staging.Plans, staging.Links} {
		for p, err := range plans(t.Context()) {
			if err != nil || p.Err != nil {
				t.Fatal(err, p.Err)
			}
			if err := l.Apply(t.Context(), journal, p.Plan); err != nil {
				t.Fatalf("%s: %v", p.Pair.Source.DN, err)
			}
			changes += len(p.Plan.Changes)
		}
	}
	return changes
}

func TestEveryoneIsStagedOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 7)
	journal := newJournal(l.clock)
	if first := l.stageAll(t, journal, directory.Selection{}); first < 14 {
		t.Errorf("got %d changes, want at least one for each side of each of 7 people", first)
	}
	if again := l.stageAll(t, journal, directory.Selection{}); again != 0 {
		t.Errorf("a second staging plans %d changes, want 0", again)
	}
	var names []string
	for _, s := range l.target.entries {
		if s.dn.Parent().Equal(staff) {
			names = append(names, s.dn.Name())
		}
	}
	slices.Sort(names)
	want := []string{"Smith, John", "Smith, John 2", "Smith, John 3", "Smith, John 4", "Smith, John 5", "Smith, John 6", "Smith, John 7"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("common names (-want +got):\n%s", diff)
	}
	first, next := l.match(t, string(dns[0])), l.match(t, string(dns[1]))
	twin := l.target.get(t, first.Target.DN)
	if got := directory.DN(twin.First("manager")); !got.Equal(next.Target.DN) {
		t.Errorf("got manager %q, want the twin of the manager, %q", got, next.Target.DN)
	}
	if got := len(twin.Values("publicDelegates")); got != 2 {
		t.Errorf("got %d delegates, want 2", got)
	}
}

func TestLinkIsSetWhenItsEndArrives(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 3)
	journal := newJournal(l.clock)
	l.stageAll(t, journal, directory.Selection{Who: []string{string(dns[0])}})
	twin := l.match(t, string(dns[0])).Target.DN
	if got := l.target.get(t, twin).Values("manager"); got != nil {
		t.Errorf("got manager %q before the manager has a twin", got)
	}
	l.stageAll(t, journal, directory.Selection{Who: []string{string(dns[1])}})
	want := l.match(t, string(dns[1])).Target.DN
	if got := directory.DN(l.target.get(t, twin).First("manager")); !got.Equal(want) {
		t.Errorf("got manager %q after the manager was staged, want %q", got, want)
	}
}

func TestUndoRestoresBothSides(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putMany(t, 5)
	source, target := l.source.dump(), l.target.dump()
	journal := newJournal(l.clock)
	l.stageAll(t, journal, directory.Selection{})
	if cmp.Equal(l.target.dump(), target) || cmp.Equal(l.source.dump(), source) {
		t.Fatal("staging changed nothing")
	}
	l.undo(t, journal)
	if diff := cmp.Diff(source, l.source.dump()); diff != "" {
		t.Errorf("source (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(target, l.target.dump()); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// TestUndoFindsWhoWasRenamed: people marry and change offices between the staging and the
// undoing, and somebody else may be given the name.
func TestUndoFindsWhoWasRenamed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 3)
	journal := newJournal(l.clock)
	l.stageAll(t, journal, directory.Selection{})
	twin := l.match(t, string(dns[1])).Target.DN
	added := len(l.source.get(t, dns[1]).Values("proxyAddresses"))
	renamed := directory.DN("CN=Married,OU=Elsewhere,DC=alpine,DC=test")
	l.source.rename(t, dns[1], renamed)
	l.target.rename(t, twin, staffDN("Married"))
	l.source.put(t, dns[1], map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:another@alpine.test"}})
	l.undo(t, journal)
	left := l.source.get(t, renamed).Values("proxyAddresses")
	if strings.Contains(strings.ToLower(strings.Join(left, " ")), "baltic") || len(left) == added {
		t.Errorf("what staging added is still there: %q", left)
	}
	if diff := cmp.Diff([]string{"smtp:another@alpine.test"}, l.source.get(t, dns[1]).Values("proxyAddresses")); diff != "" {
		t.Errorf("who has the name now was changed: %s", diff)
	}
	if _, err := l.target.Get(t.Context(), staffDN("Married")); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("the staged object is still there: %v", err)
	}
}

// undo takes back everything that is in the journal, person by person.
func (l *lab) undo(t testing.TB, j *journal) {
	t.Helper()
	known := j.staged()
	for _, changes := range known.people {
		plan, err := l.PlanUndo(t.Context(), changes, known.touched)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Apply(t.Context(), j, plan); err != nil {
			t.Fatal(err)
		}
	}
}
