package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/imapd"
)

const (
	chloe = "chloe.lefevre@alpine.test"
	eva   = "eva.mueller@alpine.test"
)

// deliver puts one numbered message into a mailbox.
func deliver(t *testing.T, mail *imapd.Server, to string, number int) {
	t.Helper()
	body := fmt.Sprintf("From: <sender@outside.test>\r\nMessage-ID: <%d@outside.test>\r\nSubject: number %d\r\n\r\nbody %d\r\n", number, number, number)
	if err := mail.Put(to, imapd.Folder{Path: []string{"INBOX"}, Messages: []imapd.Message{{Received: time.Now(), Body: []byte(body)}}}); err != nil {
		t.Fatal(err)
	}
}

// held counts the numbered messages in a mailbox.
func held(mail *imapd.Server, of string) map[string]int {
	counts := map[string]int{}
	for _, f := range mail.Snapshot(of) {
		for _, m := range f.Messages {
			for line := range strings.Lines(string(m.Body)) {
				if number, found := strings.CutPrefix(strings.TrimSpace(line), "Subject: number "); found {
					counts[number]++
				}
			}
		}
	}
	return counts
}

// entry reads an object by its address on one side.
func (r *rehearsal) entryOf(t *testing.T, side directory.Side, address string) *directory.Entry {
	t.Helper()
	world := r.Source
	if side == directory.Target {
		world = r.Target
	}
	for entry, err := range r.dial(t, world).Find(t.Context(), directory.Query{Filter: directory.Eq("proxyAddresses", "smtp:"+address)}) {
		if err != nil {
			t.Fatal(err)
		}
		return entry
	}
	t.Fatalf("nobody at the %s has the address %s", side, address)
	return nil
}

// delivers checks on which side the mailbox is, and that the other sends mail there.
func (r *rehearsal) delivers(t *testing.T, address string, at directory.Side) {
	t.Helper()
	other := directory.Source
	if at == directory.Source {
		other = directory.Target
	}
	if home := r.entryOf(t, at, address); !home.Has("homeMDB") || home.Has("targetAddress") {
		t.Errorf("%s does not deliver at the %s: homeMDB %q, targetAddress %q", address, at, home.First("homeMDB"), home.First("targetAddress"))
	}
	if away := r.entryOf(t, other, address); !away.Has("targetAddress") {
		t.Errorf("the %s does not forward mail of %s", other, address)
	}
}

// Content first, any number of times; the switch on another night, of who is ready.
func TestSyncThenSwitch(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n"+chloe+"\n")
	r.reforest(t, "switch", demoBatch, "--yes").wants(t, exitUsage, "has not begun")
	r.reforest(t, "sync", demoBatch, "--dry-run").wants(t, exitDone, "left where they are", "Nothing was changed")
	r.reforest(t, "sync", demoBatch, "--yes", "--only", anna+","+bjorn).wants(t, exitDone)
	r.delivers(t, anna, directory.Source)
	r.reforest(t, "switch", demoBatch, "--dry-run").wants(t, exitDone, "switch: Anna Berg", "disconnect the source mailbox", chloe+" is not ready", "Nothing was changed")
	r.delivers(t, anna, directory.Source)
	deliver(t, r.Source.Mail, anna, 1)
	r.reforest(t, "sync", demoBatch, "--yes").wants(t, exitDone)
	if got := held(r.Target.Mail, anna); got["1"] != 1 {
		t.Errorf("after the second sync: %v", got)
	}
	status := r.reforest(t, "status", "tonight", "--json")
	if n := strings.Count(status.stdout, `"state":"Ready"`); n != 3 {
		t.Errorf("%d are ready:\n%s", n, status.stdout)
	}
	r.reforest(t, "switch", "tonight", "--yes", "--only", "Anna Berg").wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
	r.delivers(t, bjorn, directory.Source)
	before := r.trace(t)
	r.reforest(t, "sync", demoBatch, "--yes", "--only", anna).wants(t, exitDone, "moved already", "Nothing was changed")
	r.reforest(t, "switch", "tonight", "--yes", "--only", anna).wants(t, exitDone, "moved already")
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("something was changed:\n%s", diff)
	}
	deliver(t, r.Source.Mail, bjorn, 2)
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitDone, "3 of 3 moved")
	r.delivers(t, bjorn, directory.Target)
	if got := held(r.Target.Mail, bjorn); got["2"] != 1 {
		t.Errorf("after the switch: %v", got)
	}
	r.reforest(t, "verify", "tonight", "--content").wants(t, exitDone, "everything agrees")
}

