package replica

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errClosed = errors.New("the replica has ended")

// An ask is a request to poll now. The answer is there when done is closed.
type ask struct {
	done  chan struct{}
	batch int // the number of the last batch that holds what the upstream showed
	err   error
}

// CaughtUp waits until everything that the upstream shows now is shown here too. It returns
// an error when ctx or the replica ends before, with the reason why the upstream could not
// be read if there is one.
func (r *Replica) CaughtUp(ctx context.Context) error {
	var trouble error
	for {
		asked := &ask{done: make(chan struct{})}
		stuck, err := r.catchUp(ctx, asked)
		if err != nil {
			return fmt.Errorf("wait for the replica: %w", errors.Join(err, trouble))
		}
		switch trouble = asked.err; {
		case trouble != nil:
		case stuck > 0:
			trouble = fmt.Errorf("%d entries whose parents the upstream does not show", stuck)
		default:
			return nil
		}
		if err := r.pause(ctx, r.config.Poll, nil); err != nil {
			return fmt.Errorf("wait for the replica: %w", errors.Join(err, trouble))
		}
	}
}

// catchUp has the upstream polled and waits until what that found is visible. stuck counts
// the records that have no place yet.
func (r *Replica) catchUp(ctx context.Context, asked *ask) (stuck int, err error) {
	select {
	case r.asks <- asked:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-r.done:
		return 0, errClosed
	}
	if err := r.pause(ctx, -1, asked.done); err != nil || asked.err != nil {
		return 0, err
	}
	for {
		shown, stuck, changed := r.delayed.state()
		if shown >= asked.batch {
			return stuck, nil
		}
		if err := r.pause(ctx, -1, changed); err != nil {
			return stuck, err
		}
	}
}

// pause waits for a time, unless it is negative, or for a signal, unless that is nil. It
// returns an error if ctx or the replica ends before.
func (r *Replica) pause(ctx context.Context, wait time.Duration, signal <-chan struct{}) error {
	var over <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-signal:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.done:
		return errClosed
	}
	return nil
}
