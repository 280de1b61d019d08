package main

import (
	"errors"
	"fmt"

	"github.com/gofrs/flock"
)

// lockStore makes sure that one run alone works on the store. The system lets go of
// the lock when the process ends, however it ends.
func lockStore(path string) (unlock func() error, err error) {
	lock := flock.New(path + ".lock")
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if !got {
		return nil, &exitError{exitLocked, errors.New("another run is working on " + path + "; wait for it, or look at it with: reforest status")}
	}
	return lock.Unlock, nil
}
