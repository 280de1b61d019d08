package migrate_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

// tolerant is a forward pass before the switch that may skip any number of items.
func tolerant() migrate.Options {
	return migrate.Options{Grace: -1, Follow: true, Delete: true, Limit: -1}
}

// What was moved at the source and cannot be read in its new place is at the target only
// where it was: it stays there, in this pass and in every later one.
func TestWhatCannotBeReadInItsNewPlaceIsNotDeleted(t *testing.T) {
	t.Parallel()
	here, there, j := filled(2, 4), memory.NewMailbox(), migratetest.NewJournal()
	s := watch(here)
	goForward(t, s, there, j)
	m := here.Folders()[1].Messages[0]
	here.Remove([]string{"Other"}, m.UID)
	m.Broken = "page checksum mismatch"
	here.Add([]string{"INBOX"}, m)
	for pass := range 3 {
		sum, err := migrate.Copy(t.Context(), s, &memory.Target{Mailbox: there}, j, tolerant())
		if err != nil {
			t.Fatal(err)
		}
		if sum.Removed != 0 || sum.Deleted != 1 || items(there) != 6 {
			t.Errorf("pass %d: %+v, the target holds %d items, want the one that cannot be read among 6", pass, sum, items(there))
		}
	}
}

// A source that lists a folder as empty for once, such as one whose index is being
// repaired, loses nothing: what shows again is brought again, by the next pass.
func TestAFolderThatIsEmptyForOnce(t *testing.T) {
	t.Parallel()
	here, there, j := filled(2, 4), memory.NewMailbox(), migratetest.NewJournal()
	s := watch(here)
	goForward(t, s, there, j)
	s.blank = "Other"
	if sum := goForward(t, s, there, j); sum.Removed != 4 || items(there) != 2 {
		t.Fatalf("an empty folder: %+v and %d items, want 4 deleted", sum, items(there))
	}
	s.blank = ""
	findings, err := migrate.Compare(t.Context(), s, &memory.Target{Mailbox: there}, j)
	if err != nil || !slices.ContainsFunc(findings, func(f migrate.Finding) bool { return f.Rule == migrate.ContentMissing }) {
		t.Errorf("compared before the next pass: %v, %v; want what is missing", findings, err)
	}
	if sum := goForward(t, s, there, j); sum.Brought != 4 || items(there) != 6 {
		t.Errorf("it shows again: %+v and %d items, want 4 brought", sum, items(there))
	}
	if sum := goForward(t, s, there, j); !sum.Quiet() || items(there) != 6 {
		t.Errorf("the pass after that: %+v and %d items", sum, items(there))
	}
}

// A perishing journal does not commit what was edited, once: the process dies before that.
type perishing struct {
	*migratetest.Journal
	edits map[migrate.IntentID]bool
	dies  bool
}

var errDied = errors.New("died")

func (j *perishing) Intend(ctx context.Context, intent migrate.Intent) (migrate.IntentID, error) {
	id, err := j.Journal.Intend(ctx, intent)
	j.edits[id] = intent.Edit
	return id, err
}

func (j *perishing) Commit(ctx context.Context, id migrate.IntentID, done []migrate.Done) error {
	if j.dies && j.edits[id] {
		j.dies = false
		return errDied
	}
	return j.Journal.Commit(ctx, id, done)
}

// A move that was finished by the pass after a crash leaves an item whose flags are known:
// what the owner does with it later comes along.
func TestWhatWasMovedBeforeACrashIsStillFollowed(t *testing.T) {
	t.Parallel()
	here, there := memory.NewMailbox(), memory.NewMailbox()
	here.PutFolder([]string{"Other"}, false)
	uids := here.Add([]string{"INBOX"}, memory.Message{Body: []byte("a"), Flags: []string{`\Seen`}}, memory.Message{Body: []byte("b"), Flags: []string{`\Seen`}})
	j := &perishing{Journal: migratetest.NewJournal(), edits: map[migrate.IntentID]bool{}}
	s := watch(here)
	goForward(t, s, there, j)
	for i, body := range []string{"a", "b"} {
		here.Remove([]string{"INBOX"}, uids[i])
		uids[i] = here.Add([]string{"Other"}, memory.Message{Body: []byte(body), Flags: []string{`\Seen`}})[0]
	}
	j.dies = true
	if _, err := migrate.Copy(t.Context(), s, &memory.Target{Mailbox: there}, j, tolerant()); !errors.Is(err, errDied) {
		t.Fatalf("the pass that dies: %v", err)
	}
	goForward(t, s, there, j)
	here.Remove([]string{"Other"}, uids[0])
	s.flags = map[migrate.ItemID][]string{migrate.ItemID(strconv.FormatInt(uids[1], 10)): {`\Seen`, `\Flagged`}}
	if sum := goForward(t, s, there, j); sum.Kept != 0 || sum.Removed != 1 || sum.Edited != 1 || items(there) != 1 {
		t.Errorf("deleted and flagged after that: %+v and %d items, want 1 of each", sum, items(there))
	}
}

// A folder that was numbered anew stays one from which nothing is deleted, also in the
// passes after the one that has read it.
func TestWhatANewNumberingHasLostStays(t *testing.T) {
	t.Parallel()
	here, there, j := filled(2, 6), memory.NewMailbox(), migratetest.NewJournal()
	s := watch(here)
	goForward(t, s, there, j)
	was := here.Folders()[1].Messages
	for _, m := range was {
		here.Remove([]string{"Other"}, m.UID)
	}
	here.Add([]string{"Other"}, was[1:]...)
	s.anew = "Other"
	for pass := range 3 {
		if sum := goForward(t, s, there, j); sum.Removed != 0 || sum.Guarded != 1 || items(there) != 8 {
			t.Errorf("pass %d: %+v and %d items, want 1 for a person", pass, sum, items(there))
		}
		s.anew = ""
	}
}

