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
		name string
		move batch.Move
	}{
		{"planned", batch.Move{Identity: "anna", State: batch.Planned}},
		{"waiting", change(func(m *batch.Move) {
			m.State, m.Reason, m.Attempt, m.Of = batch.Waiting, "the target user is not on dc2.\n", 3, 20
			m.Phase, m.Items, m.Skips, m.NextAt = batch.PhaseSettle, 0, 0, now.Add(30*time.Second)
		})},
		{"waiting for tomorrow", change(func(m *batch.Move) {
			m.State, m.Reason, m.NextAt = batch.Waiting, "server busy", now.Add(26*time.Hour+time.Minute)
		})},
		{"waiting, due", change(func(m *batch.Move) {
			m.State, m.Reason, m.Attempt, m.Of, m.NextAt = batch.Waiting, "server busy", 1, 20, now.Add(-time.Hour)
		})},
		{"waiting in the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.Reason, m.NextAt = batch.Waiting, batch.PhaseSwitch, "mail may be on its way", now.Add(15*time.Minute)
		})},
		{"waiting after the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.Reason = batch.Waiting, batch.PhaseVerify, "dc2 does not answer"
		})},
		{"moving", change(func(m *batch.Move) { m.State, m.Items, m.Skips = batch.Moving, 1204, 0 })},
		{"moving, one item", change(func(m *batch.Move) { m.State, m.TotalItems, m.Items, m.Skips = batch.Moving, 1, 1, 0 })},
		{"tried again after the switch", change(func(m *batch.Move) { m.State, m.Phase = batch.Planned, batch.PhaseVerify })},
		{"ready", change(func(m *batch.Move) { m.State, m.Phase = batch.Ready, batch.PhaseSwitch })},
		{"switching", change(func(m *batch.Move) { m.State, m.Phase = batch.Switching, batch.PhaseSwitch })},
		{"cleaning", change(func(m *batch.Move) { m.State, m.Phase = batch.Switching, batch.PhaseClean })},
		{"moved", change(func(m *batch.Move) {
			m.State, m.Phase, m.TotalItems, m.Skips, m.EndedAt = batch.Moved, batch.PhaseDone, 18204, 0, began.Add(time.Hour)
		})},
		{"moved, no name", batch.Move{Mail: "x@y", State: batch.Moved, Items: 1, TotalItems: 1}},
		{"moved with skips", change(func(m *batch.Move) {
			m.State, m.Phase, m.EndedAt = batch.MovedWithSkips, batch.PhaseDone, began.Add(time.Hour)
		})},
		{"moved with a skip", change(func(m *batch.Move) {
			m.State, m.Phase, m.Items, m.Skips, m.TotalItems = batch.MovedWithSkips, batch.PhaseDone, 1, 1, 2
		})},
		{"failed", change(func(m *batch.Move) {
			m.State, m.Reason, m.Hint, m.EndedAt = batch.Failed, "gave up after 20 attempts: mailbox is full", "raise the quota", began
			m.Attempt, m.Of = 20, 20
		})},
		{"failed at once", change(func(m *batch.Move) { m.State, m.Phase, m.Items, m.Skips = batch.Failed, batch.PhaseMatch, 0, 0 })},
		{"failed after the switch", change(func(m *batch.Move) {
			m.State, m.Phase, m.Reason = batch.Failed, batch.PhaseVerify, "an X500 address is missing"
		})},
		{"hostile", batch.Move{DisplayName: hostile, State: batch.Planned}},
	}
	var all strings.Builder
	for _, test := range tests {
		got := Sentence(test.move, now)
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
