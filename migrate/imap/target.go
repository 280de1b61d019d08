package imap

import (
	"context"
	"errors"
	"fmt"

	"reforest/migrate"
)

// A Target writes one mailbox. It creates folders and appends messages; of what it finds
// it moves, flags and deletes what Edit names, as long as that is as it was written.
type Target struct {
	*session
	names *names // what the target holds; nil until it is asked

	writings []*writing            // chunks on their way, the oldest first
	stands   map[migrate.Ref]place // where folders stood when they were last heard of
	silent   bool                  // the server does not say where messages come to lie, in spite of UIDPLUS
}

var (
	_ migrate.Target  = (*Target)(nil)
	_ migrate.Counter = (*Target)(nil)
)

// OpenTarget connects to the mailbox and logs in.
func OpenTarget(ctx context.Context, config Config) (*Target, error) {
	s, err := openSession(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Target{session: s}, nil
}

// markItems is what a mark is made of.
const markItems = "UIDVALIDITY UIDNEXT"

// Mark returns the folder's UIDVALIDITY and UIDNEXT: whatever is written later has
// a UID of at least that (RFC 9051 2.3.1.1).
func (t *Target) Mark(ctx context.Context, ref migrate.Ref) (migrate.Mark, error) {
	c, err := t.ready(ctx)
	if err != nil {
		return "", err
	}
	numbers, err := c.status(ctx, string(ref), markItems)
	if err != nil {
		return "", err
	}
	at := place{uint32(numbers["UIDVALIDITY"]), uint32(numbers["UIDNEXT"])}
	if at.uidValidity == 0 || at.uid == 0 {
		if at, err = c.numbered(ctx, string(ref)); err != nil {
			return "", err
		}
	}
	t.stood(ref, at)
	return migrate.Mark(at.String()), nil
}

// numbered opens a folder of which STATUS tells no UIDs: a server that was killed while it
// made the folder numbers it only then.
func (c *Conn) numbered(ctx context.Context, name string) (place, error) {
	sel, err := c.examine(ctx, name)
	if err == nil {
		err = c.unselect(ctx)
	}
	if err == nil && sel.uidNext == 0 {
		err = noUIDs("imap.Mark", name)
	}
	return place{sel.uidValidity, sel.uidNext}, err
}

// Count returns how many messages the folder holds.
func (t *Target) Count(ctx context.Context, ref migrate.Ref) (int64, error) {
	c, err := t.ready(ctx)
	if err != nil {
		return 0, err
	}
	numbers, err := c.status(ctx, string(ref), "MESSAGES")
	if err != nil {
		return 0, err
	}
	n, told := numbers["MESSAGES"]
	if !told {
		err := fmt.Errorf("folder %q: %w", ref, errors.New("the server does not count its messages"))
		return 0, &migrate.Error{Op: "imap.Count", Reach: migrate.OneMailbox, Err: err}
	}
	return int64(n), nil
}
