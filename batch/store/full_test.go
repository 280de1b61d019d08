package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"reforest/batch"
)

// limit bounds the store's file to that many pages more than it has, as a full disk
// would (https://sqlite.org/pragma.html#pragma_max_page_count); 0 lifts the bound.
func limit(t *testing.T, s *Store, more int) {
	t.Helper()
	err := s.change(t.Context(), "limit", func(ctx context.Context, tx *tx) error {
		var pages int
		if err := tx.row(ctx, "PRAGMA page_count", nil, &pages); err != nil {
			return err
		}
		if more == 0 {
			pages = 1 << 30
		}
		_, err := tx.exec(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages+more))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk lets many goroutines write until the disk is full. Each is told the
// truth about its own write, and the store goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	limit(t, s, 100)
	var mu sync.Mutex
	stored, refused := map[batch.RunID]bool{}, 0
	var wg sync.WaitGroup
	for worker := range 32 {
		wg.Go(func() {
			for n := range 20 {
				id := batch.RunID(fmt.Sprintf("%d-%d", worker, n))
				err := s.Begin(t.Context(), batch.Run{ID: id, Batch: batch.ID(strings.Repeat("x", 2000))})
				mu.Lock()
				var failure *batch.StoreError
				switch {
				case err == nil:
					stored[id] = true
				case errors.As(err, &failure) && strings.Contains(err.Error(), "make room") &&
					strings.Contains(err.Error(), s.Path()):
					refused++
				default:
					t.Errorf("run %s: %v", id, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(stored) == 0 || refused == 0 {
		t.Fatalf("%d stored, %d refused: the disk did not fill up", len(stored), refused)
	}
	limit(t, s, 0)
	if err := s.Begin(t.Context(), batch.Run{ID: "after"}); err != nil {
		t.Error(err)
	}
	stored["after"] = true
	runs, err := s.Runs(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if !stored[run.ID] {
			t.Errorf("run %s is there, and its writer was told that it is not", run.ID)
		}
		delete(stored, run.ID)
	}
	if len(stored) > 0 {
		t.Errorf("missing: %v", stored)
	}
}

// TestDurable checks what durability rests on: that SQLite syncs before a commit
// returns (https://sqlite.org/pragma.html#pragma_synchronous).
func TestDurable(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "busy_timeout": "10000"} {
		var got string
		err := s.change(t.Context(), "ask", func(ctx context.Context, tx *tx) error {
			return tx.row(ctx, "PRAGMA "+pragma, nil, &got)
		})
		if err != nil || got != want {
			t.Errorf("%s is %q, want %q; %v", pragma, got, want, err)
		}
	}
}

// BenchmarkCommit is a commit with one event by each of 64 workers.
func BenchmarkCommit(b *testing.B) {
	const workers = 64
	s, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "reforest.db")})
	if err != nil {
		b.Fatal(err)
	}
	var moves []batch.Move
	for i := range workers {
		moves = append(moves, batch.Move{ID: batch.MoveID(fmt.Sprint(i)), Batch: "b", Seq: i, State: batch.Moving})
	}
	if err := s.Plan(b.Context(), batch.Batch{ID: "b", Name: "b"}, moves); err != nil {
		b.Fatal(err)
	}
	var claims []batch.Claim
	var not []batch.MoveID
	for range workers {
		claim, _, err := s.Claim(b.Context(), batch.Want{Run: "r", Batch: "b", Not: not})
		if err != nil {
			b.Fatal(err)
		}
		claims, not = append(claims, claim), append(not, claim.Move.ID)
	}
	for b.Loop() {
		var wg sync.WaitGroup
		for _, claim := range claims {
			wg.Go(func() {
				if err := s.Commit(b.Context(), claim, claim.Move, batch.Event{Kind: batch.EventStep, Text: "step"}); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(b.N*workers)/b.Elapsed().Seconds(), "commits/s")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
