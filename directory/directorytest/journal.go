package directorytest

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"reforest/directory"
)

// A journal keeps changes in memory. It may be told to end the process, so to speak, at
// one of its calls: see dieAt.
type journal struct {
	mu      sync.Mutex
	changes []directory.Change
	done    map[int64]bool // committed
	dropped map[int64]bool
	calls   int
	dieAt   int // at this call of Intend, Commit or Drop and at all later ones; 0: never
}

func newJournal() *journal {
	return &journal{done: map[int64]bool{}, dropped: map[int64]bool{}}
}

// tick counts a call, and fails it once the process is dead.
func (j *journal) tick() error {
	j.calls++
	if j.dieAt > 0 && j.calls >= j.dieAt {
		return errStop
	}
	return nil
}

// Intend implements directory.Journal.
func (j *journal) Intend(_ context.Context, change directory.Change) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.tick(); err != nil {
		return 0, err
	}
	change.ID = int64(len(j.changes) + 1)
	j.changes = append(j.changes, change)
	return change.ID, nil
}

// Commit implements directory.Journal.
func (j *journal) Commit(_ context.Context, id int64) error { return j.end(j.done, id) }

// Drop implements directory.Journal.
func (j *journal) Drop(_ context.Context, id int64) error { return j.end(j.dropped, id) }

func (j *journal) end(how map[int64]bool, id int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.tick(); err != nil {
		return err
	}
	if id < 1 || id > int64(len(j.changes)) || j.done[id] || j.dropped[id] {
		return fmt.Errorf("change %d is not open", id)
	}
	how[id] = true
	return nil
}

// Open implements directory.Journal.
func (j *journal) Open(context.Context) iter.Seq2[directory.Change, error] {
	return func(yield func(directory.Change, error) bool) {
		for _, c := range j.open() {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (j *journal) open() []directory.Change {
	j.mu.Lock()
	defer j.mu.Unlock()
	var open []directory.Change
	for _, c := range j.changes {
		if !j.done[c.ID] && !j.dropped[c.ID] {
			open = append(open, c)
		}
	}
	return open
}

// committed returns what was carried out, the oldest first.
func (j *journal) committed() []directory.Change {
	j.mu.Lock()
	defer j.mu.Unlock()
	var done []directory.Change
	for _, c := range j.changes {
		if j.done[c.ID] {
			done = append(done, c)
		}
	}
	return done
}
