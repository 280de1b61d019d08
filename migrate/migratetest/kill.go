package migratetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"reforest/migrate"
)

// errKilled stands for the end of the process: nothing works after it.
var errKilled = errors.New("killed")

// A death is where a process dies.
type death struct {
	journal int  // at the nth journal write; 0 never
	after   bool // after the write has become durable, not before
	items   int  // after this many items of the first chunk; 0 never
}

func atWrite(n int, after bool) death { return death{journal: n, after: after} }
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
	if err != nil && !errors.Is(err, errKilled) {
		t.Fatalf("Copy failed of itself: %v", err)
	}
	return err
}

// A life counts towards a death.
type life struct {
	death
	writes int
	dead   bool
}

// write runs one durable journal write, or dies before or after it.
func (l *life) write(do func() error) error {
	if l.dead {
		return errKilled
	}
	l.writes++
	mine := l.writes == l.journal
	if mine && !l.after {
		l.dead = true
		return errKilled
	}
	err := do()
	if mine {
		l.dead = true
		return errKilled
	}
	return err
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

type dyingTarget struct {
	migrate.Target
	life *life
}

// mortal keeps a target from working after its process's death.
func mortal(target migrate.Target, life *life) migrate.Target {
	d := &dyingTarget{target, life}
	if editor, able := target.(migrate.Editor); able {
		return &dyingEditor{d, editor}
	}
	return d
}

type dyingEditor struct {
	*dyingTarget
	editor migrate.Editor
}

func (t *dyingEditor) Edit(ctx context.Context, ref migrate.Ref, edits []migrate.Edit) ([]migrate.Done, error) {
	if t.life.dead {
		return nil, errKilled
	}
	return t.editor.Edit(ctx, ref, edits)
}

// Write lets only the first items through if the process is to die inside the chunk.
func (t *dyingTarget) Write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	if t.life.dead {
		return nil, errKilled
	}
	if t.life.items == 0 {
		return t.Target.Write(ctx, ref, items)
	}
	t.life.dead = true
	if _, err := t.Target.Write(ctx, ref, items[:min(t.life.items, len(items))]); err != nil {
		return nil, err
	}
	return nil, errKilled
}

// killAtEveryWrite kills the pass before and after each of its journal writes,
// resumes, and compares with the source.
func killAtEveryWrite(t *testing.T, newWorld func(t *testing.T) World) {
	writes := 0
	for n := 1; ; n++ {
		outlived := false
		for _, after := range []bool{false, true} {
			w := newWorld(t)
			w.Fill(t, smallCorpus())
			j := NewJournal()
			outlived = copyDying(t, w, j, atWrite(n, after)) == nil
			resume(t, w, j, fmt.Sprintf("write %d, after %v", n, after))
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
