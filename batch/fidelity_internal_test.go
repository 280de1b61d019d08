package batch

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"reforest/migrate"
	"reforest/migrate/memory"
)

// A measured is a mailbox on a server with quotas.
type measured struct {
	memory.Source
	memory.Target
	quota     migrate.Quota
	saveDates bool
}

func (m measured) Formats() []migrate.Format                    { return m.Source.Formats() }
func (m measured) Quota(context.Context) (migrate.Quota, error) { return m.quota, nil }
func (m measured) SaveDates(context.Context) (bool, error)      { return m.saveDates, nil }

func TestWhatDoesNotFitIsTold(t *testing.T) {
	t.Parallel()
	full := memory.NewMailbox()
	full.Add([]string{"INBOX"}, memory.Message{Body: make([]byte, 500)})
	limited := func(used, limit int64) migrate.Quota { return migrate.Quota{Used: used, Limit: limit, Limited: true} }
	for name, tt := range map[string]struct {
		source, target measured
		want           string
	}{
		"no limits":       {measured{}, measured{}, ""},
		"it fits":         {measured{quota: limited(400, 1000)}, measured{quota: limited(0, 400)}, "content.quota"},
		"it does not":     {measured{quota: limited(400, 1000)}, measured{quota: limited(10, 400)}, "content.room"},
		"over its limit":  {measured{quota: limited(1, 1000)}, measured{quota: limited(500, 400)}, "content.room"},
		"only the target": {measured{}, measured{quota: limited(0, 499)}, "content.room"},
		"only the source": {measured{quota: limited(400, 1000)}, measured{}, "content.quota"},
		"save dates":      {measured{saveDates: true}, measured{saveDates: true}, "content.savedate"},
		"one keeps them":  {measured{saveDates: true}, measured{}, ""},
	} {
		tt.source.Source.Mailbox, tt.target.Target.Mailbox = full, memory.NewMailbox()
		findings, err := compareMailboxes(t.Context(), "berg", &tt.source, &tt.target)
		if err != nil {
			t.Fatal(err)
		}
		var rules []string
		for _, f := range findings {
			rules = append(rules, f.Rule)
			if f.Whom != "berg" || f.What == "" {
				t.Errorf("%s: %+v, want whom and what", name, f)
			}
		}
		if got := strings.Join(rules, " "); got != tt.want {
			t.Errorf("%s: found %q, want %q", name, got, tt.want)
		}
	}
}

func TestEntriesAreNamed(t *testing.T) {
	t.Parallel()
	var left []migrate.Unannotated
	for n := range namedMost + 5 {
		left = append(left, migrate.Unannotated{Path: []string{"a", "b"}, Entry: fmt.Sprintf("/private/%d", n), Why: "Permission denied"})
	}
	left[1].Entry = ""
	got := nameEntries(left)
	if !strings.HasPrefix(got, `"a/b" /private/0 (Permission denied); "a/b" (Permission denied); `) || !strings.HasSuffix(got, "/private/19 (Permission denied); …") {
		t.Errorf("got %s", got)
	}
}
