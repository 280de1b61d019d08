package reports_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/reports"
)

var _ reports.Reader = (*store.Store)(nil)

const night batch.RunID = "2026-03-14T01-00-00.000Z"

// open returns a store with n moves planned and a run begun.
func open(tb testing.TB, n int) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), store.Config{Path: filepath.Join(tb.TempDir(), "reforest.db")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	var moves []batch.Move
	for i := range n {
		moves = append(moves, batch.Move{ID: batch.MoveID(fmt.Sprint(i)), Batch: "b", Seq: i, Identity: fmt.Sprint("user", i), State: batch.Planned})
	}
	if err := s.Plan(tb.Context(), batch.Batch{ID: "b", Name: "wave-1"}, moves); err != nil {
		tb.Fatal(err)
	}
	if err := s.Begin(tb.Context(), batch.Run{ID: night, Batch: "b", BeganAt: time.Now()}); err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestReportFromStore checks that what the journal wrote is in the report also when
// the process died before the move's row followed.
func TestReportFromStore(t *testing.T) {
	t.Parallel()
	s := open(t, 3)
	claim, _, err := s.Claim(t.Context(), batch.Want{Run: night, Batch: "b", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	event := batch.Event{At: time.Now(), Kind: batch.EventWait, Text: "busy", Attempt: 1, Of: 20}
	claim.Move.State = batch.Waiting
	if err := s.Commit(t.Context(), claim, claim.Move, event); err != nil {
		t.Fatal(err)
	}
	journal := s.Journals(claim).Content
	id, err := journal.Intend(t.Context(), migrate.Intent{Folder: "f", Items: []migrate.Planned{{Item: "1", Size: 42}}})
	if err != nil {
		t.Fatal(err)
	}
	skip := &migrate.Skip{Folder: []string{"INBOX"}, Item: "2", Kind: "refused", Reason: "virus"}
	if err := journal.Commit(t.Context(), id, []migrate.Done{{Item: "1"}, {Item: "2", Skip: skip}}); err != nil {
		t.Fatal(err)
	}

	r, err := reports.Build(t.Context(), s, night)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != "unfinished" || r.Batch != "wave-1" || len(r.Moves) != 3 {
		t.Fatalf("report: %+v", r)
	}
	if m := r.Moves[0]; m.State != "Waiting" || len(m.Waits) != 1 || m.Waits[0].Reason != "busy" || len(m.Skips) != 1 {
		t.Errorf("move: %+v", m)
	}
	if got := r.Totals; got.Items != 1 || got.Bytes != 42 || got.Skips != 1 || got.Moves != 3 {
		t.Errorf("totals: %+v", got)
	}
}

// BenchmarkReportFromStore reads and writes the report of a batch of 100,000.
func BenchmarkReportFromStore(b *testing.B) {
	s := open(b, 100_000)
	for b.Loop() {
		r, err := reports.Build(b.Context(), s, night)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.WriteXML(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
