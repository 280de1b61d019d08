package batch

import (
	"context"
	"errors"
	"slices"
	"time"
)

// roomEvery is how often a pool that the servers have no room for looks whether they have.
const roomEvery = 5 * time.Second

// DefaultWorkers is how many moves go side by side unless told otherwise.
const DefaultWorkers = 4

// A Pool is the engine inside one process: workers that carry the moves of one
// batch forward until all have ended.
type Pool struct {
	Store    Store
	Advance  func(context.Context, Claim) error // see Mover.Advance
	Workers  int                                // moves at once; 0 is DefaultWorkers
	Room     func() int                         // moves at once that the servers take at present; 0 is any number, nil too
	Phases   []Phase                            // see Want.Phases
	Only     []MoveID                           // see Want.Only
	Stopping <-chan struct{}                    // closed: nothing new is begun; nil is never
}

// Run carries the batch's moves forward until all have ended or are held, Stopping is
// closed, ctx ends or a worker meets an error that no move is to blame for. It returns when
// every worker has returned.
func (p *Pool) Run(ctx context.Context, run RunID, id ID) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &poolRun{Pool: p, want: Want{Run: run, Batch: id, Phases: p.Phases, Only: p.Only}, finished: make(chan finished)}
	err := r.dispatch(ctx)
	if err != nil {
		cancel(err)
	}
	for r.inHand > 0 {
		err = errors.Join(err, r.take(<-r.finished))
	}
	return err
}

// A finished is what a worker hands back.
type finished struct {
	move MoveID
	err  error
}

type poolRun struct {
	*Pool
	want     Want // Not: in hand, or held
	inHand   int
	finished chan finished
}

// dispatch hands out moves until there is nothing left to hand out.
func (r *poolRun) dispatch(ctx context.Context) error {
	for {
		started, err := r.start(ctx)
		if err != nil {
			return err
		}
		if started {
			continue
		}
		next, open, err := r.next(ctx)
		if err != nil || !open {
			return err
		}
		if done, err := r.pause(ctx, next); done || err != nil {
			return err
		}
	}
}

// start claims a move and sets a worker to it, if there is one and a worker is free.
func (r *poolRun) start(ctx context.Context) (bool, error) {
	if !r.free() || closed(r.Stopping) {
		return false, nil
	}
	r.want.Now = time.Now()
	claim, ok, err := r.Store.Claim(ctx, r.want)
	if err != nil || !ok {
		return false, err
	}
	r.want.Not = append(r.want.Not, claim.Move.ID)
	r.inHand++
	go func() { r.finished <- finished{claim.Move.ID, r.Advance(ctx, claim)} }()
	return true, nil
}

// idle reports whether a worker is free.
func (r *poolRun) idle() bool {
	workers := r.Workers
	if workers == 0 {
		workers = DefaultWorkers
	}
	return r.inHand < workers
}

// free reports whether a worker is free and the servers have room for another move. The
// moves in hand go on, however little room there is; and one may always be tried.
func (r *poolRun) free() bool {
	if !r.idle() || r.Room == nil || r.inHand == 0 {
		return r.idle()
	}
	room := r.Room()
	return room == 0 || r.inHand < room
}

// next returns when the first waiting move is due, and whether any is left at all.
func (r *poolRun) next(ctx context.Context) (next time.Time, open bool, err error) {
	if closed(r.Stopping) {
		return time.Time{}, r.inHand > 0, nil
	}
	for move, err := range r.Store.Moves(ctx, Query{Batch: r.want.Batch, Open: true}) {
		if err != nil {
			return next, false, err
		}
		if r.want.Takes(move) && (!open || move.NextAt.Before(next)) {
			next, open = move.NextAt, true
		}
	}
	return next, open || r.inHand > 0, nil
}

// look returns after how long it is worth looking for another move, if at all.
func (r *poolRun) look(next time.Time) (wait time.Duration, soon bool) {
	switch {
	case !r.idle():
		return 0, false
	case !r.free():
		return roomEvery, true
	}
	return max(time.Until(next), time.Millisecond), !next.IsZero()
}

// pause waits until a worker is done, a waiting move is due, or the run stops.
func (r *poolRun) pause(ctx context.Context, next time.Time) (done bool, err error) {
	var due <-chan time.Time
	if wait, soon := r.look(next); soon {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case f := <-r.finished:
		return false, r.take(f)
	case <-due:
		return false, nil
	case <-r.stopNow():
		return r.inHand == 0, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// stopNow fires when the run is stopping, unless workers still have to be waited for.
func (r *poolRun) stopNow() <-chan struct{} {
	if r.inHand > 0 {
		return nil
	}
	return r.Stopping
}

// take puts a worker's move out of hand. One that is held is not handed out again.
func (r *poolRun) take(f finished) error {
	r.inHand--
	if errors.Is(f.err, ErrHeld) {
		return nil
	}
	r.want.Not = slices.DeleteFunc(r.want.Not, func(id MoveID) bool { return id == f.move })
	return f.err
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
