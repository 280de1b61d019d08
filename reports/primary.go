package reports

import (
	"slices"

	"reforest/batch"
	"reforest/directory"
)

// Primary says in which forest the mailbox is that its owner works in now. It flips when
// the source forwards on every server that is watched, and flips back when a rollback has
// made the source deliver again. The facts are those of batch.Timeline, of all runs: only
// they know how far a move had come that is about to be rolled back.
func Primary(m batch.Move, facts []batch.Fact) directory.Side {
	switch m.State {
	case batch.Moved, batch.MovedWithSkips:
		return directory.Target
	case batch.RolledBack:
		return directory.Source
	case batch.Planned, batch.Waiting, batch.Moving, batch.Ready, batch.Switching, batch.Failed:
	}
	switch m.Phase {
	case batch.PhaseSwitch:
		return sideAt(forwards(m.Step))
	case batch.PhaseClean, batch.PhaseVerify, batch.PhaseDone:
		return directory.Target
	case batch.PhaseRollback:
		return sideAt(!returned(m.Step) && (forwarded(facts) || !m.KeptUntil.IsZero()))
	case batch.PhaseMatch, batch.PhaseStage, batch.PhaseSettle, batch.PhaseOpen, batch.PhaseCopy:
	}
	return directory.Source
}

func sideAt(atTarget bool) directory.Side {
	if atTarget {
		return directory.Target
	}
	return directory.Source
}

// forwards reports whether the source forwards before this step of a switch begins.
func forwards(step string) bool {
	return step == batch.StepTail || step == batch.StepDisconnect
}

// returned reports whether the source delivers again before this step of a rollback begins.
func returned(step string) bool {
	return slices.Contains([]string{batch.StepSend, batch.StepFetch, batch.StepClose, batch.StepProve}, step)
}

// StepsBack reports whether the switch could not go on and is on its way back.
func StepsBack(m batch.Move) bool {
	return m.Phase == batch.PhaseSwitch && slices.Contains([]string{batch.StepBack, batch.StepFetch, batch.StepLetIn}, m.Step)
}

// forwarded reports whether the source was made to forward, and has not been made to deliver
// since.
func forwarded(facts []batch.Fact) bool {
	for _, f := range slices.Backward(facts) {
		if f.Kind == batch.FactForwards || f.Kind == batch.FactReturned {
			return f.Kind == batch.FactForwards
		}
	}
	return false
}

// last returns the latest fact of the kind.
func last(facts []batch.Fact, kind batch.FactKind) (batch.Fact, bool) {
	for _, f := range slices.Backward(facts) {
		if f.Kind == kind {
			return f, true
		}
	}
	return batch.Fact{}, false
}
