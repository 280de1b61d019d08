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

// A ledger knows which chunk of either direction may hold an item, so that a question
// about a page of items need not decode every chunk of the folder. It keeps four bytes
// for each item of a folder that was asked about, and four more where the item is also
// looked for from the other side.
type ledger struct {
	loads   sync.Mutex // one shelf is loaded at a time
	mu      sync.Mutex // guards what is below
	seed    maphash.Seed
	shelves map[shelf]*folderIndex
}

// A shelf is the chunks of one direction that concern one folder: of its source, or with
// there of its target. Items stand on it under the names that they have on that side.
type shelf struct {
	way    way
	there  bool
	folder string
}

// A folderIndex is a shelf that is loaded, or while it is, what has been committed since
// that began.
type folderIndex struct{ chunks []chunkIndex }

type chunkIndex struct {
	id   migrate.IntentID
	keys []uint32 // hashes of the item IDs, sorted
}

func newLedger() *ledger {
	return &ledger{seed: maphash.MakeSeed(), shelves: map[shelf]*folderIndex{}}
}

// shelvesOf returns where an item of the folder may stand: the direction's own first.
func shelvesOf(w way, folder migrate.FolderID) [2]shelf {
	return [2]shelf{{way: w, folder: string(folder)}, {way: w.other(), there: true, folder: string(folder)}}
}

// seen returns the entry under the name it has on the shelf's side; false if it has none
// there.
func (s shelf) seen(d migrate.Done) (migrate.Done, bool) {
	if !s.there {
		return d, true
	}
	if d.Ref == "" || d.Skip != nil {
		return migrate.Done{}, false
	}
	return migrate.Done{Item: migrate.ItemID(d.Ref), Ref: migrate.ItemRef(d.Item)}, true
}

// named returns the entries that have a name on the shelf's side.
func (s shelf) named(done []migrate.Done) []migrate.Done {
	var named []migrate.Done
	for _, d := range done {
		if d, ok := s.seen(d); ok {
			named = append(named, d)
		}
	}
	return named
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

// add enters a chunk that has just been committed. A shelf that is not loaded yet will
// be, with this chunk.
func (l *ledger) add(w way, in migrate.Intent, done []migrate.Done) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range []shelf{{way: w, folder: string(in.Folder)}, {way: w, there: true, folder: string(in.Ref)}} {
		if f := l.shelves[s]; f != nil {
			f.chunks = append(f.chunks, l.index(in.ID, s.named(done)))
		}
	}
}

// written returns what the ledger holds of the items, in their order. The shelves are
// loaded.
func (l *ledger) written(ctx context.Context, v view, w way, folder migrate.FolderID, items []migrate.ItemID) ([]migrate.Done, error) {
	wanted := make(map[migrate.ItemID]bool, len(items))
	for _, item := range items {
		wanted[item] = true
	}
	found := map[migrate.ItemID]migrate.Done{}
	for _, s := range shelvesOf(w, folder) {
		if err := l.find(ctx, v, s, wanted, found); err != nil {
			return nil, err
		}
		for item := range found {
			delete(wanted, item) // the direction's own entry goes before the other's
		}
	}
	return inOrder(items, found), nil
}

// The shelves' chunks, oldest first.
const (
	chunksHere  = `SELECT intent_id, done FROM chunks WHERE move_id = ? AND way = ? AND folder_id = ? ORDER BY intent_id`
	chunksThere = `SELECT intent_id, done FROM chunks WHERE move_id = ? AND way = ? AND ref = ? ORDER BY intent_id`
)

// load reads the folder's shelves, each once. Nobody else commits under this claim, but the
// claim itself may while it is asked: what is committed from here on is entered by add,
// and everything before is seen by the view, which is opened afterwards.
func (l *ledger) load(ctx context.Context, open func(func(view) error) error, move batch.MoveID, w way, folder migrate.FolderID) error {
	l.loads.Lock()
	defer l.loads.Unlock()
	for _, s := range shelvesOf(w, folder) {
		if !l.begin(s) {
			continue
		}
		var chunks []chunkIndex
		err := open(func(v view) (err error) {
			chunks, err = l.read(ctx, v, move, s)
			return err
		})
		l.loaded(s, chunks, err)
		if err != nil {
			return err
		}
	}
	return nil
}

// begin reports whether the shelf has to be loaded, and has it get what is committed
// meanwhile.
func (l *ledger) begin(s shelf) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shelves[s] != nil {
		return false
	}
	l.shelves[s] = &folderIndex{}
	return true
}

// loaded adds what was read to a shelf. A chunk may be on it twice then, which does no harm.
func (l *ledger) loaded(s shelf, chunks []chunkIndex, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		delete(l.shelves, s)
		return
	}
	f := l.shelves[s]
	f.chunks = append(chunks, f.chunks...)
}

// read returns the shelf's chunks.
func (l *ledger) read(ctx context.Context, v view, move batch.MoveID, s shelf) ([]chunkIndex, error) {
	text := chunksHere
	if s.there {
		text = chunksThere
	}
	rows, err := v.query(ctx, text, string(move), string(s.way), s.folder)
	return collect(rows, err, func(rows *sql.Rows) (chunkIndex, error) {
		var id migrate.IntentID
		var blob []byte
		if err := rows.Scan(&id, &blob); err != nil {
			return chunkIndex{}, err
		}
		done, err := decodeDone(blob)
		return l.index(id, s.named(done)), err
	})
}

// find adds to found what stands on the shelf of the wanted items.
func (l *ledger) find(ctx context.Context, v view, s shelf, wanted map[migrate.ItemID]bool, found map[migrate.ItemID]migrate.Done) error {
	for _, id := range l.candidates(s, wanted) {
		var blob []byte
		err := v.row(ctx, `SELECT done FROM chunks WHERE intent_id = ?`, []any{int64(id)}, &blob)
		if errors.Is(err, sql.ErrNoRows) {
			continue // committed by another goroutine after this view was taken
		}
		if err != nil {
			return err
		}
		done, err := decodeDone(blob)
		if err != nil {
			return err
		}
		for _, d := range s.named(done) {
			if wanted[d.Item] {
				found[d.Item] = d
			}
		}
	}
	return nil
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
func (l *ledger) candidates(s shelf, items map[migrate.ItemID]bool) []migrate.IntentID {
	keys := make([]uint32, 0, len(items))
	for item := range items {
		keys = append(keys, l.key(item))
	}
	slices.Sort(keys)
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []migrate.IntentID
	for _, chunk := range l.shelves[s].chunks {
		if overlap(keys, chunk.keys) {
			ids = append(ids, chunk.id)
		}
	}
	slices.Sort(ids) // chunks of two goroutines may be entered out of order
	return slices.Compact(ids)
}

// overlap reports whether two sorted lists have a hash in common.
func overlap(a, b []uint32) bool {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			return true
		case a[0] < b[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return false
}
