package directorytest

import (
	"context"
	"iter"
	"sync/atomic"

	"reforest/directory"
)

// A watched writer tells of every change that was written.
type watched struct {
	directory.Writer
	wrote func(directory.Change)
}

// Write implements directory.Writer.
func (w watched) Write(ctx context.Context, change directory.Change) error {
	err := w.Writer.Write(ctx, change)
	if err == nil {
		w.wrote(change)
	}
	return err
}

// A retold reader shows entries otherwise than they are stored: as a server with another
// schema could hold them.
type retold struct {
	directory.Reader
	tell func(*directory.Entry) *directory.Entry
}

// Get implements directory.Reader.
func (r retold) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	entry, err := r.Reader.Get(ctx, dn, attrs...)
	if err != nil {
		return nil, err
	}
	return r.tell(entry), nil
}

// Find implements directory.Reader.
func (r retold) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	return func(yield func(*directory.Entry, error) bool) {
		for entry, err := range r.Reader.Find(ctx, query) {
			if err == nil {
				entry = r.tell(entry)
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// with returns the entry with other values of an attribute, if it was read with it.
func withValues(entry *directory.Entry, attr string, values ...string) *directory.Entry {
	all := map[string][][]byte{}
	for _, name := range entry.Attrs() {
		all[name] = entry.Bytes(name)
	}
	all[attr] = mod(directory.ReplaceValues, attr, values...).Values
	return directory.NewEntry(entry.DN, all)
}

// A replica shows nothing of what it is asked for until it has been asked some times.
type replica struct {
	directory.Reader
	name string
	left *atomic.Int32 // how often it is still behind
}

// Server names it, as adapters do.
func (r replica) Server() string { return r.name }

// Get implements directory.Reader.
func (r replica) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	if r.left.Add(-1) >= 0 {
		return nil, directory.ErrNotFound
	}
	return r.Reader.Get(ctx, dn, attrs...)
}
