package imap

import (
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

// news returns the folder's UIDVALIDITY and what lies past the cursor.
func (s *Source) news(ctx context.Context, folder string, since migrate.Cursor) (uint32, []sized, error) {
	c, err := s.ready(ctx)
	if err != nil {
		return 0, nil, err
	}
	sel, err := c.examine(ctx, folder)
	if err != nil {
		return 0, nil, err
	}
	var last uint32
	if since != "" {
		if last, err = lastUID(folder, since, sel); err != nil {
			return 0, nil, err
		}
	}
	if sel.exists == 0 || last == 1<<32-1 || sel.uidNext > 0 && sel.uidNext <= last+1 {
		return sel.uidValidity, nil, nil
	}
	found, err := c.past(ctx, folder, last)
	return sel.uidValidity, found, err
}

func lastUID(folder string, since migrate.Cursor, sel selection) (uint32, error) {
	at, err := parsePlace(string(since))
	if err != nil {
		return 0, &migrate.Error{Op: "imap.Deltas", Reach: migrate.OneMailbox, Err: fmt.Errorf("read cursor: %w", err)}
	}
	if at.uidValidity != sel.uidValidity {
		return 0, staleError("imap.Deltas", folder, at.uidValidity, sel.uidValidity)
	}
	return at.uid, nil
}

// past returns the messages with a UID greater than last. The range n:* always
// holds the last message, even when its UID is below n (RFC 9051 9, seq-range).
func (c *Conn) past(ctx context.Context, folder string, last uint32) ([]sized, error) {
	var found []sized
	each := func(f fetched) {
		if f.uid > last {
			found = append(found, sized{f.uid, max(f.size, 0)})
		}
	}
	s, err := c.uidFetch(ctx, fmt.Sprintf("%d:*", last+1), "UID RFC822.SIZE", each, nil)
	if err != nil {
		return nil, err
	}
	if !s.ok() {
		e := refused("imap.Fetch", s, migrate.OneMailbox, migrate.Later)
		e.Err = fmt.Errorf("list folder %q: %w", folder, s)
		return nil, e
	}
	slices.SortFunc(found, func(a, b sized) int { return int(int64(a.uid) - int64(b.uid)) })
	return slices.CompactFunc(found, func(a, b sized) bool { return a.uid == b.uid }), nil
}
