package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"reforest/migrate"
)

// A landing is one message that the target holds past an intent's mark.
type landing struct {
	fetched
	digest migrate.Digest
}

// Landed looks at what lies past the intent's mark and returns what of the intent
// is there, known by its digest. Messages that others delivered in between are
// passed over. A message is read where its size or its date fits a planned one:
// either may be inexact on some servers, both together on none. Where the folder is
// no longer the one that was marked, see noneLanded.
func (t *Target) Landed(ctx context.Context, intent migrate.Intent) ([]migrate.Done, error) {
	if len(intent.Items) == 0 {
		return nil, nil // an intent of skips alone has no mark
	}
	c, err := t.ready(ctx)
	if err != nil {
		return nil, err
	}
	mark, err := parsePlace(string(intent.Mark))
	if err != nil {
		return nil, &migrate.Error{Op: "imap.Landed", Reach: migrate.OneMailbox, Err: fmt.Errorf("read mark: %w", err)}
	}
	sel, err := c.examineLanding(ctx, string(intent.Ref))
	if err != nil {
		return nil, err
	}
	if sel.uidValidity != mark.uidValidity {
		t.names = nil // what it listed is no longer true
		return nil, c.noneLanded(ctx, sel, mark, intent)
	}
	found, err := c.landings(ctx, sel, mark.uid, intent.Items)
	if err != nil {
		return nil, err
	}
	if err := c.unselect(ctx); err != nil {
		return nil, err
	}
	if intent.Edit {
		return matchAnyOrder(mark.uidValidity, intent.Items, found), nil
	}
	return matchLandings(mark.uidValidity, intent.Items, found), nil
}

// matchAnyOrder returns the planned items of which an equal one was found. A server moves
// messages in the order of their UIDs, whatever the owner's was.
func matchAnyOrder(validity uint32, planned []migrate.Planned, found []landing) (done []migrate.Done) {
	places := map[migrate.Digest][]landing{}
	for _, l := range found {
		places[l.digest] = append(places[l.digest], l)
	}
	for _, p := range planned {
		if equal := places[p.Digest]; len(equal) > 0 {
			at := place{validity, equal[0].uid}.String()
			done = append(done, migrate.Done{Item: p.Item, Ref: migrate.ItemRef(at), Flags: keptFlags(equal[0].flags)})
			places[p.Digest] = equal[1:]
		}
	}
	return done
}

// landings reads the candidates and their digests, in the order of their UIDs.
func (c *Conn) landings(ctx context.Context, sel selection, from uint32, planned []migrate.Planned) ([]landing, error) {
	if sel.exists == 0 || sel.uidNext > 0 && sel.uidNext <= from {
		return nil, nil
	}
	found, err := c.listPast(ctx, from, func(f fetched) bool { return fits(f, planned) })
	if err != nil {
		return nil, err
	}
	for start := 0; start < len(found); start += maxBatch {
		if err := c.digest(ctx, found[start:min(start+maxBatch, len(found))]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// listPast returns the messages of the open folder from a UID on that are wanted, in the
// order of their UIDs and without their digests.
func (c *Conn) listPast(ctx context.Context, from uint32, wanted func(fetched) bool) ([]landing, error) {
	var found []landing
	each := func(f fetched) {
		if f.uid >= from && f.size >= 0 && wanted(f) {
			found = append(found, landing{fetched: f})
		}
	}
	s, err := c.uidFetch(ctx, fmt.Sprintf("%d:*", from), "UID FLAGS INTERNALDATE RFC822.SIZE", each, nil)
	if err == nil && !s.ok() {
		err = refused("imap.Landed", s, migrate.OneMailbox, migrate.Later)
	}
	slices.SortFunc(found, func(a, b landing) int { return int(int64(a.uid) - int64(b.uid)) })
	return found, err
}

// fits reports whether a message may be one of those planned.
func fits(f fetched, planned []migrate.Planned) bool {
	return slices.ContainsFunc(planned, func(p migrate.Planned) bool {
		return p.Size == f.size || p.Received.IsZero() || p.Received.Truncate(time.Second).Equal(f.received)
	})
}

// digest reads the bodies and computes their digests. One that does not come is
// asked for alone; if it still does not come, nothing can be said of the intent.
func (c *Conn) digest(ctx context.Context, found []landing) error {
	read := make(map[uint32]bool, len(found))
	if _, err := c.digestBodies(ctx, found, read); err != nil {
		return err
	}
	for i, l := range found {
		if read[l.uid] {
			continue
		}
		s, err := c.digestBodies(ctx, found[i:i+1], read)
		if err != nil {
			return err
		}
		if !read[l.uid] {
			return unreadLanding(l.uid, s)
		}
	}
	return nil
}

func unreadLanding(uid uint32, s status) error {
	e := refused("imap.Landed", s, migrate.OneMailbox, migrate.Later)
	e.Reach = max(e.Reach, migrate.OneMailbox)
	e.Err = fmt.Errorf("read message %d back: %w", uid, errors.Join(errNoBody, s))
	return e
}

func (c *Conn) digestBodies(ctx context.Context, found []landing, read map[uint32]bool) (status, error) {
	uids := make([]uint32, len(found))
	for i, l := range found {
		uids[i] = l.uid
	}
	onBody := func(f fetched, b content) error {
		i := slices.Index(uids, f.uid)
		if i < 0 || b.r == nil {
			return nil
		}
		digester := migrate.NewDigester(migrate.MIME)
		if _, err := io.Copy(digester, b.r); err != nil {
			return err
		}
		found[i].digest, read[f.uid] = digester.Digest(), true
		return nil
	}
	return c.uidFetch(ctx, uidSet(uids), "UID BODY.PEEK[]", nil, onBody)
}

// matchLandings returns the longest sequence of planned items that lies, in
// order, among what was found.
func matchLandings(validity uint32, planned []migrate.Planned, found []landing) []migrate.Done {
	found = slices.DeleteFunc(found, func(l landing) bool {
		return !slices.ContainsFunc(planned, func(p migrate.Planned) bool { return p.Digest == l.digest })
	})
	// longest[i][j] is the answer's length for planned[i:] and found[j:].
	longest := make([][]int32, len(planned)+1)
	for i := range longest {
		longest[i] = make([]int32, len(found)+1)
	}
	for i := len(planned) - 1; i >= 0; i-- {
		for j := len(found) - 1; j >= 0; j-- {
			longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			if planned[i].Digest == found[j].digest {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	var done []migrate.Done
	for i, j := 0, 0; i < len(planned) && j < len(found); {
		switch {
		case planned[i].Digest == found[j].digest:
			at := place{validity, found[j].uid}.String()
			done = append(done, migrate.Done{Item: planned[i].Item, Ref: migrate.ItemRef(at), Flags: keptFlags(found[j].flags)})
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			i++
		default:
			j++
		}
	}
	return done
}
