package store

import (
	"context"
	"database/sql"
	"errors"
	"hash/maphash"
	"slices"
	"sync"

	"reforest/batch"
	"reforest/migrate"
)

// A ledger knows which chunk may hold an item, so that a question about a page of
// items need not decode every chunk of the folder. It keeps four bytes an item.
type ledger struct {
	mu      sync.Mutex
	seed    maphash.Seed
	folders map[migrate.FolderID]*folderIndex
}

type folderIndex struct{ chunks []chunkIndex }

type chunkIndex struct {
	id   migrate.IntentID
	keys []uint32 // hashes of the item IDs, sorted
}

func newLedger() *ledger {
	return &ledger{seed: maphash.MakeSeed(), folders: map[migrate.FolderID]*folderIndex{}}
}

func (l *ledger) key(item migrate.ItemID) uint32 { return uint32(maphash.String(l.seed, string(item))) }

func (l *ledger) index(id migrate.IntentID, done []migrate.Done) chunkIndex {
	keys := make([]uint32, len(done))
	for i, d := range done {
		keys[i] = l.key(d.Item)
	}
	slices.Sort(keys)
	return chunkIndex{id: id, keys: keys}
}

// add enters a chunk that has just been committed. A folder that is not loaded yet
// will be, with this chunk.
func (l *ledger) add(folder migrate.FolderID, id migrate.IntentID, done []migrate.Done) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.folders[folder]; f != nil {
		f.chunks = append(f.chunks, l.index(id, done))
	}
}

// load reads the folder's chunks once. Nobody else commits under this claim.
func (l *ledger) load(ctx context.Context, v view, move batch.MoveID, folder migrate.FolderID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folders[folder] != nil {
		return nil
	}
	rows, err := v.query(ctx, `SELECT intent_id, done FROM chunks WHERE move_id = ? AND folder_id = ?
		ORDER BY intent_id`, string(move), string(folder))
	chunks, err := collect(rows, err, func(rows *sql.Rows) (chunkIndex, error) {
		var id migrate.IntentID
		var blob []byte
		if err := rows.Scan(&id, &blob); err != nil {
			return chunkIndex{}, err
		}
		done, err := decodeDone(blob)
		return l.index(id, done), err
	})
	if err == nil {
		l.folders[folder] = &folderIndex{chunks: chunks}
	}
	return err
}

// find returns what the ledger holds of the items, in their order.
func (l *ledger) find(ctx context.Context, v view, folder migrate.FolderID, items []migrate.ItemID) ([]migrate.Done, error) {
	wanted := make(map[migrate.ItemID]bool, len(items))
	for _, item := range items {
		wanted[item] = true
	}
	found := map[migrate.ItemID]migrate.Done{}
	for _, id := range l.candidates(folder, items) {
		var blob []byte
		err := v.row(ctx, `SELECT done FROM chunks WHERE intent_id = ?`, []any{int64(id)}, &blob)
		if errors.Is(err, sql.ErrNoRows) {
			continue // committed by another goroutine after this view was taken
		}
		if err != nil {
			return nil, err
		}
		done, err := decodeDone(blob)
		if err != nil {
			return nil, err
		}
		for _, d := range done {
			if wanted[d.Item] {
				found[d.Item] = d
			}
		}
	}
	return inOrder(items, found), nil
}

func inOrder(items []migrate.ItemID, found map[migrate.ItemID]migrate.Done) []migrate.Done {
	var done []migrate.Done
	for _, item := range items {
		if d, ok := found[item]; ok {
			done = append(done, d)
			delete(found, item) // asked for twice, answered once
		}
	}
	return done
}

// candidates returns the chunks that may hold one of the items, oldest first: two
// items may share a hash, but none is missed.
func (l *ledger) candidates(folder migrate.FolderID, items []migrate.ItemID) []migrate.IntentID {
	keys := make([]uint32, len(items))
	for i, item := range items {
		keys[i] = l.key(item)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []migrate.IntentID
	for _, chunk := range l.folders[folder].chunks {
		if slices.ContainsFunc(keys, chunk.has) {
			ids = append(ids, chunk.id)
		}
	}
	slices.Sort(ids) // chunks of two goroutines may be entered out of order
	return ids
}

func (c chunkIndex) has(key uint32) bool {
	_, found := slices.BinarySearch(c.keys, key)
	return found
}
