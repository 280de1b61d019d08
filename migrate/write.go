package migrate

import (
	"context"
	"fmt"
)

// aloftMost is how many chunks are on their way to a Streamer at once: while it stores
// one the other is sent. After a crash both are read back.
const aloftMost = 2

// A writer gives chunks to the target and has written down what became of them, on the
// goroutine that called Copy.
type writer struct {
	*pass
	streamer Streamer     // nil: one chunk at a time
	marks    map[Ref]Mark // where folders stood at the beginning, or later
	flying   []flight     // oldest first
	aloft    int          // chunks among them
	clerk    *clerk       // nil: the writer keeps the journal itself
	failed   bool         // no cursor is stored any more: a chunk before it may be missing
}

// A flight is a chunk that is on its way, or a place to be stored when every chunk before
// it has been committed.
type flight struct {
	chunk   *chunk // nil: a place
	intent  Intent
	writing Writing
	place   FolderState
}

// newWriter streams where the target can, and where a ledger tells afterwards which of
// what lies past an old mark is another chunk's.
func (p *pass) newWriter(marks map[Ref]Mark, clerk *clerk) *writer {
	w := &writer{pass: p, marks: marks, clerk: clerk}
	if _, tells := p.journal.(Ledger); tells && clerk != nil {
		w.streamer, _ = p.target.(Streamer)
	}
	return w
}

// take carries out what a parcel asks for. The chunk is the writer's from now on.
func (w *writer) take(ctx context.Context, p parcel) error {
	if p.chunk != nil {
		return w.takeChunk(ctx, p.chunk)
	}
	f := p.folder
	if p.cursor == "" && w.Stop() {
		return errStopped
	}
	if p.cursor != "" && p.cursor != f.state.Cursor {
		f.state.Cursor = p.cursor
		w.flying = append(w.flying, flight{place: f.state})
	}
	return w.land(ctx)
}

func (w *writer) takeChunk(ctx context.Context, c *chunk) error {
	c.state = c.folder.state
	w.sum.Gone += c.gone
	if err := w.launch(ctx, c); err != nil {
		c.drop()
		return err
	}
	if err := w.land(ctx); err != nil {
		return err
	}
	if w.Stop() {
		return errStopped
	}
	return nil
}

// launch notes the intent and sends the chunk. After an error the chunk is not on its way.
func (w *writer) launch(ctx context.Context, c *chunk) error {
	if err := w.follow(ctx, c); err != nil {
		return c.folder.failed(err)
	}
	if c.empty() {
		c.drop()
		return nil
	}
	if w.aloft == aloftMost {
		if err := w.settleChunk(ctx); err != nil {
			return err
		}
	}
	started, err := w.start(ctx, c)
	if err != nil {
		return c.folder.failed(err)
	}
	w.flying = append(w.flying, started)
	w.aloft++
	return nil
}

// follow moves what the chunk holds of what was lost elsewhere. Until that is done no chunk
// is on its way: where one lay that was moved would be hard to tell.
func (w *writer) follow(ctx context.Context, c *chunk) error {
	if w.following == nil || !w.following.asks() && !w.following.concerns(c.items) {
		return nil
	}
	if err := w.settleAll(ctx); err != nil {
		return err
	}
	if w.clerk != nil {
		if err := w.clerk.wait(); err != nil {
			return err
		}
	}
	return c.follow(ctx)
}

// start makes the intent durable and sends the chunk.
func (w *writer) start(ctx context.Context, c *chunk) (f flight, err error) {
	mark, err := w.mark(ctx, c)
	if err != nil {
		return f, fmt.Errorf("mark the target folder: %w", err)
	}
	f = flight{chunk: c, intent: c.intent(mark)}
	if f.intent.ID, err = w.journal.Intend(ctx, f.intent); err != nil {
		return f, fmt.Errorf("note the intent: %w", err)
	}
	if f.writing, err = w.send(ctx, c); err != nil {
		return f, fmt.Errorf("write: %w", err)
	}
	return f, nil
}

