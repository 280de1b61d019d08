package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
)

// TestStatusTellsTheSwitch moves one person and asks for them: in words, as JSON, and in
// every report, which say the same.
func TestStatusTellsTheSwitch(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone, "1 can be taken back, the first until ", "reforest rollback tonight --only WHO")
	got := r.reforest(t, "status", bjorn)
	story := regexp.MustCompile(`\A.* has been moved on .*\nThe target delivers since \d\d:\d\d:\d\d.*; the source delivered until \d\d:\d\d:\d\d.* and forwards since; ` +
		`(no|\d+) late messages? fetched until .*; disconnected \d\d:\d\d:\d\d.*\.\nCan be taken back until (.*): reforest rollback tonight --only (\S+)\n\z`)
	told := story.FindStringSubmatch(got.stdout)
	if got.code != exitDone || told == nil || told[3] != bjorn {
		t.Fatalf("status: %d, %q", got.code, got.stdout)
	}
	line := r.statusJSON(t)
	want := []batch.FactKind{batch.FactDelivers, batch.FactForwards, batch.FactFetched, batch.FactDisconnected}
	if len(line.Facts) != len(want) {
		t.Fatalf("facts: %+v", line.Facts)
	}
	for i, f := range line.Facts {
		if f.Kind != want[i] || f.At.IsZero() || f.Run == "" || (f.Messages != nil) != (f.Kind == batch.FactFetched) {
			t.Errorf("fact %d: %+v, want %s", i, f, want[i])
		}
	}
	deadline := line.KeptUntil.Local().Format("2 January 2006, 15:04")
	if line.Primary != "target" || line.Rollback != "reforest rollback tonight --only "+bjorn || told[2] != deadline {
		t.Errorf("as JSON: %+v; in words: until %s", line, told[2])
	}
	r.reportsTell(t, line)
	r.reforest(t, "status", "tonight").wants(t, exitDone, "(run): complete", "1 can be taken back")
	r.reforest(t, "status", "tonight", "--json").wants(t, exitDone, `"message_type":"run"`, `"kind":"run"`)
	r.reforest(t, "status", "--json").wants(t, exitDone, `"rolled_back":0`)
	if got := r.reforest(t, "report", "--json"); !strings.HasPrefix(got.stdout, `{"message_type":"report",`) || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("the report as JSON is not one line with its message_type:\n%.300s", got.stdout)
	}
	r.afterTheDeadline(t)
}

// A statusJSON is what the test reads of a line of status --json.
type statusJSON struct {
	Primary, Timeline, Rollback string
	KeptUntil                   time.Time `json:"kept_until"`
	Facts                       []factLine
}

func (r *rehearsal) statusJSON(t *testing.T) (line statusJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.reforest(t, "status", bjorn, "--json").stdout), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

// reportsTell checks that every saved report has the facts of the status.
func (r *rehearsal) reportsTell(t *testing.T, line statusJSON) {
	t.Helper()
	for _, format := range []string{"xml", "csv", "html", "json"} {
		paths, err := filepath.Glob(filepath.Join(r.dir, "reports", "*."+format))
		if err != nil || len(paths) != 1 {
			t.Errorf("reports in %s: %q, %v", format, paths, err)
			continue
		}
		text, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{line.Rollback, "can be taken back until " + line.KeptUntil.Local().Format("2 January 2006, 15:04")} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the %s report lacks %q", format, want)
			}
		}
		layout := "2006-01-02T15:04:05.000Z07:00"
		for _, f := range line.Facts {
			at := f.At.UTC().Truncate(time.Millisecond).Format(layout)
			if format == "html" {
				at = strings.Replace(f.At.Local().Format("2006-01-02 15:04:05 -07:00"), "+", "&#43;", 1)
			}
			if f.Kind != batch.FactFetched && !strings.Contains(string(text), at) {
				t.Errorf("the %s report does not say that %s at %s", format, f.Kind, at)
			}
		}
	}
}

// afterTheDeadline lets the source forget the mailbox.
func (r *rehearsal) afterTheDeadline(t *testing.T) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(r.dir, "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	again := batch.RunID("2099-01-01T00-00-00.000Z")
	begun := batch.Run{ID: again, Batch: "tonight", Kind: batch.RunRollback, BeganAt: time.Now()}
	moves, err := movesOf(t.Context(), st, batch.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Begin(t.Context(), begun, moves[0].ID); err != nil {
		t.Fatal(err)
	}
	claim, found, err := st.Claim(t.Context(), batch.Want{Run: again, Batch: "tonight", Now: time.Now(), Phases: []batch.Phase{batch.PhaseRollback}})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "status", bjorn).wants(t, exitDone,
		"is being rolled back, and still works in the new mailbox: the way back is due", "it goes on with: reforest rollback tonight --only "+bjorn)
	if got := r.statusJSON(t); got.Primary != "target" || got.Rollback == "" {
		t.Errorf("a rollback that has not begun to act: %+v", got)
	}
	r.commit(t, claim, func(m *batch.Move) {
		m.State, m.Phase, m.KeptUntil = batch.Moved, batch.PhaseDone, time.Now().Add(-time.Hour)
	})
	r.reforest(t, "status", bjorn).wants(t, exitDone, "Could be taken back until ", "the deadline has passed")
	r.reforest(t, "status", "tonight").wants(t, exitDone, "(rollback): killed", "1 could be taken back until the deadline, which has passed.")
}

func (r *rehearsal) commit(t *testing.T, claim batch.Claim, edit func(*batch.Move)) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(r.dir, "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	edit(&claim.Move)
	if err := st.Commit(t.Context(), claim, claim.Move); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}