// Names that mean nobody of the batch, or several, end the command before it has done
// anything.
func TestOnly(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+eva+"\neva.mueller2@alpine.test\nsimran.kaur@alpine.test\n")
	before := r.trace(t)
	for _, name := range []string{"nobody@alpine.test", bjorn, "Eva Müller", anna + ",nobody@alpine.test", "", ","} {
		for _, command := range []string{"run", "sync"} {
			r.reforest(t, command, demoBatch, "--yes", "--only", name).wants(t, exitUsage, "--only")
		}
	}
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("something was changed:\n%s", diff)
	}
	// By a login name and by a display name with a comma in it, neither of which is in the file.
	r.reforest(t, "sync", demoBatch, "--yes", "--only", `ALPINE\anna.berg`, "--only", "Kaur, Simran").wants(t, exitDone)
	status := r.reforest(t, "status", "tonight", "--json")
	if ready, planned := strings.Count(status.stdout, `"state":"Ready"`), strings.Count(status.stdout, `"state":"Planned"`); ready != 2 || planned != 2 {
		t.Errorf("%d are ready and %d planned:\n%s", ready, planned, status.stdout)
	}
	r.reforest(t, "run", demoBatch, "--yes", "--only", "Eva Müller").wants(t, exitUsage, "stands for 2 objects")
	r.reforest(t, "switch", demoBatch, "--yes", "--only", "nobody").wants(t, exitUsage, "nobody of batch")
	for _, nobody := range []string{"nobody", "", " , "} {
		r.reforest(t, "rollback", demoBatch, "--yes", "--only", nobody).wants(t, exitUsage, "--only")
	}
	r.reforest(t, "switch", demoBatch, "--yes", "--only", eva).wants(t, exitNeedsPerson, "not ready", "nothing was changed")
	// One alone runs to the end: it does not wait for those whom nobody moves.
	r.reforest(t, "run", demoBatch, "--yes", "--only", anna).wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
}

// A canary that fails keeps everybody else where they are, and the run says why.
func TestCanary(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n"+chloe+"\n")
	r.edit(t, "canary: 0", "canary: 1")
	r.reforest(t, "sync", demoBatch, "--yes").wants(t, exitDone)
	hold(t, r, "CN=Anna Berg (1),OU=People,DC=alpine,DC=test", "1")
	r.reforest(t, "switch", "tonight", "--yes", "--only", bjorn).wants(t, exitNeedsPerson, "goes first (switch.canary: 1)", "nor part of this run")
	got := r.reforest(t, "switch", "tonight", "--yes")
	got.wants(t, exitNeedsPerson, "switch.hold", "were not switched: "+anna+" goes first (switch.canary: 1), and is failed")
	for _, who := range []string{anna, bjorn, chloe} {
		r.delivers(t, who, directory.Source)
	}
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "goes first")
	hold(t, r, "CN=Anna Berg (1),OU=People,DC=alpine,DC=test", "0")
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitDone, "3 of 3 moved")
	for _, who := range []string{anna, bjorn, chloe} {
		r.delivers(t, who, directory.Target)
	}
}

// hold puts a mailbox on litigation hold (8), or takes it off.
func hold(t *testing.T, r *rehearsal, dn directory.DN, on string) {
	t.Helper()
	flags := map[string]string{"1": "8", "0": "0"}[on]
	change(t, r.Source, dn, "msExchELCMailboxFlags", flags)
}

// After so many failures no further switch begins.
func TestStopAfter(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n"+chloe+"\n")
	r.edit(t, "stop_after: 0", "stop_after: 1")
	r.edit(t, "moves: 4", "moves: 1") // one after the other: the first has failed before the second begins
	r.reforest(t, "sync", demoBatch, "--yes").wants(t, exitDone)
	hold(t, r, "CN=Anna Berg (1),OU=People,DC=alpine,DC=test", "1")
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitNeedsPerson, "switch.stop_after: 1", "2 mailboxes")
	for _, who := range []string{anna, bjorn, chloe} {
		r.delivers(t, who, directory.Source)
	}
	hold(t, r, "CN=Anna Berg (1),OU=People,DC=alpine,DC=test", "0")
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitDone, "3 of 3 moved")
}
