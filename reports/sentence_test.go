package reports

import (
	"strings"
	"testing"
	"time"

	"reforest/batch"
)

func TestSentence(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 7, 30, 0, 0, berlin)
	anna := batch.Move{
		Identity: `SOURCE\anna`, DisplayName: "Anna Berg", Mail: "anna@source.example", TargetDatabase: "DB-07",
		TotalItems: 18206, Items: 18204, Skips: 2, StartedAt: began, Phase: batch.PhaseCopy,
	}
	change := func(edit func(*batch.Move)) batch.Move {
		m := anna
		edit(&m)
		return m
	}
	tests := []struct {
		name  string
		move  batch.Move
		facts []batch.Fact
	}{
		{"planned", batch.Move{Identity: "anna", State: batch.Planned}, nil},
		{"waiting", change(func(m *batch.Move) {
			m.State, m.Reason, m.Attempt, m.Of = batch.Waiting, "the target user is not on dc2.\n", 3, 20
			m.Phase, m.Items, m.Skips, m.NextAt = batch.PhaseSettle, 0, 0, now.Add(30*time.Second)
		}), nil},
		{"waiting for tomorrow", change(func(m *batch.Move) {
			m.State, m.Reason, m.NextAt = batch.Waiting, "server busy", now.Add(26*time.Hour+time.Minute)
		}), nil},
		{"waiting, due", change(func(m *batch.Move) {
			m.State, m.Reason, m.Attempt, m.Of, m.NextAt = batch.Waiting, "server busy", 1, 20, now.Add(-time.Hour)
		}), nil},
		{"waiting in the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.Reason, m.NextAt = batch.Waiting, batch.PhaseSwitch, "mail may be on its way", now.Add(15*time.Minute)
		}), nil},
		{"waiting after the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.Reason = batch.Waiting, batch.PhaseVerify, "dc2 does not answer"
		}), nil},
		{"moving", change(func(m *batch.Move) { m.State, m.Items, m.Skips = batch.Moving, 1204, 0 }), nil},
		{"moving, one item", change(func(m *batch.Move) { m.State, m.TotalItems, m.Items, m.Skips = batch.Moving, 1, 1, 0 }), nil},
		{"tried again after the switch", change(func(m *batch.Move) { m.State, m.Phase = batch.Planned, batch.PhaseVerify }), nil},
		{"ready", change(func(m *batch.Move) { m.State, m.Phase = batch.Ready, batch.PhaseSwitch }), nil},
		{"switching", change(func(m *batch.Move) { m.State, m.Phase = batch.Switching, batch.PhaseSwitch }), nil},
		{"cleaning", change(func(m *batch.Move) { m.State, m.Phase = batch.Switching, batch.PhaseClean }), nil},
		{"moved", change(func(m *batch.Move) {
			m.State, m.Phase, m.TotalItems, m.Skips, m.EndedAt = batch.Moved, batch.PhaseDone, 18204, 0, began.Add(time.Hour)
		}), nil},
		{"moved again after a rollback", change(func(m *batch.Move) {
			m.State, m.Phase, m.Items, m.TotalItems, m.Skips, m.EndedAt = batch.Moved, batch.PhaseDone, 26, 27, 0, began.Add(time.Hour)
		}), nil},
		{"moved, no name", batch.Move{Mail: "x@y", State: batch.Moved, Items: 1, TotalItems: 1}, nil},
		{"moved with skips", change(func(m *batch.Move) {
			m.State, m.Phase, m.EndedAt = batch.MovedWithSkips, batch.PhaseDone, began.Add(time.Hour)
		}), nil},
		{"moved with a skip", change(func(m *batch.Move) {
			m.State, m.Phase, m.Items, m.Skips, m.TotalItems = batch.MovedWithSkips, batch.PhaseDone, 1, 1, 2
		}), nil},
		{"failed", change(func(m *batch.Move) {
			m.State, m.Reason, m.Hint, m.EndedAt = batch.Failed, "gave up after 20 attempts: mailbox is full", "raise the quota", began
			m.Attempt, m.Of = 20, 20
		}), nil},
		{"failed at once", change(func(m *batch.Move) { m.State, m.Phase, m.Items, m.Skips = batch.Failed, batch.PhaseMatch, 0, 0 }), nil},
		{"failed after the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.Reason = batch.Failed, batch.PhaseVerify, "an X500 address is missing"
		}), nil},
		{"tried again from the beginning", change(func(m *batch.Move) { m.State, m.Phase, m.Items, m.Skips = batch.Planned, batch.PhaseMatch, 0, 0 }), nil},
		{"ready, held by a canary", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step = batch.Ready, batch.PhaseSwitch, batch.StepGate
			m.Reason = "eva@source.example goes first (switch.canary: 3), and is failed"
		}), nil},
		{"ready, held by stop_after", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step = batch.Ready, batch.PhaseSwitch, batch.StepGate
			m.Reason = "5 mailboxes of the batch have failed, or step back: no further switch begins (switch.stop_after: 5)"
		}), nil},
		{"waiting for the canaries", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step = batch.Waiting, batch.PhaseSwitch, batch.StepGate
			m.Reason, m.NextAt = "waits for those who go first: eva@source.example", now.Add(30*time.Second)
		}), nil},
		{"switching, target", change(func(m *batch.Move) { m.State, m.Phase, m.Step = batch.Switching, batch.PhaseSwitch, batch.StepDeliver }), nil},
		{"waiting before the source forwards", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step, m.Reason, m.Attempt, m.Of = batch.Waiting, batch.PhaseSwitch, batch.StepForward, "dc2 does not show it", 2, 20
		}), nil},
		{"switching, late mail", change(func(m *batch.Move) { m.State, m.Phase, m.Step = batch.Switching, batch.PhaseSwitch, batch.StepTail }), nil},
		{"waiting for late mail", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step = batch.Waiting, batch.PhaseSwitch, batch.StepTail
			m.Reason, m.NextAt = "late mail: 1 of 2 looks found nothing more", now.Add(15*time.Minute)
		}), nil},
		{"stepping back", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step, m.Cause = batch.Switching, batch.PhaseSwitch, batch.StepFetch, "gave up after 20 attempts: dc2 is read only"
		}), nil},
		{"stepped back", change(func(m *batch.Move) {
			m.State, m.Phase, m.Cause, m.EndedAt = batch.Failed, batch.PhaseSwitch, "dc2 is read only", began
			m.Reason = "the switch has stepped back, and mail reaches the old mailbox: dc2 is read only"
		}), nil},
		{"rollback is due", change(func(m *batch.Move) { m.State, m.Phase, m.KeptUntil = batch.Planned, batch.PhaseRollback, now }), switched()},
		{"rolling back", change(func(m *batch.Move) { m.State, m.Phase, m.Step = batch.Switching, batch.PhaseRollback, batch.StepReturn }), switched()},
		{"rolling back, delivered to again", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step, m.Reason = batch.Waiting, batch.PhaseRollback, batch.StepFetch, "late mail: 0 of 2 looks found nothing more"
		}), broughtBack()[:6]},
		{"rollback failed", change(func(m *batch.Move) {
			m.State, m.Phase, m.Step = batch.Failed, batch.PhaseRollback, batch.StepCheck
			m.Reason, m.Hint = "proxyAddresses was changed since by someone else", "decide which value counts"
		}), switched()},
		{"rolled back", change(func(m *batch.Move) {
			m.State, m.Phase, m.EndedAt = batch.RolledBack, batch.PhaseRollback, at("09:16:40")
		}), broughtBack()},
		{"rolled back before the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.EndedAt = batch.RolledBack, batch.PhaseRollback, at("09:16:40")
		}), broughtBack()[4:4]},
		{"to be moved again", change(func(m *batch.Move) { m.State, m.Phase = batch.Planned, batch.PhaseStage }), broughtBack()},
		{"ready again", change(func(m *batch.Move) { m.State, m.Phase = batch.Ready, batch.PhaseSwitch }), broughtBack()},
		{"moved again", change(func(m *batch.Move) { m.State, m.Phase, m.EndedAt = batch.Moved, batch.PhaseDone, at("23:50:00") }), broughtBack()},
		{"hostile", batch.Move{DisplayName: hostile, State: batch.Planned}, nil},
	}
	var all strings.Builder
	for _, test := range tests {
		got := Sentence(test.move, test.facts, now)
		if strings.ContainsAny(got, "\n\r\x1b\u202e") || strings.Contains(got, "  ") {
			t.Errorf("%s: not one clean line: %q", test.name, got)
		}
		all.WriteString(test.name + ":\n    " + got + "\n")
	}
	golden(t, "sentences", []byte(all.String()))
}

func TestLength(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Millisecond:                "less than a second",
		time.Second:                     "1 second",
		90 * time.Second:                "1 minute and 30 seconds",
		time.Hour + time.Second:         "1 hour",
		2*time.Hour + 59*time.Minute:    "2 hours and 59 minutes",
		49*time.Hour + 10*time.Minute:   "2 days and 1 hour",
		59*time.Second + 999*1000*1000:  "1 minute",
		1234*24*time.Hour + time.Minute: "1 234 days",
	} {
		if got := length(d); got != want {
			t.Errorf("length(%v) = %q, want %q", d, got, want)
		}
	}
}
