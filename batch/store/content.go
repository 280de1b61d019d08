package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// A way is the direction of a journal, as it stands in the tables.
type way string

const (
	forth way = ""     // from source to target
	back  way = "back" // the way back
)

func (w way) other() way {
	if w == forth {
		return back
	}
	return forth
}

var (
	_ migrate.Ledger  = (*content)(nil)
	_ migrate.Settler = (*content)(nil)
)

// Journals is batch.Store's. The journals may be used by several goroutines.
func (s *Store) Journals(claim batch.Claim) batch.Journals {
	shared := newLedger()
	return batch.Journals{
		Content: newContent(s, claim, forth, shared),
		Back:    newContent(s, claim, back, shared),
		Changes: &changes{store: s, claim: claim},
		Lists:   &lists{store: s, claim: claim},
	}
}

// A content is the journal of one claim's content in one direction.
type content struct {
	store  *Store
	claim  batch.Claim
	way    way
	ledger *ledger // of both directions

	mu    sync.Mutex
	noted map[migrate.IntentID]migrate.Intent // what this journal noted and has not closed
}

func newContent(s *Store, claim batch.Claim, way way, shared *ledger) *content {
	return &content{store: s, claim: claim, way: way, ledger: shared, noted: map[migrate.IntentID]migrate.Intent{}}
}

func (c *content) move() string { return string(c.claim.Move.ID) }

func (c *content) change(ctx context.Context, op string, fn func(context.Context, *tx) error) error {
	return c.store.change(ctx, op, func(ctx context.Context, t *tx) error {
		if err := fence(ctx, t, c.claim); err != nil {
			return err
		}
		return fn(ctx, t)
	})
}

// view reads under the claim: a worker that has lost it stops at its next question.
func (c *content) view(ctx context.Context, op string, fn func(view) error) error {
	return c.store.view(ctx, op, func(v view) error {
		if err := fenceView(ctx, v, c.claim); err != nil {
			return err
		}
		return fn(v)
	})
}

func fenceView(ctx context.Context, v view, claim batch.Claim) error {
	var epoch int64
	err := v.row(ctx, selectEpoch, []any{string(claim.Move.ID)}, &epoch)
	return checkEpoch(claim, epoch, err)
}

// Folder is migrate.Journal's.
func (c *content) Folder(ctx context.Context, id migrate.FolderID) (state migrate.FolderState, err error) {
	err = c.view(ctx, "read folder", func(v view) error {
		states, err := selectFolders(ctx, v, `move_id = ? AND way = ? AND folder_id = ?`, c.move(), string(c.way), string(id))
		if err != nil {
			return err
		}
		if len(states) > 0 {
			state = states[0]
		}
		if state.Ref == "" {
			if state.Ref, err = c.origin(ctx, v, id); err != nil {
				return err
			}
		}
		state.Open, err = c.open(ctx, v, ` AND folder_id = ?`, string(id))
		return err
	})
	return state, err
}

// origin returns the folder that the other direction placed at this one; "" if there is
// none, or more than one.
func (c *content) origin(ctx context.Context, v view, id migrate.FolderID) (migrate.Ref, error) {
	there, err := selectFolders(ctx, v, `move_id = ? AND way = ? AND ref = ? LIMIT 2`, c.move(), string(c.way.other()), string(id))
	if err != nil || len(there) != 1 {
		return "", err
	}
	return migrate.Ref(there[0].Folder), nil
}

// Open is migrate.Ledger's.
func (c *content) Open(ctx context.Context) (open []migrate.Intent, err error) {
	err = c.view(ctx, "read open intents", func(v view) error {
		open, err = c.open(ctx, v, "")
		return err
	})
	return open, err
}

