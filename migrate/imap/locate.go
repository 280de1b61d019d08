package imap

import (
	"context"
	"slices"
	"time"

	"reforest/migrate"
)

// writeAndFind writes as Write does on a server without UIDPLUS, and finds out where the
// messages came to lie: a way back has to know them again.
func (t *Target) writeAndFind(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	mark, err := t.Mark(ctx, ref)
	if err != nil {
		return nil, err
	}
	done, mixed, err := t.writeAll(ctx, ref, items)
	if err != nil {
		return done, err
	}
	at, err := parsePlace(string(mark))
	if err == nil {
		err = t.locate(ctx, search{folder: string(ref), mark: at, mixed: mixed}, items, done)
	}
	return done, err
}

// A search says where messages were written to.
type search struct {
	folder string
	mark   place                    // they lie past it
	others map[migrate.ItemRef]bool // what is known to be no one of them
	mixed  bool                     // they do not lie in the order of writing
}

// locate fills in the Refs of what was written.
func (t *Target) locate(ctx context.Context, where search, items []*migrate.Item, done []migrate.Done) error {
	c, err := t.ready(ctx)
	if err != nil {
		return err
	}
	sel, err := c.examine(ctx, where.folder)
	if err != nil {
		return err
	}
	planned := unplaced(items, done)
	if sel.uidValidity != where.mark.uidValidity || len(planned) == 0 {
		return c.unselect(ctx)
	}
	var uids map[migrate.ItemID]uint32
	if !where.mixed {
		uids, err = c.inOrder(ctx, sel, where, planned)
	}
	if err == nil && uids == nil {
		uids, err = c.byDigest(ctx, sel, where, planned)
	}
	if err != nil {
		return err
	}
	for i, d := range done {
		if uid, found := uids[d.Item]; found && d.Ref == "" {
			done[i].Ref = migrate.ItemRef(place{sel.uidValidity, uid}.String())
		}
	}
	return c.unselect(ctx)
}

// unplaced returns what was written without a word on where to, in the order of writing.
// Size is that of the bytes as they travelled.
func unplaced(items []*migrate.Item, done []migrate.Done) (planned []migrate.Planned) {
	for _, item := range items {
		i := slices.IndexFunc(done, func(d migrate.Done) bool { return d.Item == item.ID })
		if i >= 0 && done[i].Skip == nil && done[i].Ref == "" {
			planned = append(planned, migrate.Planned{Item: item.ID, Size: item.Size, Digest: item.Digest, Received: item.Received})
		}
	}
	return planned
}

// inOrder compares what lies past the mark with what was written, one by one, by date
// and size. nil: that does not tell, since others write to the folder too, or since the
// server keeps another size.
func (c *Conn) inOrder(ctx context.Context, sel selection, where search, planned []migrate.Planned) (map[migrate.ItemID]uint32, error) {
	found, err := c.listPast(ctx, where.mark.uid, func(f fetched) bool { return !sel.among(where.others, f.uid) })
	if err != nil || len(found) != len(planned) {
		return nil, err
	}
	uids := make(map[migrate.ItemID]uint32, len(planned))
	for i, p := range planned {
		if p.Size != found[i].size || !p.Received.IsZero() && !p.Received.Truncate(time.Second).Equal(found[i].received) {
			return nil, nil
		}
		uids[p.Item] = found[i].uid
	}
	return uids, nil
}

// byDigest reads the messages back.
func (c *Conn) byDigest(ctx context.Context, sel selection, where search, planned []migrate.Planned) (map[migrate.ItemID]uint32, error) {
	found, err := c.landings(ctx, sel, where.mark.uid, planned, where.others)
	if err != nil {
		return nil, err
	}
	uids := make(map[migrate.ItemID]uint32, len(planned))
	for _, d := range matchLandings(sel.uidValidity, planned, found) {
		if at, err := parsePlace(string(d.Ref)); err == nil {
			uids[d.Item] = at.uid
		}
	}
	return uids, nil
}
