package imap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"reforest/migrate"
)

var _ migrate.Changer = (*Source)(nil)

// condStore reports whether the server numbers changes (RFC 7162 3.1).
func (c *Conn) condStore() bool { return c.Offers("CONDSTORE") || c.Offers("QRESYNC") }

// Changes tells what has become of a folder's messages. A server with QRESYNC is asked
// for flags and for what is gone since it stood as seen, one with CONDSTORE for flags,
// and for everything where the count says that something is gone; any other, and one that
// has renumbered the folder, for every message's flags. It is one round trip, and a second
// where the first was not enough.
func (s *Source) Changes(ctx context.Context, folder migrate.FolderID, since migrate.Cursor, seen string) iter.Seq2[migrate.Change, error] {
	return func(yield func(migrate.Change, error) bool) {
		found, validity, err := s.changes(ctx, string(folder), since, parseState(seen))
		if err != nil {
			yield(migrate.Change{}, err)
			return
		}
		if found.every && !yield(migrate.Change{Every: true, Renumbered: found.renumbered}, nil) {
			return
		}
		for _, m := range found.flags {
			if !yield(migrate.Change{Item: itemID(validity, m.uid), Flags: m.flags}, nil) {
				return
			}
		}
		for _, span := range found.gone {
			for uid := span.first; ; uid++ {
				if !yield(migrate.Change{Item: itemID(validity, uid), Gone: true}, nil) {
					return
				}
				if uid == span.last {
					break
				}
			}
		}
	}
}

func itemID(validity, uid uint32) migrate.ItemID {
	return migrate.ItemID(place{validity, uid}.String())
}

// A changeList is what has become of a folder's messages.
type changeList struct {
	every      bool // what is not among flags is gone
	renumbered bool // its UIDs are others than they were
	flags      []flagged
	gone       []span

	shared map[string][]string // equal flags are held once
	lost   bool                // more is gone than can be held
}

// A flagged is a message with its flags; many are held at once.
type flagged struct {
	uid   uint32
	flags []string
}

// A span is a range of UIDs.
type span struct{ first, last uint32 }

// changes opens the folder and asks what has changed in it, in one go.
func (s *Source) changes(ctx context.Context, folder string, since migrate.Cursor, seen folderState) (*changeList, uint32, error) {
	last, err := lastUID(since)
	if err != nil {
		return nil, 0, err
	}
	c, err := s.ready(ctx)
	if err != nil {
		return nil, 0, err
	}
	enabling, err := c.sendEnable(ctx)
	if err != nil {
		return nil, 0, err
	}
	opening, err := c.sendExamine(ctx, folder)
	if err != nil {
		return nil, 0, err
	}
	found := &changeList{}
	asked, err := c.sendChanges(ctx, seen, found)
	if err != nil {
		return nil, 0, err
	}
	if err := enabling.wait(ctx); err != nil {
		return nil, 0, errors.Join(err, drain(ctx, opening.sent, asked))
	}
	sel, err := opening.wait(ctx)
	if err != nil {
		return nil, 0, errors.Join(err, drain(ctx, asked))
	}
	answer, err := asked.wait(ctx)
	if err != nil && !errors.Is(err, errSyntax) {
		return nil, 0, err
	}
	if err != nil || !answer.ok() || !found.every && (differs(last, seen, sel) || !found.suffices(sel, seen, c.qresync)) {
		found, err = c.every(ctx, sel)
	}
	if err == nil && found.short(sel) {
		sel, found, err = c.everyAgain(ctx, folder)
	}
	if err == nil {
		found.renumbered = differs(last, seen, sel)
	}
	return found, sel.uidValidity, err
}

// differs reports whether the folder has another UIDVALIDITY than when it was read or seen,
// if it was.
func differs(last place, seen folderState, sel selection) bool {
	return last.uidValidity != 0 && last.uidValidity != sel.uidValidity || seen.uidValidity != 0 && seen.uidValidity != sel.uidValidity
}

// drain waits for commands whose answers do not matter any more.
func drain(ctx context.Context, all ...*sent) error {
	for _, s := range all {
		if _, err := s.wait(ctx); err != nil && !errors.Is(err, errSyntax) {
			return err
		}
	}
	return nil
}

