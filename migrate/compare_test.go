package migrate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

func TestCompareFindsWhatDoesNotAgree(t *testing.T) {
	t.Parallel()
	type world struct {
		source, target *memory.Mailbox
		journal        *migratetest.Journal
	}
	for name, test := range map[string]struct {
		disturb func(t *testing.T, w *world)
		want    map[string]migrate.Severity
	}{
		"nothing": {func(*testing.T, *world) {}, map[string]migrate.Severity{}},
		"an item that is not moved": {
			func(_ *testing.T, w *world) {
				w.source.Add([]string{"INBOX"}, memory.Message{Body: []byte("new")})
			},
			map[string]migrate.Severity{"content.missing": migrate.Forbid},
		},
		"a folder that is not moved": {
			func(_ *testing.T, w *world) { w.source.PutFolder([]string{"New"}, true) },
			map[string]migrate.Severity{"content.folder": migrate.Forbid},
		},
		"a chunk that nobody confirmed": {
			func(t *testing.T, w *world) {
				if _, err := w.journal.Intend(t.Context(), migrate.Intent{Folder: "INBOX", Ref: "INBOX"}); err != nil {
					t.Fatal(err)
				}
			},
			map[string]migrate.Severity{"content.open": migrate.Forbid},
		},
		"mail that somebody deleted at the target": {
			func(_ *testing.T, w *world) { w.target = memory.NewMailbox() },
			map[string]migrate.Severity{"content.fewer": migrate.Warn},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{mailboxWith("a", "b"), memory.NewMailbox(), migratetest.NewJournal()}
			source := &memory.Source{Mailbox: w.source}
			if _, err := migrate.Copy(t.Context(), source, &memory.Target{Mailbox: w.target}, w.journal, migrate.Options{}); err != nil {
				t.Fatal(err)
			}
			test.disturb(t, w)
			findings, err := migrate.Compare(t.Context(), source, &memory.Target{Mailbox: w.target}, w.journal)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]migrate.Severity{}
			for _, f := range findings {
				got[f.Rule] = f.Severity
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
