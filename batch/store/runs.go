package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"reforest/batch"
)

var _ batch.Runs = (*Store)(nil)

// Begin is batch.Runs'. A run whose ID is there already is an error.
func (s *Store) Begin(ctx context.Context, run batch.Run, only ...batch.MoveID) error {
	return s.change(ctx, "begin run", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO runs (id, batch_id, kind, began_at, ended_at, outcome) VALUES (?, ?, ?, ?, ?, ?)`,
			string(run.ID), string(run.Batch), string(run.Kind), micros(run.BeganAt), micros(run.EndedAt), string(run.Outcome))
		if err != nil {
			return fmt.Errorf("begin run %q: %w", run.ID, err)
		}
		if run.Kind == batch.RunRollback {
			return sendBack(ctx, t, run, only)
		}
		return reopen(ctx, t, run, only)
	})
}

const (
	reopened = `UPDATE moves SET state = ?, reason = '', hint = '', attempt = 0, next_at = 0, ended_at = 0, ended = 0`
	// reopenFailed gives another chance in the phase in which a move failed.
	reopenFailed = reopened + ` WHERE batch_id = ? AND state = ? AND phase <> ?`
	// beginBackAgain is the same for those that are on their way back.
	beginBackAgain = reopened + ` WHERE batch_id = ? AND state = ? AND phase = ?`
	// beginBack sends a move on its way back, from wherever it has come to; cause keeps the
	// phase and the step that it was in. What was left of a switch ends with it.
	beginBack = reopened + `, cause = phase || ' ' || step, phase = ?, step = '', quiet = 0, quiet_at = 0, brought = 0
		WHERE batch_id = ? AND state <> ? AND phase <> ?`
	// moveAgain begins with what may have changed since the move was rolled back.
	moveAgain = reopened + `, phase = ?, step = '', cause = '', quiet = 0, quiet_at = 0, brought = 0
		WHERE batch_id = ? AND state = ?`
)

// reopen makes moves ready for a run forth.
func reopen(ctx context.Context, t *tx, run batch.Run, only []batch.MoveID) error {
	planned, of := string(batch.Planned), string(run.Batch)
	if run.Kind == batch.RunWhole {
		if err := giveUpBack(ctx, t, run, only); err != nil {
			return err
		}
	}
	if err := onMoves(ctx, t, only, reopenFailed, planned, of, string(batch.Failed), string(batch.PhaseRollback)); err != nil {
		return err
	}
	if len(only) == 0 {
		return nil
	}
	return onMoves(ctx, t, only, moveAgain, planned, string(batch.PhaseStage), of, string(batch.RolledBack))
}

// giveUpBack puts those who are only named for the way back to where the last run that was
// none of the way back has left them.
func giveUpBack(ctx context.Context, t *tx, run batch.Run, only []batch.MoveID) error {
	for _, id := range only {
		now, found, err := rowOf(ctx, t, `moves WHERE batch_id = ? AND id = ?`, string(run.Batch), string(id))
		if err != nil {
			return err
		}
		if !found || !now.OnlyNamedBack() {
			continue
		}
		was, found, err := rowOf(ctx, t, `move_runs WHERE id = ? AND (phase <> ? OR state = ?) ORDER BY run_id DESC LIMIT 1`,
			string(id), string(batch.PhaseRollback), string(batch.RolledBack))
		if err != nil {
			return err
		}
		if !found {
			return refuse("begin run %q: nothing is on record of where move %q was", run.ID, id)
		}
		if err := storeMove(ctx, t, run.ID, was); err != nil {
			return err
		}
	}
	return nil
}

// rowOf reads one row of a move; false if there is none.
func rowOf(ctx context.Context, t *tx, from string, args ...any) (move batch.Move, found bool, err error) {
	rows, err := t.query(ctx, `SELECT `+moveColumns+` FROM `+from, args...)
	moves, err := collect(rows, err, scanMove)
	if err != nil || len(moves) == 0 {
		return move, false, err
	}
	return moves[0], true, nil
}

// sendBack makes moves ready for a rollback.
func sendBack(ctx context.Context, t *tx, run batch.Run, only []batch.MoveID) error {
	if len(only) == 0 {
		return refuse("begin run %q: a rollback names those who are rolled back", run.ID)
	}
	planned, of, back := string(batch.Planned), string(run.Batch), string(batch.PhaseRollback)
	if err := onMoves(ctx, t, only, beginBackAgain, planned, of, string(batch.Failed), back); err != nil {
		return err
	}
	return onMoves(ctx, t, only, beginBack, planned, back, of, string(batch.RolledBack), back)
}

// onMoves updates those of the moves that are named, or all that the statement means if
// none is.
func onMoves(ctx context.Context, t *tx, only []batch.MoveID, statement string, args ...any) error {
	if len(only) == 0 {
		_, err := t.exec(ctx, statement, args...)
		return err
	}
	for _, id := range only {
		if _, err := t.exec(ctx, statement+` AND id = ?`, append(slices.Clone(args), string(id))...); err != nil {
			return err
		}
	}
	return nil
}

// End is batch.Runs'. A run ends once.
func (s *Store) End(ctx context.Context, id batch.RunID, at time.Time, outcome batch.Outcome) error {
	return s.change(ctx, "end run", func(ctx context.Context, t *tx) error {
		changed, err := t.affected(ctx, `UPDATE runs SET ended_at = ?, outcome = ? WHERE id = ? AND ended_at = 0`,
			micros(at), string(outcome), string(id))
		if err != nil || changed > 0 {
			return err
		}
		var ended int64
		err = t.row(ctx, `SELECT ended_at FROM runs WHERE id = ?`, []any{string(id)}, &ended)
		if errors.Is(err, sql.ErrNoRows) {
			return refuse("end run %q: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		return refuse("end run %q: it has ended at %s", id, moment(ended).Format(time.RFC3339))
	})
}

// Run returns a run and its batch, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id batch.RunID) (batch.Run, batch.Batch, error) {
	var run batch.Run
	var of batch.Batch
	err := s.view(ctx, "read run", func(v view) error {
		runs, err := selectRuns(ctx, v, `WHERE id = ?`, string(id))
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			return refuse("run %q: %w", id, ErrNotFound)
		}
		run = runs[0]
		batches, err := selectBatches(ctx, v, `WHERE id = ?`, string(run.Batch))
		if err != nil {
			return err
		}
		if len(batches) == 0 {
			return refuse("batch %q: %w", run.Batch, ErrNotFound)
		}
		of = batches[0]
		return nil
	})
	return run, of, err
}

// Runs returns the batch's runs, the latest first; "" is every batch's.
func (s *Store) Runs(ctx context.Context, of batch.ID) (runs []batch.Run, err error) {
	err = s.view(ctx, "read runs", func(v view) error {
		if of == "" {
			runs, err = selectRuns(ctx, v, `ORDER BY id DESC`)
		} else {
			runs, err = selectRuns(ctx, v, `WHERE batch_id = ? ORDER BY id DESC`, string(of))
		}
		return err
	})
	return runs, err
}

// Batches returns the batches in the order in which they were planned.
func (s *Store) Batches(ctx context.Context) (batches []batch.Batch, err error) {
	err = s.view(ctx, "read batches", func(v view) error {
		batches, err = selectBatches(ctx, v, `ORDER BY at, id`)
		return err
	})
	return batches, err
}

// Batch returns the batch of that name, or ErrNotFound.
func (s *Store) Batch(ctx context.Context, name string) (found batch.Batch, err error) {
	err = s.view(ctx, "read batch", func(v view) error {
		batches, err := selectBatches(ctx, v, `WHERE name = ?`, name)
		if err == nil && len(batches) == 0 {
			return refuse("batch %q: %w", name, ErrNotFound)
		}
		if err == nil {
			found = batches[0]
		}
		return err
	})
	return found, err
}

// Entries returns how many journal entries have been made: intents and commits of
// content and of directory changes, and commits of moves. It only ever grows.
func (s *Store) Entries(ctx context.Context) (n int64, err error) {
	err = s.view(ctx, "count entries", func(v view) error {
		return v.row(ctx, `SELECT n FROM counters WHERE name = 'entries'`, nil, &n)
	})
	return n, err
}

func selectRuns(ctx context.Context, v view, rest string, args ...any) ([]batch.Run, error) {
	rows, err := v.query(ctx, `SELECT id, batch_id, kind, began_at, ended_at, outcome FROM runs `+rest, args...)
	return collect(rows, err, func(rows *sql.Rows) (run batch.Run, err error) {
		var began, ended int64
		err = rows.Scan(&run.ID, &run.Batch, &run.Kind, &began, &ended, &run.Outcome)
		run.BeganAt, run.EndedAt = moment(began), moment(ended)
		return run, err
	})
}

func selectBatches(ctx context.Context, v view, rest string, args ...any) ([]batch.Batch, error) {
	rows, err := v.query(ctx, `SELECT id, name, digest, at FROM batches `+rest, args...)
	return collect(rows, err, func(rows *sql.Rows) (b batch.Batch, err error) {
		var at int64
		err = rows.Scan(&b.ID, &b.Name, &b.Digest, &at)
		b.At = moment(at)
		return b, err
	})
}
