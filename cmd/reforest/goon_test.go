package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
)

// Whoever is left when no run is at work is counted under the command that goes on.
func TestHowABatchGoesOn(t *testing.T) {
	t.Parallel()
	want := []string{
		"To go on: reforest sync or reforest run, with the batch file (1 to begin)",
		`To go on: reforest switch "wave 7" (2 in the middle of the switch, 2 ready, 1 held back, 1 failed)`,
		`To go on: reforest rollback "wave 7" --only WHO (2 on the way back)`,
	}
	if diff := cmp.Diff(want, goOnLines("wave 7", mixed())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	moved := []batch.Move{{State: batch.Moved, Phase: batch.PhaseDone}, {State: batch.RolledBack, Phase: batch.PhaseRollback}}
	if got := goOnLines("wave 7", moved); got != nil {
		t.Errorf("everybody has come to their end, and still: %q", got)
	}
}

// Without a run nobody is promised a time, and everybody is told the command.
func TestNobodyAtWork(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 2, 20, 0, 0, time.UTC)
	waits := batch.Move{
		Batch: "tonight", Mail: "dora@alpine.test", State: batch.Waiting, Phase: batch.PhaseCopy, Reason: "busy", NextAt: at, StartedAt: at.Add(-time.Hour),
	}
	tail, failed, lost := waits, waits, waits
	tail.Phase, tail.Step = batch.PhaseSwitch, batch.StepTail
	failed.State, failed.Phase, failed.Hint = batch.Failed, batch.PhaseSwitch, "ask its owner"
	lost.State, lost.Phase = batch.Failed, batch.PhaseRollback
	for name, test := range map[string]struct {
		move    batch.Move
		working bool
		want    string
	}{
		"a run is at work":       {waits, true, "02:20:00"},
		"before the switch":      {waits, false, "No run is at work on it now; it goes on with: reforest sync or reforest run, with the batch file"},
		"in the middle of it":    {tail, false, "No run is at work on it now; it goes on with: reforest switch tonight"},
		"failed":                 {failed, false, "Once that is mended it is tried again with: reforest switch tonight"},
		"failed on the way back": {lost, false, "Once that is mended it is tried again with: reforest rollback tonight --only dora@alpine.test"},
	} {
		p := person{move: test.move, working: test.working, now: at.Add(-time.Minute)}
		if got := p.sentence(); !strings.Contains(got, test.want) || strings.Contains(got, "02:20:00") != test.working {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if hint := p.line()["hint"]; (hint == "ask its owner") != (name == "failed") {
			t.Errorf("%s: the hint as JSON: %v", name, hint)
		}
		if _, told := p.line()["next_at"]; told != test.working {
			t.Errorf("%s: as JSON the time of the next attempt is told: %v", name, told)
		}
		if table := movesTable([]batch.Move{test.move}, nil, test.working); strings.Contains(table, "next at") != test.working {
			t.Errorf("%s:\n%s", name, table)
		}
	}
	var s snapshot
	s.add(atRest(waits))
	if got := s.String() + atWork(s, false); strings.Contains(got, "next at") || !strings.HasSuffix(got, "busy; no run is at work on it") {
		t.Errorf("of all batches: %q", got)
	}
	s = snapshot{}
	for _, move := range []batch.Move{atRest(tail), waits} {
		move.DisplayName = map[bool]string{true: "carried", false: "left"}[!move.NextAt.IsZero()]
		s.add(move)
	}
	if !strings.HasPrefix(s.Next, "carried: busy; next at ") {
		t.Errorf("next is %q, of whom this run does not carry on", s.Next)
	}
}
