package memory

import (
	"context"
	"strconv"

	"reforest/migrate"
)

// A Stream is a Target that places folders together and takes a chunk before it has
// answered the one before it.
type Stream struct {
	*Target
	// Late stores a chunk when it is waited for, and not when it is sent: what has been
	// sent is lost with the connection. It does not tell then where the folder stands.
	Late bool
}

var (
	_ migrate.Streamer = (*Stream)(nil)
	_ migrate.Placer   = (*Stream)(nil)
	_ migrate.Editor   = (*Stream)(nil)
	_ migrate.Marker   = (*writing)(nil)
)

// Begin takes the items.
func (s *Stream) Begin(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (migrate.Writing, error) {
	w := &writing{target: s.Target, ref: ref, items: items, late: s.Late}
	if s.Late {
		return w, nil
	}
	_, err := w.Wait(ctx)
	return w, err
}

// A writing is a chunk on its way.
type writing struct {
	target *Target
	ref    migrate.Ref
	late   bool
	items  []*migrate.Item // nil once they are written
	done   []migrate.Done
	err    error
}

// Wait writes the items unless they are written already.
func (w *writing) Wait(ctx context.Context) ([]migrate.Done, error) {
	if w.items != nil {
		w.done, w.err = w.target.Write(ctx, w.ref, w.items)
		w.items = nil
	}
	return w.done, w.err
}

// Mark returns the UID after the last one that was written.
func (w *writing) Mark() (mark migrate.Mark) {
	if w.late {
		return ""
	}
	for _, d := range w.done {
		if uid, err := strconv.ParseInt(string(d.Ref), 10, 64); err == nil {
			mark = migrate.Mark(strconv.FormatInt(uid+1, 10))
		}
	}
	return mark
}

// PutFolders does what PutFolder does with each.
func (s *Stream) PutFolders(ctx context.Context, want []migrate.Wanted) ([]migrate.Put, error) {
	puts := make([]migrate.Put, len(want))
	for i, f := range want {
		placed, err := s.PutFolder(ctx, f.Folder, f.Have)
		if err != nil {
			return nil, err
		}
		puts[i].Placed = placed
		if f.Container {
			continue
		}
		if puts[i].Mark, err = s.Mark(ctx, placed.Ref); err != nil {
			return nil, err
		}
	}
	return puts, nil
}
