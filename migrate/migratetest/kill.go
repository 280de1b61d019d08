package migratetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"reforest/migrate"
)

// ErrKilled stands for the end of the process: nothing works after it.
var ErrKilled = errors.New("killed")

// A death is where a process dies.
type death struct {
	step  int  // at the nth journal write; 0 never
	after bool // after the write has become durable, not before
	every bool // what a Streamer does is a step, too
	items int  // after this many items of the first chunk; 0 never
}

func atWrite(n int, after bool) death { return death{step: n, after: after} }
func atStep(n int, after bool) death  { return death{step: n, after: after, every: true} }
func afterItems(n int) death          { return death{items: n} }

// copyDying makes a pass in a process that dies as told. It returns nil if the
// process outlived the pass.
func copyDying(t *testing.T, w World, j migrate.Ledger, d death) error {
	t.Helper()
	return dying(t, w.Open, j, smallChunks(), d)
}

func dying(t *testing.T, open opener, j migrate.Ledger, o migrate.Options, d death) error {
	t.Helper()
	source, target, done := open(t)
	defer done()
	life := &life{death: d}
	_, err := migrate.Copy(t.Context(), source, mortal(target, life), &dyingJournal{j, life}, o)
	if err != nil && !errors.Is(err, ErrKilled) {
		t.Fatalf("Copy failed of itself: %v", err)
	}
	return err
}

// A life counts towards a death. Several goroutines live it.
type life struct {
	death
	mu    sync.Mutex
	steps int
	dead  bool
}

// alive returns ErrKilled once the process is dead.
func (l *life) alive() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return ErrKilled
	}
	return nil
}

func (l *life) die() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	return ErrKilled
}

// next counts a step and reports whether it is the last one.
func (l *life) next() (last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps++
	return l.steps == l.step
}

// write runs one durable journal write, or dies before or after it.
func (l *life) write(do func() error) error {
	if err := l.alive(); err != nil {
		return err
	}
	last := l.next()
	if last && !l.after {
		return l.die()
	}
	err := do()
	if last {
		return l.die()
	}
	return err
}

// stream runs what a Streamer does.
func (l *life) stream(do func() error) error {
	if l.every {
		return l.write(do)
	}
	if err := l.alive(); err != nil {
		return err
	}
	return do()
}

// Mortal returns the two for a process that dies at its nth step, before it or after its
// effect: a write to the journal, or a chunk sent or waited for. Every error from then on
// is ErrKilled.
func Mortal(target migrate.Target, journal migrate.Ledger, n int, after bool) (migrate.Target, migrate.Ledger) {
	life := &life{death: atStep(n, after)}
	return mortal(target, life), &dyingJournal{journal, life}
}

type dyingJournal struct {
	migrate.Ledger
	life *life
}

func (j *dyingJournal) PutFolder(ctx context.Context, s migrate.FolderState) error {
	return j.life.write(func() error { return j.Ledger.PutFolder(ctx, s) })
}

func (j *dyingJournal) Intend(ctx context.Context, in migrate.Intent) (id migrate.IntentID, err error) {
	err = j.life.write(func() (err error) {
		id, err = j.Ledger.Intend(ctx, in)
		return err
	})
	return id, err
}

func (j *dyingJournal) Commit(ctx context.Context, id migrate.IntentID, done []migrate.Done) error {
	return j.life.write(func() error { return j.Ledger.Commit(ctx, id, done) })
}

// Settle is one step, as both are stored or none is.
func (j *dyingJournal) Settle(ctx context.Context, id migrate.IntentID, done []migrate.Done, s migrate.FolderState) error {
	settler, able := j.Ledger.(migrate.Settler)
	if able {
		return j.life.write(func() error { return settler.Settle(ctx, id, done, s) })
	}
	if err := j.Commit(ctx, id, done); err != nil {
		return err
	}
	return j.PutFolder(ctx, s)
}

type dyingTarget struct {
	migrate.Target
	life *life
}

// mortal keeps a target from working after its process's death. It can what the target
// can.
func mortal(target migrate.Target, life *life) migrate.Target {
	d := &dyingTarget{target, life}
	editor, edits := target.(migrate.Editor)
	streamer, streams := target.(migrate.Streamer)
	placer, places := target.(migrate.Placer)
	switch {
	case edits && streams && places:
		return struct {
			*dyingTarget
			dyingEditor
			dyingStreamer
			migrate.Placer
		}{d, dyingEditor{editor, life}, dyingStreamer{streamer, d}, placer}
	case edits && places:
		return struct {
			*dyingTarget
			dyingEditor
			migrate.Placer
		}{d, dyingEditor{editor, life}, placer}
	case edits:
		return struct {
			*dyingTarget
			dyingEditor
		}{d, dyingEditor{editor, life}}
	}
	return d
}

