package batchtest

import (
	"testing"

	"reforest/batch"
)

// left commits the move of a claim as a run has left it, and returns the row.
func left(t *testing.T, s Store, c batch.Claim, state batch.State, phase batch.Phase, step string) batch.Move {
	t.Helper()
	c.Move.State, c.Move.Phase, c.Move.Step, c.Move.Reason, c.Move.Brought, c.Move.Quiet = state, phase, step, "why", 7, 1
	if state.Ended() {
		c.Move.EndedAt = now
	}
	check(t, s.Commit(t.Context(), c, c.Move))
	return c.Move
}

// begin begins a run of the kind, and returns the rows as they stand then.
func begin(t *testing.T, s Store, id batch.RunID, kind batch.RunKind, only ...batch.MoveID) []batch.Move {
	t.Helper()
	check(t, s.Begin(t.Context(), batch.Run{ID: id, Batch: "b1", Kind: kind, BeganAt: now}, only...))
	return collect(t, s.Moves(t.Context(), batch.Query{}))
}

// standing is what a run changes of a row when it begins.
type standing struct {
	State   batch.State
	Phase   batch.Phase
	Step    string
	Brought int64
	Ended   bool
}

func stands(moves []batch.Move) (all []standing) {
	for _, m := range moves {
		all = append(all, standing{m.State, m.Phase, m.Step, m.Brought, !m.EndedAt.IsZero()})
	}
	return all
}

// wayBackBegins: a rollback sends those who are named on their way back, from wherever they
// are, once; no other run touches them, until they have come to its end and are named.
func wayBackBegins(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 5)
	all := []batch.MoveID{"m000", "m001", "m002", "m003"}
	for i, m := range []standing{
		{State: batch.Moved, Phase: batch.PhaseDone},
		{State: batch.Failed, Phase: batch.PhaseSwitch, Step: batch.StepTail},
		{State: batch.Waiting, Phase: batch.PhaseSwitch, Step: batch.StepBack},
		{State: batch.Failed, Phase: batch.PhaseRollback, Step: batch.StepSend},
	} {
		left(t, s, claim(t, s, night, all[:i]...), m.State, m.Phase, m.Step)
	}
	fresh := standing{State: batch.Planned, Phase: batch.PhaseRollback}
	untouched := standing{State: batch.Planned, Phase: batch.PhaseMatch}
	goesOn := standing{State: batch.Planned, Phase: batch.PhaseRollback, Step: batch.StepSend, Brought: 7}
	wantAnyErr(t, "nobody is named", s.Begin(t.Context(), batch.Run{ID: later, Batch: "b1", Kind: batch.RunRollback, BeganAt: now}))
	got := begin(t, s, "2026-03-15T01-00-00.000Z", batch.RunRollback, all...)
	diff(t, "on the way back", stands(got), []standing{fresh, fresh, fresh, goesOn, untouched})
	diff(t, "again", stands(begin(t, s, "2026-03-15T02-00-00.000Z", batch.RunRollback, all...)), stands(got))
	diff(t, "a run forth of all", stands(begin(t, s, "2026-03-15T03-00-00.000Z", batch.RunWhole)), stands(got))
	diff(t, "a switch of those", stands(begin(t, s, "2026-03-15T04-00-00.000Z", batch.RunSwitch, all...)), stands(got))

	c := claimed(t, s, batch.Want{Run: "2026-03-15T04-00-00.000Z", Batch: "b1", Now: now, Phases: []batch.Phase{batch.PhaseRollback}})
	left(t, s, c, batch.RolledBack, batch.PhaseRollback, "")
	back := standing{State: batch.RolledBack, Phase: batch.PhaseRollback, Brought: 7, Ended: true}
	diff(t, "back, and not named", stands(begin(t, s, "2026-03-15T05-00-00.000Z", batch.RunWhole))[0], back)
	diff(t, "back already", stands(begin(t, s, "2026-03-15T06-00-00.000Z", batch.RunRollback, "m000"))[0], back)
	diff(t, "moved again", stands(begin(t, s, "2026-03-15T07-00-00.000Z", batch.RunSync, "m000"))[0], standing{State: batch.Planned, Phase: batch.PhaseStage})
}

// wayBackLeft: a rollback of which nothing is done yet is given up by a run that names who it
// is about: they are where they were. One that has begun is not.
func wayBackLeft(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 4)
	all := []batch.MoveID{"m000", "m001", "m002", "m003"}
	var was []standing
	for i, m := range []standing{
		{State: batch.Moved, Phase: batch.PhaseDone},
		{State: batch.Failed, Phase: batch.PhaseSwitch, Step: batch.StepTail},
		{State: batch.RolledBack, Phase: batch.PhaseRollback},
		{State: batch.Moved, Phase: batch.PhaseDone},
	} {
		was = append(was, stands([]batch.Move{left(t, s, claim(t, s, night, all[:i]...), m.State, m.Phase, m.Step)})...)
	}
	begin(t, s, "2026-03-15T01-00-00.000Z", batch.RunSync, "m002") // and killed at once
	begin(t, s, "2026-03-15T02-00-00.000Z", batch.RunRollback, all...)
	for i, step := range []string{batch.StepCheck, "", "", batch.StepReturn} {
		c := claimed(t, s, batch.Want{Run: "2026-03-15T02-00-00.000Z", Batch: "b1", Now: now, Phases: []batch.Phase{batch.PhaseRollback}, Not: all[:i]})
		if step != "" {
			left(t, s, c, batch.Failed, batch.PhaseRollback, step)
		}
	}
	got := stands(begin(t, s, "2026-03-15T03-00-00.000Z", batch.RunWhole, all...))
	again := was[1]
	again.State, again.Ended = batch.Planned, false // it has another chance
	diff(t, "given up", got, []standing{
		was[0], again,
		{State: batch.Planned, Phase: batch.PhaseStage},
		{State: batch.Failed, Phase: batch.PhaseRollback, Step: batch.StepReturn, Brought: 7, Ended: true},
	})
}
