package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

const (
	maxBatch      = 100      // messages that are described, and then read, with care
	maxBatchBytes = 16 << 20 // of their bodies: the most that is read in vain when a reader stops early
)

// errNoBody is a message of which the server has no bytes.
var errNoBody = errors.New("the server returned no body")

// A reader carries one call of Source.Read.
type reader struct {
	conn     *Conn
	folder   string
	validity uint32
	known    map[uint32]fetched // what is known of the messages at hand
	short    map[uint32]int64   // bytes that came of those shorter than they should be
	sizes    []sized            // of the folder as it was listed last, by UID
	yield    func(*migrate.Item, error) bool
	stopped  bool // the consumer wants no more
}

// Read yields the items in the order asked for. Flags, date, size and body of each come
// in one response, many to a command, as a stream. What does not come as it should is
// read with care: described first, so that date and flags are known before a body streams
// by and also of an item whose body cannot be read, and asked for again by itself before
// it is given up.
func (s *Source) Read(ctx context.Context, folder migrate.FolderID, items []migrate.ItemID, format migrate.Format) iter.Seq2[*migrate.Item, error] {
	return func(yield func(*migrate.Item, error) bool) {
		r := &reader{folder: string(folder), yield: yield, short: map[uint32]int64{}}
		err := r.open(ctx, s, format)
		var uids []uint32
		if err == nil {
			uids, err = r.uids(items)
		}
		for len(uids) > 0 && err == nil && !r.stopped {
			n := ascending(uids)
			err = r.run(ctx, uids[:n])
			uids = uids[n:]
		}
		if err != nil && !r.stopped {
			yield(nil, err)
		}
	}
}

// open makes sure that the folder is selected and not another one than before.
func (r *reader) open(ctx context.Context, s *Source, format migrate.Format) error {
	if format != migrate.MIME {
		return &migrate.Error{Op: "imap.Read", Reach: migrate.WholeRun, Err: fmt.Errorf("format %q is not offered", format)}
	}
	c, err := s.ready(ctx)
	if err != nil {
		return err
	}
	if c.selected.name != r.folder {
		if _, err := c.examine(ctx, r.folder); err != nil {
			return err
		}
	}
	r.conn, r.validity = c, c.selected.uidValidity
	if s.listed.folder == r.folder && s.listed.uidValidity == r.validity {
		r.sizes = s.listed.found
	}
	return nil
}

func (r *reader) uids(items []migrate.ItemID) ([]uint32, error) {
	uids := make([]uint32, len(items))
	for i, id := range items {
		at, err := parsePlace(string(id))
		if err != nil {
			return nil, &migrate.Error{Op: "imap.Read", Reach: migrate.OneMailbox, Err: fmt.Errorf("read item id: %w", err)}
		}
		if at.uidValidity != r.validity {
			return nil, staleError("imap.Read", r.folder, at.uidValidity, r.validity)
		}
		uids[i] = at.uid
	}
	return uids, nil
}

// ascending returns how many of the first UIDs can be asked for in one command:
// servers answer in ascending order.
func ascending(uids []uint32) int {
	n := 1
	for n < len(uids) && uids[n] > uids[n-1] {
		n++
	}
	return n
}

// batch yields all of uids, which ascend, with care.
func (r *reader) batch(ctx context.Context, uids []uint32) error {
	if err := r.describe(ctx, uids); err != nil {
		return err
	}
	for len(uids) > 0 && !r.stopped {
		if _, here := r.known[uids[0]]; !here {
			if err := r.missing(ctx, uids[0]); err != nil {
				return err
			}
			uids = uids[1:]
			continue
		}
		n, err := r.bodies(ctx, uids[:r.together(uids)])
		if err != nil {
			return err
		}
		uids = uids[n:]
	}
	return nil
}

// together returns how many of uids fit into one FETCH of bodies.
func (r *reader) together(uids []uint32) int {
	n, total := 0, int64(0)
	for _, uid := range uids {
		f, here := r.known[uid]
		total += f.size
		if !here || n > 0 && total > maxBatchBytes {
			break
		}
		n++
	}
	return n
}

// describe learns flags, date and size. A server that refuses to tell those of
// all says at least which there are.
func (r *reader) describe(ctx context.Context, uids []uint32) error {
	r.known = make(map[uint32]fetched, len(uids))
	each := func(f fetched) {
		if f.size >= 0 && slices.Contains(uids, f.uid) {
			r.known[f.uid] = f
		}
	}
	s, err := r.conn.uidFetch(ctx, uidSet(uids), "UID FLAGS INTERNALDATE RFC822.SIZE", each, nil)
	switch {
	case errors.Is(err, errSyntax):
		return nil // who was described badly is asked for alone
	case err != nil || s.ok():
		return err
	}
	return pushback("imap.Fetch", s)
}

// missing asks once more for an item that was not described and yields it, or
// that it is gone, or that the server will not tell.
func (r *reader) missing(ctx context.Context, uid uint32) error {
	var found []fetched
	each := func(f fetched) {
		if f.uid == uid && f.size >= 0 {
			found = append(found, f)
		}
	}
	s, err := r.conn.fetchAlone(ctx, uid, "UID FLAGS INTERNALDATE RFC822.SIZE", each)
	switch {
	case errors.Is(err, errSyntax):
		r.give(r.item(uid, fetched{}), unreadable(err))
		return nil
	case err != nil:
		return err
	case len(found) > 0:
		r.known[uid] = found[0]
		_, err := r.bodies(ctx, []uint32{uid})
		return err
	case s.ok():
		r.give(&migrate.Item{ID: r.id(uid), Format: migrate.MIME}, migrate.ErrGone)
		return nil
	}
	if err := pushback("imap.Fetch", s); err != nil {
		return err
	}
	r.give(r.item(uid, fetched{}), unreadable(s))
	return nil
}

