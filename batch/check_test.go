package batch_test

import (
	"testing"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

func TestCheckGoesStale(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	check := batch.Check{Digest: "d1", At: at, Findings: []migrate.Finding{{Severity: migrate.Warn}, {Severity: migrate.Forbid}}}
	for name, test := range map[string]struct {
		digest string
		now    time.Time
		want   string
	}{
		"fresh":         {"d1", at.Add(time.Hour), ""},
		"seven days":    {"d1", at.Add(batch.CheckAge), ""},
		"more":          {"d1", at.Add(batch.CheckAge + time.Second), "it is 7 days old"},
		"other rows":    {"d2", at.Add(time.Hour), "the batch had other rows"},
		"clock is back": {"d1", at.Add(-time.Hour), ""},
	} {
		if got := check.Stale(test.digest, test.now); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if got := check.Forbidden(); got != 1 {
		t.Errorf("%d findings forbid, want 1", got)
	}
}
