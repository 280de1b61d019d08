package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
)

// killWorlds is how many rehearsals are killed side by side.
const killWorlds = 3

// TestSwitchKilledAfterEveryStep moves a shared mailbox, a linked one, somebody with
// delegates and their delegate, and rolls them back. Each run is killed after each of its
// journal entries in turn, and repeated: it has to end as the one that nobody disturbed.
// What leads up to the switch is killed in other tests, and a second switch, which is made
// of the same steps, after every fourth entry here.
func TestSwitchKilledAfterEveryStep(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process that kills itself: not on Windows")
	}
	dying := filepath.Join(t.TempDir(), "reforest-dying")
	if out, err := exec.Command("go", "build", "-tags", "dying", "-o", dying, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the program that dies: %v\n%s", err, out)
	}
	var stages [killWorlds]*theatre
	for i := range stages {
		stages[i] = newTheatre(t, dying)
	}
	for _, act := range []struct {
		name    string
		command []string
		before  func(*theatre, *testing.T)
		state   batch.State
		every   int64 // entries from one kill to the next
	}{
		{"switch", []string{"switch", "four.csv", "--yes"}, (*theatre).ready, batch.Moved, 1},
		{"rollback", []string{"rollback", "four.csv", "--only", strings.Join(theFour(), ","), "--yes"}, (*theatre).newMail, batch.RolledBack, 1},
		{"switch again", []string{"run", "four.csv", "--only", strings.Join(theFour(), ","), "--yes"}, nil, batch.Moved, 4},
	} {
		t.Run(act.name, func(t *testing.T) {
			var longest int64
			for _, s := range stages {
				if act.before != nil {
					act.before(s, t)
				}
				s.open(t)
				s.play(t, act.command)
				s.ending, longest = s.end(t, act.state), max(longest, s.entries(t)-s.opening)
			}
			if longest < 40 || t.Failed() {
				t.Fatalf("the undisturbed run made %d journal entries", longest)
			}
			killEach(t, stages[:], act.command, act.every, longest, func(s *theatre, n int64) {
				if diff := cmp.Diff(s.ending, s.end(t, act.state)); diff != "" {
					t.Errorf("killed after entry %d (-undisturbed +killed):\n%s", n, diff)
				}
			})
			t.Logf("figure kills_%s %d", strings.ReplaceAll(act.name, " ", "_"), longest/act.every)
		})
		if t.Failed() {
			return
		}
	}
}

// killEach plays the command once for each entry after which it is killed.
func killEach(t *testing.T, stages []*theatre, command []string, every, entries int64, look func(*theatre, int64)) {
	t.Helper()
	var group sync.WaitGroup
	for i, s := range stages {
		group.Go(func() {
			for n := 1 + int64(i)*every; n < entries && !t.Failed(); n += every * int64(len(stages)) {
				s.reset(t)
				if s.dies(t, n, command) {
					s.play(t, command)
				}
				look(s, n)
			}
		})
	}
	group.Wait()
}

// theFour are who is moved: somebody with a delegate, the delegate, a linked mailbox and
// a shared one.
func theFour() []string {
	return []string{"anna.berg@alpine.test", "tom.schmidt@alpine.test", "hana.novakova@alpine.test", "finance@alpine.test"}
}

// A theatre is a rehearsal that can be set back to the beginning of an act.
type theatre struct {
	*rehearsal
	dying   string
	opening int64  // journal entries at the beginning of the act
	ending  ending // of the act, undisturbed

	source, target         *ldapd.Snapshot
	sourceMail, targetMail *imapd.Saved
	store                  map[string][]byte
}

func newTheatre(t *testing.T, dying string) *theatre {
	t.Helper()
	r := newRehearsal(t)
	r.write(t, "four.csv", "EmailAddress\n"+strings.Join(theFour(), "\n")+"\n")
	r.edit(t, "interval: 00:00:02", "interval: 00:00:00.05")
	r.edit(t, "drain: 00:00:01", "drain: 00:00:00.05")
	r.edit(t, "moves: 4", "moves: 1") // one step after the other, so that the nth is nearly always the same
	r.edit(t, "shut_out: []", "shut_out: [http, mapi, pop3]")
	linked(t, r)
	delegates(t, r)
	return &theatre{rehearsal: r, dying: dying}
}

// linked makes a linked mailbox of Hana's: an account of another forest owns it.
func linked(t *testing.T, r *rehearsal) {
	t.Helper()
	owner, err := r.SIDOf("georg.weiss").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d := r.Source.Directory
	found, err := d.Lookup("mailNickname", "hana.novakova")
	if err != nil {
		t.Fatal(err)
	}
	for attr, value := range map[string]string{
		"userAccountControl": "514", "msExchRecipientTypeDetails": "2", "msExchMasterAccountSid": string(owner),
	} {
		mod := directory.Mod{Op: directory.ReplaceValues, Attr: attr, Values: [][]byte{[]byte(value)}}
		if err := d.SeedChange(found.DN, mod); err != nil {
			t.Fatal(err)
		}
	}
}

