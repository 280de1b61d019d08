package imap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"reforest/migrate"
)

var _ migrate.Editor = (*Target)(nil)

// An editing is one call of Edit on an open folder.
type editing struct {
	*Conn
	validity uint32 // the folder's UIDVALIDITY; 0: it is not there
	uids     map[migrate.ItemRef]uint32
	void     map[migrate.ItemRef]bool // found again by what they hold: one of those that are equal
	flags    map[uint32][]string      // of the messages that are there
}

// Edit changes flags and moves messages. Flags are changed one by one (RFC 9051 6.4.6),
// so that one which another client sets at the same instant stays. Messages are moved
// with MOVE (RFC 6851), else copied and expunged by their UIDs (RFC 4315); a server that
// has neither leaves them. Messages are deleted by their UIDs, or left.
func (t *Target) Edit(ctx context.Context, ref migrate.Ref, edits []migrate.Edit) ([]migrate.Done, error) {
	c, err := t.ready(ctx)
	if err != nil {
		return nil, err
	}
	e, err := c.beginEditing(ctx, string(ref), edits)
	if err != nil {
		return nil, err
	}
	var flags, moves, deletes []migrate.Edit
	for _, edit := range edits {
		switch {
		case edit.Delete:
			deletes = append(deletes, edit)
		case edit.To == "":
			flags = append(flags, edit)
		default:
			moves = append(moves, edit)
		}
	}
	done, err := e.reflag(ctx, flags)
	if err != nil {
		return nil, err
	}
	moved, err := e.move(ctx, moves)
	if err != nil {
		return nil, err
	}
	gone, err := e.remove(ctx, deletes)
	if err != nil {
		return nil, err
	}
	return slices.Concat(done, moved, gone), c.unselect(ctx)
}

// remove deletes messages that are as they were (RFC 4315 2.1). Without UIDPLUS what
// another client has marked would go as well, and so nothing does; nor is anything said of
// a folder that is not there. One that was numbered anew stays, since it may be another
// that is equal: an attempt that was cut off may have removed the one that is meant.
func (e *editing) remove(ctx context.Context, edits []migrate.Edit) (done []migrate.Done, err error) {
	var uids []uint32
	for _, edit := range edits {
		uid, known := e.uids[edit.At]
		flags, here := e.flags[uid]
		switch {
		case !known || here && (!edit.Deletes(flags) || !e.Offers("UIDPLUS") || e.void[edit.At]):
			continue
		case here:
			uids = append(uids, uid)
		}
		done = append(done, migrate.Done{Item: edit.Item, Gone: true})
	}
	if len(uids) > 0 {
		err = e.expunge(ctx, uids)
	}
	return done, err
}

// beginEditing opens the folder for writing and learns how the messages stand. One that
// was numbered anew is looked for by what it holds; a folder that is not there has none.
func (c *Conn) beginEditing(ctx context.Context, folder string, edits []migrate.Edit) (*editing, error) {
	sel, err := c.existing(ctx, folder, c.open)
	if err != nil {
		return nil, err
	}
	e := &editing{Conn: c, validity: sel.uidValidity, uids: map[migrate.ItemRef]uint32{}, void: map[migrate.ItemRef]bool{}}
	var void []migrate.Edit
	for _, edit := range edits {
		at, err := parsePlace(string(edit.At))
		switch {
		case err == nil && at.uidValidity == sel.uidValidity:
			e.uids[edit.At] = at.uid
		case err == nil && sel.uidValidity != 0 && edit.Digest != migrate.Digest{} && edit.Copied == "":
			e.void[edit.At] = true
			void = append(void, edit)
		}
	}
	if err := e.refind(ctx, sel, void); err != nil {
		return nil, err
	}
	there := slices.DeleteFunc(slices.Collect(maps.Values(e.uids)), func(uid uint32) bool { return uid == 0 })
	e.flags, err = c.flags(ctx, there)
	return e, err
}

