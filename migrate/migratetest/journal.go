package migratetest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"reforest/migrate"
)

// A Journal keeps one direction of a move's journal in memory: the reference for what
// stores do.
type Journal struct {
	*book
	mine, other *direction
}

// A book is what both directions share.
type book struct {
	mu     sync.Mutex
	chunks []chunk // of both, in the order of their commits
	last   migrate.IntentID
}

// A direction is what one Journal has written down.
type direction struct {
	folders map[migrate.FolderID]migrate.FolderState
	ledger  map[migrate.FolderID]map[migrate.ItemID]migrate.Done
	there   map[migrate.Ref]map[migrate.ItemRef]migrate.ItemID // the ledger from the other side
	skips   []migrate.Skip
}

// A chunk is a closed intent.
type chunk struct {
	of     *direction
	intent migrate.Intent
	done   []migrate.Done
}

var (
	_ migrate.Ledger  = (*Journal)(nil)
	_ migrate.Settler = (*Journal)(nil)
)

func newDirection() *direction {
	return &direction{
		folders: map[migrate.FolderID]migrate.FolderState{},
		ledger:  map[migrate.FolderID]map[migrate.ItemID]migrate.Done{},
		there:   map[migrate.Ref]map[migrate.ItemRef]migrate.ItemID{},
	}
}

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	forth, _ := NewJournals()
	return forth
}

// NewJournals returns empty journals of both directions of one move.
func NewJournals() (forth, back *Journal) {
	shared, there, here := &book{}, newDirection(), newDirection()
	return &Journal{shared, there, here}, &Journal{shared, here, there}
}

// Folder returns what is known of a folder.
func (j *Journal) Folder(_ context.Context, id migrate.FolderID) (migrate.FolderState, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	state := j.mine.folders[id]
	state.Open = slices.Clone(state.Open)
	if state.Ref != "" {
		return state, nil
	}
	for _, there := range j.other.folders {
		if there.Ref == migrate.Ref(id) {
			state.Ref = migrate.Ref(there.Folder)
		}
	}
	return state, nil
}

// PutFolder stores place, cursor and what was seen.
func (j *Journal) PutFolder(_ context.Context, state migrate.FolderState) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.mine.folders[state.Folder]
	kept.Folder, kept.Path, kept.Ref, kept.Mapped = state.Folder, state.Path, state.Ref, state.Mapped
	kept.Cursor, kept.Seen = state.Cursor, state.Seen
	j.mine.folders[state.Folder] = kept
	return nil
}

// Intend notes an intent.
func (j *Journal) Intend(_ context.Context, intent migrate.Intent) (migrate.IntentID, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, state := range j.other.folders {
		if len(state.Open) > 0 {
			return 0, fmt.Errorf("note intent: %w", migrate.ErrUnresolved)
		}
	}
	j.last++
	intent.ID, intent.At = j.last, time.Now()
	state := j.mine.folders[intent.Folder]
	state.Open = append(slices.Clone(state.Open), intent)
	j.mine.folders[intent.Folder] = state
	return intent.ID, nil
}

// Commit closes an intent.
func (j *Journal) Commit(_ context.Context, id migrate.IntentID, done []migrate.Done) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for folder, state := range j.mine.folders {
		i := slices.IndexFunc(state.Open, func(in migrate.Intent) bool { return in.ID == id })
		if i < 0 {
			continue
		}
		j.chunks = append(j.chunks, chunk{j.mine, state.Open[i], slices.Clone(done)})
		intent := state.Open[i]
		state = j.mine.count(state, intent, done)
		state.Open = slices.Delete(slices.Clone(state.Open), i, i+1)
		j.mine.folders[folder] = state
		j.mine.shift(intent, done)
		return nil
	}
	return fmt.Errorf("commit intent %d: it is not open", id)
}

// Settle closes an intent and stores a place, or neither.
func (j *Journal) Settle(ctx context.Context, id migrate.IntentID, done []migrate.Done, state migrate.FolderState) error {
	if err := j.Commit(ctx, id, done); err != nil {
		return err
	}
	return j.PutFolder(ctx, state) // never fails
}

func (d *direction) count(state migrate.FolderState, intent migrate.Intent, done []migrate.Done) migrate.FolderState {
	if d.ledger[intent.Folder] == nil {
		d.ledger[intent.Folder] = map[migrate.ItemID]migrate.Done{}
	}
	if d.there[intent.Ref] == nil {
		d.there[intent.Ref] = map[migrate.ItemRef]migrate.ItemID{}
	}
	for _, one := range done {
		d.ledger[intent.Folder][one.Item] = one
		switch {
		case one.Skip != nil:
			state.Skips++
			d.skips = append(d.skips, *one.Skip)
			continue
		case one.Ref != "":
			d.there[intent.Ref][one.Ref] = one.Item
		}
		if intent.Edit {
			continue
		}
		state.Items++
		for _, p := range intent.Items {
			if p.Item == one.Item {
				state.Bytes += p.Size
			}
		}
	}
	return state
}

