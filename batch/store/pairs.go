package store

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"reforest/migrate"
)

// A written is one chunk with what was planned for it.
type written struct {
	id      migrate.IntentID
	way     way
	folder  migrate.FolderID
	ref     migrate.Ref
	planned []migrate.Planned
	done    []migrate.Done
}

// A side is an item under the name that it has on one side: at the source of the
// journal that is asked, or with there at its target.
type side struct {
	there  bool
	folder string
	item   string
}

// Pairs is migrate.Ledger's. It holds one chunk at a time, and the items that a later
// chunk has changed.
func (c *content) Pairs(ctx context.Context) iter.Seq2[migrate.Pair, error] {
	return func(yield func(migrate.Pair, error) bool) {
		latest, err := c.changed(ctx)
		if err != nil {
			yield(migrate.Pair{}, err)
			return
		}
		for chunk, err := range c.chunks(ctx, false) {
			if err != nil {
				yield(migrate.Pair{}, err)
				return
			}
			for _, pair := range c.pairs(chunk) {
				if pair.gone || chunk.id < max(latest[here(pair.Pair)], latest[there(pair.Pair)]) {
					continue
				}
				if !yield(pair.Pair, nil) {
					return
				}
			}
		}
	}
}

func here(p migrate.Pair) side { return side{false, string(p.Folder), string(p.Item)} }

func there(p migrate.Pair) side { return side{true, string(p.There.Ref), string(p.There.Item)} }

// changed returns the items of which a chunk says that they were changed or moved, with
// the last chunk that does.
func (c *content) changed(ctx context.Context) (map[side]migrate.IntentID, error) {
	latest := map[side]migrate.IntentID{}
	for chunk, err := range c.chunks(ctx, true) {
		if err != nil {
			return nil, err
		}
		for _, pair := range c.pairs(chunk) {
			latest[here(pair.Pair)], latest[there(pair.Pair)] = chunk.id, chunk.id
		}
		for _, d := range chunk.done {
			if d.Was != (migrate.Place{}) && d.Skip == nil {
				// What lay there is the moved item, on the side that the chunk's direction writes.
				latest[side{chunk.way == c.way, string(d.Was.Ref), string(d.Was.Item)}] = chunk.id
			}
		}
	}
	return latest, nil
}

// chunks yields the chunks of both directions, oldest first; with edits only those that
// changed what was there.
func (c *content) chunks(ctx context.Context, edits bool) iter.Seq2[written, error] {
	return func(yield func(written, error) bool) {
		last := migrate.IntentID(0)
		for {
			chunk, err := c.after(ctx, last, edits)
			if errors.Is(err, sql.ErrNoRows) || !yield(chunk, err) || err != nil {
				return
			}
			last = chunk.id
		}
	}
}

// nextChunk and nextEdit select the first chunk after another.
const (
	nextChunk = `SELECT c.intent_id, c.way, c.folder_id, c.ref, c.done, i.planned FROM chunks c JOIN intents i ON i.id = c.intent_id
		WHERE c.move_id = ? AND c.intent_id > ? ORDER BY c.intent_id LIMIT 1`
	nextEdit = `SELECT c.intent_id, c.way, c.folder_id, c.ref, c.done, i.planned FROM chunks c JOIN intents i ON i.id = c.intent_id
		WHERE c.move_id = ? AND c.intent_id > ? AND c.edit = 1 ORDER BY c.intent_id LIMIT 1`
)

// after returns the first chunk after another; sql.ErrNoRows if there is none.
func (c *content) after(ctx context.Context, last migrate.IntentID, edits bool) (chunk written, err error) {
	text := nextChunk
	if edits {
		text = nextEdit
	}
	var done, planned []byte
	none := false
	err = c.view(ctx, "read ledger", func(v view) error {
		err := v.row(ctx, text, []any{c.move(), int64(last)}, &chunk.id, &chunk.way, &chunk.folder, &chunk.ref, &done, &planned)
		none = errors.Is(err, sql.ErrNoRows)
		if none {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return chunk, err
	case none:
		return chunk, sql.ErrNoRows
	}
	if chunk.planned, _, err = decodePlanned(planned); err != nil {
		return chunk, err
	}
	chunk.done, err = decodeDone(done)
	return chunk, err
}

// An entry is what a chunk says of a pair: that both sides hold it, or that it is gone
// from both.
type entry struct {
	migrate.Pair
	gone bool
}

// pairs returns what the chunk says of items, seen in the direction of c.
func (c *content) pairs(chunk written) []entry {
	planned := make(map[migrate.ItemID]migrate.Planned, len(chunk.planned))
	for _, p := range chunk.planned {
		planned[p.Item] = p
	}
	var pairs []entry
	for _, d := range chunk.done {
		p := planned[d.Item]
		at := migrate.Place{Ref: chunk.ref, Item: d.Ref}
		if d.Ref == "" && d.Was.Item != "" {
			at = d.Was // it was left where it is, or is gone
		}
		if d.Skip != nil || at.Item == "" && chunk.way == c.way {
			continue // a place that nobody knows can be neither read nor written
		}
		pair := migrate.Pair{
			Folder: chunk.folder, Item: d.Item, There: at, Size: p.Size, Digest: p.Digest, Received: p.Received,
			Flags: p.Flags, ThereFlags: d.Flags,
		}
		if chunk.way != c.way {
			pair = turned(pair)
		}
		pairs = append(pairs, entry{pair, d.Gone})
	}
	return pairs
}

// turned is the pair seen in the other direction.
func turned(p migrate.Pair) migrate.Pair {
	here := migrate.Place{Ref: migrate.Ref(p.Folder), Item: migrate.ItemRef(p.Item)}
	p.Folder, p.Item, p.There = migrate.FolderID(p.There.Ref), migrate.ItemID(p.There.Item), here
	p.Flags, p.ThereFlags = p.ThereFlags, p.Flags
	return p
}

// Known is migrate.Ledger's.
func (c *content) Known(ctx context.Context) (ids []migrate.FolderID, err error) {
	err = c.view(ctx, "list folders", func(v view) error {
		rows, err := v.query(ctx, `SELECT folder_id FROM chunks WHERE move_id = ? AND way = ?
			UNION SELECT ref FROM chunks WHERE move_id = ? AND way = ?`, c.move(), string(c.way), c.move(), string(c.way.other()))
		ids, err = collect(rows, err, func(rows *sql.Rows) (id migrate.FolderID, err error) {
			return id, rows.Scan(&id)
		})
		return err
	})
	return ids, err
}
