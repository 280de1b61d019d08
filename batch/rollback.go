package batch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// The steps of a rollback, in their order, with StepFetch between them.
const (
	StepCheck  = "check"  // nobody has changed what is to be taken back
	StepReturn = "return" // the source delivers again
	StepSend   = "send"   // the target passes on what it gets
	StepClose  = "close"  // the target becomes a mail user
	StepProve  = "prove"  // both sides are as before the switch
)

// rollback takes the switch back: the source delivers before the target forwards to it,
// and the target lets go of its mailbox only when all mail is back. It may begin wherever
// the move has come to.
func (m *Mover) rollback(ctx context.Context, w *work) (Verdict, error) {
	return m.parts(ctx, w, []part{
		{StepCheck, m.mayReturn},
		{StepReturn, m.giveBack},
		{StepSend, m.undo(m.Directories.PlanSendBack)},
		{StepFetch, m.tail(m.back)},
		{StepClose, m.closeTarget},
		{StepProve, m.provenBack},
	})
}

// undo returns the step that carries out a plan of the way back.
func (m *Mover) undo(plan replanner) step {
	return func(ctx context.Context, w *work) (Verdict, error) {
		return m.carry(ctx, w, m.undoing(w, plan))
	}
}

// mayReturn looks once more whether the switch can be taken back, before anything is.
func (m *Mover) mayReturn(ctx context.Context, w *work) (Verdict, error) {
	if err := m.person(ctx, w); err != nil {
		return Done, err
	}
	changes, err := m.changed(ctx, w)
	if err != nil {
		return Done, err
	}
	findings, err := m.Directories.CheckRollback(ctx, w.pair, changes)
	if err != nil {
		return Done, err
	}
	kept, err := m.stillKept(ctx, w)
	if err != nil {
		return Done, err
	}
	findings = append(findings, kept...)
	if err := m.note(ctx, w, findings); err != nil {
		return Done, err
	}
	w.move.Quiet, w.move.QuietAt, w.move.Brought = 0, time.Time{}, 0
	if err := forbid(findings); err != nil {
		w.stay()
		return Done, fmt.Errorf("the move stays as it is, for it cannot be rolled back: %w", err)
	}
	w.move.Cause = ""
	return Done, nil
}

// stay has a move that cannot be rolled back go on, in a later run, from where it was
// before, be it in the middle of a switch: nothing has been done yet. One that had come to
// its end is verified once more.
func (w *work) stay() {
	phase, step, _ := strings.Cut(w.move.Cause, " ")
	w.move.Phase, w.move.Step, w.move.Cause = Phase(phase), step, ""
	if w.move.Phase == PhaseDone {
		w.move.Phase = PhaseVerify
	}
}

// stillKept looks whether the old mailbox still holds what was moved out of it.
func (m *Mover) stillKept(ctx context.Context, w *work) (findings []migrate.Finding, err error) {
	err = m.withMailboxes(ctx, w, func(source migrate.Source, _ migrate.Target) error {
		folders, err := source.Folders(ctx)
		if err != nil {
			return err
		}
		there, moved := int64(0), int64(0)
		for _, f := range folders {
			state, err := w.content.Folder(ctx, f.ID)
			if err != nil {
				return err
			}
			there, moved = there+f.Items, moved+state.Items
		}
		findings = keptFindings(w.move, there, max(moved, w.move.Items))
		return nil
	})
	return findings, err
}

func keptFindings(move Move, there, moved int64) []migrate.Finding {
	if there >= moved {
		return nil
	}
	f := migrate.Finding{
		Rule: "rollback.source-fewer", Severity: migrate.Warn, Whom: move.name(),
		What: fmt.Sprintf("The old mailbox holds %d items; %d were moved out of it.", there, moved),
		Mend: "Ask whether the others were deleted in the old mailbox before the switch.",
	}
	if there == 0 {
		f.Severity, f.Mend = migrate.Forbid, "Restore the old mailbox first: rolled back, its owner would find it empty."
	}
	return []migrate.Finding{f}
}

// giveBack lets the source deliver to its own mailbox, and its owner into it.
func (m *Mover) giveBack(ctx context.Context, w *work) (Verdict, error) {
	if verdict, err := m.mailboxed(ctx, w, directory.Source, true, m.undo(m.Directories.PlanReturn)); err != nil || verdict != Done {
		return verdict, err
	}
	w.move.KeptUntil = time.Time{}
	return m.letIn(ctx, w)
}

// closeTarget makes the target a mail user, unless the last look for late mail is so long
// ago that it has to be taken again.
func (m *Mover) closeTarget(ctx context.Context, w *work) (Verdict, error) {
	if m.lookedTooLongAgo(w) {
		w.move.Step, w.move.Quiet = StepFetch, 0
		return Wait(time.Now(), "late mail: the last look is too long ago"), nil
	}
	if verdict, err := m.lastLook(ctx, w); err != nil || verdict != Done {
		return verdict, err
	}
	return m.mailboxed(ctx, w, directory.Target, false, m.undo(m.Directories.PlanClose))
}

// lastLook looks into the target mailbox as long as it is one: its owner may have saved
// something there since the last look, and nothing looks once it is closed.
func (m *Mover) lastLook(ctx context.Context, w *work) (Verdict, error) {
	if err := m.person(ctx, w); err != nil || w.pair.Target == nil || !w.pair.Target.IsMailbox() {
		return Done, err
	}
	sum, err := m.back(ctx, w)
	if err != nil || sum.Quiet() {
		return Done, err
	}
	w.move.Step, w.move.Quiet = StepFetch, 0
	return Wait(time.Now(), "late mail: the last look found something more"), m.passDone(ctx, w, sum)
}

// provenBack compares both sides with how they were before the switch.
func (m *Mover) provenBack(ctx context.Context, w *work) (Verdict, error) {
	if verdict, err := m.carry(ctx, w, m.Directories.PlanStage); err != nil || verdict != Done {
		return verdict, err
	}
	findings, err := m.Directories.VerifyStaged(ctx, w.pair)
	if err != nil {
		return Done, err
	}
	if err := m.note(ctx, w, findings); err != nil {
		return Done, err
	}
	return Done, forbid(findings)
}

// PlanRollback says what a rollback of the move would change, and what forbids it. It
// changes nothing.
func PlanRollback(ctx context.Context, d *directory.Directories, store Store, move Move) (directory.Plan, error) {
	pair, changes, err := wayOf(ctx, d, store, move)
	if err != nil {
		return directory.Plan{}, err
	}
	findings, err := d.CheckRollback(ctx, pair, changes)
	if err != nil {
		return directory.Plan{}, err
	}
	plan, err := d.PlanRollback(ctx, pair, changes)
	plan.Findings = append(findings, plan.Findings...)
	return plan, err
}

// wayOf reads both sides of a move and what it has changed in them.
func wayOf(ctx context.Context, d *directory.Directories, store Store, move Move) (pair directory.Pair, changes []directory.Change, err error) {
	source, err := d.Resolve(ctx, move.SourceGUID.String())
	if err != nil {
		return pair, nil, err
	}
	if pair, err = d.Match(ctx, source, move.TargetGUID); err != nil {
		return pair, nil, err
	}
	for change, err := range store.Changed(ctx, move.ID) {
		if err != nil {
			return pair, nil, err
		}
		changes = append(changes, change)
	}
	return pair, changes, nil
}
