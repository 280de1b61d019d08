package imap

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

// An appended is what became of one APPEND.
type appended struct {
	status status
	flags  []string // as they were sent
}

// Write appends the items in their order, many to a command where the target takes
// that, and without waiting in between where it can. The target's refusal of a single
// message is a Skip with its words; a refusal of keywords costs the keywords, as
// Done.Flags shows. On an error the results name what is known to be written.
func (t *Target) Write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	c, err := t.ready(ctx)
	if err != nil {
		return nil, err
	}
	if !t.tells(c) {
		return t.writeAndFind(ctx, ref, items)
	}
	return t.write(ctx, ref, items)
}

func (t *Target) write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	done, _, err := t.writeAll(ctx, ref, items)
	return done, err
}

// writeAll reports, too, whether something was appended behind what comes after it.
func (t *Target) writeAll(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (done []migrate.Done, mixed bool, err error) {
	for len(items) > 0 {
		n, written, again, err := t.writeSome(ctx, string(ref), items)
		done, mixed = append(done, written...), mixed || again
		if err != nil {
			return done, mixed, err
		}
		items = items[n:]
	}
	return done, mixed, nil
}

// writeSome writes the first n of the items: those that can go together.
func (t *Target) writeSome(ctx context.Context, mailbox string, items []*migrate.Item) (n int, done []migrate.Done, mixed bool, err error) {
	c, err := t.ready(ctx)
	if err != nil {
		return 0, nil, false, err
	}
	if n = c.ahead(items); n > 1 {
		flights, err := c.launch(ctx, mailbox, items[:n])
		done, mixed, err = t.finish(ctx, mailbox, flights, err)
		return n, done, mixed, err
	}
	n = c.together(items)
	done, err = t.appendMany(ctx, mailbox, items[:n])
	return n, done, false, err
}

// append writes one item, and tries a second time after a refusal that may pass: a
// refused APPEND has stored nothing (RFC 9051 6.3.12).
func (t *Target) append(ctx context.Context, mailbox string, item *migrate.Item) (migrate.Done, error) {
	c, err := t.ready(ctx)
	if err != nil {
		return migrate.Done{}, err
	}
	if limit := c.appendLimit(); limit > 0 && item.Size > limit {
		reason := fmt.Sprintf("the message has %d bytes and the target takes at most %d (APPENDLIMIT)", item.Size, limit)
		return skipped(item, "too large", reason), nil
	}
	for try := 1; ; try++ {
		a, err := c.appendItem(ctx, mailbox, item)
		if err != nil {
			return migrate.Done{}, err
		}
		if a.status.ok() {
			return migrate.Done{Item: item.ID, Ref: appendUID(a.status), Flags: a.flags}, nil
		}
		if err := t.notReady(a.status); err != nil {
			return migrate.Done{}, err
		}
		if lasting(a.status) || try == tries {
			return refusedItem(item, a), nil
		}
		if err := breathe(ctx, "imap.Append"); err != nil {
			return migrate.Done{}, err
		}
	}
}

// notReady tells a target that can take nothing now, which is an error, from the
// refusal of a message, which is nil.
func (t *Target) notReady(s status) error {
	if s.code == "TRYCREATE" || s.code == "NONEXISTENT" {
		t.names = nil // what it listed is no longer true
	}
	if e := refused("imap.Append", s, migrate.OneItem, migrate.Never); e.Reach > migrate.OneItem {
		return e
	}
	return nil
}

func refusedItem(item *migrate.Item, a appended) migrate.Done {
	kind := "refused"
	if a.status.code == "TOOBIG" {
		kind = "too large"
	}
	return skipped(item, kind, a.status.words())
}

func skipped(item *migrate.Item, kind, reason string) migrate.Done {
	return migrate.Done{Item: item.ID, Skip: &migrate.Skip{
		Item: item.ID, Received: item.Received, Size: item.Size, Kind: kind, Reason: reason,
	}}
}

// appendItem sends the message, and again with fewer keywords where those are what
// the target refuses: first without the long ones, then without any.
func (c *Conn) appendItem(ctx context.Context, mailbox string, item *migrate.Item) (appended, error) {
	flags := sendable(item.Flags)
	first, err := c.appendWith(ctx, mailbox, item, flags)
	if err != nil || first.status.ok() || !aboutKeywords(first.status) {
		return first, err
	}
	for _, keep := range []func(string) bool{shortKeyword, systemFlag} {
		fewer := slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return !keep(f) })
		if len(fewer) == len(flags) {
			continue
		}
		a, err := c.appendWith(ctx, mailbox, item, fewer)
		if err != nil || a.status.ok() || !aboutKeywords(a.status) {
			return a, err
		}
		flags = fewer
	}
	return first, nil
}

