package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// Whoever is rolled back works at the source again, with what arrived meanwhile, each once;
// and can be moved again.
func TestRollbackAndForwardAgain(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitUsage, "has not begun")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	deliver(t, r.Target.Mail, anna, 7)
	before := r.trace(t)
	r.reforest(t, "rollback", "tonight", "--yes").wants(t, exitUsage, "--only")
	r.reforest(t, "rollback", "tonight", "--only", anna).wants(t, exitUsage, "roll back: Anna Berg", "nobody is here to ask")
	plan := r.reforest(t, "rollback", demoBatch, "--only", anna, "--dry-run")
	plan.wants(t, exitDone, "roll back: Anna Berg", "homeMDB", "targetAddress", "Nothing was changed")
	if strings.Contains(plan.stdout, "Björn") {
		t.Errorf("others are in the plan:\n%s", plan.stdout)
	}
	line := map[string]any{}
	if err := json.Unmarshal([]byte(firstLineOf(r.reforest(t, "rollback", demoBatch, "--only", anna, "--dry-run", "--json").stdout)), &line); err != nil {
		t.Fatal(err)
	}
	if line["message_type"] != "plan" || line["what"] != "roll back" || line["identity"] != anna || len(line["changes"].([]any)) == 0 {
		t.Errorf("got %v", line)
	}
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("looking changed something:\n%s", diff)
	}
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitDone, "Rolled back")
	r.delivers(t, anna, directory.Source)
	r.delivers(t, bjorn, directory.Target)
	if diff := cmp.Diff(map[string]int{"7": 1}, held(r.Source.Mail, anna)); diff != "" {
		t.Errorf("at the source (-want +got):\n%s", diff)
	}
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitDone, "rolled back", "Nothing was changed")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone, "rolled back, and left at the source")
	r.delivers(t, anna, directory.Source)
	deliver(t, r.Source.Mail, anna, 8)
	r.reforest(t, "run", demoBatch, "--yes", "--only", anna).wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
	if diff := cmp.Diff(map[string]int{"7": 1, "8": 1}, held(r.Target.Mail, anna)); diff != "" {
		t.Errorf("at the target (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(comparable(r.Source.Mail.Snapshot(anna))["INBOX (subscribed)"], comparable(r.Target.Mail.Snapshot(anna))["INBOX (subscribed)"], sorted); diff != "" {
		t.Errorf("the inboxes differ (-source +target):\n%s", diff)
	}
	r.reforest(t, "verify", "tonight", "--content").wants(t, exitDone, "everything agrees")
}

var sorted = cmp.Transformer("set", func(list []string) map[string]int {
	counts := map[string]int{}
	for _, s := range list {
		counts[s]++
	}
	return maps.Clone(counts)
})

func firstLineOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// What somebody else has changed since is not written over: nobody named is touched.
func TestRollbackRefuses(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n"+chloe+"\n")
	r.reforest(t, "run", demoBatch, "--yes", "--only", anna, "--only", bjorn).wants(t, exitDone)
	source := r.entryOf(t, directory.Source, anna).DN
	was := r.entryOf(t, directory.Source, anna).First("targetAddress")
	change(t, r.Source, source, "targetAddress", "SMTP:anna@elsewhere.test")
	before := r.trace(t)
	for _, how := range []string{"--yes", "--dry-run"} {
		got := r.reforest(t, "rollback", "tonight", "--only", anna+","+bjorn, how)
		got.wants(t, exitForbidden, "rollback.changed", "source", string(source), "targetAddress", "anna@elsewhere.test", "nothing was changed")
	}
	r.reforest(t, "rollback", "tonight", "--only", anna, "--dry-run", "--json").wants(t, exitForbidden, `"changes":[]`)
	r.reforest(t, "rollback", "tonight", "--only", chloe, "--yes").wants(t, exitForbidden, "rollback.not-begun")
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("something was changed:\n%s", diff)
	}
	change(t, r.Source, source, "targetAddress", was)
	r.reforest(t, "rollback", "tonight", "--only", anna+","+bjorn, "--yes").wants(t, exitDone)
	r.delivers(t, anna, directory.Source)
	r.delivers(t, bjorn, directory.Source)
}

// Who is ready and not switched yet can be taken back as well; a run leaves who is on the
// way back, and says so.
func TestRollbackOfWhoIsReady(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.reforest(t, "sync", demoBatch, "--yes").wants(t, exitDone)
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitDone)
	r.delivers(t, anna, directory.Source)
	if target := r.entryOf(t, directory.Target, anna); target.Has("homeMDB") {
		t.Errorf("the target still has a mailbox: %s", target.First("homeMDB"))
	}
	r.reforest(t, "switch", "tonight", "--yes", "--only", anna).wants(t, exitNeedsPerson, "not ready")
	r.reforest(t, "sync", demoBatch, "--yes", "--only", anna).wants(t, exitDone)
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
}

// The journal is what ldapmodify takes, and leads back.
func TestJournal(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	r.reforest(t, "journal", "--side", "source").wants(t, exitFailure, "nothing has been run")
	was := r.mailboxOf(t, anna)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.reforest(t, "journal", "tonight").wants(t, exitUsage, "--side")
	r.reforest(t, "journal", "--side", "source", "--only", anna).wants(t, exitUsage, "give the batch")
	r.reforest(t, "journal", "other", "--side", "source").wants(t, exitUsage, "has not begun")
	r.reforest(t, "journal", "tonight", "--side", "source", "--only", chloe).wants(t, exitUsage, "nobody of batch")
	all := r.reforest(t, "journal", "--side", "target")
	all.wants(t, exitDone, "version: 1", "changetype: add")
	if strings.Contains(strings.ToLower(all.stdout), "unicodepwd:") {
		t.Errorf("a password is written:\n%s", all.stdout)
	}
	lines := r.reforest(t, "journal", "tonight", "--side", "source", "--json")
	lines.wants(t, exitDone)
	for line := range strings.Lines(lines.stdout) {
		var change struct {
			MessageType string `json:"message_type"`
			directory.Change
		}
		if err := json.Unmarshal([]byte(line), &change); err != nil || change.MessageType != "change" || change.Forest != directory.Source || change.DN == "" {
			t.Errorf("%s: %+v, %v", line, change, err)
		}
	}
	undo := r.reforest(t, "journal", "tonight", "--side", "source", "--only", anna, "--undo")
	undo.wants(t, exitDone, "changetype: modify", string(r.entryOf(t, directory.Source, anna).DN))
	if strings.Contains(undo.stdout, "CN=Bj") {
		t.Errorf("others' changes are written:\n%s", undo.stdout)
	}
	r.ldapmodify(t, undo.stdout)
	if diff := cmp.Diff(was, r.mailboxOf(t, anna), sorted); diff != "" {
		t.Errorf("after ldapmodify (-before +after):\n%s", diff)
	}
}

// mailboxOf returns the attributes of the source object that a switch changes.
func (r *rehearsal) mailboxOf(t *testing.T, address string) map[string][]string {
	t.Helper()
	entry, values := r.entryOf(t, directory.Source, address), map[string][]string{}
	for _, attr := range []string{"homeMDB", "msExchHomeServerName", "msExchMailboxGuid", "msExchRecipientTypeDetails", "targetAddress", "proxyAddresses", "msExchPoliciesExcluded"} {
		values[attr] = entry.Values(attr)
	}
	return values
}

// ldapmodify applies LDIF to the source with the program of that name.
func (r *rehearsal) ldapmodify(t *testing.T, ldif string) {
	t.Helper()
	program, err := exec.LookPath("ldapmodify")
	if err != nil {
		t.Skip("ldapmodify is not installed")
	}
	cmd := exec.CommandContext(t.Context(), program, "-x", "-H", r.Source.Directory.URL(), "-D", string(r.Source.Directory.AdminDN()), "-w", r.Source.Password)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+filepath.Join(r.dir, "ca.pem"))
	cmd.Stdin = strings.NewReader(ldif)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("ldapmodify: %v\n%s\n%s", err, errs.String(), ldif)
	}
}

// A rollback that was killed goes on where it was when the same command is given again; a
// run leaves who is on the way back alone.
func TestKilledRollbackGoesOn(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	deliver(t, r.Target.Mail, anna, 3)
	r.edit(t, "drain: 00:00:01", "drain: 00:00:05") // it cannot come to its end while it is killed
	cmd := exec.CommandContext(t.Context(), "reforest", "rollback", "tonight", "--only", anna, "--yes", "--json")
	lines, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = r.dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForStep(t, json.NewDecoder(lines), "send done")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	before := r.entryOf(t, directory.Source, anna).First("uSNChanged")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "on the way back, and left", "reforest rollback")
	r.reforest(t, "switch", "tonight", "--yes", "--only", anna).wants(t, exitNeedsPerson, "on the way back, and left")
	if after := r.entryOf(t, directory.Source, anna).First("uSNChanged"); after != before {
		t.Errorf("others have changed the source: %s, %s", before, after)
	}
	r.reforest(t, "rollback", "tonight", "--only", anna, "--dry-run").wants(t, exitDone, "on the way back already, and goes on: what reached the new mailbox is copied back")
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitDone, "on the way back already", "Rolled back")
	r.delivers(t, anna, directory.Source)
	if diff := cmp.Diff(map[string]int{"3": 1}, held(r.Source.Mail, anna)); diff != "" {
		t.Errorf("at the source (-want +got):\n%s", diff)
	}
}

// waitForStep reads --json lines until the step is told of.
func waitForStep(t *testing.T, lines *json.Decoder, step string) {
	t.Helper()
	for {
		var line struct {
			Kind string `json:"kind"`
			Text string `json:"text"`
		}
		if err := lines.Decode(&line); err != nil {
			t.Fatalf("it ended without %q: %v", step, err)
		}
		if line.Kind == "step" && line.Text == step {
			return
		}
	}
}

// The source keeps a disconnected mailbox for a time; after it the plan says so, and forbids
// nothing: the rollback itself looks whether the mailbox is there.
func TestForgottenMailbox(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		kept time.Time
		want bool
	}{"not disconnected": {}, "kept": {now.Add(time.Hour), false}, "past": {now.Add(-time.Hour), true}} {
		got := forgotten(batch.Move{DisplayName: "Anna Berg", KeptUntil: test.kept}, now)
		if (len(got) == 1) != test.want {
			t.Fatalf("%s: %v", name, got)
		}
		if test.want && (got[0].Severity != migrate.Warn || got[0].Rule != "rollback.forgotten" || !strings.Contains(got[0].What, "2026-03-14")) {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
}

// An old mailbox that has lost its mail is not given back to its owner: the person stays
// where they are, and the next run finds everything in order there.
func TestRollbackToAnEmptyMailbox(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	for _, f := range r.Source.Mail.Snapshot(anna) {
		for _, m := range f.Messages {
			if err := r.Source.Mail.Remove(anna, m.UID, f.Path...); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.reforest(t, "rollback", demoBatch, "--only", anna, "--yes").wants(t, exitNeedsPerson, "cannot be rolled back", "rollback.source-fewer")
	r.delivers(t, anna, directory.Target)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
}
