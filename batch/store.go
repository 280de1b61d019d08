package batch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// ErrLostClaim is returned by Commit, and by the journals of a claim, when the
// move has been claimed again since.
var ErrLostClaim = errors.New("the move has been claimed by another worker")

// A Want says which moves may be claimed.
type Want struct {
	Run   RunID
	Batch ID
	Now   time.Time // a waiting move is due when its NextAt is not after this
	Not   []MoveID  // already in hand

	Phases []Phase  // only moves in one of these; none: in any but PhaseRollback
	Only   []MoveID // only these; none: any
}

// Takes reports whether the move is one of those that are wanted, whenever it is due.
func (w Want) Takes(m Move) bool {
	switch {
	case m.Batch != w.Batch || m.State.Ended() || slices.Contains(w.Not, m.ID):
		return false
	case len(w.Only) > 0 && !slices.Contains(w.Only, m.ID):
		return false
	case len(w.Phases) == 0:
		return m.Phase != PhaseRollback
	}
	return slices.Contains(w.Phases, m.Phase)
}

// A Claim is one worker's hold on a move. Move.Epoch is the claim's epoch.
type Claim struct {
	Run  RunID
	Move Move
}

// A Query selects moves. Zero fields select all. Who is compared as a whole, without
// regard to case; a type prefix such as smtp: does not count, and an address that
// encapsulates a legacyExchangeDN, as a bounce has it (IMCEAEX-…), is that name.
type Query struct {
	Batch  ID
	Who    string       // a move whose identity, mail, display name, DN or one of Names is this, see below
	Source migrate.GUID // moves of this source object
	Phases []Phase      // only those in one of these
	Open   bool         // only those that have not ended
}

// A Store keeps batches and moves. It is the only truth about them.
type Store interface {
	// Plan stores the batch and its moves, or, if the same batch is there already,
	// leaves it as it is. A batch of the same name with another digest is ErrBatchChanged.
	Plan(ctx context.Context, batch Batch, moves []Move) error
	// Claim hands out a move that has not ended, is due and is not in want.Not, and
	// raises its epoch: first those that are not settled yet, so that everyone of the
	// batch is staged before anyone is switched, then by NextAt, so that nobody is
	// passed over for ever, then by Seq. False: there is none now.
	Claim(ctx context.Context, want Want) (Claim, bool, error)
	// Commit stores the move's row, adds its Names to those it had, and appends the
	// events in one transaction, unless the claim's epoch is no longer the move's.
	Commit(ctx context.Context, claim Claim, move Move, events ...Event) error
	// Journals returns the journals of the claimed move.
	Journals(claim Claim) Journals
	// Changed yields the directory changes that the move is known to have carried out and
	// that have not been taken back, the oldest first; those of jobs are not among them.
	Changed(ctx context.Context, move MoveID) iter.Seq2[directory.Change, error]
	// Moves yields moves in the order of Seq, without Names.
	Moves(ctx context.Context, query Query) iter.Seq2[Move, error]
}

// Journals are what a claimed move writes down before it acts. What Content lists as
// written counts as written in Back, and the other way round, so that no item comes
// back to the side that it is from, as often as the move is rolled back and forward.
type Journals struct {
	Content migrate.Journal // source to target
	// Back is of the way back: its folders and items are the target's, its Refs the
	// source's. While an intent of one of both is open, the other takes none: see
	// migrate.Resolve. Both are a migrate.Ledger.
	Back    migrate.Journal
	Changes directory.Journal
	Lists   Lists // of both sides' folders
}

// ErrBatchChanged is returned by Store.Plan when a batch of that name is there with
// other rows.
var ErrBatchChanged = errors.New("the batch is locked with other rows")

// Runs keeps the record of runs.
type Runs interface {
	// Begin records the run and makes the moves ready for it: those named, or, if none
	// is, all of its batch. Failed ones get another chance: they are Planned again, in the
	// phase in which they failed. Those that were rolled back begin anew where they are
	// named. A RunRollback sends those that are named on their way back, unless they are
	// on it or have come to its end. A RunWhole gives up the way back of those that are
	// named as long as nothing has been taken back: they go on from where they were. No
	// other run touches moves that are on their way back.
	Begin(ctx context.Context, run Run, only ...MoveID) error
	End(ctx context.Context, id RunID, at time.Time, outcome Outcome) error
}

// A StoreError is a failure of the store itself: disk full, out of reach, broken.
// It ends the run; no move is to blame for it.
type StoreError struct {
	Path string // the store's file, or its address without a password
	Op   string // "commit chunk"
	Err  error
}

func (e *StoreError) Error() string { return fmt.Sprintf("store %s: %s: %v", e.Path, e.Op, e.Err) }

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }
