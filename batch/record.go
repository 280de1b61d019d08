package batch

import (
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// A Record is what the store holds about one move, as one run left it.
type Record struct {
	// Move is the row as it was last committed in that run, or before it if the run
	// did not touch the move. Items, Bytes and Skips are the ledger's where there is
	// a ledger: it is ahead of the row when a process died between the two.
	Move    Move
	Events  []Event               // of that run, oldest first
	Switch  []Event               // up to that run: what Timeline reads
	Skips   []SkipRecord          // up to that run, in the order of noting
	Folders []migrate.FolderState // as they stand now, by path, without Open
	Changes []ChangeRecord        // up to that run, oldest first
	Back    BackRecord            // up to that run
	Shared  Shared                // as the source's lists said last, up to that run
}

// A BackRecord is what the way back has brought to the source.
type BackRecord struct {
	Items int64 // brought
	Bytes int64
	Skips []SkipRecord // in the order of noting; Folder is the target's
}

// A SkipRecord is one skip with the run that noted it.
type SkipRecord struct {
	Run  RunID
	At   time.Time
	Skip migrate.Skip
}

// A ChangeRecord is one directory change with the run that journalled it.
type ChangeRecord struct {
	Run         RunID
	Change      directory.Change
	IntendedAt  time.Time
	CommittedAt time.Time // zero if it is not known to have been carried out
	DroppedAt   time.Time // zero if it is not known to have been refused, or lost
}
