package main

import (
	"path/filepath"
	"strings"
	"testing"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/internal/lab/imapd"
)

// A server that is busy for longer than there are attempts is waited for, and the record
// says why.
func TestABusyServerFailsNobody(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.Source.Mail.Plan(imapd.Fault{Op: imapd.Login, Times: 2, Code: "LIMIT", Text: "Too many connections"})
	r.Source.Mail.Plan(imapd.Fault{Op: imapd.Fetch, Times: 8, Text: "Request is throttled. Suggested Backoff Time: 60 milliseconds"})
	r.Target.Mail.Plan(imapd.Fault{Op: imapd.Append, Times: 1, Text: "Busy, try again in 1 second"})
	moves, err := r.run(t, nil)
	r.wantMoved(t, moves, err, anna)
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(r.dir, defaultConfig().Store)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	record, err := st.Record(t.Context(), moves[anna].ID)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, e := range record.Events {
		if e.Attempt != 0 {
			t.Errorf("%d attempts have failed: %s", e.Attempt, e.Text)
		}
		told = told || e.Kind == batch.EventWait && strings.Contains(e.Text, "Request is throttled")
	}
	if !told {
		t.Errorf("why it waited is not on record: %+v", record.Events)
	}
}

// Also a check waits for it, and says so.
func TestACheckWaitsForABusyServer(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n"+anna+"\n")
	r.Source.Mail.Plan(imapd.Fault{Op: imapd.Login, Times: 1, Code: "LIMIT", Text: "Too many connections"})
	got := r.reforest(t, "check", demoBatch)
	if got.code != exitDone || !strings.Contains(got.stderr, "The source mail server is busy: NO [LIMIT] Too many connections; trying again at ") {
		t.Errorf("check ends with %d: %s", got.code, got.stderr)
	}
}
