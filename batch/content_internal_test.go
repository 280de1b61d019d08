package batch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

func TestAPassTellsWhatItHasLeftForAPerson(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sum  migrate.Summary
		want []string
	}{
		"nothing":                         {migrate.Summary{Removed: 3, Skips: 2}, nil},
		"too much at once":                {migrate.Summary{Guarded: 120, GuardedIn: "Archive"}, []string{"content.gone"}},
		"gone, and something skipped":     {migrate.Summary{Deleted: 1, Skips: 2}, []string{"content.left"}},
		"the next pass decides":           {migrate.Summary{Deleted: 1}, nil},
		"too much, and something skipped": {migrate.Summary{Guarded: 120, Deleted: 1, Skips: 2}, []string{"content.gone", "content.left"}},
	} {
		var got []string
		for _, f := range leftBehind("ada", test.sum) {
			got = append(got, f.Rule)
			if f.Severity != migrate.Warn || f.Whom != "ada" || f.Mend == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
