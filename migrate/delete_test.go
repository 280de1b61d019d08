package migrate_test

import (
	"slices"
	"testing"

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
