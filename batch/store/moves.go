package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"reforest/batch"
)

var _ batch.Store = (*Store)(nil)

// The statements that write a move's row.
var (
	insertMove = `INSERT INTO moves (` + moveColumns + `, ` + keyColumns + `) VALUES (` +
		marks(len(columnList(moveColumns+","+keyColumns))) + `)`
	updateMove = `UPDATE moves SET ` + assignments(columnList(changing()+","+keyColumns), false) + ` WHERE id = ?`
	// keepMove copies the row to what the run leaves behind.
	keepMove = `INSERT INTO move_runs (run_id, ` + moveColumns + `) SELECT ?, ` + moveColumns +
		` FROM moves WHERE id = ? ON CONFLICT (id, run_id) DO UPDATE SET ` +
		assignments(columnList(changing()+", epoch"), true)
)

// changing are the columns that Commit writes: all but the fixed ones and the
// epoch, which is Claim's alone.
func changing() string {
	columns := columnList(moveColumns)
	return strings.Join(columns[fixedColumns:len(columns)-1], ", ")
}

// Plan is batch.Store's. Times lose what is finer than a microsecond.
func (s *Store) Plan(ctx context.Context, plan batch.Batch, moves []batch.Move) error {
	return s.change(ctx, "plan", func(ctx context.Context, t *tx) error {
		var digest string
		err := t.row(ctx, `SELECT digest FROM batches WHERE name = ?`, []any{plan.Name}, &digest)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return insertBatch(ctx, t, plan, moves)
		case err != nil:
			return err
		case digest != plan.Digest:
			return refuse("batch %q: %w", plan.Name, batch.ErrBatchChanged)
		}
		return nil
	})
}

func insertBatch(ctx context.Context, t *tx, plan batch.Batch, moves []batch.Move) error {
	_, err := t.exec(ctx, `INSERT INTO batches (id, name, digest, at) VALUES (?, ?, ?, ?)`,
		string(plan.ID), plan.Name, plan.Digest, micros(plan.At))
	if err != nil {
		return fmt.Errorf("store batch %q: %w", plan.Name, err)
	}
	for _, move := range moves {
		if move.Batch != plan.ID {
			return refuse("move %q belongs to batch %q, not to %q", move.ID, move.Batch, plan.ID)
		}
		if _, err := t.exec(ctx, insertMove, slices.Concat(moveValues(move), keyValues(move))...); err != nil {
			return fmt.Errorf("store move %q: %w", move.ID, err)
		}
		if _, err := t.exec(ctx, keepMove, "", string(move.ID)); err != nil {
			return fmt.Errorf("store move %q: %w", move.ID, err)
		}
		if err := addNames(ctx, t, move); err != nil {
			return err
		}
	}
	return nil
}

// Claim is batch.Store's.
func (s *Store) Claim(ctx context.Context, want batch.Want) (batch.Claim, bool, error) {
	claim, found := batch.Claim{Run: want.Run}, false
	err := s.change(ctx, "claim", func(ctx context.Context, t *tx) error {
		var err error
		claim.Move, found, err = due(ctx, t, want)
		if err != nil || !found {
			return err
		}
		claim.Move.Epoch++
		_, err = t.exec(ctx, `UPDATE moves SET epoch = ? WHERE id = ?`, claim.Move.Epoch, string(claim.Move.ID))
		return err
	})
	return claim, found && err == nil, err
}

// due finds the first move that may be claimed. Those in hand are passed over here
// rather than in SQL: they are few, and the statement stays the same.
func due(ctx context.Context, t *tx, want batch.Want) (batch.Move, bool, error) {
	rows, err := t.query(ctx, selectDue, string(want.Batch), micros(want.Now),
		string(batch.PhaseMatch), string(batch.PhaseStage), string(batch.PhaseSettle))
	if err != nil {
		return batch.Move{}, false, err
	}
	var move batch.Move
	found := false
	err = each(rows, scanMove, func(one batch.Move) (bool, error) {
		if !want.Takes(one) {
			return true, nil
		}
		move, found = one, true
		return false, nil
	})
	return move, found && err == nil, err
}

const selectDue = `SELECT ` + moveColumns + ` FROM moves WHERE batch_id = ? AND ended = 0 AND next_at <= ?
	ORDER BY CASE WHEN phase IN (?, ?, ?) THEN 0 ELSE 1 END, next_at, seq`

