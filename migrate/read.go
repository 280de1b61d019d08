package migrate

import (
	"context"
	"fmt"
)

// A parcel is what the reader hands to the writer.
type parcel struct {
	folder *knownFolder
	chunk  *chunk // nil: no items
	cursor Cursor // "": no page ends here
}

// A reader hands over what the source holds that the journal does not list as written,
// folder by folder. Nobody else uses the source meanwhile, unless the pass has
// questions to it.
type reader struct {
	*pass
	arenas  *arenas
	spooler *spooler
	deliver func(context.Context, parcel) error // takes a parcel over
	chunk   *chunk                              // being filled; nil if none is
}

func (p *pass) newReader(memory *arenas, deliver func(context.Context, parcel) error) *reader {
	return &reader{pass: p, arenas: memory, spooler: newSpooler(p.Options, p.format), deliver: deliver}
}

// all reads the folders, one after the other. What had been read before an error is
// handed over.
func (r *reader) all(ctx context.Context, folders []knownFolder) error {
	defer r.drop()
	for i := range folders {
		f := &folders[i]
		if f.Container || f.same {
			continue
		}
		if err := r.folder(ctx, f); err != nil {
			return f.failed(err)
		}
	}
	return nil
}

func (r *reader) folder(ctx context.Context, f *knownFolder) error {
	if err := r.deliver(ctx, parcel{folder: f}); err != nil {
		return err
	}
	var page []ItemID
	var cursor Cursor // of the pages before
	for delta, err := range r.source.Deltas(ctx, f.ID, f.since) {
		if err != nil {
			return fmt.Errorf("find what is new: %w", err)
		}
		if delta.Item != "" {
			page = append(page, delta.Item)
		}
		if delta.Cursor == "" {
			continue
		}
		if err := r.page(ctx, f, cursor, page); err != nil {
			return err
		}
		page, cursor = page[:0], delta.Cursor
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // a listing that is cut short may end as if it were whole
	}
	if err := r.page(ctx, f, cursor, page); err != nil {
		return err
	}
	if cursor == "" {
		return nil
	}
	return r.deliver(ctx, parcel{folder: f, cursor: cursor})
}

// page hands over those items of a page that are not written yet, after the cursor of the
// page before it.
func (r *reader) page(ctx context.Context, f *knownFolder, before Cursor, items []ItemID) error {
	if len(items) == 0 {
		return nil
	}
	if before != "" {
		if err := r.deliver(ctx, parcel{folder: f, cursor: before}); err != nil {
			return err
		}
	}
	written, err := r.journal.Written(ctx, f.ID, items)
	if err != nil {
		return fmt.Errorf("look into the ledger: %w", err)
	}
	missing := without(items, written)
	for len(missing) > 0 {
		n, err := r.items(ctx, f, missing)
		if flushErr := r.flush(ctx); err == nil {
			err = flushErr
		}
		if err != nil {
			return err
		}
		missing = missing[n:]
	}
	return nil
}

// items reads items into chunks, which it hands over as they become full, and returns how
// many of them it is done with. Where the pass has questions to the source before it
// writes, a full chunk ends the reading.
func (r *reader) items(ctx context.Context, f *knownFolder, items []ItemID) (n int, err error) {
	for item, err := range r.source.Read(ctx, f.ID, items, r.format) {
		if err := r.add(ctx, f, item, err); err != nil {
			return n, err
		}
		n++
		switch {
		case !r.chunk.full():
		case r.following.asks():
			return n, nil
		default:
			if err := r.flush(ctx); err != nil {
				return n, err
			}
		}
	}
	switch {
	case ctx.Err() != nil:
		return n, context.Cause(ctx)
	case n != len(items):
		err := fmt.Errorf("%d items came of %d that were asked for", n, len(items))
		return n, &Error{Op: "migrate.Read", Reach: OneMailbox, Retry: Later, Err: err}
	}
	return n, nil
}

// add takes over one result of Source.Read.
func (r *reader) add(ctx context.Context, f *knownFolder, item *Item, err error) error {
	if err == nil {
		err = r.makeRoom(ctx, item.Size)
	}
	if beginErr := r.begin(ctx, f); beginErr != nil {
		return beginErr
	}
	var s *spool
	if err == nil {
		s, err = r.spooler.spool(item.Body, item.Size, r.chunk.arena)
	}
	if err == nil {
		r.chunk.add(item, s)
		return nil
	}
	if err := r.chunk.leave(item, err); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// makeRoom hands the chunk over if it has no room for the body. A pass that has questions
// to the source cannot do so while it reads; there the body goes to a file.
func (r *reader) makeRoom(ctx context.Context, size int64) error {
	if r.chunk == nil || r.chunk.fits(size) || r.following.asks() {
		return nil
	}
	return r.flush(ctx)
}

// begin makes sure that there is a chunk to fill.
func (r *reader) begin(ctx context.Context, f *knownFolder) error {
	if r.chunk != nil {
		return nil
	}
	arena, err := r.arenas.take(ctx)
	if err != nil {
		return err
	}
	r.chunk = &chunk{pass: r.pass, folder: f, arena: arena, from: r.arenas}
	return nil
}

// flush hands the chunk over.
func (r *reader) flush(ctx context.Context) error {
	full := r.chunk
	if full == nil {
		return nil
	}
	r.chunk = nil
	if err := r.deliver(ctx, parcel{folder: full.folder, chunk: full}); err != nil {
		full.drop()
		return err
	}
	return nil
}

func (r *reader) drop() {
	if r.chunk != nil {
		r.chunk.drop()
	}
}

// without returns the items that are not written. One that was gone and shows again is not:
// the target has deleted it meanwhile.
func without(items []ItemID, written []Done) []ItemID {
	if len(written) == 0 {
		return items
	}
	have := make(map[ItemID]bool, len(written))
	for _, d := range written {
		have[d.Item] = !d.Gone
	}
	var missing []ItemID
	for _, id := range items {
		if !have[id] {
			missing = append(missing, id)
		}
	}
	return missing
}
