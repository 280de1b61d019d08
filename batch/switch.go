package batch

import (
	"context"
	"fmt"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// The steps of the switch, in their order. Until the source forwards, a switch that
// cannot go on steps back by itself; afterwards it goes forward, or is rolled back.
const (
	StepGate       = "gate"       // everything is in place for a switch to the end
	StepShutOut    = "shut out"   // the owner is out of the old mailbox
	StepDeliver    = "deliver"    // the target keeps what it gets
	StepForward    = "forward"    // the source passes on what it gets
	StepTail       = "tail"       // what was on its way is fetched
	StepDisconnect = "disconnect" // the source becomes a mail user
)

// quietPasses is how many tail passes in a row must bring nothing.
const quietPasses = 2

// A part is one step of a phase that is taken in steps.
type part struct {
	name string
	run  step
}

// switchOver changes which side delivers, so that no message is lost and none loops.
func (m *Mover) switchOver(ctx context.Context, w *work) (Verdict, error) {
	if stepsBack(w.move.Step) {
		return m.stepBack(ctx, w)
	}
	verdict, err := m.parts(ctx, w, []part{
		{StepGate, m.gate},
		{StepShutOut, m.shutOut},
		{StepDeliver, m.turn(m.Directories.PlanDeliver)},
		{StepForward, m.turn(m.Directories.PlanForward)},
		{StepTail, m.tail(m.forth)},
		{StepDisconnect, m.disconnect},
	})
	return verdict, err
}

// parts runs the steps from the one on that the move is in. Step is stored after each; a
// step that is repeated finds nothing to do.
func (m *Mover) parts(ctx context.Context, w *work, all []part) (Verdict, error) {
	first := 0
	for i, p := range all {
		if w.move.Step == p.name {
			first = i
		}
	}
	for i, p := range all[first:] {
		w.move.Step = p.name
		if verdict, err := p.run(ctx, w); err != nil || verdict != Done {
			return verdict, err
		}
		done := w.step(p.name, m.outcome(p.name))
		if next := first + i + 1; next < len(all) {
			w.move.Step = all[next].name
		}
		if !tails(p.name) { // what comes after it may send back to it, and must not do so for ever
			w.move.Attempt = 0
		}
		if err := m.save(ctx, w, done); err != nil {
			return Done, err
		}
	}
	return Done, nil
}

// outcome is what the event at the end of a step says. Where nobody is to be shut out,
// nobody has been.
func (m *Mover) outcome(step string) string {
	if step == StepShutOut && len(m.Directories.Rules.ShutOut) == 0 {
		return StepIdle
	}
	return StepDone
}

// tails reports whether the step fetches late mail.
func tails(step string) bool { return step == StepTail || step == StepFetch }

// turn returns the step that carries out the plan. What the source got since it was
// staged comes first: the plan may need it.
func (m *Mover) turn(plan planner) step {
	return func(ctx context.Context, w *work) (Verdict, error) {
		if verdict, err := m.carry(ctx, w, m.Directories.PlanStage); err != nil || verdict != Done {
			return verdict, err
		}
		return m.carry(ctx, w, plan)
	}
}

// shutOut takes the owner out of the old mailbox, where that is configured.
func (m *Mover) shutOut(ctx context.Context, w *work) (Verdict, error) {
	return m.carry(ctx, w, m.Directories.PlanShutOut)
}

// A replanner plans from what the move has changed until now.
type replanner func(context.Context, directory.Pair, []directory.Change) (directory.Plan, error)

// undoing makes a planner of one that looks at what the move has changed.
func (m *Mover) undoing(w *work, plan replanner) planner {
	return func(ctx context.Context, pair directory.Pair) (directory.Plan, error) {
		changes, err := m.changed(ctx, w)
		if err != nil {
			return directory.Plan{}, err
		}
		return plan(ctx, pair, changes)
	}
}

// changed returns what the move has changed in the directories, oldest first. What a
// killed process left open is closed before.
func (m *Mover) changed(ctx context.Context, w *work) ([]directory.Change, error) {
	if err := m.Directories.Resume(ctx, w.changes); err != nil {
		return nil, err
	}
	var changes []directory.Change
	for change, err := range m.Store.Changed(ctx, w.move.ID) {
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// letIn returns the old mailbox's owner what shutOut took.
func (m *Mover) letIn(ctx context.Context, w *work) (Verdict, error) {
	return m.carry(ctx, w, m.undoing(w, m.Directories.PlanLetIn))
}

// disconnect turns the source into a mail user, unless the last look for late mail is
// so long ago that it has to be taken again.
func (m *Mover) disconnect(ctx context.Context, w *work) (Verdict, error) {
	if m.lookedTooLongAgo(w) {
		w.move.Step, w.move.Quiet = StepTail, 0
		return Wait(time.Now(), "late mail: the last look is too long ago"), nil
	}
	if err := m.keep(ctx, w); err != nil {
		return Done, err
	}
	if verdict, err := m.mailboxed(ctx, w, directory.Source, false, m.turn(m.Directories.PlanDisconnect)); err != nil || verdict != Done {
		return verdict, err
	}
	return m.letIn(ctx, w)
}

func (m *Mover) lookedTooLongAgo(w *work) bool {
	return time.Since(w.move.QuietAt) > m.Drain+10*m.Interval
}

// keep notes until when the store of the source keeps the mailbox: as long as its
// database says, else as long as is configured. It stands in the row before the mailbox
// is disconnected.
func (m *Mover) keep(ctx context.Context, w *work) error {
	if err := m.person(ctx, w); err != nil {
		return err
	}
	if !w.pair.Source.IsMailbox() {
		return nil // disconnected before the process died: noted before that
	}
	kept, err := m.Directories.Retention(ctx, w.pair.Source)
	if err != nil {
		return err
	}
	if kept == 0 {
		kept = m.Retention
	}
	w.move.KeptUntil = time.Now().Add(kept).UTC()
	return m.save(ctx, w)
}

// A passer makes one pass of content.
type passer func(ctx context.Context, w *work) (migrate.Summary, error)

// forth brings what is new at the source.
func (m *Mover) forth(ctx context.Context, w *work) (migrate.Summary, error) {
	return m.pass(ctx, w, false)
}

// tail returns the step that makes passes until two in a row, one drain interval apart,
// bring nothing.
func (m *Mover) tail(pass passer) step {
	return func(ctx context.Context, w *work) (Verdict, error) {
		if w.move.Quiet >= quietPasses {
			return Done, nil
		}
		if due := w.move.QuietAt.Add(m.Drain); w.move.Quiet > 0 && time.Now().Before(due) {
			return Wait(due, drainWords(w.move)), nil
		}
		sum, err := pass(ctx, w)
		if err != nil {
			return Done, err
		}
		w.move.Quiet++
		if !sum.Quiet() {
			w.move.Quiet = 0
		}
		w.move.QuietAt = time.Now().UTC()
		if err := m.passDone(ctx, w, sum); err != nil {
			return Done, err
		}
		if w.move.Quiet >= quietPasses {
			return Done, m.noteFollowed(ctx, w, sum)
		}
		return Wait(w.move.QuietAt.Add(m.Drain), drainWords(w.move)), nil
	}
}

func drainWords(move Move) string {
	return fmt.Sprintf("late mail: %d of %d looks found nothing more", move.Quiet, quietPasses)
}
