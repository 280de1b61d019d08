package batch

import (
	"context"
	"slices"
	"time"

	"reforest/migrate"
)

// The steps by which a switch that cannot go on steps back. Their Move.Cause says why.
const (
	StepBack  = "step back" // the target forwards to the source again
	StepLetIn = "let in"    // the owner is back in the old mailbox
	StepFetch = "fetch"     // what reached the target meanwhile is fetched; also of a rollback
)

// stepsBack reports whether the step is one of stepping back.
func stepsBack(step string) bool {
	return slices.Contains([]string{StepBack, StepFetch, StepLetIn}, step)
}

// mayStepBack reports whether a switch that fails in this step steps back by itself: it
// has begun to change who delivers, and the source does not forward yet. What fails of a
// rollback is no switch, also where that is left as it was.
func mayStepBack(w *work) bool {
	return w.claim.Move.Phase != PhaseRollback && w.move.Phase == PhaseSwitch && slices.Contains([]string{StepShutOut, StepDeliver, StepForward}, w.move.Step)
}

// turnBack sends a switch that cannot go on the way back, and notes why. It reports false
// where the source forwards already: then there is only the way forward, or a rollback.
func (m *Mover) turnBack(ctx context.Context, w *work, cause string) (bool, error) {
	if !mayStepBack(w) {
		return false, nil
	}
	if err := m.person(ctx, w); err == nil && m.Directories.Forwards(w.pair) {
		return false, nil
	}
	// A directory that cannot be read now is waited for on the way back: that looks again.
	w.move.Step, w.move.Cause, w.move.Hint, w.move.Attempt = StepBack, cause, "", 0
	w.move.Quiet, w.move.QuietAt, w.move.Brought = 0, time.Time{}, 0
	w.move.State, w.move.Reason, w.move.NextAt = Switching, "", time.Time{}
	return true, m.save(ctx, w, w.step(StepBack, StepBegun+": "+cause))
}

// stepBack lets the target forward to the source again and the owner into the old mailbox,
// fetches what reached the target meanwhile, which may take long or fail, and ends the
// switch with the reason for which it could not go on.
func (m *Mover) stepBack(ctx context.Context, w *work) (Verdict, error) {
	verdict, err := m.parts(ctx, w, []part{
		{StepBack, m.sendBack},
		{StepLetIn, m.letIn},
		{StepFetch, m.tail(m.back)},
	})
	if err != nil || verdict != Done {
		return verdict, err
	}
	w.move.Step = "" // the next run begins the switch anew
	return Done, &steppedBackError{w.move.Cause}
}

// sendBack has the target forward to the source as it did before the switch. Where the
// source forwards after all, there is no way back: the switch goes on.
func (m *Mover) sendBack(ctx context.Context, w *work) (Verdict, error) {
	if err := m.person(ctx, w); err != nil {
		return Done, err
	}
	if m.Directories.Forwards(w.pair) {
		w.move.Step, w.move.Cause = StepForward, ""
		return Wait(time.Now(), "the source forwards after all: the switch goes on"), nil
	}
	return m.carry(ctx, w, m.undoing(w, m.Directories.PlanStepBack))
}

// A steppedBackError ends a switch that has stepped back.
type steppedBackError struct{ cause string }

func (e *steppedBackError) Error() string {
	return "the switch has stepped back, and mail reaches the old mailbox: " + e.cause
}

// back brings what is new at the target to the source.
func (m *Mover) back(ctx context.Context, w *work) (migrate.Summary, error) {
	return m.passOf(ctx, w, wayBack, false)
}
