package store

import (
	"context"
	"time"

	"reforest/batch"
	"reforest/directory"
)

// mending stands in place of a move's number for the changes by which a batch was mended
// before it was planned. Moves of a batch end in digits.
func mending(id batch.ID) batch.MoveID { return batch.MoveID(string(id) + "/mend") }

// Mending returns a journal of directory changes that mend what a check of the batch
// found. The batch need not be planned. Nothing fences it: whoever uses it holds the
// store's lock.
func (s *Store) Mending(id batch.ID) directory.Journal {
	run := batch.RunID(time.Now().UTC().Format("2006-01-02T15-04-05.000Z"))
	return &changes{store: s, claim: batch.Claim{Run: run, Move: batch.Move{ID: mending(id), Batch: id}}, free: true}
}

// Mended returns the changes by which the batch was mended, oldest first.
func (s *Store) Mended(ctx context.Context, id batch.ID) (mended []batch.ChangeRecord, err error) {
	err = s.view(ctx, "read mends", func(v view) error {
		mended, err = selectChanges(ctx, v, `move_id = ?`, string(mending(id)))
		return err
	})
	return mended, err
}
