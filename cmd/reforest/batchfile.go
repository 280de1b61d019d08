package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"reforest/batch"
	"reforest/batch/store"
)

// A plannedBatch is a batch file as the store has it, or would have it.
type plannedBatch struct {
	batch.Batch
	moves []batch.Move
}

// readBatch parses the batch file, whose name is the batch's.
func readBatch(c *config, path string) (plannedBatch, error) {
	file, err := os.Open(path)
	if err != nil {
		return plannedBatch{}, usage(fmt.Errorf("read the batch file: %w", err))
	}
	defer func() { _ = file.Close() }() // read only: nothing can be lost
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return plannedBatch{}, usage(fmt.Errorf("read the batch file: %s is a directory", path))
	}
	rows, err := batch.ParseFile(path, file)
	if err != nil {
		return plannedBatch{}, err
	}
	return newBatch(c, batchName(path), rows), nil
}

// batchName is the file's name without directory and extension.
func batchName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

func newBatch(c *config, name string, rows []batch.Row) plannedBatch {
	b := plannedBatch{Batch: batch.Batch{ID: batch.ID(name), Name: name, Digest: batch.Digest(rows), At: time.Now().UTC()}}
	for i, row := range rows {
		move := batch.Move{
			ID: batch.MoveID(fmt.Sprintf("%s/%05d", name, i+1)), Batch: b.ID, Seq: i, Identity: row.Identity,
			TargetDatabase: row.TargetDatabase, BadItemLimit: c.Limits.BadItems, State: batch.Planned, Phase: batch.PhaseMatch,
		}
		if move.TargetDatabase == "" {
			move.TargetDatabase = c.Target.Database
		}
		if row.BadItemLimit != nil {
			move.BadItemLimit = *row.BadItemLimit
		}
		b.moves = append(b.moves, move)
	}
	return b
}

// known replaces the moves by those of the store, if the batch has begun already. A
// batch that has begun with other rows is refused.
func (b *plannedBatch) known(ctx context.Context, st *store.Store) error {
	begun, err := st.Batch(ctx, b.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if begun.Digest != b.Digest {
		return usage(fmt.Errorf("batch %q began on %s with other rows, and a batch that has begun is locked; put who is new into a file of another name",
			b.Name, begun.At.Local().Format(time.DateTime)))
	}
	b.Batch = begun
	b.moves, err = movesOf(ctx, st, batch.Query{Batch: begun.ID})
	return err
}

// namedBatch reads the batch file, or, where there is none of that name, stands for the
// batch of the store that has it.
func namedBatch(c *config, name string) (b plannedBatch, err error) {
	given := givenName(name)
	b = plannedBatch{Batch: batch.Batch{ID: batch.ID(given), Name: given}}
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		if b, err = readBatch(c, name); err != nil {
			return b, err
		}
	}
	if _, err := os.Stat(c.storePath()); errors.Is(err, fs.ErrNotExist) {
		return b, b.notBegun() // a store is not made for asking
	}
	return b, nil
}

// givenName is the name of a batch that is given by its name, or by its file's. A name may
// have dots of its own: what follows the last is left out where it is the ending of a file
// alone, or "wave.2" would mean the batch "wave".
func givenName(name string) string {
	base := filepath.Base(name)
	if oneOf(strings.ToLower(filepath.Ext(base)), ".csv", ".txt") {
		return batchName(base)
	}
	return base
}

// notBegun says that the store, which may be nil, knows nothing of the batch.
func (b *plannedBatch) notBegun() error {
	return usage(fmt.Errorf("batch %q has not begun: there is neither such a batch on record nor anything to go on with; begin it with: reforest sync, or reforest run", printable(b.Name)))
}

// begun is known for a batch that has to be in the store already.
func (b *plannedBatch) begun(ctx context.Context, st *store.Store) error {
	if st == nil {
		return b.notBegun()
	}
	found, err := st.Batch(ctx, b.Name)
	if errors.Is(err, store.ErrNotFound) {
		return b.notBegun()
	}
	if err != nil {
		return err
	}
	if b.Digest == "" { // named without its file
		b.Batch = found
	}
	return b.known(ctx, st)
}

// underWay reports whether changes for somebody of the batch have begun.
func (b *plannedBatch) underWay() bool {
	for _, move := range b.moves {
		if !move.TargetGUID.IsZero() && move.Phase != batch.PhaseDone {
			return true
		}
	}
	return false
}

func movesOf(ctx context.Context, st *store.Store, query batch.Query) (moves []batch.Move, err error) {
	for move, err := range st.Moves(ctx, query) {
		if err != nil {
			return nil, err
		}
		moves = append(moves, move)
	}
	return moves, nil
}
