package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
)

// mixed is a batch with a person in every state that has to be told of.
func mixed() []batch.Move {
	soon := time.Date(2026, 3, 14, 2, 20, 0, 0, time.UTC)
	return []batch.Move{
		{Identity: "anna", State: batch.Moved, Phase: batch.PhaseDone, KeptUntil: soon.AddDate(0, 0, 30)},
		{Identity: "bjorn", State: batch.MovedWithSkips, Phase: batch.PhaseDone, KeptUntil: soon.AddDate(0, 0, 29), Skips: 1},
		{Identity: "carla", State: batch.Failed, Phase: batch.PhaseSwitch, Cause: "dc2 is read only", Reason: "gave up", Hint: "ask its owner"},
		{
			Identity: "dora", State: batch.Waiting, Phase: batch.PhaseSwitch, Step: batch.StepGate, NextAt: soon,
			Reason: "waits for those who go first: anna",
		},
		{Identity: "emil", State: batch.Ready, Phase: batch.PhaseSwitch, Step: batch.StepGate, Reason: "carla goes first (switch.canary: 3), and is failed"},
		{Identity: "fritz", State: batch.Ready, Phase: batch.PhaseSwitch},
		{Identity: "gerd", State: batch.Switching, Phase: batch.PhaseSwitch, Step: batch.StepBack, Cause: "dc3 does not answer"},
		{Identity: "hanna", State: batch.RolledBack, Phase: batch.PhaseRollback, EndedAt: soon},
		{Identity: "ida", State: batch.Switching, Phase: batch.PhaseRollback, Step: batch.StepFetch},
		{Identity: "jan", State: batch.Planned, Phase: batch.PhaseRollback},
		{Identity: "karl", State: batch.Switching, Phase: batch.PhaseSwitch, Step: batch.StepTail},
		{Identity: "lena", State: batch.Planned, Phase: batch.PhaseMatch},
	}
}

func TestSnapshotOfAMixedBatch(t *testing.T) {
	t.Parallel()
	var s snapshot
	for _, move := range mixed() {
		s.add(move)
	}
	want := snapshot{
		Mailboxes: 12, Planned: 2, Moving: 5, Waiting: 1, Moved: 2, Failed: 1, RolledBack: 1,
		Ready: 2, Held: 1, SteppingBack: 1, RollingBack: 2,
	}
	got := s
	got.Next, got.HeldWhy, got.BackWhy, got.nextAt = "", "", "", time.Time{}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if sum := s.Planned + s.Moving + s.Waiting + s.Moved + s.Failed + s.RolledBack; sum != s.Mailboxes {
		t.Errorf("the states sum up to %d of %d", sum, s.Mailboxes)
	}
	for _, text := range []string{
		"2 of 12 moved, 3 under way, 1 waiting, 2 to begin, 1 failed, 1 ready, 1 held back, 1 stepping back, 2 on the way back, 1 rolled back; ",
		"steps back: gerd: dc3 does not answer", "held back: carla goes first (switch.canary: 3), and is failed",
		"dora: waits for those who go first: anna; next at ",
	} {
		if !strings.Contains(s.String(), text) {
			t.Errorf("%q lacks %q", s.String(), text)
		}
	}
	if want := "2/12 moved, 1 failed, 1 waiting: steps back: gerd: dc3 does not answer"; !strings.HasPrefix(s.brief(), want) {
		t.Errorf("beside the bar: %q, want %q", s.brief(), want)
	}
	if want := "2 of 12 moved, 1 failed, 6 not finished, 1 ready, 1 held back, 1 stepping back"; !strings.HasPrefix(s.ending(1), want) {
		t.Errorf("at the end: %q, want %q", s.ending(1), want)
	}
}

// The names of the counts are a contract.
func TestSnapshotAsJSON(t *testing.T) {
	t.Parallel()
	var s snapshot
	for _, move := range mixed() {
		s.add(move)
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(s); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`"mailboxes":12`, `"moving":5`, `"rolled_back":1`, `"ready":2`, `"held":1`, `"stepping_back":1`, `"rolling_back":2`,
		`"held_why":"carla goes first (switch.canary: 3), and is failed"`, `"stepping_back_why":"gerd: dc3 does not answer"`,
	} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("%s lacks %s", b.String(), text)
		}
	}
}

func TestNotesOfAMixedBatch(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"anna": "", "bjorn": "", "fritz": "", "lena": "",
		"carla": "gave up; what to do: ask its owner",
		"dora":  "waits for those who go first: anna; next at T",
		"emil":  "held back: carla goes first (switch.canary: 3), and is failed",
		"gerd":  "steps back: dc3 does not answer; the target is told to forward to the old mailbox again",
		"hanna": "rolled back at T; works in the old mailbox",
		"ida":   "on the way back; what reached the new mailbox is copied back",
		"jan":   "the way back is due",
		"karl":  "late mail is fetched",
	}
	got := map[string]string{}
	for _, move := range mixed() {
		note := why(move)
		for _, at := range []time.Time{move.NextAt, move.EndedAt} {
			note = strings.Replace(note, clock(at), "T", 1)
		}
		got[move.Identity] = note
		if table := movesTable([]batch.Move{move}, nil, true); !strings.Contains(table, string(move.State)) {
			t.Errorf("%s has no line in the table:\n%s", move.Identity, table)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
}

func TestDeadlinesOfABatch(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	for now, want := range map[string][]string{
		"2026-03-15": {"2 can be taken back, the first until 12 April 2026, 03:20: reforest rollback tonight --only WHO"},
		"2026-04-13": {
			"1 can be taken back, the first until 13 April 2026, 03:20: reforest rollback tonight --only WHO",
			"1 could be taken back until the deadline, which has passed.",
		},
		"2026-04-14": {"2 could be taken back until the deadline, which has passed."},
	} {
		at, err := time.ParseInLocation(time.DateOnly, now, zone)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, deadlineLines("tonight", mixed(), at)); d != "" {
			t.Errorf("%s (-want +got):\n%s", now, d)
		}
	}
}

func TestClockTellsTheDay(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 3, 14, 23, 50, 0, 0, zone)
	for after, want := range map[time.Duration]string{
		0:                "23:50:00",
		15 * time.Minute: "00:05:00 on 15 March 2026",
		-24 * time.Hour:  "23:50:00 on 13 March 2026",
	} {
		if got := clockAt(now.Add(after).UTC(), now); got != want {
			t.Errorf("%v from now: %q, want %q", after, got, want)
		}
	}
}

// A switch that steps back is news when it happens.
func TestStepBackIsNews(t *testing.T) {
	t.Parallel()
	move := batch.Move{Identity: "gerd"}
	event := batch.Event{At: time.Now(), Kind: batch.EventStep, Phase: batch.PhaseSwitch, Step: batch.StepBack}
	for text, want := range map[string]string{
		batch.StepBack + " " + batch.StepBegun + ": dc3 does not answer": " gerd steps back: dc3 does not answer",
		batch.StepBack + " " + batch.StepDone:                            " gerd: mail reaches the old mailbox",
	} {
		event.Text = text
		if got := eventWords(move, event); !strings.HasSuffix(got, want) || got == want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
	event.Step, event.Text = batch.StepDeliver, batch.StepDeliver+" "+batch.StepDone
	if got := eventWords(move, event); got != "" {
		t.Errorf("a step like any other is told as %q", got)
	}
}