// appendWith is one APPEND (RFC 9051 6.3.12).
func (c *Conn) appendWith(ctx context.Context, mailbox string, item *migrate.Item, flags []string) (appended, error) {
	message, err := rewind(item)
	if err != nil {
		return appended{}, err
	}
	s, err := c.do(ctx, "imap.Append", nil, raw("APPEND "), astring(mailbox), appendOptions(item, flags), message)
	return appended{s, flags}, err
}

// appendOptions is what stands before the literal: flags and INTERNALDATE.
func appendOptions(item *migrate.Item, flags []string) raw {
	options := append(make([]byte, 0, 128), ' ')
	for i, f := range flags {
		options = append(options, "( "[min(i, 1)])
		options = append(options, f...)
	}
	if len(flags) > 0 {
		options = append(options, ") "...)
	}
	if !item.Received.IsZero() {
		options = append(options, '"')
		options = item.Received.AppendFormat(options, dateLayout)
		options = append(options, `" `...)
	}
	return raw(options)
}

// rewind puts the body at its start and makes sure that it is as long as it is
// said to be, since a literal once announced can only be kept or torn.
func rewind(item *migrate.Item) (body, error) {
	seeker, ok := item.Body.(io.ReadSeeker)
	if !ok {
		return body{}, bodyError(item, fmt.Errorf("body is %T and cannot be read again", item.Body))
	}
	size, err := seeker.Seek(0, io.SeekEnd)
	if err == nil && size != item.Size {
		err = fmt.Errorf("body has %d bytes where %d were announced", size, item.Size)
	}
	if err == nil {
		_, err = seeker.Seek(0, io.SeekStart)
	}
	if err != nil {
		return body{}, bodyError(item, err)
	}
	return body{seeker, size}, nil
}

func bodyError(item *migrate.Item, err error) error {
	err = fmt.Errorf("rewind item %s: %w", item.ID, err)
	return &migrate.Error{Op: "imap.Append", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: err}
}

// appendUID is where the message came to lie, if the server says so.
func appendUID(s status) migrate.ItemRef {
	if refs := appendUIDs(s, 1); refs != nil {
		return refs[0]
	}
	return ""
}

// appendLimit is the largest message the server takes (RFC 7889), in bytes; 0 if
// it does not say.
func (c *Conn) appendLimit() int64 {
	for name := range c.caps {
		if number, found := strings.CutPrefix(name, "APPENDLIMIT="); found {
			if limit, err := strconv.ParseInt(number, 10, 64); err == nil {
				return limit
			}
		}
	}
	return 0
}

// sendable returns the flags that an APPEND can express: the system flags of
// RFC 9051 2.3.2 but \Recent, and keywords that are atoms.
func sendable(flags []string) []string {
	if len(flags) == 0 {
		return nil
	}
	bad := func(f string) bool { return !systemFlag(f) && !atom(f) }
	if slices.ContainsFunc(flags, bad) {
		flags = slices.DeleteFunc(slices.Clone(flags), bad)
	}
	return slices.Clip(flags)
}

var systemFlags = []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

func systemFlag(f string) bool {
	return slices.ContainsFunc(systemFlags, func(known string) bool { return strings.EqualFold(f, known) })
}

// shortKeyword reports whether a keyword is within what Dovecot takes by default.
func shortKeyword(f string) bool { return len(f) <= 50 }

// atom reports whether s is one (RFC 9051 9, atom).
func atom(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`(){%*"\]`, b) >= 0 {
			return false
		}
	}
	return s != ""
}
