package batch

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// Mailboxes opens the mailbox of a move on both sides. cmd implements it.
type Mailboxes interface {
	// OpenSource opens the recipient's mailbox on that side to read it.
	OpenSource(ctx context.Context, side directory.Side, owner *directory.Recipient) (migrate.Source, io.Closer, error)
	// OpenTarget opens the recipient's mailbox on that side to write it.
	OpenTarget(ctx context.Context, side directory.Side, owner *directory.Recipient) (migrate.Target, io.Closer, error)
}

// Defaults of Config.
const (
	DefaultInterval = 30 * time.Second
	DefaultAttempts = 20
	DefaultDrain    = 15 * time.Minute
	// DefaultDelta is few enough for a tail pass of seconds.
	DefaultDelta = 500
	// DefaultRoom takes some large messages.
	DefaultRoom = 50 << 20
	// Ahead is how many bytes of mail all moves together read ahead of writing, beyond the
	// two chunks that each can have at any time (migrate.Memory).
	Ahead = 8 << 20
	// DefaultRetention is how long Exchange keeps a disconnected mailbox unless told
	// otherwise (Set-MailboxDatabase, MailboxRetention).
	DefaultRetention = 30 * 24 * time.Hour
)

// A Config says how moves are carried forward.
type Config struct {
	Store       Store
	Directories *directory.Directories
	Mailboxes   Mailboxes

	Interval time.Duration // between two attempts; 0 is DefaultInterval
	Attempts int           // failed attempts of one phase before the move fails; 0 is DefaultAttempts
	Drain    time.Duration // between two tail passes of the switch; 0 is DefaultDrain
	Grace    time.Duration // see migrate.Options.Grace; 0 is its default
	BadItems int64         // raises every move's BadItemLimit to this; -1 is any number, 0 raises none
	TempDir  string        // for large items on their way; "" is the system's

	// Stopping is closed when the operator has asked to stop: the item in hand is
	// finished, the move saved, nothing new begun. nil is never.
	Stopping <-chan struct{}

	Until     Phase         // moves go no further than before this phase; "" is to their end
	Only      []MoveID      // those that the run carries forward, as Pool.Only: nobody waits for any other; none: all
	Canary    int           // the first so many of a batch are switched before any other; 0 is none
	StopAfter int           // moves of a batch that have failed, or step back, after which no further switch begins; 0 is any number
	Delta     int64         // items that the last pass before the switch may bring; 0 is DefaultDelta
	Room      int64         // bytes that the target mailbox must have room for; 0 is DefaultRoom, negative none
	Retention time.Duration // for which a disconnected mailbox is kept where its database does not say; 0 is DefaultRetention
	Routes    Routes        // proves that mail finds its way before a switch; nil is not proved

	Notify func(Move, Event) // told of every event after it is stored; nil is nobody
	Logger *slog.Logger      // for what an operator has to know beyond events; required
}

// A Mover carries moves forward, one step at a time.
type Mover struct {
	Config
	steps  map[Phase]step
	memory *migrate.Memory // of all passes
}

// A step is one phase. It looks at the present state, does what is still missing,
// and may run again after a crash.
type step func(ctx context.Context, w *work) (Verdict, error)

// NewMover returns a Mover.
func NewMover(c Config) *Mover {
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Attempts == 0 {
		c.Attempts = DefaultAttempts
	}
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	if c.Delta == 0 {
		c.Delta = DefaultDelta
	}
	if c.Room == 0 {
		c.Room = DefaultRoom
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Notify == nil {
		c.Notify = func(Move, Event) {}
	}
	m := &Mover{Config: c, memory: migrate.NewMemory(Ahead)}
	m.steps = map[Phase]step{
		PhaseMatch:  m.match,
		PhaseStage:  m.stage,
		PhaseSettle: m.settle,
		PhaseOpen:   m.open,
		PhaseCopy:   m.copy,
		PhaseSwitch: m.switchOver,
		PhaseClean:  m.clean,
		PhaseVerify: m.verify,

		PhaseRollback: m.rollback,
	}
	return m
}

// A Verdict is what a step came to: the phase is done, or the move waits.
type Verdict struct {
	until  time.Time // zero: done
	reason string
	failed bool // the wait follows a failed attempt, and counts as one
	hold   bool // the move goes no further in this run, for the reason if there is one
}

// Done says that the phase has reached its end.
var Done = Verdict{}

// Wait says that the move is to be looked at again at the given time, which is not
// a failure.
func Wait(until time.Time, reason string) Verdict { return Verdict{until: until, reason: reason} }

// A work is a claimed move on its way, with all that a step needs.
type work struct {
	claim    Claim
	move     Move // as it will be committed
	content  migrate.Journal
	backward migrate.Journal
	changes  directory.Journal
	pair     directory.Pair // read by person
	saved    time.Time      // when progress was last stored
	fresh    bool           // a first pass was made just now
}

// event returns an event of this move.
func (w *work) event(kind EventKind, text string) Event {
	return Event{
		Run: w.claim.Run, Move: w.move.ID, At: time.Now().UTC(), Kind: kind, Phase: w.move.Phase,
		State: w.move.State, Text: text, Attempt: w.move.Attempt, Of: w.move.Of, NextAt: w.move.NextAt,
		Items: w.move.Items, Bytes: w.move.Bytes, Step: w.move.Step, Brought: w.move.Brought,
	}
}

// What an event says of a step.
const (
	StepBegun = "begun" // with ": " and the Move.Cause behind it
	StepDone  = "done"
	StepIdle  = "not needed"
)

// step returns the event that the step has begun or is done.
func (w *work) step(name, what string) Event {
	e := w.event(EventStep, name+" "+what)
	e.Step = name
	return e
}

// save stores the move with the events and tells of them.
func (m *Mover) save(ctx context.Context, w *work, events ...Event) error {
	// What has been done has to be on record also when the run is being cancelled.
	if err := m.Store.Commit(context.WithoutCancel(ctx), w.claim, w.move, events...); err != nil {
		return fmt.Errorf("save %s: %w", w.move.Identity, err)
	}
	w.saved = time.Now()
	for _, e := range events {
		m.Notify(w.move, e)
	}
	return nil
}

func (m *Mover) stopping() bool {
	select {
	case <-m.Stopping:
		return true
	default:
		return false
	}
}
