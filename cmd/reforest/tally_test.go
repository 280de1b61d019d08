package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/directory"
)

// A run is judged by what it was to do: who is Ready has come to the end of a sync, and to
// that of no other run; who was held needs a person.
func TestOutcome(t *testing.T) {
	t.Parallel()
	held := batch.Move{State: batch.Ready, Reason: "Anna Berg goes first"}
	ready := batch.Move{State: batch.Ready}
	moved, rolledBack := batch.Move{State: batch.Moved}, batch.Move{State: batch.RolledBack}
	for name, test := range map[string]struct {
		kind     batch.RunKind
		moves    []batch.Move
		stopping bool
		want     batch.Outcome
		code     int
	}{
		"all moved":                {batch.RunWhole, []batch.Move{moved, moved}, false, batch.Complete, exitDone},
		"nobody":                   {batch.RunWhole, nil, false, batch.Complete, exitDone},
		"moved with skips":         {batch.RunWhole, []batch.Move{moved, {State: batch.MovedWithSkips}}, false, batch.NeedsPerson, exitNeedsPerson},
		"one has failed":           {batch.RunSwitch, []batch.Move{moved, {State: batch.Failed}}, false, batch.NeedsPerson, exitNeedsPerson},
		"one is held":              {batch.RunWhole, []batch.Move{moved, held}, false, batch.NeedsPerson, exitNeedsPerson},
		"held, and stopped":        {batch.RunSwitch, []batch.Move{moved, held}, true, batch.Interrupted, exitInterrupted},
		"held, and one waits":      {batch.RunSwitch, []batch.Move{{State: batch.Waiting}, held}, false, batch.Interrupted, exitInterrupted},
		"ready before the switch":  {batch.RunWhole, []batch.Move{ready}, false, batch.Interrupted, exitInterrupted},
		"synced":                   {batch.RunSync, []batch.Move{ready, held}, false, batch.Complete, exitDone},
		"synced, and stopped":      {batch.RunSync, []batch.Move{ready}, true, batch.Interrupted, exitInterrupted},
		"sync failed for one":      {batch.RunSync, []batch.Move{ready, {State: batch.Failed}}, false, batch.NeedsPerson, exitNeedsPerson},
		"rolled back":              {batch.RunRollback, []batch.Move{rolledBack}, false, batch.Complete, exitDone},
		"a rollback is under way":  {batch.RunRollback, []batch.Move{rolledBack, {State: batch.Switching}}, true, batch.Interrupted, exitInterrupted},
		"a rollback needs someone": {batch.RunRollback, []batch.Move{rolledBack, {State: batch.Failed}}, false, batch.NeedsPerson, exitNeedsPerson},
	} {
		tally := tally{kind: test.kind}
		for _, move := range test.moves {
			tally.add(move)
		}
		if got, err := tally.outcome(test.stopping); got != test.want || codeOf(err) != test.code {
			t.Errorf("%s: %q, exit code %d, want %q, %d", name, got, codeOf(err), test.want, test.code)
		}
	}
}

