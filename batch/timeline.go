package batch

import (
	"strings"
	"time"
)

// A FactKind is what a Fact tells.
type FactKind string

// The kinds of facts, in the order in which a switch brings them forth.
const (
	FactShutOut      FactKind = "shut out"          // the owner is out of the old mailbox
	FactDelivers     FactKind = "target delivers"   // on every server that is watched
	FactForwards     FactKind = "source forwards"   // on every server that is watched: the source delivered until then
	FactFetched      FactKind = "late mail fetched" // N messages, until then
	FactDisconnected FactKind = "disconnected"      // the source is a mail user
	FactStepsBack    FactKind = "steps back"        // the switch could not go on, for the Cause
	FactSteppedBack  FactKind = "stepped back"      // the target forwards to the source again
	FactLetIn        FactKind = "let in"            // the owner is back in the old mailbox
	FactReturned     FactKind = "source delivers"   // a rollback: the source delivers again
	FactSentBack     FactKind = "target forwards"   // a rollback: the target delivered until then
	FactCopiedBack   FactKind = "mail copied back"  // of a rollback or a step back: N messages, until then
	FactClosed       FactKind = "target closed"     // a rollback: the target is a mail user
)

// A Fact is one thing that happened in the course of a switch, a step back or a rollback.
type Fact struct {
	At    time.Time
	Kind  FactKind
	Run   RunID
	N     int64  // of FactFetched and FactCopiedBack: messages
	Cause string // of FactStepsBack
}

// stepFacts lists what the end of each step means. The steps of both ways are told apart by
// their phase where they share a name.
var stepFacts = map[Phase]map[string]FactKind{
	PhaseSwitch: {
		StepShutOut: FactShutOut, StepDeliver: FactDelivers, StepForward: FactForwards, StepTail: FactFetched,
		StepDisconnect: FactDisconnected, StepBack: FactSteppedBack, StepFetch: FactCopiedBack, StepLetIn: FactLetIn,
	},
	PhaseRollback: {StepReturn: FactReturned, StepSend: FactSentBack, StepFetch: FactCopiedBack, StepClose: FactClosed},
}

// Timeline returns the facts that the events of a move tell, in the order of the events:
// the one in which they were stored, whatever the clocks said. A tail, which looks for late
// mail again and again, is one fact with what all of it brought and the time of the last
// look, also before it has ended. What verification still finds is one more.
func Timeline(events []Event) []Fact {
	t := teller{tail: -1}
	for _, e := range events {
		if e.Kind == EventPass {
			t.pass(e)
		}
		if e.Kind == EventStep {
			t.step(e)
		}
	}
	return t.facts
}

// A teller makes facts of events.
type teller struct {
	facts []Fact
	tail  int   // place in facts of what is being fetched; -1: nothing yet
	told  int64 // how much of Event.Brought earlier facts tell
	out   bool  // the owner is out of the old mailbox
}

func (t *teller) add(e Event, kind FactKind) {
	t.facts = append(t.facts, Fact{At: e.At, Kind: kind, Run: e.Run})
}

// begin begins to count what is fetched anew, as the mover does at the same places.
func (t *teller) begin() { t.tail, t.told = -1, 0 }

func (t *teller) pass(e Event) {
	switch {
	case tails(e.Step):
		t.fetched(e, stepFacts[e.Phase][e.Step])
	case e.Phase == PhaseVerify && e.Brought > t.told:
		t.fetched(e, FactFetched)
	}
}

// fetched tells how far fetching has come; the fact of an earlier look grows.
func (t *teller) fetched(e Event, kind FactKind) {
	if kind == "" {
		return
	}
	if t.tail < 0 {
		t.tail = len(t.facts)
		t.add(e, kind)
	}
	t.facts[t.tail].At, t.facts[t.tail].Run, t.facts[t.tail].N = e.At, e.Run, e.Brought-t.told
}

func (t *teller) step(e Event) {
	if cause, begun := strings.CutPrefix(e.Text, e.Step+" "+StepBegun); begun && e.Step == StepBack {
		t.begin()
		t.add(e, FactStepsBack)
		t.facts[len(t.facts)-1].Cause = strings.TrimPrefix(cause, ": ")
		return
	}
	if e.Text != e.Step+" "+StepDone {
		return
	}
	switch kind := stepFacts[e.Phase][e.Step]; {
	case e.Step == StepGate || e.Step == StepCheck:
		t.begin()
	case tails(e.Step):
		t.fetched(e, kind)
	case kind == FactLetIn && !t.out, kind == "":
	default:
		t.add(e, kind)
		t.after(e, kind)
	}
}

// after keeps what the fact changes for those that follow.
func (t *teller) after(e Event, kind FactKind) {
	// A rollback lets the owner in where the source delivers again.
	t.out = kind == FactShutOut || t.out && kind != FactLetIn && kind != FactReturned
	if kind == FactDisconnected {
		t.tail, t.told = -1, e.Brought
	}
}
