package reports

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"reforest/batch"
	"reforest/directory"
)

// switchSteps and rollbackSteps are in their order; "" is before the first.
var (
	switchSteps = []string{
		"", batch.StepGate, batch.StepShutOut, batch.StepDeliver, batch.StepForward, batch.StepTail, batch.StepDisconnect,
		batch.StepBack, batch.StepFetch, batch.StepLetIn,
	}
	rollbackSteps = []string{
		"", batch.StepCheck, batch.StepReturn, batch.StepSend, batch.StepFetch, batch.StepClose, batch.StepProve,
	}
)

// A place is where a move stands.
type place struct {
	phase batch.Phase
	step  string
}

// places lists every phase with every step it has.
func places() (all []place) {
	for _, p := range append([]batch.Phase{""}, append(batch.Phases(), batch.PhaseDone, batch.PhaseRollback)...) {
		steps := []string{""}
		switch p { //nolint:exhaustive // the others have no steps
		case batch.PhaseSwitch:
			steps = switchSteps
		case batch.PhaseRollback:
			steps = rollbackSteps
		}
		for _, step := range steps {
			all = append(all, place{p, step})
		}
	}
	return all
}

// atTarget lists the places at which the owner works in the new mailbox although nothing
// else is known of the move.
var atTarget = map[place]bool{
	{batch.PhaseSwitch, batch.StepTail}:       true,
	{batch.PhaseSwitch, batch.StepDisconnect}: true,
	{batch.PhaseClean, ""}:                    true,
	{batch.PhaseVerify, ""}:                   true,
	{batch.PhaseDone, ""}:                     true,
}

// beforeReturn lists the places of a rollback at which the owner works where they did
// before it began.
var beforeReturn = map[place]bool{
	{batch.PhaseRollback, ""}:               true,
	{batch.PhaseRollback, batch.StepCheck}:  true,
	{batch.PhaseRollback, batch.StepReturn}: true,
}

// histories are what the facts can say of who forwards.
func histories() map[string][]batch.Fact {
	forwards, returned := batch.Fact{Kind: batch.FactForwards, At: began}, batch.Fact{Kind: batch.FactReturned, At: began.Add(time.Hour)}
	return map[string][]batch.Fact{
		"never switched":     {{Kind: batch.FactDelivers, At: began}, {Kind: batch.FactSteppedBack, At: began}},
		"switched":           {forwards, {Kind: batch.FactDisconnected, At: began}},
		"rolled back before": {forwards, returned, {Kind: batch.FactClosed, At: began}},
		"switched again":     {forwards, returned, forwards},
	}
}

// TestWhereDoIWork asks for every state, phase, step and history which mailbox counts, and
// whether the sentence says the same.
func TestWhereDoIWork(t *testing.T) {
	t.Parallel()
	for _, state := range states() {
		for _, at := range places() {
			for history, facts := range histories() {
				want := directory.Source
				switched := history == "switched" || history == "switched again"
				if atTarget[at] || beforeReturn[at] && switched {
					want = directory.Target
				}
				switch state { //nolint:exhaustive // the others do not decide alone
				case batch.Moved, batch.MovedWithSkips:
					want = directory.Target
				case batch.RolledBack:
					want = directory.Source
				}
				m := batch.Move{Identity: "anna", State: state, Phase: at.phase, Step: at.step, StartedAt: began, Cause: "busy"}
				name := fmt.Sprintf("%s, phase %q, step %q, %s", state, at.phase, at.step, history)
				if got := Primary(m, facts); got != want {
					t.Errorf("%s: works at the %s, want %s", name, got, want)
				}
				saysWhere(t, name, Sentence(m, facts, began), want)
			}
		}
	}
}

// saysWhere checks that the sentence leads to that mailbox, and to no other.
func saysWhere(t *testing.T, name, sentence string, want directory.Side) {
	t.Helper()
	atNew := containsAny(sentence, "works in the new mailbox", "has been moved on", "has been moved:", "has been moved, with")
	atOld := containsAny(sentence, "works in the old mailbox", "has not been moved", "works in the old mailbox again")
	if (want == directory.Target) != atNew || (want == directory.Source) != atOld {
		t.Errorf("%s: want the %s, and the sentence says: %s", name, want, sentence)
	}
}

func containsAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// A rollback of a mailbox whose facts are not known is judged by whether it was disconnected.
func TestPrimaryWithoutFacts(t *testing.T) {
	t.Parallel()
	m := batch.Move{State: batch.Switching, Phase: batch.PhaseRollback, Step: batch.StepCheck, KeptUntil: began}
	if got := Primary(m, nil); got != directory.Target {
		t.Errorf("a disconnected mailbox counts at the %s", got)
	}
}
