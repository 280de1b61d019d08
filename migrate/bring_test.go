package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

// A spring is a source of as many messages as are asked for, which takes no memory.
type spring struct {
	items int               // how many messages there are
	size  func(i int) int64 // of a message
	read  func(i int)       // told of each message asked for
	fail  map[int]error     // what reading a message ends with
}

func (s *spring) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }

func (s *spring) Folders(context.Context) ([]migrate.Folder, error) {
	return []migrate.Folder{{ID: "INBOX", Path: []string{"INBOX"}, Items: int64(s.items), State: fmt.Sprint(s.items)}}, nil
}

func (s *spring) Deltas(_ context.Context, _ migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	begin, _ := strconv.Atoi(string(since))
	return func(yield func(migrate.Delta, error) bool) {
		for i := begin + 1; i <= s.items; i++ {
			id := strconv.Itoa(i)
			delta := migrate.Delta{Item: migrate.ItemID(id)}
			if i%100 == 0 || i == s.items {
				delta.Cursor = migrate.Cursor(id)
			}
			if !yield(delta, nil) {
				return
			}
		}
	}
}

func (s *spring) Read(_ context.Context, _ migrate.FolderID, items []migrate.ItemID, format migrate.Format) iter.Seq2[*migrate.Item, error] {
	return func(yield func(*migrate.Item, error) bool) {
		for _, id := range items {
			i, _ := strconv.Atoi(string(id))
			if s.read != nil {
				s.read(i)
			}
			size := int64(1)
			if s.size != nil {
				size = s.size(i)
			}
			item := &migrate.Item{ID: id, Format: format, Size: size, Body: io.LimitReader(zeros{}, size)}
			if !yield(item, s.fail[i]) || s.fail[i] != nil {
				return
			}
		}
	}
}

// zeros reads as letters without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// A drain is a target that takes everything and keeps nothing. wrote is told of each chunk
// before it is answered.
type drain struct {
	next  int
	bytes int64
	wrote func(items []*migrate.Item) error
}

func (d *drain) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }

func (d *drain) PutFolder(_ context.Context, want migrate.Folder, _ migrate.Ref) (migrate.Placed, error) {
	return migrate.Placed{Ref: migrate.Ref(want.ID)}, nil
}

func (d *drain) Mark(context.Context, migrate.Ref) (migrate.Mark, error) {
	return migrate.Mark(strconv.Itoa(d.next)), nil
}

func (d *drain) Write(_ context.Context, _ migrate.Ref, items []*migrate.Item) (done []migrate.Done, err error) {
	for _, item := range items {
		n, err := io.Copy(io.Discard, item.Body)
		if err != nil || n != item.Size {
			return nil, fmt.Errorf("body of %d bytes where %d were announced: %w", n, item.Size, err)
		}
		d.next++
		d.bytes += n
		done = append(done, migrate.Done{Item: item.ID, Ref: migrate.ItemRef(strconv.Itoa(d.next))})
	}
	return done, d.wrote(items)
}

func (d *drain) Landed(context.Context, migrate.Intent) ([]migrate.Done, error) { return nil, nil }

func (d *drain) Begin(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (migrate.Writing, error) {
	done, err := d.Write(ctx, ref, items)
	return answer{done, err}, nil
}

type answer struct {
	done []migrate.Done
	err  error
}

func (a answer) Wait(context.Context) ([]migrate.Done, error) { return a.done, a.err }

// heap returns how many bytes are in use now, and how many were ever asked for.
func heap() (used, total int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.TotalAlloc)
}

