package directory_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// staged is what the journal knows of what was staged for people.
type staged struct {
	people  map[migrate.GUID][]directory.Change // the newest first
	touched directory.Touched
}

func (j *journal) staged() staged {
	s := staged{people: map[migrate.GUID][]directory.Change{}}
	for _, change := range slices.Backward(j.changes) {
		if !change.Person.IsZero() && !j.dropped[change.ID] {
			s.touched.Note(change)
			s.people[change.Person] = append(s.people[change.Person], change)
		}
	}
	return s
}

// undoOne takes back what the journal has of one person and returns the plan.
func (l *lab) undoOne(t testing.TB, j *journal, person migrate.GUID) directory.Plan {
	t.Helper()
	s := j.staged()
	plan, err := l.PlanUndo(t.Context(), s.people[person], s.touched)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Forbidden()) == 0 {
		if err := l.Apply(t.Context(), j, plan); err != nil {
			t.Fatal(err)
		}
	}
	return plan
}

// rename moves the entry, as an administrator does; its objectGUID stays.
func (m *memory) rename(t testing.TB, dn, to directory.DN) {
	t.Helper()
	s, ok := m.entries[dn.Key()]
	if !ok {
		t.Fatalf("no entry %q", dn)
	}
	delete(m.entries, dn.Key())
	s.dn = to
	s.attrs["cn"] = [][]byte{[]byte(to.Name())}
	m.entries[to.Key()] = s
}

// What staging did to somebody's object for another's sake is staging's work all the
// same: links to who is staged later are no reason to leave the object there.
func TestUndoOfWhoOthersWereLinkedTo(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 3)
	target := l.target.dump()
	j := newJournal(l.clock)
	l.stageAll(t, j, directory.Selection{Who: []string{string(dns[0])}})
	l.stageAll(t, j, directory.Selection{Who: []string{string(dns[1])}}) // manager and delegate of the first
	first, second := l.match(t, string(dns[0])).Source.GUID, l.match(t, string(dns[1])).Source.GUID
	for _, person := range []migrate.GUID{first, second} {
		if plan := l.undoOne(t, j, person); len(plan.Findings) > 0 {
			t.Errorf("got %v", plan.Findings)
		}
	}
	if diff := cmp.Diff(target, l.target.dump()); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// An undoing that was killed before it was noted is done again, and finds all done.
func TestUndoAgainAfterSeveralForces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.Attributes = map[string]directory.Policy{"title": directory.Force}
	pair := l.putBirgit(t, map[string][]string{"title": {"Clerk"}})
	l.target.put(t, staffDN("Birgit"), map[string][]string{
		"objectClass": {"user"}, "title": {"Temp"}, "mail": {"birgit.meier@alpine.test"}, "sAMAccountName": {"birgit"},
	})
	target := l.target.dump()
	j := newJournal(l.clock)
	l.stageAll(t, j, directory.Selection{})
	l.source.entries[birgitDN.Key()].attrs["title"] = [][]byte{[]byte("Head")}
	l.stageAll(t, j, directory.Selection{})
	for range 2 {
		if plan := l.undoOne(t, j, pair.Source.GUID); len(plan.Findings) > 0 {
			t.Errorf("got %v", plan.Findings)
		}
	}
	if diff := cmp.Diff(target, l.target.dump()); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// A person who is staged anew after an undoing that was not noted is undone as well.
func TestUndoOfWhatWasStagedTwice(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	source, target := l.source.dump(), l.target.dump()
	j := newJournal(l.clock)
	for range 2 {
		l.stageAll(t, j, directory.Selection{})
		if plan := l.undoOne(t, j, pair.Source.GUID); len(plan.Findings) > 0 {
			t.Errorf("got %v", plan.Findings)
		}
	}
	if diff := cmp.Diff(source, l.source.dump()); diff != "" {
		t.Errorf("source (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(target, l.target.dump()); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// Objects that were renamed since are found by what they are, on both sides.
func TestUndoFindsWhatWasRenamed(t *testing.T) {
	t.Parallel()
	for name, adopted := range map[string]bool{"made": false, "adopted": true} {
		l := newLab(t)
		pair := l.putBirgit(t, nil)
		if adopted {
			l.target.put(t, staffDN("Birgit"), map[string][]string{
				"objectClass": {"user"}, "mail": {"birgit.meier@alpine.test"}, "sAMAccountName": {"birgit"},
			})
		}
		want := len(l.target.entries)
		source := text(l.source.get(t, birgitDN), "proxyAddresses")
		j := newJournal(l.clock)
		l.stageAll(t, j, directory.Selection{})
		twin, renamed := l.match(t, string(birgitDN)).Target.DN, people.Child("CN", "Birgit Schulz")
		l.source.rename(t, birgitDN, renamed)
		l.target.rename(t, twin, staffDN("Birgit Schulz"))
		// Links and addresses that came since are written under the new names.
		l.source.entries[renamed.Key()].attrs["pager"] = [][]byte{[]byte("4711")}
		l.stageAll(t, j, directory.Selection{})
		if plan := l.undoOne(t, j, pair.Source.GUID); len(plan.Findings) > 0 {
			t.Errorf("%s: got %v", name, plan.Findings)
		}
		if diff := cmp.Diff(source, text(l.source.get(t, renamed), "proxyAddresses")); diff != "" {
			t.Errorf("%s: source (-before +after):\n%s", name, diff)
		}
		if got := len(l.target.entries); got != want {
			t.Errorf("%s: got %d objects at the target, want %d", name, got, want)
		}
		if adopted {
			left := text(l.target.get(t, staffDN("Birgit Schulz")), "proxyAddresses", "adminDescription", "targetAddress", "pager")
			if diff := cmp.Diff(map[string][]string{}, left); diff != "" {
				t.Errorf("%s: target: %s", name, diff)
			}
		}
	}
}

// A mailbox keeps what staging gave it: without the addresses its mail would bounce.
func TestUndoLeavesMailboxes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("Birgit"), map[string][]string{
		"objectClass": {"user"}, "mail": {"birgit.meier@alpine.test"}, "sAMAccountName": {"birgit"},
	})
	pair := l.putBirgit(t, nil)
	j := newJournal(l.clock)
	l.stageAll(t, j, directory.Selection{})
	// What the opening sets is the only trace of it that stays for certain.
	l.target.entries[staffDN("Birgit").Key()].attrs["homemdb"] = [][]byte{[]byte(database1)}
	before := l.target.dump()
	plan := l.undoOne(t, j, pair.Source.GUID)
	if diff := cmp.Diff([]string{"undo.mailbox"}, rules(plan.Findings)); diff != "" {
		t.Errorf("findings: %s", diff)
	}
	if diff := cmp.Diff(before, l.target.dump()); diff != "" {
		t.Errorf("target: %s", diff)
	}
}
