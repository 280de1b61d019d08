package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/migrate/memory"
)

var errKilled = errors.New("killed")

// immortal is more writes than there are.
const immortal = 1 << 30

// A dying is a journal whose process dies at the nth write: before it, or after it
// has become durable.
type dying struct {
	migrate.Ledger
	after bool

	mu   sync.Mutex
	left int
}

func (d *dying) write(do func() error) error {
	switch left := d.step(); {
	case left == 0 && d.after:
		return errors.Join(do(), errKilled)
	case left <= 0:
		return errKilled
	}
	return do()
}

// mortal is a journal whose process dies at the nth write; 0 is never.
func mortal(journal migrate.Ledger, n int, after bool) *dying {
	if n == 0 {
		n = immortal
	}
	return &dying{Ledger: journal, left: n, after: after}
}

// step counts down to the death.
func (d *dying) step() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left--
	return d.left
}

func (d *dying) PutFolder(ctx context.Context, state migrate.FolderState) error {
	return d.write(func() error { return d.Ledger.PutFolder(ctx, state) })
}

func (d *dying) Intend(ctx context.Context, in migrate.Intent) (id migrate.IntentID, err error) {
	err = d.write(func() error {
		id, err = d.Ledger.Intend(ctx, in)
		return err
	})
	return id, err
}

func (d *dying) Commit(ctx context.Context, id migrate.IntentID, done []migrate.Done) error {
	return d.write(func() error { return d.Ledger.Commit(ctx, id, done) })
}

func (d *dying) Settle(ctx context.Context, id migrate.IntentID, done []migrate.Done, state migrate.FolderState) error {
	return d.write(func() error { return d.Ledger.(migrate.Settler).Settle(ctx, id, done, state) })
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
	journal := journals(t, s).Content.(migrate.Ledger)
	stream := &memory.Stream{Target: &memory.Target{Mailbox: target}, Late: n%2 == 0}
	_, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: source, Page: 4}, stream,
		mortal(journal, n, after), migrate.Options{ChunkItems: 3, Grace: -1})
	return err
}

// passBack is pass on the way back, from target to source.
func passBack(t *testing.T, s *store.Store, source, target *memory.Mailbox, n int, after bool) error {
	t.Helper()
	journal := journals(t, s).Back.(migrate.Ledger)
	_, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: target, Page: 4}, &memory.Target{Mailbox: source},
		mortal(journal, n, after), migrate.Options{ChunkItems: 3, Grace: -1, Follow: true})
	return err
}

// journals claims the move.
func journals(t testing.TB, s *store.Store) batch.Journals {
	t.Helper()
	claim, found, err := s.Claim(t.Context(), batch.Want{Run: "r", Batch: "b", Now: time.Now()})
	if err != nil || !found {
		t.Fatalf("claim: %v, %v", found, err)
	}
	return s.Journals(claim)
}

func planOne(t testing.TB) *store.Store {
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

// TestWayBackKilledAtEveryWrite is the same for the way back, after the owner has got
// mail at the target, and moved and flagged what was there.
func TestWayBackKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	writes := 0
	for n, lived := 1, false; !lived; n++ {
		for _, after := range []bool{false, true} {
			source, target, s := sourceMailbox(), memory.NewMailbox(), planOne(t)
			if err := pass(t, s, source, target, 0, false); err != nil {
				t.Fatal(err)
			}
			work(t, target)
			err := passBack(t, s, source, target, n, after)
			if lived = err == nil; !lived && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			s = open(t, leftBy(t, s))
			for range 2 {
				if err := passBack(t, s, source, target, 0, false); err != nil {
					t.Fatal(err)
				}
				if err := pass(t, s, source, target, 0, false); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(sorted(target), sorted(source)); d != "" {
				t.Fatalf("killed at write %d, after it %v: source against target:\n%s", n, after, d)
			}
		}
		writes = n
	}
	if writes < 10 {
		t.Errorf("the way back wrote its journal only %d times: the test shows too little", writes)
	}
}

// work is what happens at the target between the switch and the way back.
func work(t *testing.T, m *memory.Mailbox) {
	t.Helper()
	m.PutFolder([]string{"Archive"}, false)
	m.Add([]string{"INBOX"}, memory.Message{Body: []byte("new")}, memory.Message{Body: []byte("new")}, memory.Message{Body: []byte("newer")})
	done, err := (&memory.Target{Mailbox: m}).Edit(t.Context(), "INBOX", []migrate.Edit{
		{Item: "moved", At: "1", To: "Archive"}, {Item: "flagged", At: "5", Add: []string{`\Seen`}}, {Item: "too", At: "8", To: "Archive"},
	})
	if err != nil || len(done) != 3 {
		t.Fatalf("edit: %v, %v", done, err)
	}
}

func sorted(m *memory.Mailbox) map[string][]string {
	all := bodies(m)
	for _, list := range all {
		slices.Sort(list)
	}
	return all
}

func bodies(m *memory.Mailbox) map[string][]string {
	all := map[string][]string{}
	for _, folder := range m.Folders() {
		for _, message := range folder.Messages {
			name := fmt.Sprint(folder.Path)
			all[name] = append(all[name], fmt.Sprint(string(message.Body), message.Received, message.Flags))
		}
	}
	return all
}
