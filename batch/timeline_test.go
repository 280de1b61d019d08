package batch_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
)

// tale makes events one minute apart.
type tale struct {
	events []batch.Event
	phase  batch.Phase
	at     time.Time
}

func (a *tale) add(e batch.Event) *tale {
	a.at = a.at.Add(time.Minute)
	e.At, e.Phase, e.Run = a.at, a.phase, run
	a.events = append(a.events, e)
	return a
}

func (a *tale) in(p batch.Phase) *tale {
	a.phase = p
	return a
}

func (a *tale) step(step, what string, brought int64) *tale {
	return a.add(batch.Event{Kind: batch.EventStep, Step: step, Text: step + " " + what, Brought: brought})
}

func (a *tale) done(steps ...string) *tale {
	for _, step := range steps {
		a.step(step, batch.StepDone, 0)
	}
	return a
}

// pass is a look for late mail; brought is what all of them have brought.
func (a *tale) pass(step string, brought int64) *tale {
	return a.add(batch.Event{Kind: batch.EventPass, Step: step, Text: "pass", Brought: brought})
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)
	type fact = batch.Fact
	at := func(minute int) time.Time { return begin.Add(time.Duration(minute) * time.Minute) }
	tests := map[string]struct {
		tell func(*tale)
		want []fact
	}{
		"nothing yet": {tell: func(a *tale) { a.in(batch.PhaseCopy).pass("", 5000) }},
		"before the switch": {tell: func(a *tale) {
			a.in(batch.PhaseSwitch).pass("", 7).pass(batch.StepGate, 9).done(batch.StepGate).step(batch.StepShutOut, batch.StepIdle, 0)
		}},
		"a switch to the end": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).done(batch.StepGate, batch.StepShutOut, batch.StepDeliver, batch.StepForward)
				a.pass(batch.StepTail, 2).pass(batch.StepTail, 3).pass(batch.StepTail, 3).step(batch.StepTail, batch.StepDone, 3)
				a.step(batch.StepDisconnect, batch.StepDone, 3)
			},
			want: []fact{
				{At: at(2), Kind: batch.FactShutOut},
				{At: at(3), Kind: batch.FactDelivers},
				{At: at(4), Kind: batch.FactForwards},
				{At: at(8), Kind: batch.FactFetched, N: 3},
				{At: at(9), Kind: batch.FactDisconnected},
			},
		},
		"killed while late mail is fetched": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).done(batch.StepDeliver, batch.StepForward).pass(batch.StepTail, 2)
			},
			want: []fact{
				{At: at(1), Kind: batch.FactDelivers}, {At: at(2), Kind: batch.FactForwards}, {At: at(3), Kind: batch.FactFetched, N: 2},
			},
		},
		"a tail that has to be made again is told once": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).pass(batch.StepTail, 2).step(batch.StepTail, batch.StepDone, 2)
				a.pass(batch.StepTail, 3).step(batch.StepTail, batch.StepDone, 3)
			},
			want: []fact{{At: at(4), Kind: batch.FactFetched, N: 3}},
		},
		"verification finds more": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).step(batch.StepTail, batch.StepDone, 3).step(batch.StepDisconnect, batch.StepDone, 3)
				a.in(batch.PhaseVerify).pass("", 3).pass("", 4).pass("", 5)
			},
			want: []fact{
				{At: at(1), Kind: batch.FactFetched, N: 3},
				{At: at(2), Kind: batch.FactDisconnected},
				{At: at(5), Kind: batch.FactFetched, N: 2},
			},
		},
		"a step back": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).done(batch.StepGate, batch.StepShutOut, batch.StepDeliver)
				a.step(batch.StepBack, batch.StepBegun+": gc2: never shows it", 0).done(batch.StepBack, batch.StepLetIn)
				a.pass(batch.StepFetch, 1).step(batch.StepFetch, batch.StepDone, 1)
			},
			want: []fact{
				{At: at(2), Kind: batch.FactShutOut},
				{At: at(3), Kind: batch.FactDelivers},
				{At: at(4), Kind: batch.FactStepsBack, Cause: "gc2: never shows it"},
				{At: at(5), Kind: batch.FactSteppedBack},
				{At: at(6), Kind: batch.FactLetIn},
				{At: at(8), Kind: batch.FactCopiedBack, N: 1},
			},
		},
		"nobody who was not shut out is let in": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).step(batch.StepShutOut, batch.StepIdle, 0).done(batch.StepBack, batch.StepLetIn)
			},
			want: []fact{{At: at(2), Kind: batch.FactSteppedBack}},
		},
		"a rollback counts its own": {
			tell: func(a *tale) {
				a.in(batch.PhaseSwitch).done(batch.StepForward).step(batch.StepTail, batch.StepDone, 3).step(batch.StepDisconnect, batch.StepDone, 3)
				a.in(batch.PhaseRollback).done(batch.StepCheck, batch.StepReturn, batch.StepSend)
				a.pass(batch.StepFetch, 5).step(batch.StepFetch, batch.StepDone, 5)
				a.step(batch.StepClose, batch.StepDone, 5).step(batch.StepProve, batch.StepDone, 5)
			},
			want: []fact{
				{At: at(1), Kind: batch.FactForwards},
				{At: at(2), Kind: batch.FactFetched, N: 3},
				{At: at(3), Kind: batch.FactDisconnected},
				{At: at(5), Kind: batch.FactReturned},
				{At: at(6), Kind: batch.FactSentBack},
				{At: at(8), Kind: batch.FactCopiedBack, N: 5},
				{At: at(9), Kind: batch.FactClosed},
			},
		},
	}
	for name, test := range tests {
		a := &tale{at: begin}
		test.tell(a)
		for i := range test.want {
			test.want[i].Run = run
		}
		if d := cmp.Diff(test.want, batch.Timeline(a.events)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A clock that is set back does not turn the facts around.
func TestTimelineKeepsTheOrderOfEvents(t *testing.T) {
	t.Parallel()
	a := (&tale{}).in(batch.PhaseSwitch).done(batch.StepDeliver, batch.StepForward)
	a.events[1].At = a.events[0].At.Add(-time.Hour)
	facts := batch.Timeline(a.events)
	if len(facts) != 2 || facts[0].Kind != batch.FactDelivers || facts[1].Kind != batch.FactForwards {
		t.Errorf("facts: %+v", facts)
	}
}