// suffices reports whether the list says everything that has changed since seen.
func (l *changeList) suffices(sel selection, seen folderState, qresync bool) bool {
	if sel.modSeq == 0 || l.lost { // NOMODSEQ: nothing numbers the changes (RFC 7162 3.1.2.2)
		return false
	}
	arrived := uint64(0)
	for _, m := range l.flags {
		if m.uid >= seen.uidNext {
			arrived++
		}
	}
	if qresync { // there cannot be more, unless what was gone is there again
		return seen.messages+arrived >= uint64(sel.exists)
	}
	return seen.messages+arrived == uint64(sel.exists)
}

// short reports whether fewer messages were listed than the folder holds, though all
// should have been: what is not listed counts as gone.
func (l *changeList) short(sel selection) bool {
	if !l.every || len(l.flags) < int(sel.exists) {
		return l.every
	}
	uids := make([]uint32, len(l.flags))
	for i, m := range l.flags {
		uids[i] = m.uid
	}
	slices.Sort(uids)
	return len(slices.Compact(uids)) < int(sel.exists)
}

// sendChanges asks for the flags that have changed since, and for what is gone where the
// server tells (RFC 7162 3.1.4.1, 3.2.6). Without a state to start from it asks for all.
func (c *Conn) sendChanges(ctx context.Context, seen folderState, into *changeList) (*sent, error) {
	items := "(UID FLAGS)"
	switch {
	case seen.modSeq == 0 || !c.condStore():
		into.every = true
	case c.qresync:
		items += fmt.Sprintf(" (CHANGEDSINCE %d VANISHED)", seen.modSeq)
	default:
		items += fmt.Sprintf(" (CHANGEDSINCE %d)", seen.modSeq)
	}
	fetched, err := c.sendFetch(ctx, "1:*", items, into.add, nil)
	if err != nil {
		return nil, err
	}
	fetch := fetched.handle
	fetched.handle = func(r reply) error {
		if r.name == "VANISHED" {
			into.vanish(r.lex.text())
			return nil
		}
		return fetch(r)
	}
	return fetched, nil
}

// every lists all messages of the open folder with their flags.
func (c *Conn) every(ctx context.Context, sel selection) (*changeList, error) {
	all := &changeList{every: true}
	if sel.exists == 0 {
		return all, nil
	}
	s, err := c.uidFetch(ctx, "1:*", "UID FLAGS", all.add, nil)
	if err == nil && !s.ok() {
		err = refused("imap.Fetch", s, migrate.OneMailbox, migrate.Later)
	}
	return all, err
}

// everyAgain lists the folder once more, since something may have been expunged while it was
// listed. A list that is short again says nothing of what is gone.
func (c *Conn) everyAgain(ctx context.Context, folder string) (selection, *changeList, error) {
	sel, err := c.examine(ctx, folder)
	if err != nil {
		return sel, nil, err
	}
	found, err := c.every(ctx, sel)
	if err == nil && found.short(sel) {
		err = fmt.Errorf("list folder %q: the server listed %d of %d messages", folder, len(found.flags), sel.exists)
		err = &migrate.Error{Op: "imap.Fetch", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: err}
	}
	return sel, found, err
}

func (l *changeList) add(f fetched) {
	if f.uid == 0 || !f.flagged {
		return // of a message that changes just now, which its number alone does not name
	}
	kept := keptFlags(f.flags)
	key := strings.Join(kept, " ")
	if l.shared == nil {
		l.shared = map[string][]string{}
	}
	if same, known := l.shared[key]; known {
		kept = same
	}
	l.shared[key] = kept
	l.flags = append(l.flags, flagged{f.uid, kept})
}

// vanish reads VANISHED (RFC 7162 3.2.10): what is gone, or never was.
func (l *changeList) vanish(text string) {
	set := strings.TrimSpace(text)
	if rest, earlier := cutFold(set, "(EARLIER)"); earlier {
		set = strings.TrimSpace(rest)
	}
	spans, ok := parseSpans(set)
	l.gone = append(l.gone, spans...)
	l.lost = l.lost || !ok || len(l.gone) > maxSet || count(l.gone) > maxSet
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func count(spans []span) (n uint64) {
	for _, s := range spans {
		n += uint64(s.last-s.first) + 1
	}
	return n
}

// parseSpans reads a sequence set without *; false if it is none.
func parseSpans(text string) (spans []span, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		ends := parseEnds(part)
		if ends == nil {
			return nil, false
		}
		spans = append(spans, span{slices.Min(ends), slices.Max(ends)})
	}
	return spans, true
}
