package migrate_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

// A watched source counts what it is asked, hides folders and renumbers them.
type watched struct {
	*memory.Source
	asked     map[string]int
	hide      string                      // a folder that is not listed
	anew      string                      // a folder of which every item has another ID
	stateless bool                        // no folder has a State
	blank     string                      // a folder that is said to hold nothing
	flags     map[migrate.ItemID][]string // of items that have others than their mailbox says
}

func watch(m *memory.Mailbox) *watched {
	return &watched{Source: &memory.Source{Mailbox: m}, asked: map[string]int{}}
}

func (s *watched) Folders(ctx context.Context) ([]migrate.Folder, error) {
	s.asked["folders"]++
	all, err := s.Source.Folders(ctx)
	for i, f := range all {
		if s.stateless {
			all[i].State = ""
		}
		if string(f.ID) == s.blank {
			all[i].Items, all[i].State = 0, "blank"
		}
	}
	return slices.DeleteFunc(all, func(f migrate.Folder) bool { return string(f.ID) == s.hide }), err
}

func (s *watched) Changes(ctx context.Context, f migrate.FolderID, since migrate.Cursor, seen string) iter.Seq2[migrate.Change, error] {
	s.asked["changes"]++
	return func(yield func(migrate.Change, error) bool) {
		for change, err := range s.Source.Changes(ctx, f, since, seen) {
			if !change.Every && s.blank == string(f) {
				continue
			}
			if now, other := s.flags[change.Item]; other {
				change.Flags = now
			}
			change.Renumbered = change.Every && s.anew == string(f)
			if !yield(change, err) {
				return
			}
		}
	}
}

func (s *watched) Deltas(ctx context.Context, f migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	s.asked["deltas"]++
	return s.Source.Deltas(ctx, f, since)
}

// A counted ledger counts how often it is read from end to end.
type counted struct {
	*migratetest.Journal
	scans int
}

func (j *counted) Pairs(ctx context.Context) iter.Seq2[migrate.Pair, error] {
	j.scans++
	return j.Journal.Pairs(ctx)
}

// filled returns a mailbox with an inbox of n messages and a folder "Other" of m.
func filled(n, m int) *memory.Mailbox {
	box := memory.NewMailbox()
	box.PutFolder([]string{"Other"}, false)
	for i := range n {
		box.Add([]string{"INBOX"}, memory.Message{Body: fmt.Appendf(nil, "in %d", i), Received: time.Unix(int64(i), 0)})
	}
	for i := range m {
		box.Add([]string{"Other"}, memory.Message{Body: fmt.Appendf(nil, "other %d", i), Received: time.Unix(int64(i), 0)})
	}
	return box
}

func items(m *memory.Mailbox) (n int) {
	for _, f := range m.Folders() {
		n += len(f.Messages)
	}
	return n
}

func goForward(t *testing.T, s migrate.Source, there *memory.Mailbox, j migrate.Journal) migrate.Summary {
	t.Helper()
	sum, err := migrate.Copy(t.Context(), s, &memory.Target{Mailbox: there}, j, migrate.Options{Grace: -1, Follow: true, Delete: true})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestAPassWithoutChangesAsksNothing(t *testing.T) {
	t.Parallel()
	here, there, j := filled(5, 3), memory.NewMailbox(), &counted{Journal: migratetest.NewJournal()}
	s := watch(here)
	goForward(t, s, there, j)
	if s.asked["changes"] != 0 || j.scans != 0 {
		t.Errorf("the first pass asked for changes %d times and read the ledger %d times, want neither", s.asked["changes"], j.scans)
	}
	s.asked = map[string]int{}
	if sum := goForward(t, s, there, j); !sum.Quiet() || s.asked["folders"] != 1 || len(s.asked) != 1 || j.scans != 0 {
		t.Errorf("a pass without changes: asked %v, read the ledger %d times", s.asked, j.scans)
	}
	here.Remove([]string{"Other"}, 1)
	s.asked = map[string]int{}
	if sum := goForward(t, s, there, j); sum.Removed != 1 || s.asked["changes"] != 1 || s.asked["deltas"] != 1 || j.scans != 1 {
		t.Errorf("one is gone: %+v, asked %v, read the ledger %d times; want one of each", sum, s.asked, j.scans)
	}
}

func TestAPersonLooksWhereMostIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		items, gone     int
		hide            bool
		removed, guards int64
	}{
		"half of many":        {items: 120, gone: 60, removed: 60},
		"more than half":      {items: 120, gone: 61, guards: 61},
		"all of a few":        {items: 100, gone: 100, removed: 100},
		"the folder is gone":  {items: 3, hide: true, guards: 3},
		"an empty one, again": {items: 0, hide: true},
	} {
		here, there, j := filled(2, test.items), memory.NewMailbox(), migratetest.NewJournal()
		s := watch(here)
		goForward(t, s, there, j)
		for uid := range int64(test.gone) {
			here.Remove([]string{"Other"}, uid+1)
		}
		if test.hide {
			s.hide = "Other"
		}
		for pass := range 2 {
			sum := goForward(t, s, there, j)
			if removed := test.removed * int64(1-pass); sum.Removed != removed || sum.Guarded != test.guards || (sum.GuardedIn == "Other") != (test.guards > 0) {
				t.Errorf("%s, pass %d: %+v, want %d deleted and %d for a person", name, pass, sum, removed, test.guards)
			}
		}
		if want := 2 + test.items - int(test.removed); items(there) != want {
			t.Errorf("%s: the target holds %d, want %d", name, items(there), want)
		}
	}
}

