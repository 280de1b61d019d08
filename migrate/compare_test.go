package migrate_test

import (
	"context"
	"iter"
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

// A secretive source counts one message more in each folder than it lists.
type secretive struct{ *memory.Source }

func (s *secretive) Deltas(ctx context.Context, f migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	return func(yield func(migrate.Delta, error) bool) {
		for delta, err := range s.Source.Deltas(ctx, f, since) {
			if delta.Item == "2" {
				delta.Item = ""
			}
			if !yield(delta, err) {
				return
			}
		}
	}
}

// What the source counts and never lists can be brought by no pass, and is not passed over
// in silence.
func TestCompareTellsOfWhatIsNotListed(t *testing.T) {
	t.Parallel()
	source, target, j := &secretive{&memory.Source{Mailbox: mailboxWith("a", "b", "c")}}, &memory.Target{Mailbox: memory.NewMailbox()}, migratetest.NewJournal()
	if sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{}); err != nil || sum.Brought != 2 {
		t.Fatalf("%+v, %v; want 2 brought", sum, err)
	}
	findings, err := migrate.Compare(t.Context(), source, target, j)
	if err != nil || len(findings) != 1 || findings[0].Rule != "content.unlisted" || findings[0].Severity != migrate.Warn {
		t.Errorf("%v, %v; want one warning", findings, err)
	}
}
