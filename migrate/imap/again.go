package imap

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A NO that names no cause may be about the message, or about a server that
// stumbled. So an item is given up only after it has been refused twice, alone.
const tries = 2

// breather is how long a server that stumbled gets before the second try.
const breather = 200 * time.Millisecond

// breathe waits for a breather, or until ctx is done.
func breathe(ctx context.Context, op string) error {
	timer := time.NewTimer(breather)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
}

// lasting reports whether a refusal names a cause that will be the same the next
// time (RFC 7889 4, RFC 5530 3).
func lasting(s status) bool { return s.code == "TOOBIG" || s.code == "CANNOT" }

// isRefusal tells a NO or BAD from an answer that lacks something.
func isRefusal(err error) bool {
	var s status
	return errors.As(err, &s)
}

// fetchAlone asks about one message, and again after a refusal.
func (c *Conn) fetchAlone(ctx context.Context, uid uint32, items string, each func(fetched)) (s status, err error) {
	for try := 1; ; try++ {
		s, err = c.uidFetch(ctx, uidSet([]uint32{uid}), items, each, nil)
		if err != nil || s.ok() || try == tries {
			return s, err
		}
		if err := pushback("imap.Fetch", s); err != nil {
			return s, err
		}
		if err := breathe(ctx, "imap.Fetch"); err != nil {
			return s, err
		}
	}
}