func selectFolders(ctx context.Context, v view, where string, args ...any) ([]migrate.FolderState, error) {
	rows, err := v.query(ctx, `SELECT folder_id, path, ref, mapped, cursor, seen, items, bytes, skips FROM folders
		WHERE `+where, args...)
	return collect(rows, err, func(rows *sql.Rows) (f migrate.FolderState, err error) {
		var path string
		if err = rows.Scan(&f.Folder, &path, &f.Ref, &f.Mapped, &f.Cursor, &f.Seen, &f.Items, &f.Bytes, &f.Skips); err == nil {
			err = json.Unmarshal([]byte(path), &f.Path)
		}
		return f, err
	})
}

// open returns the open intents for which where holds as well, oldest first.
func (c *content) open(ctx context.Context, v view, where string, args ...any) ([]migrate.Intent, error) {
	rows, err := v.query(ctx, `SELECT id, folder_id, ref, mark, at, planned FROM intents
		WHERE move_id = ? AND way = ? AND closed_at = 0`+where+` ORDER BY id`, append([]any{c.move(), string(c.way)}, args...)...)
	return collect(rows, err, func(rows *sql.Rows) (in migrate.Intent, err error) {
		var at int64
		var planned []byte
		if err = rows.Scan(&in.ID, &in.Folder, &in.Ref, &in.Mark, &at, &planned); err != nil {
			return in, err
		}
		in.At = moment(at)
		in.Items, in.Edit, err = decodePlanned(planned)
		return in, err
	})
}

// PutFolder is migrate.Journal's.
func (c *content) PutFolder(ctx context.Context, state migrate.FolderState) error {
	path, err := encodePath(state.Path)
	if err != nil {
		return fmt.Errorf("store folder %q: %w", state.Folder, err)
	}
	return c.change(ctx, "store folder", func(ctx context.Context, t *tx) error { return c.putFolder(ctx, t, state, path) })
}

// putFolder stores a folder, whose path is encoded already.
func (c *content) putFolder(ctx context.Context, t *tx, state migrate.FolderState, path string) error {
	_, err := t.exec(ctx, `INSERT INTO folders (move_id, way, folder_id, path, ref, mapped, cursor, seen, items, bytes, skips)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0) ON CONFLICT (move_id, way, folder_id) DO UPDATE SET
		path = excluded.path, ref = excluded.ref, mapped = excluded.mapped, cursor = excluded.cursor, seen = excluded.seen`,
		c.move(), string(c.way), string(state.Folder), path, string(state.Ref), state.Mapped, string(state.Cursor), state.Seen)
	return err
}

func encodePath(path []string) (string, error) {
	text, err := json.Marshal(path)
	return string(text), err
}

// Intend is migrate.Journal's. It is refused with migrate.ErrUnresolved while the other
// direction has an open intent.
func (c *content) Intend(ctx context.Context, intent migrate.Intent) (id migrate.IntentID, err error) {
	announced := c.announce()
	planned, err := encodePlanned(intent.Items, intent.Edit)
	announced()
	if err != nil {
		return 0, fmt.Errorf("note intent: %w", err)
	}
	err = c.change(ctx, "note intent", func(ctx context.Context, t *tx) error {
		if err := c.resolved(ctx, t); err != nil {
			return err
		}
		err := t.row(ctx, `INSERT INTO intents (move_id, way, folder_id, run_id, epoch, at, closed_at, ref, mark, planned)
			VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?) RETURNING id`, []any{
			c.move(), string(c.way), string(intent.Folder), string(c.claim.Run), c.claim.Move.Epoch,
			micros(time.Now()), string(intent.Ref), string(intent.Mark), planned,
		}, &id)
		if err != nil {
			return err
		}
		return t.count(ctx)
	})
	if err != nil {
		return 0, err
	}
	intent.ID = id
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noted[id] = intent
	return id, nil
}

// announce tells the store that something is about to be written.
func (c *content) announce() func() {
	if c.store.write == nil {
		return func() {}
	}
	return c.store.write.announce()
}

