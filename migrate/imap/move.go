package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

// errNoCopyUID is a server that has moved messages and does not say where to.
var errNoCopyUID = errors.New("the server did not say under which UIDs the messages lie")

// move moves messages out of the open folder, a folder after the other. Without UIDPLUS
// nothing tells where a message came to lie, so there it stays where it is.
func (e *editing) move(ctx context.Context, edits []migrate.Edit) (done []migrate.Done, err error) {
	groups := map[migrate.Ref][]migrate.Edit{}
	var order []migrate.Ref
	for _, edit := range edits {
		_, flags, here := e.has(edit)
		switch {
		case !here && edit.Copied != "":
			done = append(done, migrate.Done{Item: edit.Item, Ref: edit.Copied, Flags: edit.Base})
		case !here:
		case !e.Offers("UIDPLUS"):
			done = append(done, migrate.Done{Item: edit.Item, Flags: flags})
		case edit.Copied != "" && !e.Offers("MOVE"):
			// The copy was made and the original not yet expunged.
			done = append(done, migrate.Done{Item: edit.Item, Ref: edit.Copied, Flags: flags})
			err = e.expunge(ctx, []uint32{e.uids[edit.At]})
		default:
			if groups[edit.To] == nil {
				order = append(order, edit.To)
			}
			groups[edit.To] = append(groups[edit.To], edit)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, to := range order {
		some, err := e.moveTo(ctx, to, groups[to])
		if err != nil {
			return nil, err
		}
		done = append(done, some...)
	}
	return done, nil
}

// moveTo moves messages to one folder. MOVE does it as a whole or not at all
// (RFC 6851 3.3); in its place a copy is made first, so that no message is ever nowhere.
func (e *editing) moveTo(ctx context.Context, to migrate.Ref, edits []migrate.Edit) (done []migrate.Done, err error) {
	uids := make([]uint32, len(edits))
	for i, edit := range edits {
		uids[i] = e.uids[edit.At]
	}
	command := "UID COPY "
	if e.Offers("MOVE") {
		command = "UID MOVE "
	}
	moved, err := e.transfer(ctx, command, uids, string(to))
	if err != nil {
		return nil, err
	}
	if command == "UID COPY " {
		if err := e.expunge(ctx, uids); err != nil {
			return nil, err
		}
	}
	for _, edit := range edits {
		uid, flags, _ := e.has(edit)
		if ref, there := moved[uid]; there {
			done = append(done, migrate.Done{Item: edit.Item, Ref: ref, Flags: flags})
		}
	}
	return done, nil
}

// transfer sends UID COPY or UID MOVE and returns where each message came to lie. MOVE
// says so in an untagged OK (RFC 6851 4.3), COPY in the tagged one.
func (c *Conn) transfer(ctx context.Context, command string, uids []uint32, to string) (map[uint32]migrate.ItemRef, error) {
	var told status
	handle := func(r reply) error {
		if r.status.code == "COPYUID" {
			told = r.status
		}
		return nil
	}
	s, err := c.do(ctx, "imap.Move", handle, raw(command+ascendingSet(uids)+" "), astring(to))
	switch {
	case err != nil:
		return nil, err
	case !s.ok():
		return nil, refused("imap.Move", s, migrate.OneMailbox, migrate.Later)
	case s.code == "COPYUID":
		told = s
	}
	moved := copyUIDs(told)
	if len(moved) == 0 {
		return nil, &migrate.Error{Op: "imap.Move", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: errNoCopyUID}
	}
	return moved, nil
}

// copyUIDs reads COPYUID (RFC 4315 3): the UIDs that the messages had and those that
// they got, in the same order.
func copyUIDs(s status) map[uint32]migrate.ItemRef {
	words := strings.Fields(s.arg)
	if s.code != "COPYUID" || len(words) != 3 {
		return nil
	}
	had, got := parseSet(words[1]), parseSet(words[2])
	if len(had) == 0 || len(had) != len(got) || s.number(0) == 0 {
		return nil
	}
	moved := make(map[uint32]migrate.ItemRef, len(had))
	for i, uid := range had {
		moved[uid] = migrate.ItemRef(place{s.number(0), got[i]}.String())
	}
	return moved
}

// maxSet bounds what is believed of a server's set.
const maxSet = 1 << 20

// parseSet reads a sequence set without *; nil if it is none.
func parseSet(text string) (uids []uint32) {
	for span := range strings.SplitSeq(text, ",") {
		ends := parseEnds(span)
		if ends == nil {
			return nil
		}
		from, to := ends[0], ends[1]
		step := int64(1)
		if to < from {
			step = -1
		}
		if n := (int64(to) - int64(from)) * step; n+int64(len(uids)) >= maxSet {
			return nil
		}
		for uid := int64(from); ; uid += step {
			uids = append(uids, uint32(uid))
			if uid == int64(to) {
				break
			}
		}
	}
	return uids
}

// parseEnds reads one number of a sequence set, or two with a colon; nil if it is neither.
func parseEnds(text string) []uint32 {
	first, last, ranged := strings.Cut(text, ":")
	if !ranged {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 32)
	to, err2 := strconv.ParseUint(last, 10, 32)
	if err1 != nil || err2 != nil || from == 0 || to == 0 {
		return nil
	}
	return []uint32{uint32(from), uint32(to)}
}

// expunge deletes messages, and no other that is marked (RFC 4315 2.1).
func (c *Conn) expunge(ctx context.Context, uids []uint32) error {
	s, err := c.storeFlags(ctx, uids, "+", []string{`\Deleted`})
	if err == nil && s.ok() {
		s, err = c.do(ctx, "imap.Expunge", nil, raw("UID EXPUNGE "+ascendingSet(uids)))
	}
	if err == nil && !s.ok() {
		e := refused("imap.Expunge", s, migrate.OneMailbox, migrate.Later)
		e.Err = fmt.Errorf("remove messages: %w", s)
		err = e
	}
	return err
}

// ascendingSet writes UIDs in any order as a sequence set.
func ascendingSet(uids []uint32) string {
	sorted := slices.Clone(uids)
	slices.Sort(sorted)
	return uidSet(slices.Compact(sorted))
}