// refind looks for messages whose UIDs are void (RFC 9051 2.3.1.1): each is one that is
// equal, of several equal ones another for each. One that is not found has UID 0, which
// no message has.
func (e *editing) refind(ctx context.Context, sel selection, void []migrate.Edit) error {
	if len(void) == 0 {
		return nil
	}
	taken := make(map[migrate.ItemRef]bool, len(e.uids))
	for _, uid := range e.uids {
		taken[migrate.ItemRef(place{sel.uidValidity, uid}.String())] = true
	}
	var planned []migrate.Planned
	for _, edit := range void {
		e.uids[edit.At] = 0
		planned = append(planned, migrate.Planned{Item: migrate.ItemID(edit.At), Size: edit.Size, Digest: edit.Digest, Received: edit.Received})
	}
	found, err := e.landings(ctx, sel, 1, planned, taken)
	if err != nil {
		return err
	}
	for _, d := range matchLandings(sel.uidValidity, planned, found) {
		if at, err := parsePlace(string(d.Ref)); err == nil {
			e.uids[migrate.ItemRef(d.Item)] = at.uid
		}
	}
	return nil
}

// place returns where a message lies now.
func (e *editing) place(uid uint32) migrate.ItemRef {
	return migrate.ItemRef(place{e.validity, uid}.String())
}

// has returns the message's UID and flags, if it is there.
func (e *editing) has(edit migrate.Edit) (uid uint32, flags []string, here bool) {
	uid, known := e.uids[edit.At]
	flags, here = e.flags[uid]
	return uid, flags, known && here
}

// reflag changes the flags of messages that still have those they had. What the server
// then says they have decides.
func (e *editing) reflag(ctx context.Context, edits []migrate.Edit) ([]migrate.Done, error) {
	groups := map[string][]migrate.Edit{}
	var order []string
	for _, edit := range edits {
		_, flags, here := e.has(edit)
		if !here || !migrate.SameFlags(flags, edit.Base) {
			continue
		}
		key := strings.Join(edit.Add, " ") + "\x00" + strings.Join(edit.Drop, " ")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], edit)
	}
	for _, key := range order {
		if err := e.store(ctx, groups[key]); err != nil {
			return nil, err
		}
	}
	return e.reflagged(ctx, edits)
}

// store changes the same flags of several messages.
func (e *editing) store(ctx context.Context, edits []migrate.Edit) error {
	var uids []uint32
	for _, edit := range edits {
		uids = append(uids, e.uids[edit.At])
	}
	for sign, flags := range map[string][]string{"+": sendable(edits[0].Add), "-": sendable(edits[0].Drop)} {
		s, err := e.storeFlags(ctx, uids, sign, flags)
		if err != nil {
			return err
		}
		if err := pushback("imap.Store", s); err != nil && !s.ok() {
			return err
		}
	}
	return nil
}

// storeFlags is UID STORE (RFC 9051 6.4.6).
func (c *Conn) storeFlags(ctx context.Context, uids []uint32, sign string, flags []string) (status, error) {
	if len(flags) == 0 {
		return status{kind: "OK"}, nil
	}
	command := fmt.Sprintf("UID STORE %s %sFLAGS.SILENT (%s)", ascendingSet(uids), sign, strings.Join(flags, " "))
	return c.do(ctx, "imap.Store", nil, raw(command))
}

// reflagged reads the flags back and returns the messages that have those they were to
// get, by whomever.
func (e *editing) reflagged(ctx context.Context, edits []migrate.Edit) (done []migrate.Done, err error) {
	var uids []uint32
	for _, edit := range edits {
		if uid, _, here := e.has(edit); here {
			uids = append(uids, uid)
		}
	}
	now, err := e.Conn.flags(ctx, uids)
	if err != nil {
		return nil, err
	}
	for _, edit := range edits {
		uid, _, known := e.has(edit)
		flags, here := now[uid]
		if known && here && migrate.SameFlags(flags, edit.With(edit.Base)) {
			done = append(done, migrate.Done{Item: edit.Item, Ref: e.place(uid), Flags: flags})
		}
	}
	return done, nil
}
