package main

import (
	"slices"
	"strings"

	"reforest/batch"
)

// A tally is what became of the moves of a run.
type tally struct {
	kind  batch.RunKind
	ready int          // have their content there, and nothing holds them up
	left  int          // have not come to their end for any other reason
	needy int          // need a person
	held  []batch.Move // those whose switch did not begin
	why   []string     // what held them up, each once
}

// add takes over one move as the run left it.
func (t *tally) add(move batch.Move) {
	switch move.State {
	case batch.Moved, batch.RolledBack:
	case batch.MovedWithSkips, batch.Failed:
		t.needy++
	case batch.Ready:
		t.addReady(move)
	case batch.Planned, batch.Waiting, batch.Moving, batch.Switching:
		t.left++
	}
}

// addReady tells who is Ready because that is as far as the run goes from who is held.
func (t *tally) addReady(move batch.Move) {
	switch {
	case t.kind == batch.RunSync:
		t.ready++
	case move.Reason == "":
		t.left++
	default:
		t.held = append(t.held, move)
		if !slices.Contains(t.why, move.Reason) {
			t.why = append(t.why, move.Reason)
		}
	}
}

// outcome returns what the run came to, and the error to end with. Once the operator has
// asked to stop nobody can say of who is left that it is not for that.
func (t *tally) outcome(stopping bool) (batch.Outcome, error) {
	switch {
	case t.left > 0, stopping && t.ready+len(t.held) > 0:
		return batch.Interrupted, errInterrupted
	case t.needy > 0, len(t.held) > 0:
		return batch.NeedsPerson, errNeedsPerson
	}
	return batch.Complete, nil
}

// tell says why nobody else was switched, and what it takes.
func (t *tally) tell(env *environment) {
	if len(t.held) > 0 {
		env.say("%s not switched: %s. It goes on once who failed or goes first is mended and moved, or with another switch.canary or switch.stop_after.",
			printable(someNames(t.held, "was", "were")), printable(strings.Join(t.why, "; ")))
	}
}
