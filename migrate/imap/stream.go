package imap

import (
	"context"
	"slices"

	"reforest/migrate"
)

var (
	_ migrate.Streamer = (*Target)(nil)
	_ migrate.Marker   = (*writing)(nil)
)

// A writing is a chunk on its way.
type writing struct {
	target  *Target
	ref     migrate.Ref
	items   []*migrate.Item
	mark    place                    // where the folder stood before it
	flights []flight                 // nil once it is over
	taken   map[migrate.ItemRef]bool // what else was written past the mark
	done    []migrate.Done
	err     error
	over    bool  // done and err are what Wait returns
	after   place // where the folder stood when it was over
}

// Begin sends the items, as a rule in one APPEND, and returns. On a server that does not
// tell where they come to lie, or wants to be asked before each, it writes them as Write
// does before it returns.
func (t *Target) Begin(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (migrate.Writing, error) {
	if err := t.unbroken(ctx); err != nil {
		return nil, err
	}
	c, err := t.session.ready(ctx)
	if err != nil {
		return nil, err
	}
	w := &writing{target: t, ref: ref, items: items}
	if !t.tells(c) {
		w.done, w.err = t.Write(ctx, ref, items)
		w.over = true
		t.note(w)
		return w, nil
	}
	if w.mark, err = t.standing(ctx, ref); err != nil {
		return nil, err
	}
	t.writings = append(t.writings, w)
	if !c.Offers("LITERAL+") {
		var mixed bool
		w.done, mixed, w.err = t.writeAll(ctx, ref, items)
		t.end(ctx, w, mixed)
		return w, nil
	}
	w.flights, w.err = c.launch(ctx, string(ref), items)
	return w, nil
}

// Wait reads the answers and writes again what was refused.
func (w *writing) Wait(ctx context.Context) ([]migrate.Done, error) {
	if t := w.target; !w.over {
		var mixed bool
		w.done, mixed, w.err = t.finish(ctx, string(w.ref), w.flights, w.err)
		t.end(ctx, w, mixed)
	}
	return w.done, w.err
}

// Mark says, after Wait, where the folder stands: what is begun from then on comes to lie at
// or past it. It is "" where that is not known.
func (w *writing) Mark() migrate.Mark {
	if w.after == (place{}) {
		return ""
	}
	return migrate.Mark(w.after.String())
}

// end finds out where the items of a writing came to lie if the server has not said so.
func (t *Target) end(ctx context.Context, w *writing, mixed bool) {
	if w.err == nil && len(unplaced(w.items, w.done)) > 0 {
		t.silent = true
		w.err = t.locate(ctx, search{folder: string(w.ref), mark: w.mark, others: w.taken, mixed: mixed}, w.items, w.done)
	}
	t.writings = slices.DeleteFunc(t.writings, func(other *writing) bool { return other == w })
	w.flights, w.items, w.over = nil, nil, true
	t.note(w)
}

// giveUp forgets the writings that nobody waits for any more: whoever asks what has landed
// of them has given them up.
func (t *Target) giveUp() {
	t.writings = slices.DeleteFunc(t.writings, func(w *writing) bool {
		return w.err != nil || slices.ContainsFunc(w.flights, flight.lost)
	})
}

// unbroken returns an error while there is a writing on a connection that is gone: what
// became of it must be asked for before anything more is written behind it.
func (t *Target) unbroken(ctx context.Context) error {
	for _, w := range t.writings {
		if w.err != nil {
			return w.err
		}
		if i := slices.IndexFunc(w.flights, flight.lost); i >= 0 {
			return lost(ctx, "imap.Append", w.flights[i].sent.conn.gone())
		}
	}
	return nil
}

// tells reports whether the server says where messages come to lie.
func (t *Target) tells(c *Conn) bool { return c.Offers("UIDPLUS") && !t.silent }

// ready returns a connection on which every command is answered, so that nothing the
// server says is taken for the answer to another one. The answers are kept for Wait.
func (t *Target) ready(ctx context.Context) (*Conn, error) {
	for _, w := range t.writings {
		for _, f := range w.flights {
			_ = f.wait(ctx) // Wait returns it again
		}
	}
	return t.session.ready(ctx)
}

// standing is a place in the folder before all that is written from now on.
func (t *Target) standing(ctx context.Context, ref migrate.Ref) (place, error) {
	if at, known := t.stands[ref]; known {
		return at, nil
	}
	_, err := t.Mark(ctx, ref)
	return t.stands[ref], err
}

// stood notes where a folder stood.
func (t *Target) stood(ref migrate.Ref, at place) {
	if t.stands == nil {
		t.stands = map[migrate.Ref]place{}
	}
	t.stands[ref] = at
}

// note draws conclusions from where the items of a writing came to lie.
func (t *Target) note(w *writing) {
	for _, d := range w.done {
		at, err := parsePlace(string(d.Ref))
		if err != nil {
			continue
		}
		if have := t.stands[w.ref]; at.uidValidity != have.uidValidity || at.uid >= have.uid {
			t.stood(w.ref, place{at.uidValidity, at.uid + 1})
		}
		for _, other := range t.writings {
			if other.ref == w.ref {
				other.take(d.Ref)
			}
		}
	}
	w.after = t.stands[w.ref]
}

func (w *writing) take(ref migrate.ItemRef) {
	if w.taken == nil {
		w.taken = map[migrate.ItemRef]bool{}
	}
	w.taken[ref] = true
}
