package store

import (
	"context"
	"iter"
	"strings"

	"reforest/batch"
)

// lastRun stands for a run after every other: RunIDs begin with a year.
const lastRun batch.RunID = "~"

// Records yields, in the order of Seq, what is on record about the moves of the
// run's batch as that run left them. All of it is of one instant.
func (s *Store) Records(ctx context.Context, run batch.RunID) iter.Seq2[batch.Record, error] {
	return func(yield func(batch.Record, error) bool) {
		more := true
		err := s.read.view(ctx, func(v view) error {
			runs, err := selectRuns(ctx, v, `WHERE id = ?`, string(run))
			if err == nil && len(runs) == 0 {
				err = refuse("run %q: %w", run, ErrNotFound)
			}
			if err != nil {
				return err
			}
			return eachMove(ctx, v, runs[0], func(move batch.Move) (bool, error) {
				record, err := recordOf(ctx, v, move, run)
				if err != nil {
					return false, err
				}
				record.Events, err = selectEvents(ctx, v, move.ID, run)
				if err != nil {
					return false, err
				}
				more = yield(record, nil)
				return more, nil
			})
		})
		if err != nil && more {
			yield(batch.Record{}, s.failed("read records", err))
		}
	}
}

// Record returns what is on record about one move: the row as it stands, with the
// events of every run.
func (s *Store) Record(ctx context.Context, id batch.MoveID) (record batch.Record, err error) {
	err = s.view(ctx, "read record", func(v view) error {
		rows, err := v.query(ctx, `SELECT `+moveColumns+` FROM moves WHERE id = ?`, string(id))
		moves, err := collect(rows, err, scanMove)
		if err == nil && len(moves) == 0 {
			err = refuse("move %q: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		if record, err = recordOf(ctx, v, moves[0], lastRun); err != nil {
			return err
		}
		record.Events, err = selectAllEvents(ctx, v, id)
		return err
	})
	return record, err
}

// eachMove calls fn with the moves of the run's batch as the run left them, until
// fn returns false.
func eachMove(ctx context.Context, v view, run batch.Run, fn func(batch.Move) (bool, error)) error {
	columns := "r." + strings.Join(columnList(moveColumns), ", r.")
	rows, err := v.query(ctx, `SELECT `+columns+` FROM moves m JOIN move_runs r ON r.id = m.id
		AND r.run_id = (SELECT MAX(x.run_id) FROM move_runs x WHERE x.id = m.id AND x.run_id <= ?)
		WHERE m.batch_id = ? ORDER BY m.seq`, string(run.ID), string(run.Batch))
	if err != nil {
		return err
	}
	return each(rows, scanMove, fn)
}

// Switch returns the events of every run of which batch.Timeline makes the facts of the
// move, oldest first.
func (s *Store) Switch(ctx context.Context, id batch.MoveID) (events []batch.Event, err error) {
	err = s.view(ctx, "read switch", func(v view) error {
		events, err = selectSwitch(ctx, v, id, lastRun)
		return err
	})
	return events, err
}

// recordOf reads what belongs to the move but the events of one run or all.
func recordOf(ctx context.Context, v view, move batch.Move, run batch.RunID) (batch.Record, error) {
	record := batch.Record{Move: move}
	var err error
	if record.Skips, err = selectSkips(ctx, v, move.ID, forth, run); err != nil {
		return record, err
	}
	if err = ledgerTotals(ctx, v, &record, run); err != nil {
		return record, err
	}
	if record.Back, err = wayBack(ctx, v, move.ID, run); err != nil {
		return record, err
	}
	record.Folders, err = selectFolders(ctx, v, `move_id = ? AND way = ? ORDER BY path, folder_id`, string(move.ID), string(forth))
	if err != nil {
		return record, err
	}
	if record.Shared, err = selectShared(ctx, v, move.ID, run); err != nil {
		return record, err
	}
	if record.Switch, err = selectSwitch(ctx, v, move.ID, run); err != nil {
		return record, err
	}
	record.Changes, err = selectChanges(ctx, v, `move_id = ? AND run_id <= ?`, string(move.ID), string(run))
	return record, err
}

// wayBack reads what was brought to the source.
func wayBack(ctx context.Context, v view, move batch.MoveID, run batch.RunID) (r batch.BackRecord, err error) {
	if _, r.Items, r.Bytes, err = totals(ctx, v, move, back, run); err == nil {
		r.Skips, err = selectSkips(ctx, v, move, back, run)
	}
	return r, err
}

// totals adds up the chunks of one direction.
func totals(ctx context.Context, v view, move batch.MoveID, w way, run batch.RunID) (chunks, items, bytes int64, err error) {
	err = v.row(ctx, `SELECT COUNT(*), COALESCE(SUM(items), 0), COALESCE(SUM(bytes), 0) FROM chunks
		WHERE move_id = ? AND way = ? AND run_id <= ?`, []any{string(move), string(w), string(run)}, &chunks, &items, &bytes)
	return chunks, items, bytes, err
}

// ledgerTotals puts the ledger's totals in place of the row's.
func ledgerTotals(ctx context.Context, v view, record *batch.Record, run batch.RunID) error {
	chunks, items, bytes, err := totals(ctx, v, record.Move.ID, forth, run)
	if err != nil || chunks == 0 {
		return err
	}
	record.Move.Items, record.Move.Bytes, record.Move.Skips = items, bytes, int64(len(record.Skips))
	return nil
}
