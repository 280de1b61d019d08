package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// Advance carries the claimed move forward until it ends, has to wait, or the run
// is stopping. What it came to is in the store when it returns. The error is one
// that no move is to blame for: the store is out of reach, the claim is lost, the
// servers refuse our credentials, or ctx has ended.
func (m *Mover) Advance(ctx context.Context, claim Claim) error {
	w := &work{claim: claim, move: claim.Move}
	journals := m.Store.Journals(claim)
	w.content, w.backward, w.changes = journals.Content, journals.Back, journals.Changes
	if w.move.StartedAt.IsZero() {
		w.move.StartedAt = time.Now().UTC()
	}
	for !w.move.State.Ended() && !m.stopping() {
		goesOn, err := m.advance(ctx, w)
		if err != nil {
			return err
		}
		if !goesOn {
			return nil
		}
	}
	return nil
}

// advance runs one step and stores what it came to. It reports whether the move
// can go on at once.
func (m *Mover) advance(ctx context.Context, w *work) (goesOn bool, err error) {
	w.move.Of = m.Attempts
	w.move.Reason, w.move.Hint, w.move.NextAt = "", "", time.Time{}
	w.move.State = stateIn(w.move.Phase, w.move.Step)
	verdict, err := m.try(ctx, w)
	switch {
	case errors.Is(err, errStopping):
		return false, m.save(ctx, w)
	case fatal(err):
		return false, err
	case ctx.Err() != nil:
		return false, errors.Join(context.Cause(ctx), m.save(ctx, w))
	case err != nil:
		return false, m.failedAttempt(ctx, w, err)
	case verdict.hold:
		return false, m.hold(ctx, w, verdict.reason)
	case !verdict.until.IsZero():
		return false, m.wait(ctx, w, verdict)
	}
	if err := m.phaseDone(ctx, w); err != nil || w.move.Phase != PhaseOpen {
		return err == nil, err
	}
	// Everyone of the batch is staged before anyone's content is touched: see Claim.
	unstaged, err := m.unstaged(ctx, w.move)
	return !unstaged, err
}

// errGaveUp is the cause of a move that failed by trying too often.
var errGaveUp = errors.New("no attempts left")

// errStopping leaves a step because the operator has asked to stop.
var errStopping = errors.New("stopping")

// try runs the step, and once more at once if it failed in a way that asks for it.
func (m *Mover) try(ctx context.Context, w *work) (Verdict, error) {
	step := m.steps[w.move.Phase]
	if w.move.Phase == m.Until {
		step = m.refresh
	}
	verdict, err := step(ctx, w)
	if e := migrate.AsError(err); e != nil && e.Retry == migrate.Now && ctx.Err() == nil {
		m.Logger.Debug("tried again at once", "mailbox", w.move.Identity, "phase", w.move.Phase, "err", err)
		return step(ctx, w)
	}
	return verdict, err
}

// fatal reports whether the error ends the run rather than the move: no mailbox is to
// blame, or every other one on the server would meet it too, and waiting is no use.
func fatal(err error) bool {
	var store *StoreError
	if errors.As(err, &store) || errors.Is(err, ErrLostClaim) {
		return true
	}
	e := migrate.AsError(err)
	return e != nil && (e.Reach == migrate.WholeRun || e.Reach == migrate.OneServer && e.Retry == migrate.Never)
}

// stateIn returns the state of a move that is at work in the phase, and the step.
func stateIn(p Phase, step string) State {
	if p == PhaseSwitch && (step == "" || step == StepGate) {
		return Ready
	}
	switch p {
	case PhaseMatch, PhaseStage, PhaseSettle, PhaseOpen, PhaseCopy:
		return Moving
	case PhaseSwitch, PhaseClean, PhaseVerify, PhaseRollback:
		return Switching
	case PhaseDone:
		return Moved
	}
	return Planned
}

// phaseDone moves on to the next phase, or to the end.
func (m *Mover) phaseDone(ctx context.Context, w *work) error {
	done := w.event(EventPhase, string(w.move.Phase)+" done")
	if w.move.Phase == PhaseRollback {
		w.move.State, w.move.Step, w.move.EndedAt = RolledBack, "", time.Now().UTC()
		return m.save(ctx, w, done, w.event(EventEnded, string(w.move.State)))
	}
	w.move.Phase, w.move.Step, w.move.Attempt = w.move.Phase.Next(), "", 0
	if w.move.Phase == PhaseSwitch {
		w.move.State = Ready
	}
	if w.move.Phase != PhaseDone {
		return m.save(ctx, w, done)
	}
	w.move.State, w.move.EndedAt = Moved, time.Now().UTC()
	if w.move.Skips > 0 {
		w.move.State = MovedWithSkips
	}
	return m.save(ctx, w, done, w.event(EventEnded, string(w.move.State)))
}

