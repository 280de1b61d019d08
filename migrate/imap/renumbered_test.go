package imap_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// goForward makes a pass as it is before the switch.
func goForward(t *testing.T, w migratetest.World, j *migratetest.Journal) migrate.Summary {
	t.Helper()
	source, target, done := w.Open(t)
	defer done()
	sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{ChunkItems: 3, Grace: -1, Follow: true, Delete: true})
	if err != nil {
		t.Fatalf("Copy: %v", err)
	}
	return sum
}

// checkRenumbered has a mailbox copied, renumbers a folder of the source, and checks that
// nothing is brought twice, deleted, or asked of a person.
func checkRenumbered(t *testing.T, w migratetest.World, renumber func()) {
	t.Helper()
	j, corpus := migratetest.NewJournal(), migratetest.Corpus()
	w.Fill(t, corpus)
	goForward(t, w, j)
	renumber()
	if sum := goForward(t, w, j); sum.Brought != 0 || sum.Removed != 0 || sum.Guarded != 0 || sum.Moved != 0 || sum.Skipped != 0 {
		t.Errorf("after the source has numbered a folder anew: %+v, want nothing", sum)
	}
	if sum := goForward(t, w, j); !sum.Quiet() {
		t.Errorf("the next pass: %+v, want nothing to do", sum)
	}
	source, target := w.Held(t)
	if diff := cmp.Diff(migratetest.ContentOf(source), migratetest.ContentOf(target)); diff != "" {
		t.Errorf("target against source (-want +got):\n%s", diff)
	}
	w.Home().Expunge(t, []string{"INBOX"}, 0)
	if sum := goForward(t, w, j); sum.Removed != 1 {
		t.Errorf("one is gone under its new number: %+v, want 1 deleted", sum)
	}
}

func TestASourceThatNumbersAFolderAnew(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	checkRenumbered(t, w, func() {
		if err := w.source.Renumber(w.user, "INBOX"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestADovecotOnWhichAFolderWasMadeAnew(t *testing.T) {
	t.Parallel()
	source, target := imaptest.StartDovecot(t, "/"), imaptest.StartDovecot(t, "/")
	w := &dovecotWorld{user: newUser(), source: source, target: target}
	checkRenumbered(t, w, func() {
		for _, f := range migratetest.Corpus() {
			if f.Path[0] == "日本語" {
				account(source, w.user).Delete(t, "日本語")
				w.Fill(t, []migratetest.Folder{f})
			}
		}
	})
}

// checkTargetRenumbered has a mailbox copied, numbers the target's inbox anew, and checks
// that what the owner then does at the source is done to the very messages.
func checkTargetRenumbered(t *testing.T, w migratetest.World, renumber func()) {
	t.Helper()
	j, inbox := migratetest.NewJournal(), []string{"INBOX"}
	w.Fill(t, migratetest.Corpus())
	goForward(t, w, j)
	renumber()
	home := w.Home()
	home.Move(t, inbox, 8, []string{"Archiv"}) // equal to the last one, which stays
	home.Flag(t, inbox, 3, []string{`\Flagged`}, nil)
	if sum := goForward(t, w, j); sum.Brought != 0 || sum.Moved != 1 || sum.Edited != 1 || sum.Kept != 0 {
		t.Errorf("after the target has numbered a folder anew: %+v, want 1 moved and 1 edited", sum)
	}
	if sum := goForward(t, w, j); !sum.Quiet() {
		t.Errorf("the next pass: %+v, want nothing to do", sum)
	}
	home.Flag(t, inbox, 3, nil, []string{`\Flagged`})
	if sum := goForward(t, w, j); sum.Edited != 1 {
		t.Errorf("the flag is taken away: %+v, want 1 edited", sum)
	}
	source, target := w.Held(t)
	if diff := cmp.Diff(migratetest.ContentOf(source), migratetest.ContentOf(target)); diff != "" {
		t.Errorf("target against source (-want +got):\n%s", diff)
	}
	home.Expunge(t, inbox, 1) // equal to the next one, which stays
	for range 2 {
		if sum := goForward(t, w, j); sum.Removed != 0 || sum.Kept != 1 {
			t.Errorf("one is gone of which only equal ones are found: %+v, want it kept", sum)
		}
	}
}

func TestATargetThatNumbersAFolderAnew(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	checkTargetRenumbered(t, w, func() {
		if err := w.target.Renumber(w.user, "INBOX"); err != nil {
			t.Fatal(err)
		}
	})
}