// Memory is bounded by the queue, however much is moved and however large a message is,
// and what has been used is used again.
func TestMemoryIsBoundedByTheQueue(t *testing.T) { // not parallel: the heap is everyone's
	const kb, mb = 1 << 10, 1 << 20
	source := &spring{items: 12_000, size: func(i int) int64 {
		if i == 5000 {
			return 40 * mb
		}
		return 8 * kb
	}}
	before, begun := heap()
	most, chunks := int64(0), 0
	target := &drain{wrote: func([]*migrate.Item) error {
		if chunks++; chunks%10 == 0 {
			used, _ := heap()
			most = max(most, used-before)
		}
		return nil
	}}
	options := migrate.Options{ChunkBytes: mb, QueueBytes: 4 * mb, TempDir: t.TempDir()}
	sum, err := migrate.Copy(t.Context(), source, target, forgetful{migratetest.NewJournal()}, options)
	if err != nil || sum.Brought != 12_000 {
		t.Fatalf("%+v, %v", sum, err)
	}
	_, ended := heap()
	if most < 2*mb || most > 6*mb {
		t.Errorf("%d kB of heap in use at most; want the 4 MB of the queue and little more", most/kb)
	}
	if made := ended - begun; target.bytes < 130*mb || made > target.bytes/4 {
		t.Errorf("%d MB of memory were asked for to move %d MB", made/mb, target.bytes/mb)
	}
}

// Passes that share a memory hold no more together than what each can have at any time and
// what is lent, and what one has used another one uses again.
func TestPassesShareAMemory(t *testing.T) { // not parallel: the heap is everyone's
	const mb = 1 << 20
	before, begun := heap()
	shared := migrate.NewMemory(2 * migrate.DefaultChunkBytes)
	for range 3 {
		var passes errgroup.Group
		for range 3 {
			source := &spring{items: 400, size: func(int) int64 { return 100 << 10 }}
			target := &drain{wrote: func([]*migrate.Item) error { return nil }}
			passes.Go(func() error {
				sum, err := migrate.Copy(t.Context(), source, target, forgetful{migratetest.NewJournal()}, migrate.Options{Memory: shared})
				if err == nil && sum.Brought != 400 {
					err = fmt.Errorf("%d were brought of 400", sum.Brought)
				}
				return err
			})
		}
		if err := passes.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	after, ended := heap()
	// Three passes at once, three times, with room for 3 × 2 + 2 chunks of 4 MB.
	if made := (ended - begun) / mb; made > 3*8*4+20 {
		t.Errorf("%d MB of memory were asked for", made)
	}
	if kept := after - before; kept > 4*mb {
		t.Errorf("%d MB are kept when no pass is left", kept/mb)
	}
}

// A pass that stands still with all that it can have of the memory keeps no other from its
// work.
func TestNoPassWaitsForTheMemoryOfAnother(t *testing.T) {
	t.Parallel()
	shared := migrate.NewMemory(migrate.DefaultChunkBytes)
	size := func(int) int64 { return migrate.DefaultChunkBytes }
	full, goOn := make(chan struct{}), make(chan struct{})
	stuck := &drain{wrote: func([]*migrate.Item) error { <-goOn; return nil }}
	greedy := &spring{items: 10, size: size, read: func(i int) {
		if i == 4 {
			close(full)
		}
	}}
	var passes errgroup.Group
	passes.Go(func() error {
		_, err := migrate.Copy(t.Context(), greedy, stuck, migratetest.NewJournal(), migrate.Options{Memory: shared})
		return err
	})
	<-full // it holds three chunks: one that is written, two that wait
	target := &drain{wrote: func([]*migrate.Item) error { return nil }}
	sum, err := migrate.Copy(t.Context(), &spring{items: 10, size: size}, target, migratetest.NewJournal(), migrate.Options{Memory: shared})
	if err != nil || sum.Brought != 10 {
		t.Errorf("%+v, %v", sum, err)
	}
	close(goOn)
	if err := passes.Wait(); err != nil || stuck.next != 10 {
		t.Errorf("%d were written of 10 in the end, %v", stuck.next, err)
	}
}

// A forgetful journal keeps nothing of what is written.
type forgetful struct{ *migratetest.Journal }

func (forgetful) Intend(context.Context, migrate.Intent) (migrate.IntentID, error) { return 1, nil }

func (forgetful) Commit(context.Context, migrate.IntentID, []migrate.Done) error { return nil }

func (forgetful) Settle(context.Context, migrate.IntentID, []migrate.Done, migrate.FolderState) error {
	return nil
}

// What ends the writing ends the reading, and nothing is left running.
func TestNoGoroutineIsLeft(t *testing.T) { // not parallel: goroutines are everyone's
	refused := errors.New("the folder is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	for name, end := range map[string]struct {
		wrote func([]*migrate.Item) error
		stop  func() bool
		want  error
	}{
		"error":  {wrote: func([]*migrate.Item) error { return refused }, want: refused},
		"stop":   {stop: func() bool { return true }},
		"cancel": {wrote: func([]*migrate.Item) error { cancel(refused); return context.Cause(ctx) }, want: refused},
	} {
		leak := goleak.IgnoreCurrent()
		if end.wrote == nil {
			end.wrote = func([]*migrate.Item) error { return nil }
		}
		source := &spring{items: 1 << 40}
		sum, err := migrate.Copy(ctx, source, &drain{wrote: end.wrote}, migratetest.NewJournal(), migrate.Options{Stop: end.stop, ChunkItems: 10})
		if !errors.Is(err, end.want) || sum.Stopped != (end.stop != nil) {
			t.Errorf("%s: %+v, %v; want %v", name, sum, err, end.want)
		}
		if err := goleak.Find(leak); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ctx.Err() != nil {
			ctx, cancel = context.WithCancelCause(t.Context())
		}
	}
	cancel(nil)
}

// What was read before reading failed is brought.
func TestWhatWasReadIsBroughtBeforeAnError(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	source := &spring{items: 20, fail: map[int]error{8: lost}}
	target := &drain{wrote: func([]*migrate.Item) error { return nil }}
	j := migratetest.NewJournal()
	sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{ChunkItems: 3})
	if !errors.Is(err, lost) || sum.Brought != 7 {
		t.Errorf("%+v, %v; want 7 brought and %v", sum, err, lost)
	}
	if state, err := j.Folder(t.Context(), "INBOX"); err != nil || state.Cursor != "" || state.Seen != "" || len(state.Open) > 0 {
		t.Errorf("%+v, %v; want no cursor and nothing open", state, err)
	}
}

