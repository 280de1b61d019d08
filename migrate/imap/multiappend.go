package imap

import (
	"context"
	"strconv"
	"strings"

	"reforest/migrate"
)

// What one APPEND carries at most: it has to be sent again when the target refuses one
// of its messages.
const (
	maxAppendBytes = 4 << 20
	maxAppendItems = 500
)

// together returns how many of the items go into one APPEND: one, unless the
// server has MULTIAPPEND (RFC 3502). An empty message goes alone, as it would
// cancel the others; so does one that is too large.
func (c *Conn) together(items []*migrate.Item) int {
	if !c.Offers("MULTIAPPEND") {
		return 1
	}
	limit := c.appendLimit()
	n, total := 0, int64(0)
	for _, item := range items {
		total += item.Size
		if n == maxAppendItems || item.Size == 0 || limit > 0 && item.Size > limit || n > 0 && total > maxAppendBytes {
			break
		}
		n++
	}
	return max(n, 1)
}

// appendMany appends all items at once or none (RFC 3502 6.3.11). Where the target
// refuses them, halves are tried until the one it means is found.
func (t *Target) appendMany(ctx context.Context, mailbox string, items []*migrate.Item) ([]migrate.Done, error) {
	if len(items) == 1 {
		done, err := t.append(ctx, mailbox, items[0])
		if err != nil {
			return nil, err
		}
		return []migrate.Done{done}, nil
	}
	c, err := t.ready(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.multiAppend(ctx, mailbox, items)
	switch {
	case err != nil:
		return nil, err
	case s.ok():
		return allDone(s, items), nil
	}
	return t.appendAgain(ctx, mailbox, items, s)
}

// appendAgain appends what the target has refused with s, in halves; one message as it
// is, unless the refusal will stay the same.
func (t *Target) appendAgain(ctx context.Context, mailbox string, items []*migrate.Item, s status) ([]migrate.Done, error) {
	if e := t.notReady(s); e != nil {
		return nil, e
	}
	if len(items) == 1 {
		if lasting(s) && !aboutKeywords(s) {
			return []migrate.Done{refusedItem(items[0], appended{status: s})}, nil
		}
		return t.appendMany(ctx, mailbox, items)
	}
	half := len(items) / 2
	done, err := t.appendMany(ctx, mailbox, items[:half])
	if err != nil {
		return done, err
	}
	rest, err := t.appendMany(ctx, mailbox, items[half:])
	return append(done, rest...), err
}

func (c *Conn) multiAppend(ctx context.Context, mailbox string, items []*migrate.Item) (status, error) {
	s, err := c.sendAppend(ctx, mailbox, items)
	if err != nil {
		return status{}, err
	}
	return s.wait(ctx)
}

// sendAppend sends one APPEND of all items, and does not wait for its answer.
func (c *Conn) sendAppend(ctx context.Context, mailbox string, items []*migrate.Item) (*sent, error) {
	parts := make([]part, 0, 2+2*len(items))
	parts = append(parts, raw("APPEND "), astring(mailbox))
	for _, item := range items {
		message, err := rewind(item)
		if err != nil {
			return nil, err
		}
		parts = append(parts, appendOptions(item, sendable(item.Flags)), message)
	}
	return c.send(ctx, "imap.Append", nil, parts...)
}

func allDone(s status, items []*migrate.Item) []migrate.Done {
	refs := appendUIDs(s, len(items))
	done := make([]migrate.Done, len(items))
	for i, item := range items {
		done[i] = migrate.Done{Item: item.ID, Flags: sendable(item.Flags)}
		if refs != nil {
			done[i].Ref = refs[i]
		}
	}
	return done
}

// appendUIDs reads the UIDs of n messages out of APPENDUID (RFC 4315 3), which
// names them in the order of appending. nil means that the server did not say.
func appendUIDs(s status, n int) []migrate.ItemRef {
	words := strings.Fields(s.arg)
	if s.code != "APPENDUID" || len(words) != 2 {
		return nil
	}
	refs := make([]migrate.ItemRef, 0, n)
	for span := range strings.SplitSeq(words[1], ",") {
		first, last, ranged := strings.Cut(span, ":")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if err1 != nil || err2 != nil || from == 0 || to < from || to-from >= uint64(n) {
			return nil
		}
		for uid := from; uid <= to; uid++ {
			refs = append(refs, migrate.ItemRef(place{s.number(0), uint32(uid)}.String()))
		}
	}
	if len(refs) != n || s.number(0) == 0 {
		return nil
	}
	return refs
}
