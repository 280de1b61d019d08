package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/batch"
	"reforest/batch/store"
)

// A pick is who of a batch a run carries on.
type pick struct {
	of    plannedBatch   // all of the batch
	moves []batch.Move   // those who are carried on
	ids   []batch.MoveID // theirs; none: everybody of the batch
	some  bool           // --only named them
	kind  batch.RunKind
	left  map[leaving][]batch.Move // those who are left, by why
}

// A leaving is why a run leaves somebody as they are, in words that follow their names.
type leaving string

// The reasons.
const (
	leftOnWayBack  leaving = "on the way back, and left; reforest rollback with --only goes on with it"
	leftRolledBack leaving = "rolled back, and left at the source; reforest sync or run moves again whom --only names"
	leftUnready    leaving = "not ready, and left; reforest sync brings the content up to date"
	leftSwitched   leaving = "switched already, or about to be, and left; reforest switch goes on"
	leftMoved      leaving = "moved already"
)

// leavings lists the reasons in the order in which they are told.
func leavings() []leaving {
	return []leaving{leftUnready, leftOnWayBack, leftRolledBack, leftSwitched, leftMoved}
}

// pickFor picks those whom the command carries on: of those whom --only names, or of all.
func pickFor(ctx context.Context, options *runOptions, conn *connection, st *store.Store, b plannedBatch) (pick, error) {
	named := b.moves
	if len(options.only) > 0 {
		var err error
		if named, err = whom(ctx, conn, st, b, options.only); err != nil {
			return pick{}, err
		}
	}
	p := pick{of: b, some: len(options.only) > 0, kind: options.kind, left: map[leaving][]batch.Move{}}
	for _, move := range named {
		if why := leaves(options.kind, move, p.some); why != "" {
			p.left[why] = append(p.left[why], move)
			continue
		}
		p.moves = append(p.moves, move)
	}
	p.name()
	return p, nil
}

// name puts down the ids. A run to the end over the whole batch has none: everybody is
// carried on, and who has failed before is tried again.
func (p *pick) name() {
	if p.kind == batch.RunWhole && !p.some {
		return
	}
	for _, move := range p.moves {
		p.ids = append(p.ids, move.ID)
	}
}

// leaves says why a run of the kind leaves the move; "" if it carries it on.
func leaves(kind batch.RunKind, move batch.Move, named bool) leaving {
	switch {
	case kind == batch.RunRollback:
		if move.State == batch.RolledBack {
			return leftRolledBack
		}
		return ""
	case move.State == batch.RolledBack && !named:
		return leftRolledBack
	case move.State == batch.RolledBack && kind != batch.RunSwitch:
		return ""
	case kind == batch.RunWhole && named && move.OnlyNamedBack():
		return ""
	case move.Phase == batch.PhaseRollback && move.State != batch.RolledBack:
		return leftOnWayBack
	case move.Phase == batch.PhaseDone:
		return leftMoved
	case kind == batch.RunSync && switchBegun(move):
		return leftSwitched
	case kind == batch.RunSwitch && !slices.Contains(phasesOf(kind), move.Phase):
		return leftUnready
	}
	return ""
}

// switchBegun reports whether the move has come further than to the gate of the switch.
func switchBegun(move batch.Move) bool {
	if move.Phase == batch.PhaseSwitch {
		return move.Step != "" && move.Step != batch.StepGate
	}
	return !slices.Contains(phasesOf(batch.RunSync), move.Phase)
}

// batch returns the batch with those who are picked alone.
func (p pick) batch() plannedBatch {
	if !p.some {
		return p.of
	}
	return plannedBatch{Batch: p.of.Batch, moves: p.moves}
}

// has reports whether the run is to carry the move on.
func (p pick) has(move batch.Move) bool {
	if len(p.ids) > 0 {
		return slices.Contains(p.ids, move.ID)
	}
	return move.Phase != batch.PhaseRollback
}

// nobody reports whether there is nothing to carry on. A run over the whole batch reports
// on it all the same.
func (p pick) nobody() bool { return len(p.moves) == 0 && (p.some || p.kind != batch.RunWhole) }

// tell says who is left, and why.
func (p pick) tell(env *environment) {
	for _, why := range leavings() {
		if moves := p.left[why]; len(moves) > 0 && (why != leftMoved || p.nobody()) {
			env.say("%s %s.", printable(someNames(moves, "is", "are")), why)
		}
	}
}

// verdict ends a run that has nobody to carry on.
func (p pick) verdict(env *environment) error {
	if len(p.left[leftUnready])+len(p.left[leftOnWayBack]) > 0 {
		return &exitError{exitNeedsPerson, fmt.Errorf("nobody of batch %q can be carried on; nothing was changed", p.of.Name)}
	}
	env.say("Nothing is left to do. Nothing was changed.")
	return nil
}

// mostNames is how many people a line names.
const mostNames = 5

// someNames counts people, names the first of them, and ends with the verb that fits.
func someNames(moves []batch.Move, one, many string) string {
	names := namesOf(moves)
	if len(names) == 1 {
		return names[0] + " " + one
	}
	text := strings.Join(names[:min(len(names), mostNames)], ", ")
	if more := len(names) - mostNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d mailboxes (%s) %s", len(names), text, many)
}

// namesOf returns what people are called, with what the batch file calls them where others
// have the same name.
func namesOf(moves []batch.Move) []string {
	same := map[string]int{}
	for _, move := range moves {
		same[nameOf(move)]++
	}
	names := make([]string, len(moves))
	for i, move := range moves {
		names[i] = nameOf(move)
		if same[names[i]] > 1 {
			names[i] += " (" + move.Identity + ")"
		}
	}
	return names
}