// A chunk of which nobody knows what became keeps cursors back, while the one that was
// behind it is committed.
func TestALostAnswerKeepsTheCursorBack(t *testing.T) {
	t.Parallel()
	cut := errors.New("connection reset")
	n, ahead := 0, make(chan struct{})
	target := &drain{wrote: func([]*migrate.Item) error {
		switch n++; n {
		case 1:
			<-ahead
		case 2:
			return cut
		}
		return nil
	}}
	source := &spring{items: 600, read: func(i int) {
		if i == 160 { // three chunks of 50 wait
			close(ahead)
		}
	}}
	j := migratetest.NewJournal()
	sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{ChunkItems: 50})
	if !errors.Is(err, cut) {
		t.Fatalf("%v, want %v", err, cut)
	}
	state, err := j.Folder(t.Context(), "INBOX")
	if err != nil || state.Cursor != "" || len(state.Open) != 1 || sum.Brought != int64(50*(n-1)) || n != 3 {
		t.Errorf("%d chunks, %d items, %d open, cursor %q, %v; want one open of 3, and no cursor", n, sum.Brought, len(state.Open), state.Cursor, err)
	}
	sum, err = migrate.Copy(t.Context(), &spring{items: 600}, target, j, migrate.Options{ChunkItems: 50, Grace: -1})
	if err != nil || sum.Brought != int64(600-50*2) {
		t.Errorf("the next pass: %+v, %v", sum, err)
	}
	if state, err := j.Folder(t.Context(), "INBOX"); err != nil || state.Cursor != "600" || state.Seen != "" {
		t.Errorf("%+v, %v; want the cursor, and nothing seen: what the first pass brought may have changed", state, err)
	}
}

