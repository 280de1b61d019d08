package imap

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"reforest/migrate"
)

// A sized is a message with its size; many are held at once.
type sized struct {
	uid  uint32
	size int64
}

// Deltas yields the messages past the cursor in the order of their UIDs. What is
// new is read as a whole before the first is yielded, so that the connection is
// free for Read in between; a message takes 16 bytes meanwhile.
func (s *Source) Deltas(ctx context.Context, folder migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	return func(yield func(migrate.Delta, error) bool) {
		validity, found, err := s.news(ctx, string(folder), since)
		if err != nil {
			yield(migrate.Delta{}, err)
			return
		}
		for i, m := range found {
			at := place{validity, m.uid}.String()
			delta := migrate.Delta{Item: migrate.ItemID(at), Size: m.size}
			if i == len(found)-1 || (i+1)%s.config.Page == 0 {
				delta.Cursor = migrate.Cursor(at)
			}
			if !yield(delta, nil) {
				return
			}
		}
	}
}

// news returns the folder's UIDVALIDITY and what lies past the cursor. The folder is
// opened and listed in one go; what the listing says of one that is empty, or another
// than before, does not matter.
func (s *Source) news(ctx context.Context, folder string, since migrate.Cursor) (uint32, []sized, error) {
	last, err := lastUID(since)
	if err != nil {
		return 0, nil, err
	}
	c, err := s.ready(ctx)
	if err != nil {
		return 0, nil, err
	}
	opening, err := c.sendExamine(ctx, folder)
	if err != nil {
		return 0, nil, err
	}
	past, err := c.sendPast(ctx, last.uid)
	if err != nil {
		return 0, nil, err
	}
	sel, openErr := opening.wait(ctx)
	found, err := past.wait(ctx)
	switch {
	case openErr != nil:
		return 0, nil, openErr
	case since != "" && last.uidValidity != sel.uidValidity:
		return 0, nil, staleError("imap.Deltas", folder, last.uidValidity, sel.uidValidity)
	case sel.exists == 0 && !c.broken:
		found, err = nil, nil
	case err != nil:
		return 0, nil, fmt.Errorf("list folder %q: %w", folder, err)
	}
	s.listed = listing{folder, sel.uidValidity, found}
	return sel.uidValidity, found, err
}

// lastUID reads a cursor: the last message that it covers.
func lastUID(since migrate.Cursor) (place, error) {
	if since == "" {
		return place{}, nil
	}
	at, err := parsePlace(string(since))
	if err != nil {
		err = &migrate.Error{Op: "imap.Deltas", Reach: migrate.OneMailbox, Err: fmt.Errorf("read cursor: %w", err)}
	}
	return at, err
}

// A pastList is the listing of messages past another, on its way.
type pastList struct {
	asked *sent // nil: no message can be past the last
	found []sized
}

// sendPast asks for the messages with a UID greater than last. The range n:* always
// holds the last message, even when its UID is below n (RFC 9051 9, seq-range).
func (c *Conn) sendPast(ctx context.Context, last uint32) (*pastList, error) {
	p := &pastList{}
	if last == 1<<32-1 {
		return p, nil
	}
	each := func(f fetched) {
		if f.uid > last {
			p.found = append(p.found, sized{f.uid, max(f.size, 0)})
		}
	}
	var err error
	p.asked, err = c.sendFetch(ctx, fmt.Sprintf("%d:*", last+1), "(UID RFC822.SIZE)", each, nil)
	return p, err
}

// wait returns the messages by UID, each once.
func (p *pastList) wait(ctx context.Context) ([]sized, error) {
	if p.asked == nil {
		return nil, nil
	}
	s, err := p.asked.wait(ctx)
	if err == nil && !s.ok() {
		err = refused("imap.Fetch", s, migrate.OneMailbox, migrate.Later)
	}
	if err != nil {
		return nil, err
	}
	byUID := func(a, b sized) int { return cmp.Compare(a.uid, b.uid) }
	if !slices.IsSortedFunc(p.found, byUID) {
		slices.SortFunc(p.found, byUID)
	}
	return slices.CompactFunc(p.found, func(a, b sized) bool { return a.uid == b.uid }), nil
}
