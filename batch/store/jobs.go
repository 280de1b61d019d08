package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

var _ batch.Jobs = (*Store)(nil)

// BeginJob is batch.Jobs'. A job whose ID is there already is an error.
func (s *Store) BeginJob(ctx context.Context, job batch.Job) error {
	return s.change(ctx, "begin job", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO jobs (id, kind, scope, began_at, ended_at, outcome) VALUES (?, ?, ?, ?, 0, '')`,
			string(job.ID), string(job.Kind), job.Scope, micros(job.BeganAt))
		if err != nil {
			return fmt.Errorf("begin job %q: %w", job.ID, err)
		}
		return nil
	})
}

// EndJob is batch.Jobs'. A job ends once.
func (s *Store) EndJob(ctx context.Context, id batch.RunID, at time.Time, outcome batch.Outcome) error {
	return s.change(ctx, "end job", func(ctx context.Context, t *tx) error {
		changed, err := t.affected(ctx, `UPDATE jobs SET ended_at = ?, outcome = ? WHERE id = ? AND ended_at = 0`,
			micros(at), string(outcome), string(id))
		if err == nil && changed == 0 {
			return refuse("end job %q: it is not at work: %w", id, ErrNotFound)
		}
		return err
	})
}

// Changes is batch.Jobs'.
func (s *Store) Changes(id batch.RunID) directory.Journal {
	return &changes{store: s, claim: batch.Claim{Run: id}}
}

// fenceJob refuses a job after which another has begun.
func fenceJob(id batch.RunID, row func(query string, args []any, to ...any) error) error {
	var latest string
	err := row(`SELECT id FROM jobs ORDER BY id DESC LIMIT 1`, nil, &latest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return refuse("job %q: %w", id, ErrNotFound)
	case err != nil:
		return err
	case latest != string(id):
		return refuse("job %q, since when %q has begun: %w", id, latest, batch.ErrLostClaim)
	}
	return nil
}

// stagedPage is how many changes are held in memory at a time.
const stagedPage = 500

// Staged is batch.Jobs'.
func (s *Store) Staged(ctx context.Context) iter.Seq2[directory.Change, error] {
	return func(yield func(directory.Change, error) bool) {
		below := int64(1) << 62
		for {
			var page []batch.ChangeRecord
			err := s.view(ctx, "read staged changes", func(v view) (err error) {
				page, err = queryChanges(ctx, v, `person <> '' AND undone_at = 0 AND dropped_at = 0 AND id < ? ORDER BY id DESC LIMIT ?`, below, stagedPage)
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
				below = record.Change.ID
			}
			if len(page) < stagedPage {
				return
			}
		}
	}
}

// beginAnew forgets the twin of moves that have opened no mailbox. The epoch fences
// whoever still has one in hand.
const beginAnew = `UPDATE moves SET state = ?, phase = ?, target_guid = '', target_dn = '', target_key = '', reason = '', hint = '',
	attempt = 0, next_at = 0, ended_at = 0, ended = 0, epoch = epoch + 1
	WHERE source_guid = ? AND phase IN (?, ?, ?, ?)`

// Undone is batch.Jobs'.
func (s *Store) Undone(ctx context.Context, person migrate.GUID, ids []int64) error {
	return s.change(ctx, "note what was taken back", func(ctx context.Context, t *tx) error {
		for _, id := range ids {
			changed, err := t.affected(ctx, `UPDATE changes SET undone_at = ? WHERE id = ?`, micros(time.Now()), id)
			if err != nil {
				return err
			}
			if changed == 0 {
				return refuse("change %d: %w", id, ErrNotFound)
			}
		}
		_, err := t.exec(ctx, beginAnew, string(batch.Planned), string(batch.PhaseMatch), guidText(person),
			string(batch.PhaseMatch), string(batch.PhaseStage), string(batch.PhaseSettle), string(batch.PhaseOpen))
		return err
	})
}
