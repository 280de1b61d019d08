package migrate

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A clerk keeps the journal while the writer is busy: it commits chunks in the order of
// their intents, and stores cursors when what is before them is committed. So one commit,
// the next intent and a cursor become durable together.
type clerk struct {
	journal Journal
	settler Settler // nil: a cursor is stored by itself
	entries chan entry
	ended   chan struct{}
	last    map[FolderID]<-chan struct{} // when the last place of a folder is stored
	placing errgroup.Group

	mu   sync.Mutex
	done []entry // committed and not asked for yet
	err  error   // the first; nothing is written after it
}

// An entry is a chunk to be committed, a place to be stored, both, or with reached a
// question.
type entry struct {
	chunk   bool // intent is to be closed
	intent  Intent
	done    []Done
	place   *FolderState
	reached chan struct{} // closed when every chunk before it is committed
}

// newClerk starts a clerk. It is at most one entry behind.
func newClerk(ctx context.Context, journal Journal) *clerk {
	c := &clerk{
		journal: journal, entries: make(chan entry, 1), ended: make(chan struct{}),
		last: map[FolderID]<-chan struct{}{},
	}
	c.placing.SetLimit(storing)
	c.settler, _ = journal.(Settler)
	go func() {
		defer close(c.ended)
		for e := range c.entries {
			c.write(ctx, e)
		}
	}()
	return c
}

// enter has an entry written.
func (c *clerk) enter(e entry) { c.entries <- e }

// wait returns when every chunk entered is committed, or with the error that kept one
// from it.
func (c *clerk) wait() error {
	reached := make(chan struct{})
	c.enter(entry{reached: reached})
	<-reached
	return c.failure()
}

// entered returns what has been committed since it was called last.
func (c *clerk) entered() ([]entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.done
	c.done = nil
	return done, c.err
}

// close returns when everything is written.
func (c *clerk) close() {
	close(c.entries)
	<-c.ended
	_ = c.placing.Wait() // the errors are the clerk's
}

func (c *clerk) write(ctx context.Context, e entry) {
	switch {
	case e.reached != nil:
		close(e.reached)
	case c.failure() != nil:
	case e.chunk:
		c.commit(ctx, e)
	default:
		c.place(ctx, *e.place)
	}
}

// commit commits a chunk, with the place behind it if there is one.
func (c *clerk) commit(ctx context.Context, e entry) {
	together := e.place != nil && c.settler != nil
	var err error
	if together {
		if before := c.last[e.place.Folder]; before != nil {
			<-before
		}
		err = c.settler.Settle(ctx, e.intent.ID, e.done, *e.place)
	} else {
		err = c.journal.Commit(ctx, e.intent.ID, e.done)
	}
	if err != nil {
		c.fail(fmt.Errorf("commit chunk: %w", err))
		return
	}
	c.mu.Lock()
	c.done = append(c.done, e)
	c.mu.Unlock()
	if e.place != nil && !together {
		c.place(ctx, *e.place)
	}
}

// place stores a place, after the folder's last one and beside whatever is written next.
func (c *clerk) place(ctx context.Context, state FolderState) {
	before, stored := c.last[state.Folder], make(chan struct{})
	c.last[state.Folder] = stored
	c.placing.Go(func() error {
		defer close(stored)
		if before != nil {
			<-before
		}
		if c.failure() != nil {
			return nil
		}
		if err := c.journal.PutFolder(ctx, state); err != nil {
			c.fail(fmt.Errorf("store cursor: %w", err))
		}
		return nil
	})
}

func (c *clerk) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

func (c *clerk) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