type dyingEditor struct {
	editor migrate.Editor
	life   *life
}

func (t dyingEditor) Edit(ctx context.Context, ref migrate.Ref, edits []migrate.Edit) ([]migrate.Done, error) {
	if err := t.life.alive(); err != nil {
		return nil, err
	}
	return t.editor.Edit(ctx, ref, edits)
}

// Write lets only the first items through if the process is to die inside the chunk.
func (t *dyingTarget) Write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	if err := t.life.alive(); err != nil {
		return nil, err
	}
	if t.life.items == 0 {
		return t.Target.Write(ctx, ref, items)
	}
	err := t.life.die()
	if _, err := t.Target.Write(ctx, ref, items[:min(t.life.items, len(items))]); err != nil {
		return nil, err
	}
	return nil, err
}

type dyingStreamer struct {
	streamer migrate.Streamer
	target   *dyingTarget
}

func (s dyingStreamer) Begin(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (w migrate.Writing, err error) {
	if s.target.life.items > 0 {
		_, err := s.target.Write(ctx, ref, items)
		return nil, err
	}
	err = s.target.life.stream(func() (err error) {
		w, err = s.streamer.Begin(ctx, ref, items)
		return err
	})
	return dyingWriting{w, s.target.life}, err
}

type dyingWriting struct {
	migrate.Writing
	life *life
}

// Mark says what the Writing says, if it can.
func (w dyingWriting) Mark() migrate.Mark {
	if marker, tells := w.Writing.(migrate.Marker); tells {
		return marker.Mark()
	}
	return ""
}

func (w dyingWriting) Wait(ctx context.Context) (done []migrate.Done, err error) {
	err = w.life.stream(func() (err error) {
		done, err = w.Writing.Wait(ctx)
		return err
	})
	return done, err
}

// killAtEveryWrite kills the pass before and after each of its journal writes,
// resumes, and compares with the source.
func killAtEveryWrite(t *testing.T, newWorld func(t *testing.T) World) {
	killAtEvery(t, newWorld, smallCorpus(), atWrite)
}

// killAtEveryStep does the same with what is sent and waited for, of messages most of
// which are equal to others in other chunks.
func killAtEveryStep(t *testing.T, newWorld func(t *testing.T) World) {
	killAtEvery(t, newWorld, twinCorpus(), atStep)
}

func killAtEvery(t *testing.T, newWorld func(t *testing.T) World, corpus []Folder, at func(int, bool) death) {
	writes := 0
	for n := 1; ; n++ {
		outlived := false
		for _, after := range []bool{false, true} {
			w := newWorld(t)
			w.Fill(t, corpus)
			j := NewJournal()
			outlived = copyDying(t, w, j, at(n, after)) == nil
			resume(t, w, j, fmt.Sprintf("step %d, after %v", n, after))
		}
		if outlived {
			break
		}
		writes = n
	}
	if writes < 10 {
		t.Errorf("the pass wrote its journal only %d times: the test shows too little", writes)
	}
}

// killInsideChunks kills the pass while the target has taken a part of a chunk, for
// one chunk after the other.
func killInsideChunks(t *testing.T, newWorld func(t *testing.T) World) {
	for _, items := range []int{1, 2, 3} {
		w := newWorld(t)
		w.Fill(t, smallCorpus())
		j := NewJournal()
		deaths := 0
		for copyDying(t, w, j, afterItems(items)) != nil {
			if deaths++; deaths > 1000 {
				t.Fatal("the pass does not get on")
			}
		}
		if deaths < 3 {
			t.Errorf("died in only %d chunks: the test shows too little", deaths)
		}
		resume(t, w, j, fmt.Sprintf("%d items of each chunk", items))
	}
}

func resume(t *testing.T, w World, j migrate.Journal, how string) {
	t.Helper()
	mustCopy(t, w, j)
	checkEqual(t, w)
	if again := mustCopy(t, w, j); !again.Quiet() {
		t.Errorf("killed at %s: the pass after the resumed one brought %+v", how, again)
	}
	if t.Failed() {
		t.Fatalf("killed at %s", how)
	}
}
