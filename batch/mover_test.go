package batch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
)

// night is a batch of n moves in a store, with steps that do nothing.
type night struct {
	*batch.Mover
	store *store.Store
	mu    sync.Mutex
	seen  []batch.Event
}

const run = batch.RunID("2026-01-02T03-04-05.000Z")

func newNight(t *testing.T, n int, c batch.Config) *night {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	var moves []batch.Move
	for i := range n {
		moves = append(moves, batch.Move{
			ID: batch.MoveID(fmt.Sprint("m", i)), Batch: "b", Seq: i, Identity: fmt.Sprintf("p%d@alpine.test", i),
			State: batch.Planned, Phase: batch.PhaseMatch,
		})
	}
	if err := st.Plan(t.Context(), batch.Batch{ID: "b", Name: "b", Digest: "d"}, moves); err != nil {
		t.Fatal(err)
	}
	if err := st.Begin(t.Context(), batch.Run{ID: run, Batch: "b", BeganAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	nt := &night{store: st}
	c.Store, c.Logger = st, slog.New(slog.DiscardHandler)
	c.Notify = func(_ batch.Move, e batch.Event) {
		nt.mu.Lock()
		defer nt.mu.Unlock()
		nt.seen = append(nt.seen, e)
	}
	nt.Mover = batch.NewMover(c)
	for _, p := range batch.Phases() {
		nt.Replace(p, func(context.Context, *batch.Move) (batch.Verdict, error) { return batch.Done, nil })
	}
	return nt
}

func (n *night) run(t *testing.T) error {
	t.Helper()
	pool := batch.Pool{Store: n.store, Advance: n.Advance, Workers: 2, Stopping: n.Stopping}
	return pool.Run(t.Context(), run, "b")
}

func (n *night) moves(t *testing.T) (moves []batch.Move) {
	t.Helper()
	for move, err := range n.store.Moves(t.Context(), batch.Query{Batch: "b"}) {
		if err != nil {
			t.Fatal(err)
		}
		moves = append(moves, move)
	}
	return moves
}

func later(after time.Duration) error {
	return &migrate.Error{Op: "test", Reach: migrate.OneServer, Retry: migrate.Later, After: after, Err: errors.New("server busy")}
}

func TestPhasesRunInOrderToTheEnd(t *testing.T) {
	t.Parallel()
	n := newNight(t, 1, batch.Config{})
	var order []batch.Phase
	for _, p := range batch.Phases() {
		n.Replace(p, func(_ context.Context, move *batch.Move) (batch.Verdict, error) {
			order = append(order, move.Phase)
			return batch.Done, nil
		})
	}
	if err := n.run(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(batch.Phases(), order); diff != "" {
		t.Error(diff)
	}
	if move := n.moves(t)[0]; move.State != batch.Moved || move.Phase != batch.PhaseDone || move.EndedAt.IsZero() {
		t.Errorf("ended as %+v", move)
	}
}

// The interval that is shown is the one that is kept, and a server's own advice
// counts where it is longer.
func TestWaitingTellsTheTrueTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t, 1, batch.Config{Interval: 30 * time.Second})
		var at []time.Time
		n.Replace(batch.PhaseCopy, func(context.Context, *batch.Move) (batch.Verdict, error) {
			at = append(at, time.Now())
			switch len(at) {
			case 1:
				return batch.Done, later(0)
			case 2:
				return batch.Done, later(2 * time.Minute)
			}
			return batch.Done, nil
		})
		if err := n.run(t); err != nil {
			t.Fatal(err)
		}
		var waits []batch.Event
		for _, e := range n.seen {
			if e.Kind == batch.EventWait {
				waits = append(waits, e)
			}
		}
		if len(waits) != 2 || len(at) != 3 {
			t.Fatalf("%d waits, %d tries, want 2 and 3", len(waits), len(at))
		}
		for i, want := range []time.Duration{30 * time.Second, 2 * time.Minute} {
			if got := waits[i].NextAt.Sub(at[i]); got != want {
				t.Errorf("wait %d: announced %v, want %v", i+1, got, want)
			}
			if late := at[i+1].Sub(waits[i].NextAt); late < 0 || late > 10*time.Millisecond {
				t.Errorf("wait %d: tried again %v after the announced time", i+1, late)
			}
			if waits[i].State != batch.Waiting || waits[i].Attempt != i+1 || waits[i].Of != batch.DefaultAttempts || waits[i].Text != "test: server busy" {
				t.Errorf("wait %d says %+v", i+1, waits[i])
			}
		}
	})
}

func TestGivesUpAfterItsAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t, 1, batch.Config{Attempts: 3, Interval: time.Second})
		tries := 0
		n.Replace(batch.PhaseOpen, func(context.Context, *batch.Move) (batch.Verdict, error) {
			tries++
			return batch.Done, later(0)
		})
		if err := n.run(t); err != nil {
			t.Fatal(err)
		}
		move := n.moves(t)[0]
		if move.State != batch.Failed || move.Phase != batch.PhaseOpen || tries != 3 || move.Reason != "gave up after 3 attempts: test: server busy" {
			t.Errorf("after %d tries: %s in %s, %q", tries, move.State, move.Phase, move.Reason)
		}
	})
}

func TestErrorsDecideHowFarAFailureReaches(t *testing.T) {
	t.Parallel()
	wrong := &migrate.Error{Op: "test", Reach: migrate.OneMailbox, Retry: migrate.Never, Hint: "mend it", Err: errors.New("broken")}
	n := newNight(t, 3, batch.Config{})
	blinks := 0
	n.Replace(batch.PhaseStage, func(_ context.Context, move *batch.Move) (batch.Verdict, error) {
		switch move.Seq {
		case 0:
			return batch.Done, fmt.Errorf("stage: %w", wrong)
		case 1:
			blinks++
			if blinks == 1 {
				return batch.Done, &migrate.Error{Op: "test", Reach: migrate.OneMailbox, Retry: migrate.Now, Err: errors.New("connection reset")}
			}
		}
		return batch.Done, nil
	})
	if err := n.run(t); err != nil {
		t.Fatal(err)
	}
	moves := n.moves(t)
	if m := moves[0]; m.State != batch.Failed || m.Reason != "stage: test: broken" || m.Hint != "mend it" {
		t.Errorf("never again: %s, %q, %q", m.State, m.Reason, m.Hint)
	}
	if blinks != 2 || moves[1].State != batch.Moved || moves[2].State != batch.Moved {
		t.Errorf("at once: %d tries; others end as %s, %s", blinks, moves[1].State, moves[2].State)
	}
}

// Refused credentials are no mailbox's fault: the run ends, and the moves stay as
// they were.
func TestWholeRunErrorEndsTheRun(t *testing.T) {
	t.Parallel()
	refused := &migrate.Error{Op: "test", Reach: migrate.WholeRun, Retry: migrate.Never, Auth: true, Err: errors.New("wrong password")}
	n := newNight(t, 5, batch.Config{})
	n.Replace(batch.PhaseMatch, func(context.Context, *batch.Move) (batch.Verdict, error) { return batch.Done, refused })
	if err := n.run(t); !errors.Is(err, refused) {
		t.Fatalf("run ends with %v, want %v", err, refused)
	}
	for _, m := range n.moves(t) {
		if m.State != batch.Planned || m.Attempt != 0 {
			t.Errorf("%s is %s after %d attempts, want Planned", m.Identity, m.State, m.Attempt)
		}
	}
}

func TestStoppingFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	n := newNight(t, 6, batch.Config{Stopping: stop})
	var once sync.Once
	n.Replace(batch.PhaseCopy, func(context.Context, *batch.Move) (batch.Verdict, error) {
		once.Do(func() { close(stop) })
		return batch.Done, nil
	})
	if err := n.run(t); err != nil {
		t.Fatal(err)
	}
	ended, begun := 0, 0
	for _, m := range n.moves(t) {
		if m.State.Ended() {
			ended++
		}
		if m.Phase == batch.PhaseCopy || m.Phase == batch.PhaseSwitch {
			begun++
		}
	}
	if ended > 1 || begun == 0 || begun > 3 {
		t.Errorf("%d ended, %d begun; want the run to stop at once and keep what was in hand", ended, begun)
	}
}

func TestWaitThatIsNoFailureCountsNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t, 1, batch.Config{Attempts: 1})
		looks := 0
		n.Replace(batch.PhaseSwitch, func(context.Context, *batch.Move) (batch.Verdict, error) {
			if looks++; looks < 10 {
				return batch.Wait(time.Now().Add(time.Minute), "late mail"), nil
			}
			return batch.Done, nil
		})
		if err := n.run(t); err != nil {
			t.Fatal(err)
		}
		if m := n.moves(t)[0]; m.State != batch.Moved {
			t.Errorf("%s: %s", m.State, m.Reason)
		}
	})
}