// Where a new numbering has lost nothing the folder is one like any other, also if its
// source has no States.
func TestANewNumberingThatHasLostNothing(t *testing.T) {
	t.Parallel()
	for _, stateless := range []bool{false, true} {
		here, there, j := filled(2, 6), memory.NewMailbox(), migratetest.NewJournal()
		s := watch(here)
		s.stateless = stateless
		goForward(t, s, there, j)
		for _, m := range here.Folders()[1].Messages {
			here.Remove([]string{"Other"}, m.UID)
			here.Add([]string{"Other"}, m)
		}
		s.anew = "Other"
		if sum := goForward(t, s, there, j); !sum.Quiet() || sum.Guarded != 0 {
			t.Errorf("stateless %t, numbered anew: %+v", stateless, sum)
		}
		s.anew = ""
		here.Remove([]string{"Other"}, here.Folders()[1].Messages[0].UID)
		if sum := goForward(t, s, there, j); sum.Removed != 1 || items(there) != 7 {
			t.Errorf("stateless %t, one is gone: %+v and %d items, want it deleted", stateless, sum, items(there))
		}
	}
}

// A pass that does not follow and goes on where another has stopped says nothing of what
// that one had brought: what became of it meanwhile, the next pass that follows finds.
func TestWhatAStoppedPassHasBroughtIsFollowed(t *testing.T) {
	t.Parallel()
	here, there, j := filled(6, 0), memory.NewMailbox(), migratetest.NewJournal()
	s := &memory.Source{Mailbox: here}
	target := &memory.Target{Mailbox: there}
	stops := 0
	first := migrate.Options{Grace: -1, ChunkItems: 2, Stop: func() bool { stops++; return stops > 1 }}
	if sum, err := migrate.Copy(t.Context(), s, target, j, first); err != nil || !sum.Stopped || items(there) == 0 || items(there) == 6 {
		t.Fatalf("a pass that is stopped: %+v, %v and %d items", sum, err, items(there))
	}
	here.Remove([]string{"INBOX"}, 1)
	if _, err := migrate.Copy(t.Context(), s, target, j, migrate.Options{Grace: -1}); err != nil {
		t.Fatal(err)
	}
	if sum := goForward(t, s, there, j); sum.Removed != 1 || items(there) != 5 {
		t.Errorf("the pass that follows: %+v and %d items, want 1 deleted of 6", sum, items(there))
	}
}

// Of equal items that are gone the one with the date of what is new was moved.
func TestOfEqualItemsThatWithTheDateWasMoved(t *testing.T) {
	t.Parallel()
	here, there, j := filled(1, 1), memory.NewMailbox(), migratetest.NewJournal()
	s := watch(here)
	same := func(at int64) memory.Message { return memory.Message{Body: []byte("same"), Received: time.Unix(at, 0)} }
	stays := here.Add([]string{"INBOX"}, same(100))[0]
	moves := here.Add([]string{"Other"}, same(200))[0]
	goForward(t, s, there, j)
	here.Remove([]string{"INBOX"}, stays)
	here.Remove([]string{"Other"}, moves)
	here.Add([]string{"INBOX"}, same(200))
	if sum := goForward(t, s, there, j); sum.Moved != 1 || sum.Removed != 1 {
		t.Errorf("%+v, want 1 moved and 1 deleted", sum)
	}
	for _, f := range there.Folders() {
		for _, m := range f.Messages {
			if string(m.Body) == "same" && (f.Path[0] != "INBOX" || !m.Received.Equal(time.Unix(200, 0))) {
				t.Errorf("in %q lies the one of %v, want that of %v in the inbox", f.Path, m.Received, time.Unix(200, 0))
			}
		}
	}
}

// What was marked as deleted when it was copied and is not any more must not stay marked at
// the target, where the next client would expunge it.
func TestWhatIsNoLongerMarkedAsDeleted(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{false, true} {
		here, there, j := filled(0, 1), memory.NewMailbox(), migratetest.NewJournal()
		s := watch(here)
		m := memory.Message{Body: []byte("marked"), Flags: []string{`\Deleted`, `\Seen`}}
		uid := here.Add([]string{"INBOX"}, m)[0]
		goForward(t, s, there, j)
		if moved {
			here.Remove([]string{"INBOX"}, uid)
			m.Flags = []string{`\Seen`}
			here.Add([]string{"Other"}, m)
		} else {
			here.Add([]string{"INBOX"}, memory.Message{Body: []byte("so that it is asked about")})
			s.flags = map[migrate.ItemID][]string{migrate.ItemID(strconv.FormatInt(uid, 10)): {`\Seen`}}
		}
		if sum := goForward(t, s, there, j); sum.Edited != 1 || sum.Removed != 0 {
			t.Errorf("moved %t: %+v, want 1 edited", moved, sum)
		}
		for _, f := range there.Folders() {
			for _, m := range f.Messages {
				if slices.Contains(m.Flags, `\Deleted`) {
					t.Errorf("moved %t: %q has flags %q", moved, m.Body, m.Flags)
				}
			}
		}
	}
}
