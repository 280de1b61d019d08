package migratetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"reforest/migrate"
)

// A Journal keeps a move's journal in memory: the reference for what stores do.
type Journal struct {
	mu      sync.Mutex
	folders map[migrate.FolderID]migrate.FolderState
	ledger  map[migrate.FolderID]map[migrate.ItemID]migrate.Done
	skips   []migrate.Skip
	last    migrate.IntentID
}

var _ migrate.Journal = (*Journal)(nil)

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	return &Journal{
		folders: map[migrate.FolderID]migrate.FolderState{},
		ledger:  map[migrate.FolderID]map[migrate.ItemID]migrate.Done{},
	}
}

// Folder returns what is known of a folder.
func (j *Journal) Folder(_ context.Context, id migrate.FolderID) (migrate.FolderState, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	state := j.folders[id]
	state.Open = slices.Clone(state.Open)
	return state, nil
}

// PutFolder stores place and cursor.
func (j *Journal) PutFolder(_ context.Context, state migrate.FolderState) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.folders[state.Folder]
	kept.Folder, kept.Path, kept.Ref, kept.Mapped, kept.Cursor = state.Folder, state.Path, state.Ref, state.Mapped, state.Cursor
	j.folders[state.Folder] = kept
	return nil
}

// Intend notes an intent.
func (j *Journal) Intend(_ context.Context, intent migrate.Intent) (migrate.IntentID, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	intent.ID, intent.At = j.last, time.Now()
	state := j.folders[intent.Folder]
	state.Open = append(state.Open, intent)
	j.folders[intent.Folder] = state
	return intent.ID, nil
}

// Commit closes an intent.
func (j *Journal) Commit(_ context.Context, id migrate.IntentID, done []migrate.Done) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for folder, state := range j.folders {
		i := slices.IndexFunc(state.Open, func(in migrate.Intent) bool { return in.ID == id })
		if i < 0 {
			continue
		}
		state = j.count(folder, state, state.Open[i], done)
		state.Open = slices.Delete(slices.Clone(state.Open), i, i+1)
		j.folders[folder] = state
		return nil
	}
	return fmt.Errorf("commit intent %d: it is not open", id)
}

func (j *Journal) count(folder migrate.FolderID, state migrate.FolderState, intent migrate.Intent, done []migrate.Done) migrate.FolderState {
	if j.ledger[folder] == nil {
		j.ledger[folder] = map[migrate.ItemID]migrate.Done{}
	}
	for _, d := range done {
		j.ledger[folder][d.Item] = d
		if d.Skip != nil {
			state.Skips++
			j.skips = append(j.skips, *d.Skip)
			continue
		}
		state.Items++
		for _, p := range intent.Items {
			if p.Item == d.Item {
				state.Bytes += p.Size
			}
		}
	}
	return state
}

// Written returns the ledger's entries for the items.
func (j *Journal) Written(_ context.Context, folder migrate.FolderID, items []migrate.ItemID) (done []migrate.Done, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range items {
		if d, ok := j.ledger[folder][id]; ok {
			done = append(done, d)
		}
	}
	return done, nil
}

// Skips returns the items that were given up.
func (j *Journal) Skips() []migrate.Skip {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.skips)
}