// bodies yields the messages in order and returns how many of them it is done
// with: the server may leave out or garble one.
func (r *reader) bodies(ctx context.Context, uids []uint32) (done int, err error) {
	done, why, err := r.stream(ctx, uids)
	if err != nil || r.stopped || done == len(uids) {
		return done, err
	}
	err = r.alone(ctx, uids[done], why, len(uids) == 1)
	return done + 1, err
}

// alone asks for one body by itself until it comes, or has been refused twice or
// answered badly twice. why is what was said before, and of the one if that is set:
// a refusal of many says nothing of each.
func (r *reader) alone(ctx context.Context, uid uint32, why error, ofTheOne bool) error {
	refusals, faults := 0, 0
	for {
		switch {
		case !isRefusal(why):
			faults++
		case ofTheOne:
			refusals++
		}
		if refusals == tries || faults == tries {
			return r.giveUp(ctx, uid, why)
		}
		if isRefusal(why) {
			if err := breathe(ctx, "imap.Fetch"); err != nil {
				return err
			}
		}
		done, reason, err := r.stream(ctx, []uint32{uid})
		if err != nil || r.stopped || done == 1 {
			return err
		}
		why, ofTheOne = reason, true
	}
}

// giveUp yields an item whose body does not come, unless it has been deleted in
// the meantime.
func (r *reader) giveUp(ctx context.Context, uid uint32, why error) error {
	here := false
	s, err := r.conn.fetchAlone(ctx, uid, "UID", func(f fetched) { here = here || f.uid == uid })
	switch {
	case err != nil && !errors.Is(err, errSyntax):
		return err
	case err == nil && s.ok() && !here:
		r.give(r.item(uid, r.known[uid]), migrate.ErrGone)
	default:
		r.give(r.item(uid, r.known[uid]), unreadable(why))
	}
	return nil
}

// stream fetches the bodies of uids in one command and yields those that come
// whole and in turn. why says what became of the first that did not.
func (r *reader) stream(ctx context.Context, uids []uint32) (done int, why, err error) {
	why = errNoBody
	onBody := func(f fetched, c content) error {
		// Alone, the message needs no name to be known.
		if r.stopped || done == len(uids) || f.uid != uids[done] && (f.uid != 0 || len(uids) > 1) {
			return nil
		}
		if r.refuses(uids[done], c, &why) {
			return nil
		}
		item := r.item(uids[done], r.known[uids[done]])
		item.Size, item.Body = c.size, &bodyReader{c.r, func(e error) error { return lost(ctx, "imap.Fetch", e) }}
		done++
		r.give(item, nil)
		return nil
	}
	s, err := r.conn.uidFetch(ctx, uidSet(uids), "UID BODY.PEEK[]", nil, onBody)
	switch {
	case errors.Is(err, errSyntax):
		return done, err, nil
	case err != nil || s.ok() || done == len(uids):
		return done, why, err
	}
	return done, s, pushback("imap.Fetch", s)
}

// errShort is a body that is shorter than RFC822.SIZE says.
var errShort = errors.New("the server returned fewer bytes than the message has")

// refuses tells what cannot be the whole message. Some servers only estimate
// RFC822.SIZE, so a shorter body passes if the same bytes come a second time.
func (r *reader) refuses(uid uint32, c content, why *error) bool {
	size := r.known[uid].size
	before, again := r.short[uid]
	switch {
	case c.r == nil, c.size == 0 && size > 0:
		*why = errNoBody
		return true
	case c.size < size && (!again || before != c.size):
		r.short[uid], *why = c.size, errShort
		return true
	}
	return false
}

func (r *reader) give(item *migrate.Item, err error) {
	r.stopped = !r.yield(item, err) || r.stopped
}

func (r *reader) id(uid uint32) migrate.ItemID {
	return migrate.ItemID(place{r.validity, uid}.String())
}

func (r *reader) item(uid uint32, f fetched) *migrate.Item {
	return &migrate.Item{
		ID: r.id(uid), Format: migrate.MIME, Received: f.received,
		Flags: keptFlags(f.flags), Size: max(f.size, 0),
	}
}

// keptFlags drops \Recent, which belongs to a session and not to the message.
func keptFlags(flags []string) []string {
	return slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return strings.EqualFold(f, `\Recent`) })
}

func unreadable(why error) error {
	if e := migrate.AsError(why); e != nil {
		why = e.Err
	}
	return &migrate.Error{Op: "imap.Fetch", Reach: migrate.OneItem, Err: why}
}

// pushback returns an error where a NO is about the server or the mailbox, and
// nil where it is about single items.
func pushback(op string, s status) error {
	e := refused(op, s, migrate.OneItem, migrate.Never)
	if e.Reach == migrate.OneItem || s.code == "SERVERBUG" || s.code == "NONEXISTENT" || s.code == "CORRUPTION" {
		return nil
	}
	return e
}

// uidSet writes ascending UIDs as a sequence set (RFC 9051 9).
func uidSet(uids []uint32) string {
	var set strings.Builder
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if i > 0 {
			set.WriteByte(',')
		}
		set.WriteString(strconv.FormatUint(uint64(uids[i]), 10))
		if j > i {
			set.WriteString(":" + strconv.FormatUint(uint64(uids[j]), 10))
		}
		i = j + 1
	}
	return set.String()
}

// A bodyReader makes a *migrate.Error of a connection that ends within a body.
type bodyReader struct {
	r    io.Reader
	fail func(error) error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.fail(err)
	}
	return n, err
}