// untouched is a target that nobody may ask anything.
type untouched struct{ migrate.Target }

func (untouched) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }

// A pass in which nothing has changed asks for the folders and nothing else.
func TestAPassWithoutChangesTouchesNoTarget(t *testing.T) {
	t.Parallel()
	j, source := migratetest.NewJournal(), &spring{items: 3}
	target := &drain{wrote: func([]*migrate.Item) error { return nil }}
	if sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{}); err != nil || sum.Brought != 3 {
		t.Fatalf("%+v, %v", sum, err)
	}
	sum, err := migrate.Copy(t.Context(), source, untouched{}, j, migrate.Options{})
	if err != nil || !sum.Quiet() || sum.Items != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
	source.items = 5
	if sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{}); err != nil || sum.Brought != 2 {
		t.Errorf("with new mail: %+v, %v", sum, err)
	}
	if sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{Whole: true}); err != nil || sum.Brought != 0 {
		t.Errorf("as a whole: %+v, %v", sum, err)
	}
}

// A source that leaves an item out must not have the cursor go past it.
func TestAnItemThatIsLeftOutIsAnError(t *testing.T) {
	t.Parallel()
	source := &spring{items: 5, fail: map[int]error{3: migrate.ErrGone}} // and ends there
	j := migratetest.NewJournal()
	_, err := migrate.Copy(t.Context(), source, &memory.Target{Mailbox: memory.NewMailbox()}, j, migrate.Options{})
	e := migrate.AsError(err)
	if e == nil || e.Retry != migrate.Later {
		t.Errorf("%v, want an error to be tried later", err)
	}
	if state, err := j.Folder(t.Context(), "INBOX"); err != nil || state.Cursor != "" {
		t.Errorf("%+v, %v; want no cursor", state, err)
	}
}

// A folder that a server lists twice is read once: what the first reading has under way is
// not in the ledger when the second asks.
func TestAFolderListedTwiceIsReadOnce(t *testing.T) {
	t.Parallel()
	target := memory.NewMailbox()
	sum, err := migrate.Copy(t.Context(), twice{&spring{items: 7}}, &memory.Stream{Target: &memory.Target{Mailbox: target}}, migratetest.NewJournal(), migrate.Options{ChunkItems: 2})
	if err != nil || sum.Brought != 7 || sum.TotalItems != 7 {
		t.Errorf("%+v, %v; want 7 brought", sum, err)
	}
}

type twice struct{ *spring }

func (s twice) Folders(ctx context.Context) ([]migrate.Folder, error) {
	folders, err := s.spring.Folders(ctx)
	return append(folders, folders...), err
}

// A reticent target says nothing of the first item of one chunk, which it has stored.
type reticent struct {
	*memory.Target
	silent bool
}

func (r *reticent) Write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	done, err := r.Target.Write(ctx, ref, items)
	if r.silent && err == nil {
		r.silent, done = false, done[1:]
	}
	return done, err
}

func (r *reticent) Begin(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (migrate.Writing, error) {
	done, err := r.Write(ctx, ref, items)
	return known(done), err
}

type known []migrate.Done

func (k known) Wait(context.Context) ([]migrate.Done, error) { return k, nil }

// An item of which the target says nothing is neither lost nor doubled.
func TestATargetThatDoesNotSayWhatBecameOfAnItem(t *testing.T) {
	t.Parallel()
	here, there, j := filled(5, 0), memory.NewMailbox(), migratetest.NewJournal()
	target := &reticent{&memory.Target{Mailbox: there}, true}
	options := migrate.Options{Grace: -1, Follow: true, ChunkItems: 2}
	_, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: here}, target, j, options)
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later {
		t.Errorf("%v, want to try later", err)
	}
	sum, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: here}, target, j, options)
	if err != nil || sum.Items != 5 || items(there) != 5 {
		t.Errorf("the next pass: %+v, %v and %d items, want 5", sum, err, items(there))
	}
}
