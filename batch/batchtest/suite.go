// Package batchtest checks that a store keeps what batch.Store, batch.Runs
// and batch.Checks promise. A store's own test is ten lines:
//
//	func TestStore(t *testing.T) { batchtest.Run(t, newStore) }
package batchtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reforest/batch"
)

// A Store is what the suite needs of a store: the contracts, and what is on record.
type Store interface {
	batch.Store
	batch.Runs
	batch.Checks
	batch.Jobs
	Record(ctx context.Context, id batch.MoveID) (batch.Record, error)
	Switch(ctx context.Context, id batch.MoveID) ([]batch.Event, error)
	Records(ctx context.Context, run batch.RunID) iter.Seq2[batch.Record, error]
	Entries(ctx context.Context) (int64, error)
}

// Options tell the suite about the store under test.
type Options struct {
	// New opens an empty store, which lives as long as t.
	New func(t *testing.T) Store
	// Crash returns a second store on what would be left if the process that holds
	// the first died now. The first goes on. Nil: those tests are skipped.
	Crash func(t *testing.T, of Store) Store
}

// Run checks the store that options open.
func Run(t *testing.T, options Options) {
	t.Helper()
	tests := map[string]func(*testing.T, Options){
		"plan":             plan,
		"plan is locked":   planLocked,
		"round trip":       roundTrip,
		"claim order":      claimOrder,
		"claims at once":   claimsAtOnce,
		"fencing":          fencing,
		"events":           events,
		"switch":           switches,
		"queries":          queries,
		"names":            names,
		"names stay":       namesStay,
		"runs":             runs,
		"checks":           checks,
		"another chance":   anotherChance,
		"way back begins":  wayBackBegins,
		"way back left":    wayBackLeft,
		"content journal":  contentJournal,
		"content refusals": contentRefusals,
		"ledger":           ledger,
		"skips":            skips,
		"ways":             ways,
		"ways back again":  waysAgain,
		"pairs":            pairs,
		"gone":             gone,
		"unresolved":       unresolved,
		"changed":          changed,
		"content fencing":  contentFencing,
		"directory":        directoryJournal,
		"lists":            lists,
		"jobs":             jobs,
		"begin anew":       beginAnew,
		"past runs":        pastRuns,
		"entries":          entries,
		"group commit":     groupCommit,
		"crash":            crash,
		"ctx":              cancelled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options)
		})
	}
}

// Times in tests are whole microseconds: that is what stores keep.
var now = time.Date(2026, 3, 14, 1, 59, 26, 535897000, time.UTC)

const (
	night batch.RunID = "2026-03-14T01-00-00.000Z"
	later batch.RunID = "2026-03-15T01-00-00.000Z"
)

var equateEmpty = cmpopts.EquateEmpty()

// planned stores a batch of n moves and begins the run night over it.
func planned(t *testing.T, s Store, n int) (batch.Batch, []batch.Move) {
	t.Helper()
	b := batch.Batch{ID: "b1", Name: "wave-1", Digest: "d1", At: now}
	var moves []batch.Move
	for i := range n {
		moves = append(moves, batch.Move{
			ID: batch.MoveID(fmt.Sprintf("m%03d", i)), Batch: b.ID, Seq: i, Identity: fmt.Sprintf("User%d@source.example", i),
			BadItemLimit: -1, State: batch.Planned, Phase: batch.PhaseMatch,
		})
	}
	check(t, s.Plan(t.Context(), b, moves))
	check(t, s.Begin(t.Context(), batch.Run{ID: night, Batch: b.ID, BeganAt: now}))
	return b, moves
}

// claim takes the first move that is due.
func claim(t *testing.T, s Store, run batch.RunID, not ...batch.MoveID) batch.Claim {
	t.Helper()
	c, found, err := s.Claim(t.Context(), batch.Want{Run: run, Batch: "b1", Now: now, Not: not})
	check(t, err)
	if !found {
		t.Fatal("no move to claim")
	}
	return c
}

func collect[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for one, err := range seq {
		check(t, err)
		all = append(all, one)
	}
	return all
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func wantAnyErr(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
	}
}

func diff[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got, equateEmpty); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