// resolved refuses while an intent of the other direction is open.
func (c *content) resolved(ctx context.Context, t *tx) error {
	var open int64
	err := t.row(ctx, `SELECT COUNT(*) FROM intents WHERE move_id = ? AND way = ? AND closed_at = 0`,
		[]any{c.move(), string(c.way.other())}, &open)
	if err == nil && open > 0 {
		return refuse("%d open intents: %w", open, migrate.ErrUnresolved)
	}
	return err
}

// Commit is migrate.Journal's. What is written must have been announced; a skip
// need not: an item that cannot be read is never announced.
func (c *content) Commit(ctx context.Context, id migrate.IntentID, done []migrate.Done) error {
	return c.commit(ctx, id, done, func(context.Context, *tx) error { return nil })
}

// Settle is migrate.Settler's: both are in one transaction.
func (c *content) Settle(ctx context.Context, id migrate.IntentID, done []migrate.Done, state migrate.FolderState) error {
	path, err := encodePath(state.Path)
	if err != nil {
		return fmt.Errorf("store folder %q: %w", state.Folder, err)
	}
	return c.commit(ctx, id, done, func(ctx context.Context, t *tx) error { return c.putFolder(ctx, t, state, path) })
}

// commit closes an intent and does what belongs to that.
func (c *content) commit(ctx context.Context, id migrate.IntentID, done []migrate.Done, also func(context.Context, *tx) error) error {
	announced := c.announce()
	blob, err := encodeDone(done)
	announced()
	if err != nil {
		return fmt.Errorf("commit chunk: %w", err)
	}
	var in migrate.Intent
	err = c.change(ctx, "commit chunk", func(ctx context.Context, t *tx) (err error) {
		if in, err = c.closeIntent(ctx, t, id); err != nil {
			return err
		}
		if err := c.storeChunk(ctx, t, in, done, blob); err != nil {
			return fmt.Errorf("intent %d: %w", id, err)
		}
		if err := also(ctx, t); err != nil {
			return err
		}
		return t.count(ctx)
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.noted, id)
	c.mu.Unlock()
	c.ledger.add(c.way, in, done)
	return nil
}

// closeIntent closes an open intent of this move and returns it.
func (c *content) closeIntent(ctx context.Context, t *tx, id migrate.IntentID) (migrate.Intent, error) {
	in := migrate.Intent{ID: id}
	var closed int64
	err := t.row(ctx, `SELECT folder_id, ref, closed_at FROM intents WHERE id = ? AND move_id = ? AND way = ?`,
		[]any{int64(id), c.move(), string(c.way)}, &in.Folder, &in.Ref, &closed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return in, refuse("intent %d: %w", id, ErrNotFound)
	case err != nil:
		return in, err
	case closed != 0:
		return in, refuse("intent %d: %w", id, ErrCommitted)
	}
	if in.Items, in.Edit, err = c.planned(ctx, t, id); err != nil {
		return in, err
	}
	_, err = t.exec(ctx, `UPDATE intents SET closed_at = ? WHERE id = ?`, micros(time.Now()), int64(id))
	return in, err
}

// planned returns what an intent announces: nearly always it is this journal's own.
func (c *content) planned(ctx context.Context, t *tx, id migrate.IntentID) ([]migrate.Planned, bool, error) {
	c.mu.Lock()
	in, own := c.noted[id]
	c.mu.Unlock()
	if own {
		return in.Items, in.Edit, nil
	}
	var blob []byte
	if err := t.row(ctx, `SELECT planned FROM intents WHERE id = ?`, []any{int64(id)}, &blob); err != nil {
		return nil, false, err
	}
	return decodePlanned(blob)
}

// storeChunk writes the ledger's row, which holds done as blob, the skips and the folder's
// totals.
func (c *content) storeChunk(ctx context.Context, t *tx, in migrate.Intent, done []migrate.Done, blob []byte) error {
	items, bytes, err := tally(in, done)
	if err != nil {
		return err
	}
	if in.Edit {
		items, bytes = 0, 0 // they were counted when they were written
	}
	_, err = t.exec(ctx, `INSERT INTO chunks (intent_id, move_id, way, folder_id, ref, edit, run_id, epoch, at, items, bytes, done)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, int64(in.ID), c.move(), string(c.way), string(in.Folder), string(in.Ref), in.Edit,
		string(c.claim.Run), c.claim.Move.Epoch, micros(time.Now()), items, bytes, blob)
	if err != nil {
		return err
	}
	skips, err := c.storeSkips(ctx, t, in.Folder, done)
	if err != nil {
		return err
	}
	if err := c.addTotals(ctx, t, in.Folder, items, bytes, skips); err != nil || !in.Edit {
		return err
	}
	return c.shift(ctx, t, in, done)
}

// shift keeps the folders' totals with what was moved between them or deleted. Those of
// the other direction are its own.
func (c *content) shift(ctx context.Context, t *tx, in migrate.Intent, done []migrate.Done) error {
	size := sizes(in)
	for _, d := range done {
		moved := d.Ref != "" && d.Was != (migrate.Place{}) && d.Was.Ref != in.Ref
		if !d.Gone && !moved {
			continue
		}
		n, err := t.affected(ctx, `UPDATE folders SET items = items - 1, bytes = bytes - ?
			WHERE move_id = ? AND way = ? AND ref = ? AND items > 0 AND bytes >= ?`,
			size[d.Item], c.move(), string(c.way), string(d.Was.Ref), size[d.Item])
		if err == nil && n > 0 && moved {
			err = c.addTotals(ctx, t, in.Folder, 1, size[d.Item], 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sizes returns how large the intent says its items are.
func sizes(in migrate.Intent) map[migrate.ItemID]int64 {
	size := make(map[migrate.ItemID]int64, len(in.Items))
	for _, planned := range in.Items {
		size[planned.Item] = planned.Size
	}
	return size
}

func (c *content) addTotals(ctx context.Context, t *tx, folder migrate.FolderID, items, bytes, skips int64) error {
	_, err := t.exec(ctx, `INSERT INTO folders (move_id, way, folder_id, path, ref, mapped, cursor, items, bytes, skips)
		VALUES (?, ?, ?, '[]', '', '', '', ?, ?, ?) ON CONFLICT (move_id, way, folder_id) DO UPDATE SET
		items = folders.items + excluded.items, bytes = folders.bytes + excluded.bytes,
		skips = folders.skips + excluded.skips`, c.move(), string(c.way), string(folder), items, bytes, skips)
	return err
}

// tally counts what was written and refuses what cannot be true.
func tally(in migrate.Intent, done []migrate.Done) (items, bytes int64, err error) {
	size := sizes(in)
	seen := make(map[migrate.ItemID]bool, len(done))
	for _, d := range done {
		if seen[d.Item] {
			return 0, 0, refuse("item %q is in the chunk twice", d.Item)
		}
		seen[d.Item] = true
		if d.Skip != nil {
			continue
		}
		written, announced := size[d.Item]
		if !announced {
			return 0, 0, refuse("item %q was written and not announced", d.Item)
		}
		items, bytes = items+1, bytes+written
	}
	return items, bytes, nil
}

// Written is migrate.Journal's: of an item that the ledger holds twice, first
// skipped and then written, the later entry; of one that only the other direction
// wrote, what that says, seen from here and without flags.
func (c *content) Written(ctx context.Context, folder migrate.FolderID, items []migrate.ItemID) (done []migrate.Done, err error) {
	open := func(fn func(view) error) error { return c.view(ctx, "read ledger", fn) }
	if err := c.ledger.load(ctx, open, c.claim.Move.ID, c.way, folder); err != nil {
		return nil, err
	}
	err = open(func(v view) error {
		done, err = c.ledger.written(ctx, v, c.way, folder, items)
		return err
	})
	return done, err
}
