package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

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
	t.giveUp()
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
	found, err := c.landings(ctx, sel, mark.uid, intent.Items, intent.Others)
	if err != nil {
		return nil, err
	}
	if err := c.unselect(ctx); err != nil {
		return nil, err
	}
	return matchLandings(mark.uidValidity, intent.Items, found), nil
}

// landings reads the candidates and their digests, in the order of their UIDs. What
// belongs to others is none.
func (c *Conn) landings(ctx context.Context, sel selection, from uint32, planned []migrate.Planned, others map[migrate.ItemRef]bool) ([]landing, error) {
	if sel.exists == 0 || sel.uidNext > 0 && sel.uidNext <= from {
		return nil, nil
	}
	fits := newFit(planned)
	found, err := c.listPast(ctx, from, func(f fetched) bool { return fits.with(f) && !sel.among(others, f.uid) })
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

// among reports whether a message of the folder is one of refs.
func (s selection) among(refs map[migrate.ItemRef]bool, uid uint32) bool {
	return len(refs) > 0 && refs[migrate.ItemRef(place{s.uidValidity, uid}.String())]
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

// A fit knows the sizes and dates of what was planned.
type fit struct {
	sizes map[int64]bool
	dates map[int64]bool // in seconds since 1970
	any   bool           // one was planned without a date, so that it may have any
}

func newFit(planned []migrate.Planned) fit {
	f := fit{sizes: make(map[int64]bool, len(planned)), dates: make(map[int64]bool, len(planned))}
	for _, p := range planned {
		f.sizes[p.Size], f.dates[p.Received.Unix()] = true, true
		f.any = f.any || p.Received.IsZero()
	}
	return f
}

// with reports whether a message may be one of those planned.
func (f fit) with(m fetched) bool {
	return f.any || f.sizes[m.size] || f.dates[m.received.Unix()]
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

// A twinKey tells equal messages apart as far as a server does.
type twinKey struct {
	digest migrate.Digest
	date   int64 // in seconds since 1970
}

// matchLandings returns the planned items of which an equal message was found, each
// with one of its own. Of several equal ones that with the same date is preferred, then
// the first. Their order decides nothing: a server moves messages in the order of their
// UIDs, and what is sent again after a refusal lies behind what was sent after it.
func matchLandings(validity uint32, planned []migrate.Planned, found []landing) (done []migrate.Done) {
	matches := make([]*landing, len(planned))
	dated := map[twinKey][]*landing{}
	for i := range found {
		key := twinKey{found[i].digest, found[i].received.Unix()}
		dated[key] = append(dated[key], &found[i])
	}
	used := map[uint32]bool{}
	for i, p := range planned {
		key := twinKey{p.Digest, p.Received.Unix()}
		if equal := dated[key]; len(equal) > 0 {
			matches[i], dated[key] = equal[0], equal[1:]
			used[equal[0].uid] = true
		}
	}
	matchRest(matches, planned, found, used)
	for i, l := range matches {
		if l != nil {
			at := place{validity, l.uid}.String()
			done = append(done, migrate.Done{Item: planned[i].Item, Ref: migrate.ItemRef(at), Flags: keptFlags(l.flags)})
		}
	}
	return done
}

// matchRest matches what has found no message of its date.
func matchRest(matches []*landing, planned []migrate.Planned, found []landing, used map[uint32]bool) {
	equal := map[migrate.Digest][]*landing{}
	for i := range found {
		if !used[found[i].uid] {
			equal[found[i].digest] = append(equal[found[i].digest], &found[i])
		}
	}
	for i, p := range planned {
		if rest := equal[p.Digest]; matches[i] == nil && len(rest) > 0 {
			matches[i], equal[p.Digest] = rest[0], rest[1:]
		}
	}
}