// shift keeps the folders' totals with what was moved between them or deleted.
func (d *direction) shift(intent migrate.Intent, done []migrate.Done) {
	for _, one := range done {
		moved := one.Ref != "" && one.Was != migrate.Place{} && one.Was.Ref != intent.Ref
		if !intent.Edit || !one.Gone && !moved {
			continue
		}
		for id, state := range d.folders {
			if state.Ref != one.Was.Ref || state.Items == 0 {
				continue
			}
			state.Items--
			d.folders[id] = state
			if moved {
				to := d.folders[intent.Folder]
				to.Items++
				d.folders[intent.Folder] = to
			}
			break
		}
	}
}

// Known returns the folders that chunks name.
func (j *Journal) Known(context.Context) (ids []migrate.FolderID, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.chunks {
		if c.of == j.mine {
			ids = append(ids, c.intent.Folder)
		} else {
			ids = append(ids, migrate.FolderID(c.intent.Ref))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Written returns the ledger's entries for the items.
func (j *Journal) Written(_ context.Context, folder migrate.FolderID, items []migrate.ItemID) (done []migrate.Done, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range items {
		if d, ok := j.mine.ledger[folder][id]; ok {
			done = append(done, d)
		} else if item, ok := j.other.there[migrate.Ref(folder)][migrate.ItemRef(id)]; ok {
			done = append(done, migrate.Done{Item: id, Ref: migrate.ItemRef(item)})
		}
	}
	return done, nil
}

// Open returns the open intents.
func (j *Journal) Open(context.Context) (open []migrate.Intent, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, state := range j.mine.folders {
		open = append(open, state.Open...)
	}
	slices.SortFunc(open, func(a, b migrate.Intent) int { return int(a.ID - b.ID) })
	return open, nil
}

// Pairs yields what both sides hold.
func (j *Journal) Pairs(context.Context) iter.Seq2[migrate.Pair, error] {
	return func(yield func(migrate.Pair, error) bool) {
		for _, pair := range j.pairs() {
			if !yield(pair, nil) {
				return
			}
		}
	}
}

// A name is a place on the source side of a direction.
type name struct {
	of    *direction
	place migrate.Place
}

// pairs goes from the last chunk to the first: what has been named once has an older
// name in what comes then.
func (j *Journal) pairs() (pairs []migrate.Pair) {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := map[name]bool{}
	for _, c := range slices.Backward(j.chunks) {
		for _, d := range slices.Backward(c.done) {
			p, here := c.pair(d)
			near, far := name{c.of, here}, name{j.facing(c.of), p.There}
			unknown := p.There.Item == ""
			known := seen[near] || seen[far] && !unknown
			seen[near], seen[far], seen[name{far.of, d.Was}] = true, true, true
			if known || d.Gone || d.Skip != nil || unknown && c.of == j.mine {
				continue
			}
			if c.of != j.mine {
				p.Folder, p.Item = migrate.FolderID(p.There.Ref), migrate.ItemID(p.There.Item)
				p.There, p.Flags, p.ThereFlags = here, p.ThereFlags, p.Flags
			}
			pairs = append(pairs, p)
		}
	}
	slices.Reverse(pairs)
	return pairs
}

// facing returns the direction that reads what d writes.
func (j *Journal) facing(d *direction) *direction {
	if d == j.mine {
		return j.other
	}
	return j.mine
}

// pair returns what the entry says, and where the item is at the chunk's source.
func (c chunk) pair(d migrate.Done) (p migrate.Pair, here migrate.Place) {
	p = migrate.Pair{Folder: c.intent.Folder, Item: d.Item, There: migrate.Place{Ref: c.intent.Ref, Item: d.Ref}, ThereFlags: d.Flags}
	if d.Ref == "" && d.Was.Item != "" {
		p.There = d.Was
	}
	for _, planned := range c.intent.Items {
		if planned.Item == d.Item {
			p.Flags, p.Size, p.Digest, p.Received = planned.Flags, planned.Size, planned.Digest, planned.Received
		}
	}
	return p, migrate.Place{Ref: migrate.Ref(p.Folder), Item: migrate.ItemRef(p.Item)}
}

// Skips returns the items that were given up.
func (j *Journal) Skips() []migrate.Skip {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.mine.skips)
}