// failedAttempt lets the move wait for another attempt, or fail if trying again is
// no use or has been done often enough. Who waits for a busy server has not failed.
func (m *Mover) failedAttempt(ctx context.Context, w *work, cause error) error {
	e := migrate.AsError(cause)
	if e != nil {
		w.move.Hint = e.Hint
	}
	if e == nil || e.Retry == migrate.Never {
		return m.fail(ctx, w, cause, words(cause))
	}
	until := time.Now().Add(max(m.Interval, e.After))
	return m.wait(ctx, w, Verdict{until: until, reason: words(cause), failed: !e.Busy})
}

// wait lets the move wait; after a failed attempt only while attempts are left.
func (m *Mover) wait(ctx context.Context, w *work, v Verdict) error {
	if v.failed {
		w.move.Attempt++
	}
	if v.failed && w.move.Attempt >= m.Attempts {
		return m.fail(ctx, w, errGaveUp, fmt.Sprintf("gave up after %d attempts: %s", w.move.Attempt, v.reason))
	}
	w.move.State, w.move.Reason, w.move.NextAt = Waiting, v.reason, v.until.UTC()
	if was := w.claim.Move; !v.failed && was.State == Waiting && was.Reason == v.reason {
		return m.save(ctx, w) // it waits on for the same: no news
	}
	return m.save(ctx, w, w.event(EventWait, v.reason))
}

func (m *Mover) fail(ctx context.Context, w *work, cause error, reason string) error {
	m.Logger.Debug("move failed", "mailbox", w.move.Identity, "phase", w.move.Phase, "err", cause)
	if hint := hintOf(cause); hint != "" {
		w.move.Hint = hint
	}
	if turned, err := m.turnBack(ctx, w, withHint(reason, w.move.Hint)); turned || err != nil {
		return err
	}
	if mayStepBack(w) && m.Directories.Forwards(w.pair) { // it may not be seen everywhere: the step is not done
		reason = "the source forwards already, and new mail reaches the new mailbox; " + reason
	}
	w.move.State, w.move.Reason, w.move.EndedAt = Failed, reason, time.Now().UTC()
	return m.save(ctx, w, w.event(EventFailed, reason))
}

// hintOf says what the operator can do about an error that is not an adapter's.
func hintOf(cause error) string {
	var forbidden *forbiddenError
	var ambiguous *directory.AmbiguousError
	var decision *directory.DecisionError
	switch {
	case errors.As(cause, &forbidden):
		return forbidden.hint()
	case errors.As(cause, &ambiguous):
		return "decide in the decision file which of them stands for this person, or take the address or X500 value off the others"
	case errors.As(cause, &decision):
		return "correct the decision file"
	}
	return ""
}

// withHint adds to a reason what can be done about it: the cause of a step back is all
// that is kept of the failure while mail is fetched back.
func withHint(reason, hint string) string {
	if hint == "" {
		return reason
	}
	return reason + " (" + hint + ")"
}

// words turns an error into one line for the operator.
func words(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// A forbiddenError holds the findings that stop a move.
type forbiddenError struct{ findings []migrate.Finding }

func (e *forbiddenError) Error() string {
	var whats []string
	for _, f := range e.findings {
		whats = append(whats, fmt.Sprintf("%s (%s)", f.What, f.Rule))
	}
	return strings.Join(whats, "; ")
}

func (e *forbiddenError) hint() string {
	var mends []string
	for _, f := range e.findings {
		if f.Mend != "" {
			mends = append(mends, f.Mend)
		}
	}
	return strings.Join(mends, "; ")
}

// forbid returns an error if a finding stops the move.
func forbid(findings []migrate.Finding) error {
	if stop := (directory.Plan{Findings: findings}).Forbidden(); len(stop) > 0 {
		return &forbiddenError{stop}
	}
	return nil
}

// hold leaves the move as it stands for the rest of the run. Nothing is wrong with it.
func (m *Mover) hold(ctx context.Context, w *work, why string) error {
	w.move.State, w.move.Reason, w.move.NextAt = Ready, why, time.Time{}
	var events []Event
	if was := w.claim.Move; why != "" && (was.State != Ready || was.Reason != why) {
		events = append(events, w.event(EventWait, why))
	}
	if err := m.save(ctx, w, events...); err != nil {
		return err
	}
	return ErrHeld
}

// refresh takes the place of the phase before which the run stops: it brings over what
// has come in since the move was there the last time, and leaves it at that.
func (m *Mover) refresh(ctx context.Context, w *work) (Verdict, error) {
	if !w.fresh && w.move.Phase == PhaseSwitch && (w.move.Step == "" || w.move.Step == StepGate) {
		if verdict, err := m.copy(ctx, w); err != nil || verdict != Done {
			return verdict, err
		}
	}
	return Verdict{hold: true}, nil
}
