package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/migrate/memory"
)

var errKilled = errors.New("killed")

// A dying is a journal whose process dies at the nth write: before it, or after it
// has become durable.
type dying struct {
	migrate.Journal
	left  int
	after bool
	dead  bool
}

func (d *dying) write(do func() error) error {
	if d.dead {
		return errKilled
	}
	d.left--
	if d.left != 0 {
		return do()
	}
	d.dead = true
	if d.after {
		return errors.Join(do(), errKilled)
	}
	return errKilled
}

func (d *dying) PutFolder(ctx context.Context, state migrate.FolderState) error {
	return d.write(func() error { return d.Journal.PutFolder(ctx, state) })
}

func (d *dying) Intend(ctx context.Context, in migrate.Intent) (id migrate.IntentID, err error) {
	err = d.write(func() error {
		id, err = d.Journal.Intend(ctx, in)
		return err
	})
	return id, err
}

func (d *dying) Commit(ctx context.Context, id migrate.IntentID, done []migrate.Done) error {
	return d.write(func() error { return d.Journal.Commit(ctx, id, done) })
}

// sourceMailbox has several pages and chunks in two folders, and twins that differ
// in nothing.
func sourceMailbox() *memory.Mailbox {
	m := memory.NewMailbox()
	for _, path := range [][]string{{"INBOX"}, {"INBOX", "a/b"}} {
		m.PutFolder(path, true)
		for i := range 7 {
			m.Add(path, memory.Message{
				Body:     fmt.Appendf(nil, "Subject: %d\r\n\r\nbody\r\n", i/2),
				Received: time.Date(2003, 2, 24, 14, 10, i/2, 0, time.UTC),
			})
		}
	}
	return m
}

// pass copies once over the store's journal, under a claim of its own, in a process
// that dies at the nth write; 0 is never.
func pass(t *testing.T, s *store.Store, source, target *memory.Mailbox, n int, after bool) error {
	t.Helper()
	claim, found, err := s.Claim(t.Context(), batch.Want{Run: "r", Batch: "b", Now: time.Now()})
	if err != nil || !found {
		t.Fatalf("claim: %v, %v", found, err)
	}
	journal := s.Journals(claim).Content
	_, err = migrate.Copy(t.Context(), &memory.Source{Mailbox: source, Page: 4}, &memory.Target{Mailbox: target},
		&dying{Journal: journal, left: n, after: after}, migrate.Options{ChunkItems: 3, Grace: -1})
	return err
}

func planOne(t *testing.T) *store.Store {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "reforest.db"))
	err := s.Plan(t.Context(), batch.Batch{ID: "b", Name: "b"}, []batch.Move{{ID: "m", Batch: "b", State: batch.Moving}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCopyKilledAtEveryWrite lets the process die at each write to the journal,
// before and after it, and goes on with what it left: nothing is lost or doubled, in
// the mailbox and in the totals.
func TestCopyKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	source, whole := sourceMailbox(), memory.NewMailbox()
	s := planOne(t)
	if err := pass(t, s, source, whole, 0, false); err != nil {
		t.Fatal(err)
	}
	want, err := s.Record(t.Context(), "m")
	if err != nil || want.Move.Items != 14 {
		t.Fatalf("the whole run: %+v, %v", want.Move, err)
	}
	for n, lived := 1, false; !lived; n++ {
		for _, after := range []bool{false, true} {
			target, s := memory.NewMailbox(), planOne(t)
			err := pass(t, s, source, target, n, after)
			if lived = err == nil; !lived && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			s = open(t, leftBy(t, s))
			if err := pass(t, s, source, target, 0, false); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(bodies(whole), bodies(target)); d != "" {
				t.Errorf("killed at write %d, after it %v (-want +got):\n%s", n, after, d)
			}
			got, err := s.Record(t.Context(), "m")
			if err != nil || got.Move.Items != want.Move.Items || got.Move.Bytes != want.Move.Bytes {
				t.Errorf("killed at write %d, after it %v: %+v; %v", n, after, got.Move, err)
			}
		}
	}
}

func bodies(m *memory.Mailbox) map[string][]string {
	all := map[string][]string{}
	for _, folder := range m.Folders() {
		for _, message := range folder.Messages {
			name := fmt.Sprint(folder.Path)
			all[name] = append(all[name], string(message.Body)+message.Received.String())
		}
	}
	return all
}
