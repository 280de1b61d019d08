package imap_test

import (
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/migratetest"
)

// A source without UIDPLUS cannot be told to move one message for good: what the owner
// moved at the target stays where it is, is counted once, and is neither brought twice
// nor sent again.
func TestWayBackToASourceThatCannotMove(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{Without: []goimap.Cap{"UIDPLUS", "MOVE"}}, imapd.Config{})
	message := migratetest.Message{Body: mail(1), Received: item("", "").Received}
	w.Fill(t, []migratetest.Folder{{Path: []string{"INBOX"}, Messages: []migratetest.Message{message, message}}})
	forth, back := migratetest.NewJournals()
	copyWay := func(open func(*testing.T) (migrate.Source, migrate.Target, func()), j migrate.Journal, follow bool) migrate.Summary {
		t.Helper()
		source, target, done := open(t)
		defer done()
		sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{Grace: -1, Follow: follow})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	copyWay(w.Open, forth, false)
	w.Owner().Move(t, []string{"INBOX"}, 0, []string{"Archive"})
	if sum := copyWay(w.OpenBack, back, true); sum.Elsewhere != 1 || sum.Brought != 0 || sum.Moved != 0 || sum.Deleted != 0 {
		t.Errorf("first pass: %+v, want 1 elsewhere", sum)
	}
	if sum := copyWay(w.OpenBack, back, true); !sum.Quiet() || sum.Deleted != 0 {
		t.Errorf("second pass: %+v, want nothing", sum)
	}
	w.Owner().Flag(t, []string{"Archive"}, 0, []string{`\Flagged`}, nil)
	if sum := copyWay(w.OpenBack, back, true); sum.Edited != 1 {
		t.Errorf("flagged: %+v, want 1 edited where it was left", sum)
	}
	if sum := copyWay(w.Open, forth, false); sum.Brought != 0 {
		t.Errorf("forward again: %+v, want nothing", sum)
	}
	held := map[string]int{}
	source, _ := w.Held(t)
	for _, f := range source {
		held[f.Path[0]] = len(f.Messages)
	}
	if held["INBOX"] != 2 || held["Archive"] != 0 {
		t.Errorf("the source holds %v, want both in the inbox", held)
	}
}
