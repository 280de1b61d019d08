package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab"
	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// twin returns the DN of the target object that has the address.
func (r *rehearsal) twin(t *testing.T, address string) directory.DN {
	t.Helper()
	conn := r.dial(t, r.Target)
	for entry, err := range conn.Find(t.Context(), directory.Query{Filter: directory.Eq("proxyAddresses", "smtp:"+address)}) {
		if err != nil {
			t.Fatal(err)
		}
		return entry.DN
	}
	t.Fatalf("nobody at the target has the address %s", address)
	return ""
}

// A batch is compared again at any time: all agrees; what was changed since is told of by
// attribute, value and what to do; nothing is changed.
func TestVerifyCommand(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\neva.mueller@alpine.test\n")
	r.reforest(t, "verify", demoBatch).wants(t, exitFailure, "nothing has been run")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.reforest(t, "verify", "another").wants(t, exitFailure, "has not begun")
	before := r.trace(t)
	r.reforest(t, "verify", demoBatch).wants(t, exitDone, "2 mailboxes: everything agrees", "verify.content-untold")
	whole := r.reforest(t, "verify", "tonight", "--content")
	whole.wants(t, exitDone, "everything agrees")
	if strings.Contains(whole.stdout, "verify.content-untold") {
		t.Errorf("the content was compared:\n%s", whole.stdout)
	}
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("verify changed something:\n%s", diff)
	}
	twin := r.twin(t, "anna.berg@alpine.test")
	change(t, r.Target, twin, "targetAddress", "SMTP:away@freemail.test")
	if err := r.Target.Directory.SeedChange(twin, directory.Mod{Op: directory.DeleteValues, Attr: "givenName"}); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "verify", demoBatch).wants(t, exitNeedsPerson, "verify.target-forwards", "away@freemail.test", "verify.attribute", "givenName", "need a person")
	got := r.reforest(t, "verify", demoBatch, "--json")
	got.wants(t, exitNeedsPerson)
	if counts := got.counts(t); counts["message_type"] != "verify" || counts["needs_person"] != true || counts["mailboxes"] != 2.0 {
		t.Errorf("got %v", counts)
	}
}

// Mail that came to the source after the move shows only with --content.
func TestVerifyContent(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	late := imapd.Folder{Path: []string{"INBOX"}, Messages: []imapd.Message{{Received: time.Now(), Body: []byte("Subject: late\r\n\r\nlate\r\n")}}}
	if err := r.Source.Mail.Put("anna.berg@alpine.test", late); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "verify", demoBatch).wants(t, exitDone)
	r.reforest(t, "verify", demoBatch, "--content").wants(t, exitNeedsPerson, "content.missing", "1 items")
}

// A move waits, with that reason and at the interval, for every server that is named. The
// second one hears of everything between two looks of the run, or never.
func TestMoveWaitsForEveryServer(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	second, err := ldapd.Start(t.Context(), ldapd.Config{
		Domain: lab.TargetDomain, AdminPassword: r.Target.Password, Organization: "Fabrikam", Authority: r.Authority, Host: "dc2.fabrikam.test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	if err := second.Restore(r.Target.Directory.Snapshot()); err != nil {
		t.Fatal(err)
	}
	r.editAfter(t, "target:", "directory:", "settle: []", fmt.Sprintf("settle: [%q]", second.URL()))
	r.edit(t, "attempts: 20", "attempts: 3")
	r.edit(t, "interval: 00:00:02", "interval: 00:00:01")
	says := "does not show on " + second.URL() + " in the target forest yet"
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "gave up after 3 attempts", says)
	r.reforest(t, "status", "anna.berg@alpine.test").wants(t, exitDone, says)
	replicating(t, r.Target.Directory, second)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone, "1 of 1 moved")
}

// replicating lets the second server show, a moment later, what the first one does, until
// the test ends.
func replicating(t *testing.T, first, second *ldapd.Server) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				if err := second.Restore(first.Snapshot()); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// Somebody whose mailbox could not be opened yet is compared by the rules of staging, and
// somebody whose twin is gone is told of.
func TestVerifyOfThoseUnderWay(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	full := &migrate.Error{Op: "ldap.Modify", Reach: migrate.OneMailbox, Retry: migrate.Never, Err: errors.New("no room")}
	if _, err := r.run(t, target(&meddler{before: func(c directory.Change) error {
		if c.Why == "open the target mailbox" {
			return full
		}
		return nil
	}})); codeOf(err) != exitNeedsPerson {
		t.Fatalf("the run ended with %v", err)
	}
	r.reforest(t, "verify", demoBatch).wants(t, exitDone, "everything agrees")
	twin := r.twin(t, bjorn)
	change(t, r.Target, twin, "targetAddress", "SMTP:away@freemail.test")
	r.reforest(t, "verify", demoBatch).wants(t, exitNeedsPerson, "verify.target-not-forwarding", "away@freemail.test")
	err := r.dial(t, r.Target).Write(t.Context(), directory.Change{Forest: directory.Target, Op: directory.Delete, DN: twin})
	if err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "verify", demoBatch).wants(t, exitNeedsPerson, "verify.gone", string(twin))
}

// One thing is told as one.
func TestAgreement(t *testing.T) {
	t.Parallel()
	for left, want := range map[int]string{0: "everything agrees", 1: "1 thing does not agree", 2: "2 things do not agree"} {
		if got := agreement(left); got != want {
			t.Errorf("%d: %q, want %q", left, got, want)
		}
	}
}