// Commit is batch.Store's. The move's Batch, Seq, Identity and Epoch stay what they
// are in the store. Events that name no run or move are the claim's; those without a
// time are of now.
func (s *Store) Commit(ctx context.Context, claim batch.Claim, move batch.Move, events ...batch.Event) error {
	if move.ID != claim.Move.ID {
		return refuse("commit move %q: the claim is on move %q", move.ID, claim.Move.ID)
	}
	return s.change(ctx, "commit", func(ctx context.Context, t *tx) error {
		if err := fence(ctx, t, claim); err != nil {
			return err
		}
		if err := storeMove(ctx, t, claim.Run, move); err != nil {
			return err
		}
		for _, event := range events {
			if err := insertEvent(ctx, t, claim, event); err != nil {
				return err
			}
		}
		return t.count(ctx)
	})
}

func storeMove(ctx context.Context, t *tx, run batch.RunID, move batch.Move) error {
	// The identity is the stored one's, and so is its key.
	err := t.row(ctx, `SELECT identity FROM moves WHERE id = ?`, []any{string(move.ID)}, &move.Identity)
	if err != nil {
		return err
	}
	values := moveValues(move)
	values = slices.Concat(values[fixedColumns:len(values)-1], keyValues(move), []any{string(move.ID)})
	if _, err := t.exec(ctx, updateMove, values...); err != nil {
		return fmt.Errorf("store move %q: %w", move.ID, err)
	}
	if _, err = t.exec(ctx, keepMove, string(run), string(move.ID)); err != nil {
		return fmt.Errorf("store move %q: %w", move.ID, err)
	}
	return addNames(ctx, t, move)
}

// fence refuses a claim that is no longer the move's.
func fence(ctx context.Context, t *tx, claim batch.Claim) error {
	var epoch int64
	err := t.row(ctx, selectEpoch, []any{string(claim.Move.ID)}, &epoch)
	return checkEpoch(claim, epoch, err)
}

const selectEpoch = `SELECT epoch FROM moves WHERE id = ?`

func checkEpoch(claim batch.Claim, epoch int64, err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return refuse("move %q: %w", claim.Move.ID, ErrNotFound)
	case err != nil:
		return err
	case epoch != claim.Move.Epoch:
		return refuse("move %q, claim %d: %w", claim.Move.ID, claim.Move.Epoch, batch.ErrLostClaim)
	}
	return nil
}

// Moves is batch.Store's. Moves of several batches come batch by batch, the batch
// that was planned first first.
func (s *Store) Moves(ctx context.Context, query batch.Query) iter.Seq2[batch.Move, error] {
	return func(yield func(batch.Move, error) bool) {
		more := true
		err := s.read.view(ctx, func(v view) error {
			text, args := selectMoves(query)
			rows, err := v.query(ctx, text, args...)
			if err != nil {
				return err
			}
			return each(rows, scanMove, func(move batch.Move) (bool, error) {
				more = yield(move, nil)
				return more, nil
			})
		})
		if err != nil && more {
			yield(batch.Move{}, s.failed("read moves", err))
		}
	}
}

func selectMoves(query batch.Query) (string, []any) {
	var where []string
	var args []any
	if query.Batch != "" {
		where, args = append(where, "m.batch_id = ?"), append(args, string(query.Batch))
	}
	if !query.Source.IsZero() {
		where, args = append(where, "m.source_guid = ?"), append(args, guidText(query.Source))
	}
	if len(query.Phases) > 0 {
		where = append(where, "m.phase IN ("+marks(len(query.Phases))+")")
		for _, p := range query.Phases {
			args = append(args, string(p))
		}
	}
	if query.Open {
		where = append(where, "m.ended = 0")
	}
	if query.Who != "" {
		where, args = append(where, whoIs), append(args, whoArgs(query.Who)...)
	}
	text := `SELECT m.` + strings.Join(columnList(moveColumns), ", m.") +
		` FROM moves m JOIN batches b ON b.id = m.batch_id`
	if len(where) > 0 {
		text += ` WHERE ` + strings.Join(where, " AND ")
	}
	return text + ` ORDER BY b.at, b.id, m.seq`, args
}
