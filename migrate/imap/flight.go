package imap

import (
	"context"

	"reforest/migrate"
)

const (
	maxUnanswered  = 64   // commands that are on their way together
	minimalLiteral = 4096 // bytes that need not be asked for under LITERAL- (RFC 7888 5)
)

// A flight is one APPEND that is on its way.
type flight struct {
	items []*migrate.Item
	sent  *sent // nil: it must not be sent ahead and waits for its turn
}

// stored reports whether the server has said that it holds the messages.
func (f flight) stored() bool { return f.sent != nil && f.sent.answer != nil && f.sent.answer.ok() }

// lost reports whether nobody will ever hear what became of the messages.
func (f flight) lost() bool { return f.sent != nil && f.sent.answer == nil && f.sent.conn.broken }

// wait reads the answer. What else the server says meanwhile decides nothing.
func (f flight) wait(ctx context.Context) error {
	if f.sent == nil {
		return nil
	}
	_, err := f.sent.wait(ctx)
	if f.stored() {
		return nil
	}
	return err
}

// ahead returns how many of the items, from the first, can be sent one command after
// another with no answer in between: all with LITERAL+, small ones with LITERAL-, though
// not where one command carries them all and may ask for more in its midst.
func (c *Conn) ahead(items []*migrate.Item) int {
	if c.Offers("LITERAL+") {
		return len(items)
	}
	if !c.Offers("LITERAL-") || c.Offers("MULTIAPPEND") {
		return 0
	}
	for i, item := range items {
		if item.Size > minimalLiteral {
			return i
		}
	}
	return len(items)
}

// launch sends the items in as many commands as it takes and returns those that have
// been sent whole. With messages that go one by one, it waits for the oldest of too many.
func (c *Conn) launch(ctx context.Context, mailbox string, items []*migrate.Item) (flights []flight, err error) {
	limit := c.appendLimit()
	for len(items) > 0 {
		f := flight{items: items[:c.together(items)]}
		if limit == 0 || f.items[0].Size <= limit {
			if err := c.makeWay(ctx); err != nil {
				return flights, err
			}
			if f.sent, err = c.sendAppend(ctx, mailbox, f.items); err != nil {
				return flights, err
			}
		}
		flights = append(flights, f)
		items = items[len(f.items):]
	}
	return flights, nil
}

// makeWay waits until one more command may be sent, and reads what the server has said
// while the last one was.
func (c *Conn) makeWay(ctx context.Context) error {
	for len(c.unanswered) >= maxUnanswered {
		oldest := c.unanswered[0]
		if _, err := oldest.wait(ctx); err != nil && oldest.answer == nil {
			return err
		}
	}
	stop := c.tie(ctx)
	defer stop()
	for len(c.net.aside.heard) > ioBuffer {
		if _, _, err := c.next(); err != nil {
			return c.giveUp(ctx, "imap.Append", err)
		}
	}
	return nil
}

// finish waits for the answers, appends again what was refused, and reports whether that
// came behind something that was not. With err, the error of sending, it says no more
// than what is known to be stored.
func (t *Target) finish(ctx context.Context, mailbox string, flights []flight, err error) (done []migrate.Done, mixed bool, _ error) {
	for _, f := range flights {
		if waitErr := f.wait(ctx); err == nil {
			err = waitErr
		}
	}
	for i, f := range flights {
		var written []migrate.Done
		switch {
		case f.stored():
			written = allDone(*f.sent.answer, f.items)
		case err != nil: // what is not known to be stored is not sent either
		case f.sent == nil:
			written, err = t.appendMany(ctx, mailbox, f.items)
		default:
			mixed = mixed || i < len(flights)-1
			written, err = t.appendAgain(ctx, mailbox, f.items, *f.sent.answer)
		}
		done = append(done, written...)
	}
	return done, mixed, err
}