// A folder that was renamed is one that is gone and one that is new: its items are moved,
// and nothing is brought or deleted.
func TestAFolderThatWasRenamed(t *testing.T) {
	t.Parallel()
	here, there, j := filled(2, 5), memory.NewMailbox(), &counted{Journal: migratetest.NewJournal()}
	s := watch(here)
	goForward(t, s, there, j)
	here.PutFolder([]string{"Named"}, false)
	for _, f := range here.Folders() {
		if f.Path[0] == "Other" {
			here.Add([]string{"Named"}, f.Messages...)
		}
	}
	s.hide = "Other"
	if sum := goForward(t, s, there, j); sum.Moved != 5 || sum.Brought != 0 || sum.Guarded != 0 || items(there) != 7 {
		t.Errorf("renamed: %+v and %d items, want 5 moved", sum, items(there))
	}
	j.scans = 0
	if sum := goForward(t, s, there, j); !sum.Quiet() || j.scans != 0 {
		t.Errorf("the next pass: %+v, and read the ledger %d times", sum, j.scans)
	}
}

// A folder that the source has numbered anew is compared as a whole: what is equal is
// known again and not sent, and what is missing is left.
func TestAFolderThatWasNumberedAnew(t *testing.T) {
	t.Parallel()
	here, there, j := filled(2, 6), memory.NewMailbox(), migratetest.NewJournal()
	s := watch(here)
	goForward(t, s, there, j)
	var again []memory.Message
	for _, f := range here.Folders() {
		if f.Path[0] == "Other" {
			again = f.Messages
		}
	}
	for _, m := range again {
		here.Remove([]string{"Other"}, m.UID)
	}
	again[1].Flags = []string{`\Seen`}
	here.Add([]string{"Other"}, append(again[1:], memory.Message{Body: []byte("new"), Received: time.Unix(99, 0)})...)
	s.anew = "Other"
	sum := goForward(t, s, there, j)
	if sum.Brought != 1 || sum.Edited != 1 || sum.Removed != 0 || sum.Guarded != 1 || items(there) != 9 {
		t.Errorf("numbered anew: %+v and %d items, want 1 brought, 1 edited and 1 for a person", sum, items(there))
	}
}

// What is gone from one folder may have come up in one that the pass has passed over.
func TestWhatIsMovedMeanwhileIsNotDeleted(t *testing.T) {
	t.Parallel()
	here, there, j := filled(3, 3), memory.NewMailbox(), migratetest.NewJournal()
	s := watch(here)
	goForward(t, s, there, j)
	here.Remove([]string{"INBOX"}, 1) // so that the inbox is asked about
	list := s.Source
	moving := &movingLater{watched: s, move: func() {
		m := list.Mailbox.Folders()[0].Messages[0]
		list.Mailbox.Remove([]string{"INBOX"}, m.UID)
		list.Mailbox.Add([]string{"Other"}, m)
	}}
	sum, err := migrate.Copy(t.Context(), moving, &memory.Target{Mailbox: there}, j, migrate.Options{Grace: -1, Follow: true, Delete: true})
	if err != nil || sum.Removed != 0 || sum.Deleted != 2 || items(there) != 6 {
		t.Errorf("moved meanwhile: %+v, %v; want both left", sum, err)
	}
	if sum := goForward(t, s, there, j); sum.Removed != 1 || sum.Moved != 1 || items(there) != 5 {
		t.Errorf("the next pass: %+v and %d items, want 1 moved and 1 deleted", sum, items(there))
	}
}

// A movingLater owner moves something after the folders have been listed.
type movingLater struct {
	*watched
	move func()
}

func (s *movingLater) Changes(ctx context.Context, f migrate.FolderID, since migrate.Cursor, seen string) iter.Seq2[migrate.Change, error] {
	if s.move != nil {
		s.move()
		s.move = nil
	}
	return s.watched.Changes(ctx, f, since, seen)
}
