package batch

import (
	"time"

	"reforest/migrate"
)

type (
	// An ID names a batch in the store.
	ID string
	// A MoveID names a move in the store.
	MoveID string
	// A RunID reads 2006-01-02T15-04-05.000Z: it sorts by time and may stand in a file name.
	RunID string
)

// runForm is how a RunID writes the time at which the run began, in UTC.
const runForm = "2006-01-02T15-04-05.000Z"

// NewRunID names a run, or a job, that begins now.
func NewRunID(now time.Time) RunID { return RunID(now.UTC().Format(runForm)) }

// Began returns when the run began, to the millisecond; the zero time if the name does not
// tell.
func (id RunID) Began() time.Time {
	at, err := time.Parse(runForm, string(id))
	if err != nil {
		return time.Time{}
	}
	return at
}

// A State says how a move stands, in the words of reports.
type State string

// The states of a move.
const (
	Planned        State = "Planned"
	Waiting        State = "Waiting"
	Moving         State = "Moving"
	Ready          State = "Ready"
	Switching      State = "Switching"
	Moved          State = "Moved"
	MovedWithSkips State = "Moved with skips"
	Failed         State = "Failed"
	RolledBack     State = "Rolled back"
)

// Ended reports whether nothing more happens to a move in this state by itself.
func (s State) Ended() bool {
	return s == Moved || s == MovedWithSkips || s == Failed || s == RolledBack
}

// OnlyNamedBack reports whether the move is on its way back, and nothing of it has been
// taken back yet.
func (m Move) OnlyNamedBack() bool {
	return m.Phase == PhaseRollback && m.State != RolledBack && (m.Step == "" || m.Step == StepCheck)
}

// A Phase is one step of a move.
type Phase string

// The phases, in their order.
const (
	PhaseMatch  Phase = "match"
	PhaseStage  Phase = "stage"
	PhaseSettle Phase = "settle"
	PhaseOpen   Phase = "open"
	PhaseCopy   Phase = "copy"
	PhaseSwitch Phase = "switch"
	PhaseClean  Phase = "clean"
	PhaseVerify Phase = "verify"
	PhaseDone   Phase = "done"
	// PhaseRollback takes the switch back. No other phase leads to it, nor it to one.
	PhaseRollback Phase = "rollback"
)

// Phases lists the phases of a move in their order, without PhaseDone and PhaseRollback.
func Phases() []Phase {
	return []Phase{PhaseMatch, PhaseStage, PhaseSettle, PhaseOpen, PhaseCopy, PhaseSwitch, PhaseClean, PhaseVerify}
}

// Next returns the phase after p.
func (p Phase) Next() Phase {
	all := append(Phases(), PhaseDone)
	for i, q := range all[:len(all)-1] {
		if p == q {
			return all[i+1]
		}
	}
	return PhaseDone
}

// A Batch is a named list of mailboxes that move together.
type Batch struct {
	ID     ID
	Name   string // the batch file's name without directory and extension
	Digest string // SHA-256 of the parsed rows; a changed file is another list
	At     time.Time
}

// A Move is the journey of one mailbox. It is the move's row in the store.
type Move struct {
	ID             MoveID
	Batch          ID
	Seq            int    // place in the batch file, from 0
	Identity       string // as the batch file has it
	TargetDatabase string // name; "" is the configured one
	BadItemLimit   int64  // skips allowed; -1 is any number

	// Who it is; empty until matched.
	DisplayName string
	Mail        migrate.SMTPAddress
	SourceDN    string
	SourceGUID  migrate.GUID
	TargetDN    string
	TargetGUID  migrate.GUID // the twin's objectGUID; zero until staged

	// Names are further names people may look for: addresses, X500 names, login names,
	// GUID; without a type prefix. They only go in: Commit adds them to those that are
	// in the store, which keeps names that are gone, and what a store returns has none.
	Names []string

	State   State
	Phase   Phase     // the phase that is under way or comes next
	Step    string    // where in the phase: "tail", "disconnect"; for people
	Reason  string    // why it waits or failed
	Hint    string    // what the operator can do about it, if known
	Attempt int       // failed attempts of the present phase; 0 is none
	Of      int       // attempts allowed
	NextAt  time.Time // when a waiting move is tried again; zero is at once

	TotalItems int64 // what the source holds, as far as it was counted
	TotalBytes int64
	Items      int64 // brought over
	Bytes      int64
	Skips      int64
	Passes     int       // content passes made
	Quiet      int       // tail passes in a row that brought nothing
	QuietAt    time.Time // when the last of them ended
	Brought    int64     // late messages fetched since the switch, the step back or the rollback began
	KeptUntil  time.Time // when the store forgets the disconnected mailbox; zero: it is not disconnected
	Cause      string    // why the switch steps back; of a rollback that has yet to begin, the phase that the move comes from

	StartedAt time.Time // first touched; zero if never
	EndedAt   time.Time // reached its end; zero if not
	Epoch     int64     // raised by every claim
}

// A Run is one execution over a batch.
type Run struct {
	ID      RunID
	Batch   ID
	Kind    RunKind
	BeganAt time.Time
	EndedAt time.Time // zero while it runs, or if it was killed
	Outcome Outcome
}

// A RunKind is what a Run does.
type RunKind string

// The kinds of runs.
const (
	RunWhole    RunKind = "run"      // all phases, to the end
	RunSync     RunKind = "sync"     // content, up to the switch
	RunSwitch   RunKind = "switch"   // those that are ready, to the end
	RunRollback RunKind = "rollback" // back to the source
)

// An Outcome is how a run ended.
type Outcome string

// The outcomes of a run.
const (
	Unfinished  Outcome = ""               // still running, or killed
	Complete    Outcome = "complete"       // every move ended
	NeedsPerson Outcome = "needs a person" // some moves failed, or have skips
	Interrupted Outcome = "interrupted"    // stopped by the operator; can be resumed
	Broken      Outcome = "broken"         // an error ended the run
)

// An EventKind is what an Event tells.
type EventKind string

// The kinds of events.
const (
	EventPhase   EventKind = "phase"   // a phase is done
	EventWait    EventKind = "wait"    // the move waits: reason, attempt, next at
	EventPass    EventKind = "pass"    // a content pass ended: items, bytes
	EventStep    EventKind = "step"    // a step of the switch is done
	EventFailed  EventKind = "failed"  // the move failed
	EventEnded   EventKind = "ended"   // the move reached its end
	EventFinding EventKind = "finding" // something was noticed
)

// An Event is one fact about a move in a run. Events are appended, never edited.
type Event struct {
	Run     RunID
	Move    MoveID
	At      time.Time
	Kind    EventKind
	Phase   Phase
	State   State
	Text    string // reason, step or pass, in one sentence
	Attempt int
	Of      int
	NextAt  time.Time
	Items   int64
	Bytes   int64
	Step    string           // of the switch or the rollback, where the move was in one
	Brought int64            // see Move.Brought
	Finding *migrate.Finding // set for EventFinding
}