// mark says where the chunk's items can come to lie. An old mark does for a Streamer, and
// costs no question.
func (w *writer) mark(ctx context.Context, c *chunk) (Mark, error) {
	if len(c.items) == 0 {
		return "", nil
	}
	if mark, known := w.marks[c.state.Ref]; known && w.streamer != nil {
		return mark, nil
	}
	if err := w.settleAll(ctx); err != nil {
		return "", err
	}
	mark, err := w.target.Mark(ctx, c.state.Ref)
	if err == nil {
		w.remember(c.state.Ref, mark)
	}
	return mark, err
}

// send has the target write the chunk. One that does not stream has written it when send
// returns, and gets it when the chunk before it is committed: nobody could tell their
// items apart.
func (w *writer) send(ctx context.Context, c *chunk) (Writing, error) {
	if len(c.items) == 0 {
		return written(nil), nil
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	if w.streamer != nil {
		return w.streamer.Begin(ctx, c.state.Ref, c.items)
	}
	if w.clerk != nil {
		if err := w.clerk.wait(); err != nil {
			return nil, err
		}
	}
	done, err := w.target.Write(ctx, c.state.Ref, c.items)
	return written(done), err
}

// A written is a Writing of which everything is known.
type written []Done

// Wait returns what was written.
func (w written) Wait(context.Context) ([]Done, error) { return w, nil }

// land settles what need not be waited for, and counts what has been committed.
func (w *writer) land(ctx context.Context) error {
	for len(w.flying) > 0 && (w.streamer == nil || w.flying[0].chunk == nil) {
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	return w.tally()
}

// settleChunk settles the oldest chunk and what lies before it.
func (w *writer) settleChunk(ctx context.Context) error {
	for aloft := w.aloft; w.aloft == aloft && aloft > 0; {
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) settleAll(ctx context.Context) error {
	for len(w.flying) > 0 {
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the oldest flight and has it written down. An error leaves the intent
// open; the next pass finds out what landed.
func (w *writer) settle(ctx context.Context) error {
	f := w.flying[0]
	w.flying = w.flying[1:]
	if f.chunk == nil {
		return w.store(ctx, f.place)
	}
	w.aloft--
	defer f.chunk.drop()
	done, err := f.writing.Wait(ctx)
	if err == nil {
		err = f.chunk.accounted(done)
	}
	if err != nil {
		w.failed = true
		return f.chunk.folder.failed(fmt.Errorf("write: %w", err))
	}
	if marker, tells := f.writing.(Marker); tells {
		w.remember(f.intent.Ref, marker.Mark())
	}
	done = f.chunk.outcome(done)
	if w.clerk == nil {
		return w.commit(ctx, f.intent, done)
	}
	w.clerk.enter(entry{chunk: true, intent: f.intent, done: done, place: w.placeBehind()})
	return nil
}

// placeBehind takes the place that is to be stored when the chunk just settled is committed,
// if there is one.
func (w *writer) placeBehind() *FolderState {
	if w.failed || len(w.flying) == 0 || w.flying[0].chunk != nil {
		return nil
	}
	place := w.flying[0].place
	w.flying = w.flying[1:]
	return &place
}

func (w *writer) remember(ref Ref, mark Mark) {
	if mark != "" {
		w.marks[ref] = mark
	}
}

// store stores a folder's cursor.
func (w *writer) store(ctx context.Context, place FolderState) error {
	switch {
	case w.failed:
		return nil
	case w.clerk != nil:
		w.clerk.enter(entry{place: &place})
		return nil
	}
	if err := w.journal.PutFolder(ctx, place); err != nil {
		return fmt.Errorf("store cursor: %w", err)
	}
	return nil
}

// tally counts what has been committed since it was called last.
func (w *writer) tally() error {
	if w.clerk == nil {
		return nil
	}
	entered, err := w.clerk.entered()
	for _, e := range entered {
		if limitErr := w.count(e.intent, e.done); err == nil {
			err = limitErr
		}
	}
	return err
}

// finish settles what is on its way, also after an error, which it returns: what is known
// to have arrived need not be looked for.
func (w *writer) finish(ctx context.Context, err error) error {
	first := func(next error) {
		if err == nil {
			err = next
		}
	}
	for len(w.flying) > 0 {
		first(w.settle(ctx))
	}
	if w.clerk != nil {
		w.clerk.close()
	}
	first(w.tally())
	return err
}
