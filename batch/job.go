package batch

import (
	"context"
	"iter"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// A JobKind is what a Job does.
type JobKind string

// The kinds of jobs.
const (
	JobStage JobKind = "stage"
	JobUndo  JobKind = "undo"
	JobClean JobKind = "clean"
	JobMend  JobKind = "mend"
)

// A Job is directory work that is not part of anyone's move: it concerns a batch before
// it has begun, or everyone.
type Job struct {
	ID      RunID
	Kind    JobKind
	Scope   string // the batch's name; "" is everyone
	BeganAt time.Time
	EndedAt time.Time // zero while it is at work, or if it was killed
	Outcome Outcome
}

// Jobs keeps the record of jobs and of what they changed.
type Jobs interface {
	// BeginJob records the job. One that began earlier and has not ended may journal
	// nothing from now on.
	BeginJob(ctx context.Context, job Job) error
	EndJob(ctx context.Context, id RunID, at time.Time, outcome Outcome) error
	// Changes returns the job's journal. What earlier jobs left open is open in it.
	Changes(id RunID) directory.Journal
	// Staged yields the changes that staging made for somebody, by jobs and by moves, and
	// that have not been taken back; the newest first. Those that were intended and not
	// closed are among them: who was killed over one cannot say that it was not carried out.
	Staged(ctx context.Context) iter.Seq2[directory.Change, error]
	// Undone notes that the person's changes have been taken back. Moves of the person
	// that had not come further than staging begin anew.
	Undone(ctx context.Context, person migrate.GUID, ids []int64) error
}