// One sentence says who was held, and why, each reason once.
func TestHeldAreTold(t *testing.T) {
	t.Parallel()
	tally := tally{kind: batch.RunSwitch}
	for _, name := range []string{"Anna", "Björn"} {
		tally.add(batch.Move{State: batch.Ready, DisplayName: name, Reason: "Chloé goes first"})
	}
	var said bytes.Buffer
	tally.tell(&environment{stderr: &said})
	if want := "2 mailboxes (Anna, Björn) were not switched: Chloé goes first. It goes on once "; !strings.HasPrefix(said.String(), want) || !strings.Contains(said.String(), "switch.stop_after") {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}

// People of one name are told apart, or nobody knows who is meant.
func TestNamesakesAreToldApart(t *testing.T) {
	t.Parallel()
	moves := []batch.Move{
		{DisplayName: "Eva Müller", Identity: "eva.mueller@alpine.test"},
		{DisplayName: "Anna Berg", Identity: "anna.berg@alpine.test"},
		{DisplayName: "Eva Müller", Identity: "eva.mueller2@alpine.test"},
	}
	want := "3 mailboxes (Eva Müller (eva.mueller@alpine.test), Anna Berg, Eva Müller (eva.mueller2@alpine.test)) are left"
	if got := someNames(moves, "is left", "are left"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Who is carried on by which command, in every phase; and who is left says why.
func TestWhoIsPicked(t *testing.T) {
	t.Parallel()
	moves := map[string]batch.Move{
		"planned":      {State: batch.Planned, Phase: batch.PhaseMatch},
		"copying":      {State: batch.Moving, Phase: batch.PhaseCopy},
		"failed early": {State: batch.Failed, Phase: batch.PhaseStage},
		"ready":        {State: batch.Ready, Phase: batch.PhaseSwitch},
		"at the gate":  {State: batch.Failed, Phase: batch.PhaseSwitch, Step: batch.StepGate},
		"in the tail":  {State: batch.Waiting, Phase: batch.PhaseSwitch, Step: batch.StepTail},
		"stepping":     {State: batch.Switching, Phase: batch.PhaseSwitch, Step: batch.StepFetch},
		"cleaning":     {State: batch.Switching, Phase: batch.PhaseClean},
		"moved":        {State: batch.Moved, Phase: batch.PhaseDone},
		"way back":     {State: batch.Waiting, Phase: batch.PhaseRollback},
		"stuck there":  {State: batch.Failed, Phase: batch.PhaseRollback},
		"rolled back":  {State: batch.RolledBack, Phase: batch.PhaseRollback},
	}
	for kind, want := range map[batch.RunKind]map[string]leaving{
		batch.RunWhole:  {"moved": leftMoved, "way back": leftOnWayBack, "stuck there": leftOnWayBack, "rolled back": leftRolledBack},
		batch.RunSync:   {"in the tail": leftSwitched, "stepping": leftSwitched, "cleaning": leftSwitched, "moved": leftMoved, "way back": leftOnWayBack, "stuck there": leftOnWayBack, "rolled back": leftRolledBack},
		batch.RunSwitch: {"planned": leftUnready, "copying": leftUnready, "failed early": leftUnready, "moved": leftMoved, "way back": leftOnWayBack, "stuck there": leftOnWayBack, "rolled back": leftRolledBack},

		batch.RunRollback: {"rolled back": leftRolledBack},
	} {
		got := map[string]leaving{}
		for name, move := range moves {
			if why := leaves(kind, move, false); why != "" {
				got[name] = why
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	for kind, want := range map[batch.RunKind]leaving{batch.RunWhole: "", batch.RunSync: "", batch.RunSwitch: leftUnready} {
		if got := leaves(kind, moves["rolled back"], true); got != want {
			t.Errorf("%s of somebody who is named and was rolled back: %q, want %q", kind, got, want)
		}
	}
}

// What is configured of the switch is what the mover and the directories are told.
func TestSwitchIsConfigured(t *testing.T) {
	t.Parallel()
	c := defaultConfig()
	c.Target.Mail.SMTP, c.Target.Mail.IMAP, c.Target.Domain = "mail.fabrikam.test:25", "mail.fabrikam.test:993", "fabrikam.test"
	c.Target.Mail.ServerName, c.Target.Mail.SMTPTLS = "mx.fabrikam.test", "required"
	c.Switch = switchConfig{
		Drain: duration(time.Minute), Canary: 3, StopAfter: 5, Delta: 70, RoomMB: 0, Holds: "move", ShutOut: []string{"mapi"}, Retention: duration(time.Hour),
	}
	r := &runner{env: &environment{}, options: &runOptions{kind: batch.RunSync}, config: c, conn: &connection{}, pick: pick{ids: []batch.MoveID{"a"}}}
	m := r.moving()
	got := []any{m.Drain, m.Canary, m.StopAfter, m.Delta, m.Room, m.Retention, m.Until, m.Only}
	want := []any{time.Minute, 3, 5, int64(70), int64(-1), time.Hour, batch.PhaseSwitch, []batch.MoveID{"a"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	servers, ok := m.Routes.(routes)
	if !ok || len(servers) != 1 || servers[0].Address != c.Target.Mail.SMTP || servers[0].ServerName != "mx.fabrikam.test" || servers[0].TLS != "required" {
		t.Errorf("mail servers: %+v", m.Routes)
	}
	if rules := c.rules(); !rules.MoveHeld || !cmp.Equal(rules.ShutOut, []string{"mapi"}) {
		t.Errorf("rules: %v, %v", rules.MoveHeld, rules.ShutOut)
	}
	c = defaultConfig()
	r.config, r.options.kind = c, batch.RunSwitch
	if m := r.moving(); m.Routes != nil || m.Until != "" || m.Room != batch.DefaultRoom || m.Canary != 0 || c.rules().MoveHeld {
		t.Errorf("by default: %+v", m)
	}
	if c.mail(directory.Source).SMTP != "" {
		t.Error("a mail server is asked by default")
	}
}
