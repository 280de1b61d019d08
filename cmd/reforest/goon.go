package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reforest/batch"
	"reforest/reports"
)

// atRest is a move that no run is at work on: nobody will try again at the time of its next
// attempt, which is not told then.
func atRest(move batch.Move) batch.Move {
	move.NextAt = time.Time{}
	return move
}

// begun reports whether anything was done for the move.
func begun(move batch.Move) bool { return move.State != batch.Planned || !move.StartedAt.IsZero() }

// goOnWith is the command that carries a move on that has not come to its end, or has
// failed.
func goOnWith(move batch.Move, batchName string) string {
	switch {
	case move.Phase == batch.PhaseRollback:
		return reports.RollbackCommand(move, batchName)
	case atSwitch(move):
		return reports.SwitchCommand(batchName)
	}
	return "reforest sync or reforest run, with the batch file"
}

// atSwitch reports whether "reforest switch" is what carries the move on.
func atSwitch(move batch.Move) bool { return slices.Contains(phasesOf(batch.RunSwitch), move.Phase) }

// goOnLines say, when no run is at work on a batch, by which commands it goes on, and for
// how many that is.
func goOnLines(batchName string, moves []batch.Move) (lines []string) {
	for _, phase := range []batch.Phase{batch.PhaseMatch, batch.PhaseSwitch, batch.PhaseRollback} {
		one := batch.Move{Phase: phase}
		if whom := counts(moves, kindFor(one)); whom != "" {
			lines = append(lines, fmt.Sprintf("To go on: %s (%s)", goOnWith(one, batchName), whom))
		}
	}
	return lines
}

// counts tells of those who are carried on by a command of the kind how many are how far.
func counts(moves []batch.Move, kind batch.RunKind) string {
	n := map[string]int{}
	for _, move := range moves {
		if by := kindFor(move); by == kind {
			n[standing(move)]++
		}
	}
	var parts []string
	for _, what := range []string{"in the middle of the switch", "ready", "held back", "under way", "to begin", "on the way back", "failed"} {
		if n[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[what], what))
		}
	}
	return strings.Join(parts, ", ")
}

// kindFor returns which kind of run carries the move on; "" if it has come to its end.
func kindFor(move batch.Move) batch.RunKind {
	switch {
	case move.State.Ended() && move.State != batch.Failed:
		return ""
	case move.Phase == batch.PhaseRollback:
		return batch.RunRollback
	case atSwitch(move):
		return batch.RunSwitch
	}
	return batch.RunSync
}

// standing says in few words how far a move is.
func standing(move batch.Move) string {
	switch {
	case move.State == batch.Failed:
		return "failed"
	case move.Phase == batch.PhaseRollback:
		return "on the way back"
	case atSwitch(move) && switchBegun(move):
		return "in the middle of the switch"
	case atSwitch(move) && move.State == batch.Ready && move.Reason != "":
		return "held back"
	case atSwitch(move):
		return "ready"
	case begun(move):
		return "under way"
	}
	return "to begin"
}