// delegates shares Anna's inbox with two whose twins are to have it, and leaves an entry at
// the target that is to be replaced.
func delegates(t *testing.T, r *rehearsal) {
	t.Helper()
	legacy := "legacy-" + string(r.SIDOf("tom.schmidt"))
	for _, err := range []error{
		r.Source.Mail.SetGrant("anna.berg@alpine.test", imapd.Grant{Who: "finance@alpine.test", Rights: "lr"}, "INBOX"),
		r.Source.Mail.SetGrant("anna.berg@alpine.test", imapd.Grant{Who: legacy, Rights: "lrs"}, "INBOX"),
		r.Target.Mail.SetGrant("anna.berg@alpine.test", imapd.Grant{Who: legacy, Rights: "lrw"}, "INBOX"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ready brings the content over, and leaves the mailboxes where they are.
func (s *theatre) ready(t *testing.T) { s.play(t, []string{"sync", "four.csv", "--yes"}) }

// newMail puts two messages into each of the new mailboxes, one of them beside the inbox.
func (s *theatre) newMail(t *testing.T) {
	t.Helper()
	for i, mail := range theFour() {
		for j, path := range [][]string{{"INBOX"}, {"After the switch"}} {
			body := fmt.Sprintf("Message-ID: <late-%d-%d@fabrikam.test>\r\nSubject: since the switch\r\n\r\nhello\r\n", i, j)
			err := s.Target.Mail.Put(mail, imapd.Folder{Path: path, Messages: []imapd.Message{{
				Body: []byte(body), Received: time.Date(2026, 3, 1, 8, i, j, 0, time.UTC), Flags: []string{`\Flagged`},
			}}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// open remembers everything as it is at the beginning of an act.
func (s *theatre) open(t *testing.T) {
	t.Helper()
	s.source, s.target = s.Source.Directory.Snapshot(), s.Target.Directory.Snapshot()
	s.sourceMail, s.targetMail = s.Source.Mail.Save(), s.Target.Mail.Save()
	s.store, s.opening = map[string][]byte{}, s.entries(t)
	for _, name := range storeFiles {
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		if err == nil {
			s.store[name] = content
		}
	}
}

var storeFiles = []string{"reforest.db", "reforest.db-wal", "reforest.db-shm"}

// reset sets everything back to the beginning of the act.
func (s *theatre) reset(t *testing.T) {
	t.Helper()
	if err := s.Source.Directory.Restore(s.source); err != nil {
		t.Error(err)
	}
	if err := s.Target.Directory.Restore(s.target); err != nil {
		t.Error(err)
	}
	s.Source.Mail.Restore(s.sourceMail)
	s.Target.Mail.Restore(s.targetMail)
	for _, name := range storeFiles {
		path := filepath.Join(s.dir, name)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		if content, was := s.store[name]; was {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Error(err)
			}
		}
	}
}

// play runs the command to its end.
func (s *theatre) play(t *testing.T, command []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "reforest", command...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", command, err, out)
	}
}

// dies runs the command until it dies after the nth journal entry, and reports whether it
// did.
func (s *theatre) dies(t *testing.T, n int64, command []string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.dying, command...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), fmt.Sprint("REFOREST_DIE_AFTER=", n))
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return false // waits shift the count a little: this time the run was shorter
	case cmd.ProcessState.ExitCode() != -1:
		t.Errorf("%v, to be killed after entry %d: %v\n%s", command, n, err, out)
	}
	return true
}

func (s *theatre) entries(t *testing.T) int64 {
	t.Helper()
	st, err := store.OpenReadOnly(context.Background(), store.Config{Path: filepath.Join(s.dir, "reforest.db")})
	if err != nil {
		return 0 // nothing has been run yet
	}
	defer func() { _ = st.Close() }() // read only: nothing can be lost
	n, err := st.Entries(context.Background())
	if err != nil {
		t.Error(err)
	}
	return n
}

// An ending is all that a run leaves behind, but for what is different each time.
type ending struct {
	Directories both
	Mail        map[string][]string // by side and owner: folder, flags and body of each message
	Shared      []string            // who may use the folder that is shared
	States      map[string]batch.State
}

func (s *theatre) end(t *testing.T, want batch.State) ending {
	t.Helper()
	e := ending{
		Directories: both{s.Source.Directory.Dump(made...), s.Target.Directory.Dump(made...)},
		Mail:        map[string][]string{}, States: map[string]batch.State{},
		Shared: grantsOn(s.Target.Mail, "anna.berg@alpine.test", "INBOX"),
	}
	if want == batch.Moved {
		if diff := cmp.Diff([]string{"finance@alpine.test lr", "tom.schmidt@alpine.test lrsw"}, e.Shared); diff != "" {
			t.Error(diff)
		}
	}
	for _, mail := range theFour() {
		e.Mail["source "+mail] = letters(s.Source.Mail.Snapshot(mail))
		e.Mail["target "+mail] = letters(s.Target.Mail.Snapshot(mail))
	}
	st, err := store.OpenReadOnly(context.Background(), store.Config{Path: filepath.Join(s.dir, "reforest.db")})
	if err != nil {
		t.Error(err)
		return e
	}
	defer func() { _ = st.Close() }() // read only: nothing can be lost
	moves, err := movesOf(context.Background(), st, batch.Query{})
	if err != nil {
		t.Error(err)
	}
	for _, move := range moves {
		e.States[move.Identity] = move.State
		if move.State != want {
			t.Errorf("%s is %s, want %s: %s", move.Identity, move.State, want, move.Reason)
		}
	}
	return e
}

// letters returns a line for each message, in an order that is always the same.
func letters(folders []imapd.Folder) []string {
	var lines []string
	for _, f := range folders {
		lines = append(lines, strings.Join(f.Path, "/"))
		for _, m := range f.Messages {
			flags := slices.Sorted(slices.Values(m.Flags))
			lines = append(lines, fmt.Sprintf("%s: %v %v %q", strings.Join(f.Path, "/"), flags, m.Received.UTC(), m.Body))
		}
	}
	slices.Sort(lines)
	return lines
}
