package batch_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// A server that asks for patience is waited for, however often: nothing has failed.
func TestWaitingForABusyServerIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t, 1, batch.Config{Interval: 30 * time.Second, Attempts: 3})
		tries := 0
		n.Replace(batch.PhaseCopy, func(_ context.Context, move *batch.Move) (batch.Verdict, error) {
			if tries++; tries <= 10 {
				return batch.Done, &migrate.Error{
					Op: "imap.Append", Reach: migrate.OneServer, Retry: migrate.Later, Busy: true, After: 5 * time.Minute, Err: errors.New("throttled"),
				}
			}
			if move.Attempt != 0 {
				t.Errorf("%d attempts have failed, want none", move.Attempt)
			}
			return batch.Done, nil
		})
		began := time.Now()
		if err := n.run(t); err != nil {
			t.Fatal(err)
		}
		if move := n.moves(t)[0]; move.State != batch.Moved || tries != 11 {
			t.Errorf("ended as %s after %d tries", move.State, tries)
		}
		if waited := time.Since(began); waited < 50*time.Minute {
			t.Errorf("waited %v, want as long as the server asked for", waited)
		}
		waits := 0
		for _, e := range n.seen {
			if e.Kind == batch.EventWait {
				waits++
				if e.Text != "imap.Append: throttled" || e.State != batch.Waiting {
					t.Errorf("the wait says %+v", e)
				}
			}
		}
		if waits != 1 {
			t.Errorf("%d waits are on record, want the one with its reason", waits)
		}
	})
}

// No more moves are begun than the servers have room for, and more once they have.
func TestMovesWithinTheServersRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t, 6, batch.Config{})
		var room, now, most, copied atomic.Int32
		room.Store(1)
		n.Replace(batch.PhaseCopy, func(context.Context, *batch.Move) (batch.Verdict, error) {
			most.Store(max(most.Load(), now.Add(1)))
			if got := now.Load(); got > room.Load() {
				t.Errorf("%d moves at once where there is room for %d", got, room.Load())
			}
			time.Sleep(time.Minute)
			now.Add(-1)
			if copied.Add(1) == 3 {
				room.Store(3)
			}
			return batch.Done, nil
		})
		pool := batch.Pool{Store: n.store, Advance: n.Advance, Workers: 4, Room: func() int { return int(room.Load()) }}
		began := time.Now()
		if err := pool.Run(t.Context(), run, "b"); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 3 {
			t.Errorf("%d moves at most, want the 3 that there was room for", most.Load())
		}
		if took := time.Since(began).Round(time.Second); took != 4*time.Minute {
			t.Errorf("took %v, want three one by one and three at once", took)
		}
		for _, move := range n.moves(t) {
			if move.State != batch.Moved {
				t.Errorf("%s is %s", move.Identity, move.State)
			}
		}
	})
}

// A move that is long under way does not keep others from room that has come.
func TestRoomThatComesWhileAMoveIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t, 2, batch.Config{})
		began := time.Now()
		n.Replace(batch.PhaseMatch, func(_ context.Context, move *batch.Move) (batch.Verdict, error) {
			if move.Seq == 0 {
				time.Sleep(time.Hour)
			} else if time.Since(began) > 3*time.Minute {
				t.Errorf("the second began only after %v", time.Since(began))
			}
			return batch.Done, nil
		})
		room := func() int { return 1 + int(time.Since(began)/(2*time.Minute)) }
		pool := batch.Pool{Store: n.store, Advance: n.Advance, Workers: 4, Room: room}
		if err := pool.Run(t.Context(), run, "b"); err != nil {
			t.Fatal(err)
		}
	})
}
