package batch

import (
	"slices"
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
	FactStepsBack    FactKind = "steps back"        // the switch could not go on
	FactSteppedBack  FactKind = "stepped back"      // the target forwards to the source again
	FactReturned     FactKind = "source delivers"   // a rollback: the source delivers again
	FactSentBack     FactKind = "target forwards"   // a rollback: the target delivered until then
	FactClosed       FactKind = "target closed"     // a rollback: the target is a mail user
)

// A Fact is one thing that happened in the course of a switch, a step back or a rollback.
type Fact struct {
	At   time.Time
	Kind FactKind
	N    int64 // of FactFetched: messages
}

// stepFacts lists what the end of each step means. The steps of both ways are told apart by
// their phase where they share a name.
var stepFacts = map[Phase]map[string]FactKind{
	PhaseSwitch: {
		StepShutOut: FactShutOut, StepDeliver: FactDelivers, StepForward: FactForwards, StepTail: FactFetched,
		StepDisconnect: FactDisconnected, StepBack: FactSteppedBack, StepFetch: FactFetched,
	},
	PhaseRollback: {StepReturn: FactReturned, StepSend: FactSentBack, StepFetch: FactFetched, StepClose: FactClosed},
}

// Timeline returns the facts that the events of a move tell, oldest first. What was
// fetched is told once for each tail, when it ended.
func Timeline(events []Event) []Fact {
	var facts []Fact
	for _, e := range events {
		kind, known := stepFacts[e.Phase][e.Step]
		switch {
		case e.Kind != EventStep || !known:
			continue
		case e.Text == e.Step+" "+StepBegun:
			kind = FactStepsBack
		}
		fact := Fact{At: e.At, Kind: kind}
		if kind == FactFetched {
			fact.N = e.Brought
		}
		facts = append(facts, fact)
	}
	slices.SortStableFunc(facts, func(a, b Fact) int { return a.At.Compare(b.At) })
	return facts
}
