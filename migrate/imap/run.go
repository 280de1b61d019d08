package imap

import (
	"context"
	"errors"
	"sort"
	"strconv"
)

// Windows double from the first to the largest, so that a reader that stops early has
// had about as much sent to it in vain as it has read.
const (
	firstWindow    = 2 << 20  // bytes of the messages in the first FETCH
	maxWindowBytes = 32 << 20 // and in any
	maxWindow      = 1000     // messages in one FETCH
	maxSetText     = 4000     // bytes of its set: servers may limit a line to 8,000 (RFC 2683 3.2.1.5)
	windowsAhead   = 2        // commands on their way: the next is there before the present is read
	unknownSize    = 100_000  // bytes that a message counts which was not listed
)

// wholeMessage is everything of a message in one response. Servers send a body last
// where it is asked for last.
const wholeMessage = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"

// run yields all of uids, which ascend: as a stream, and where that does not come as it
// should, the next few with care.
func (r *reader) run(ctx context.Context, uids []uint32) error {
	for len(uids) > 0 && !r.stopped {
		if !r.conn.bodyFirst {
			n, err := r.flow(ctx, uids)
			if uids = uids[n:]; err != nil || len(uids) == 0 || r.stopped {
				return err
			}
		}
		n := min(maxBatch, len(uids))
		if err := r.batch(ctx, uids[:n]); err != nil {
			return err
		}
		uids = uids[n:]
	}
	return nil
}

// A flow is one stream of messages, for which several commands are on their way.
type flow struct {
	*reader
	uids  []uint32
	asked int   // of uids
	done  int   // of uids, yielded
	bytes int64 // of the next window
	ended bool  // something did not come as it should: what follows is read past
	on    []window
}

// A window is one FETCH on its way.
type window struct {
	*sent
	end int // how many of uids are asked for with it
}

// flow yields messages until one does not come as it should and returns how many it has
// yielded. The connection is free when it returns.
func (r *reader) flow(ctx context.Context, uids []uint32) (done int, err error) {
	f := &flow{reader: r, uids: uids, bytes: firstWindow}
	r.known = map[uint32]fetched{}
	r.conn.lex.bodyLast = true
	defer func() { r.conn.lex.bodyLast = false }()
	for {
		if err == nil {
			err = f.ask(ctx)
		}
		if len(f.on) == 0 || r.conn.broken {
			return f.done, err
		}
		w := f.on[0]
		f.on = f.on[1:]
		if failure := f.settle(ctx, w); err == nil {
			err = failure
		}
	}
}

// ask sends commands until enough are on their way, or nothing more is to be asked for.
func (f *flow) ask(ctx context.Context) error {
	take := func(m fetched, c content) error {
		f.take(ctx, m, c)
		return nil
	}
	for len(f.on) < windowsAhead && f.asked < len(f.uids) && !f.ended && !f.stopped {
		n := f.together(f.uids[f.asked:])
		s, err := f.conn.sendFetch(ctx, uidSet(f.uids[f.asked:f.asked+n]), wholeMessage, nil, take)
		if err != nil {
			return err
		}
		f.asked += n
		f.on = append(f.on, window{s, f.asked})
		f.bytes = min(2*f.bytes, maxWindowBytes)
	}
	return nil
}

// settle reads a command to its end. One that was refused, or that left something out,
// ends the flow; an error is about the server or the mailbox.
func (f *flow) settle(ctx context.Context, w window) error {
	s, err := w.wait(ctx)
	if err != nil || !s.ok() || f.done < w.end {
		f.ended = true
	}
	switch {
	case errors.Is(err, errSyntax):
		return nil
	case err != nil || s.ok():
		return err
	}
	return pushback("imap.Fetch", s)
}

// take yields a message that comes whole and in turn. Two commands may be answered at
// once (RFC 9051 5.5): what comes too early is asked for again.
func (f *flow) take(ctx context.Context, m fetched, c content) {
	if f.ended || f.stopped || f.done == len(f.uids) {
		return
	}
	uid := f.uids[f.done]
	switch {
	case !m.whole():
		f.conn.bodyFirst, f.ended = true, true
		return
	case m.uid < uid: // it came before
		return
	case m.uid > uid:
		f.ended = true
		return
	}
	f.known[uid] = m
	var why error
	if f.refuses(uid, c, &why) {
		f.ended = true
		return
	}
	item := f.item(uid, m)
	item.Size, item.Body = c.size, &bodyReader{c.r, func(e error) error { return lost(ctx, "imap.Fetch", e) }}
	delete(f.known, uid)
	f.done++
	f.give(item, nil)
}

// together returns how many of uids fit into the next window.
func (f *flow) together(uids []uint32) int {
	n, total, text := 0, int64(0), 0
	for n < min(len(uids), maxWindow) {
		if n == 0 || uids[n] != uids[n-1]+1 {
			text += len(strconv.FormatUint(uint64(uids[n]), 10))*2 + 2 // as if a range began
		}
		total += f.sizeOf(uids[n])
		if n > 0 && (total > f.bytes || text > maxSetText) {
			break
		}
		n++
	}
	return n
}

// sizeOf returns how large the folder's listing says that a message is, in bytes.
func (r *reader) sizeOf(uid uint32) int64 {
	i := sort.Search(len(r.sizes), func(i int) bool { return r.sizes[i].uid >= uid })
	if i < len(r.sizes) && r.sizes[i].uid == uid {
		return r.sizes[i].size
	}
	return unknownSize
}
