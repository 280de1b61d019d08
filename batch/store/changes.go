package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"reforest/batch"
	"reforest/directory"
)

// A changes is the journal of one claim's directory changes, or of one job's.
type changes struct {
	store *Store
	claim batch.Claim // of a job: Run alone
}

// fence refuses whoever has been superseded: by another claim on the move, or by a job
// that began later.
func (c *changes) fence(ctx context.Context, t *tx) error {
	if c.claim.Move.ID != "" {
		return fence(ctx, t, c.claim)
	}
	return fenceJob(c.claim.Run, func(query string, args []any, to ...any) error { return t.row(ctx, query, args, to...) })
}

func (c *changes) fenceView(ctx context.Context, v view) error {
	if c.claim.Move.ID != "" {
		return fenceView(ctx, v, c.claim)
	}
	return fenceJob(c.claim.Run, func(query string, args []any, to ...any) error { return v.row(ctx, query, args, to...) })
}

// Intend is directory.Journal's.
func (c *changes) Intend(ctx context.Context, change directory.Change) (id int64, err error) {
	mods, err := encodeMods(change.Mods)
	if err != nil {
		return 0, fmt.Errorf("note change: %w", err)
	}
	before, err := encodeMods(change.Before)
	if err != nil {
		return 0, fmt.Errorf("note change: %w", err)
	}
	err = c.store.change(ctx, "note change", func(ctx context.Context, t *tx) error {
		if err := c.fence(ctx, t); err != nil {
			return err
		}
		err := t.row(ctx, `INSERT INTO changes (move_id, run_id, person, undone_at, epoch, intended_at, committed_at, dropped_at,
			forest, op, dn, why, mods, before) VALUES (?, ?, ?, 0, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?) RETURNING id`, []any{
			string(c.claim.Move.ID), string(c.claim.Run), guidText(change.Person), c.claim.Move.Epoch, micros(time.Now()),
			string(change.Forest), string(change.Op), string(change.DN), change.Why, mods, before,
		}, &id)
		if err != nil {
			return err
		}
		return t.count(ctx)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Commit is directory.Journal's. An intent that is closed already is ErrCommitted.
func (c *changes) Commit(ctx context.Context, id int64) error {
	return c.end(ctx, "commit change", id, `UPDATE changes SET committed_at = ?`)
}

// Drop is directory.Journal's. An intent that is closed already is ErrCommitted.
func (c *changes) Drop(ctx context.Context, id int64) error {
	return c.end(ctx, "drop change", id, `UPDATE changes SET dropped_at = ?`)
}

// end closes the intent with the update, which sets one time.
func (c *changes) end(ctx context.Context, op string, id int64, update string) error {
	return c.store.change(ctx, op, func(ctx context.Context, t *tx) error {
		if err := c.fence(ctx, t); err != nil {
			return err
		}
		move := string(c.claim.Move.ID)
		changed, err := t.affected(ctx, update+` WHERE id = ? AND move_id = ? AND committed_at = 0 AND dropped_at = 0`,
			micros(time.Now()), id, move)
		if err != nil {
			return err
		}
		if changed == 1 {
			return t.count(ctx)
		}
		var known int64
		err = t.row(ctx, `SELECT id FROM changes WHERE id = ? AND move_id = ?`, []any{id, move}, &known)
		if errors.Is(err, sql.ErrNoRows) {
			return refuse("change %d: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		return refuse("change %d: %w", id, ErrCommitted)
	})
}

// Open is directory.Journal's. The changes are read before the first is yielded, so
// that they may be committed on the way.
func (c *changes) Open(ctx context.Context) iter.Seq2[directory.Change, error] {
	return func(yield func(directory.Change, error) bool) {
		var open []batch.ChangeRecord
		err := c.store.view(ctx, "read changes", func(v view) (err error) {
			if err = c.fenceView(ctx, v); err != nil {
				return err
			}
			open, err = selectChanges(ctx, v, `move_id = ? AND committed_at = 0 AND dropped_at = 0`, string(c.claim.Move.ID))
			return err
		})
		if err != nil {
			yield(directory.Change{}, err)
			return
		}
		for _, record := range open {
			if !yield(record.Change, nil) {
				return
			}
		}
	}
}

// changedPage is how many changes are held in memory at a time.
const changedPage = 500

// Changed is batch.Store's.
func (s *Store) Changed(ctx context.Context, move batch.MoveID) iter.Seq2[directory.Change, error] {
	return s.carried(ctx, `move_id = ?`, string(move))
}

// Carried yields the directory changes that are known to have been carried out and have
// not been taken back, oldest first: those of the moves, or, if none is named, all that are
// on record, of jobs too.
func (s *Store) Carried(ctx context.Context, moves ...batch.MoveID) iter.Seq2[directory.Change, error] {
	if len(moves) == 0 {
		return s.carried(ctx, `1 = 1`)
	}
	ids := make([]any, len(moves))
	for i, id := range moves {
		ids[i] = string(id)
	}
	return s.carried(ctx, `move_id IN (`+marks(len(ids))+`)`, ids...)
}

// carried yields those of the changes that fit the condition, page by page.
func (s *Store) carried(ctx context.Context, where string, args ...any) iter.Seq2[directory.Change, error] {
	return func(yield func(directory.Change, error) bool) {
		above := int64(0)
		for {
			var page []batch.ChangeRecord
			err := s.view(ctx, "read changes", func(v view) (err error) {
				page, err = queryChanges(ctx, v, where+` AND committed_at <> 0 AND dropped_at = 0 AND undone_at = 0
					AND id > ? ORDER BY id LIMIT ?`, append(slices.Clone(args), above, changedPage)...)
				return err
			})
			if err != nil {
				yield(directory.Change{}, err)
				return
			}
			for _, record := range page {
				if !yield(record.Change, nil) {
					return
				}
				above = record.Change.ID
			}
			if len(page) < changedPage {
				return
			}
		}
	}
}

// selectChanges returns changes, oldest first.
func selectChanges(ctx context.Context, v view, where string, args ...any) ([]batch.ChangeRecord, error) {
	return queryChanges(ctx, v, where+` ORDER BY id`, args...)
}

func queryChanges(ctx context.Context, v view, rest string, args ...any) ([]batch.ChangeRecord, error) {
	rows, err := v.query(ctx, `SELECT id, run_id, person, intended_at, committed_at, dropped_at, forest, op, dn, why, mods, before
		FROM changes WHERE `+rest, args...)
	return collect(rows, err, func(rows *sql.Rows) (r batch.ChangeRecord, err error) {
		var intended, committed, dropped int64
		var mods, before []byte
		var person string
		err = rows.Scan(&r.Change.ID, &r.Run, &person, &intended, &committed, &dropped, &r.Change.Forest,
			&r.Change.Op, &r.Change.DN, &r.Change.Why, &mods, &before)
		if err != nil {
			return r, err
		}
		if r.Change.Person, err = parseGUID(person); err != nil {
			return r, err
		}
		r.IntendedAt, r.CommittedAt, r.DroppedAt = moment(intended), moment(committed), moment(dropped)
		if r.Change.Mods, err = decodeMods(mods); err != nil {
			return r, err
		}
		r.Change.Before, err = decodeMods(before)
		return r, err
	})
}
