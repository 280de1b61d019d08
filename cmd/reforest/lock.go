package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// lockStore makes sure that one run alone works on the store. The system lets go of
// the lock when the process ends, however it ends.
func lockStore(ctx context.Context, path string) (unlock func() error, err error) {
	lock := flock.New(path + ".lock")
	ctx, cancel := context.WithTimeout(ctx, time.Second) // status may hold it for a moment
	defer cancel()
	got, err := lock.TryLockContext(ctx, 50*time.Millisecond)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if !got {
		return nil, &exitError{exitLocked, errors.New("another run is working on " + path + "; wait for it, or look at it with: reforest status")}
	}
	return lock.Unlock, nil
}

// storeIsLocked reports whether a run holds the store. The lock file is not made for
// asking.
func storeIsLocked(path string) (bool, error) {
	if _, err := os.Stat(path + ".lock"); err != nil {
		return false, nil //nolint:nilerr // nobody ever locked it, or nobody lets us see
	}
	lock := flock.New(path+".lock", flock.SetFlag(os.O_RDONLY))
	got, err := lock.TryRLock()
	if err != nil {
		return false, fmt.Errorf("see whether a run is at work: %w", err)
	}
	if !got {
		return true, nil
	}
	return false, lock.Unlock()
}
