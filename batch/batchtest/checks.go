package batchtest

import (
	"testing"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// checks saves checks of batches that are not planned, and reads the last of each.
func checks(t *testing.T, o Options) {
	s := o.New(t)
	if _, found, err := s.LastCheck(t.Context(), "wave-1"); found || err != nil {
		t.Errorf("an empty store has a check, or %v", err)
	}
	first := batch.Check{
		Batch: "wave-1", Digest: "d1", At: now, Version: "1.2", Mailboxes: 2,
		Findings: []migrate.Finding{
			{Rule: "match.several", Severity: migrate.Forbid, Whom: "anna@source.example", What: `two: "a" and <b>`, Mend: "décide"},
			{Rule: "mail.untried", Severity: migrate.Note, Whom: "source", What: "not tried"},
		},
	}
	clean := batch.Check{Batch: "wave-1", Digest: "d2", At: now.Add(time.Hour), Version: "1.3", Mailboxes: 3}
	other := batch.Check{Batch: "wave-2", Digest: "d3", At: now.Add(-time.Hour), Version: "1.3"}
	for _, c := range []batch.Check{first, other} {
		check(t, s.SaveCheck(t.Context(), c))
	}
	last := func(id batch.ID) batch.Check {
		t.Helper()
		c, found, err := s.LastCheck(t.Context(), id)
		if err != nil || !found {
			t.Fatalf("check of %s: %v, %v", id, found, err)
		}
		return c
	}
	diff(t, "the first check", last("wave-1"), first)
	check(t, s.SaveCheck(t.Context(), clean)) // of an earlier or later time: what was saved last counts
	diff(t, "the last check", last("wave-1"), clean)
	diff(t, "another batch's check", last("wave-2"), other)
	if o.Crash != nil {
		s = o.Crash(t, s)
		diff(t, "the last check after a crash", last("wave-1"), clean)
	}
}
