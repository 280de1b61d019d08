package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab"
	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
)

// A rehearsal is the demo's world with its files, for one test.
type rehearsal struct {
	*lab.World
	dir string
}

func newRehearsal(t *testing.T) *rehearsal {
	t.Helper()
	world, err := lab.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rehearsal{world, t.TempDir()}
	if _, err := writeDemo(r.dir, world); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rehearsal) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// reforest runs the command in a process of its own, by way of a shell if given.
func (r *rehearsal) reforest(t *testing.T, args ...string) result {
	t.Helper()
	return r.exec(t, "reforest", args...)
}

func (r *rehearsal) exec(t *testing.T, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	return ended(t, cmd, r.dir, cmd.Run)
}

// ended runs the command by run and says how it ended.
func ended(t *testing.T, cmd *exec.Cmd, dir string, run func() error) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	err := run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// wants checks the exit code and what is said.
func (got result) wants(t *testing.T, code int, says ...string) {
	t.Helper()
	if got.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", got.code, code, got.stdout, got.stderr)
	}
	for _, text := range says {
		if !strings.Contains(got.stdout+got.stderr, text) {
			t.Errorf("%q is not said:\n%s%s", text, got.stdout, got.stderr)
		}
	}
}

// A trace is what a run could have changed.
type trace struct {
	SourceUSN, TargetUSN string
	Mail                 map[string][]imapd.Folder
}

func (r *rehearsal) trace(t *testing.T) trace {
	t.Helper()
	tr := trace{usn(t, r, r.Source), usn(t, r, r.Target), map[string][]imapd.Folder{}}
	for _, p := range lab.People() {
		tr.Mail["source "+p.Alias] = r.Source.Mail.Snapshot(p.Mail())
		tr.Mail["target "+p.Alias] = r.Target.Mail.Snapshot(p.Mail())
	}
	return tr
}

// dial connects to the side's directory as its administrator, until the test ends.
func (r *rehearsal) dial(t *testing.T, side lab.Side) *ldap.Conn {
	t.Helper()
	conn, err := ldap.Dial(t.Context(), ldap.Config{
		URL: side.Directory.URL(), CAFile: filepath.Join(r.dir, "ca.pem"), BindDN: string(side.Directory.AdminDN()), Password: side.Password,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// usn returns the directory's count of changes.
func usn(t *testing.T, r *rehearsal, side lab.Side) string {
	t.Helper()
	root, err := r.dial(t, side).Get(t.Context(), "", "highestCommittedUSN")
	if err != nil {
		t.Fatal(err)
	}
	return root.First("highestCommittedUSN")
}

// Bad input changes neither forest nor mail server, and says what to do.
func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, r *rehearsal)
		code    int
		says    []string
	}{
		"a mailbox that does not exist": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.write(t, demoBatch, "anna.berg@alpine.test\nnobody@alpine.test\n")
			},
			code: exitForbidden, says: []string{"nobody@alpine.test", "match.source", "nothing was changed"},
		},
		"one that matches two target objects": {
			prepare: func(t *testing.T, r *rehearsal) {
				for _, cn := range []string{"One", "Two"} {
					seed(t, r.Target, r.TargetOU.Child("CN", cn), ldapd.Attrs{
						"objectClass": {"user"}, "sAMAccountName": {cn}, "proxyAddresses": {"smtp:eva.mueller@alpine-old.test"},
					})
				}
			},
			code: exitForbidden, says: []string{"match.several", "CN=One,OU=Moved", "CN=Two,OU=Moved"},
		},
		"the same mailbox under two names": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.write(t, demoBatch, "anna.berg@alpine.test\nALPINE\\anna.berg\n")
			},
			code: exitForbidden, says: []string{"batch.same"},
		},
		"a target that is a mailbox already": {
			prepare: func(t *testing.T, r *rehearsal) {
				change(t, r.Target, "CN=Anna Berg,OU=Staff,DC=fabrikam,DC=test", "homeMDB", databaseOf(t, r))
			},
			code: exitForbidden, says: []string{"match.mailbox"},
		},
		"a database that is not there": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.write(t, demoBatch, "EmailAddress,TargetDatabase\nanna.berg@alpine.test,MBX-Z9\n")
			},
			code: exitForbidden, says: []string{"database.missing", "MBX-Z9"},
		},
		"an OU that is not there": {
			prepare: func(t *testing.T, r *rehearsal) { r.edit(t, "OU=Moved,", "OU=Mvoed,") },
			code:    exitForbidden, says: []string{"target.ou"},
		},
		"a wrong password of the directory": {
			prepare: func(t *testing.T, r *rehearsal) { r.write(t, "target.password", "wrong\n") },
			code:    exitCredentials, says: []string{"target directory"},
		},
		"a wrong password of the source's mail server": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.write(t, "mail.password", "wrong\n")
				r.editAfter(t, "source:", "mail:", "file:source.password", "file:mail.password")
			},
			code: exitCredentials, says: []string{"source mailbox"},
		},
		"a wrong password of the target's mail server": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.write(t, "mail.password", "wrong\n")
				r.editAfter(t, "target:", "mail:", "file:target.password", "file:mail.password")
			},
			code: exitCredentials, says: []string{"target's mail server"},
		},
		"someone without a mailbox, and someone unknown": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.write(t, demoBatch, "Administrator\nanna.berg@alpine.test\nnobody@alpine.test\n")
			},
			code: exitForbidden, says: []string{"Administrator", "source.not-mailbox", "nobody@alpine.test"},
		},
		"a certificate of another authority": {
			prepare: func(t *testing.T, r *rehearsal) {
				other, err := ldapd.NewAuthority()
				if err == nil {
					err = other.WriteFile(filepath.Join(r.dir, "ca.pem"))
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			code: exitFailure, says: []string{"certificate"},
		},
		"a misspelt key": {
			prepare: func(t *testing.T, r *rehearsal) { r.edit(t, "legacy_dn:", "legacy_nd:") },
			code:    exitUsage, says: []string{`did you mean "target.legacy_dn"?`},
		},
		"a password over ldap://": {
			prepare: func(t *testing.T, r *rehearsal) {
				r.edit(t, r.Target.Directory.URL(), r.Target.Directory.PlainURL())
			},
			code: exitUsage, says: []string{"would send the password in the clear"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRehearsal(t)
			ca, err := os.ReadFile(filepath.Join(r.dir, "ca.pem"))
			if err != nil {
				t.Fatal(err)
			}
			test.prepare(t, r)
			before := func() trace { // the test's own CA, whatever the case has made of it
				right := &rehearsal{r.World, t.TempDir()}
				right.write(t, "ca.pem", string(ca))
				return right.trace(t)
			}
			was := before()
			for _, args := range [][]string{{"run", demoBatch, "--yes"}, {"check", demoBatch}, {"run", demoBatch, "--dry-run"}} {
				r.reforest(t, args...).wants(t, test.code, test.says...)
			}
			if diff := cmp.Diff(was, before()); diff != "" {
				t.Errorf("something was changed:\n%s", diff)
			}
		})
	}
}

func seed(t *testing.T, side lab.Side, dn directory.DN, attrs ldapd.Attrs) {
	t.Helper()
	if _, err := side.Directory.Seed(dn, attrs); err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, side lab.Side, dn directory.DN, attr, value string) {
	t.Helper()
	mod := directory.Mod{Op: directory.ReplaceValues, Attr: attr, Values: [][]byte{[]byte(value)}}
	if err := side.Directory.SeedChange(dn, mod); err != nil {
		t.Fatal(err)
	}
}

func databaseOf(t *testing.T, r *rehearsal) string {
	t.Helper()
	dn, err := r.Target.Directory.AddDatabase("MBX-F9")
	if err != nil {
		t.Fatal(err)
	}
	return string(dn)
}

// edit replaces text in the configuration.
func (r *rehearsal) edit(t *testing.T, was, now string) {
	t.Helper()
	r.editAfter(t, "", "", was, now)
}

// editAfter replaces the first occurrence after two landmarks.
func (r *rehearsal) editAfter(t *testing.T, first, second, was, now string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, demoConfig))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	at := strings.Index(text, first)
	at += strings.Index(text[at:], second)
	if !strings.Contains(text[at:], was) {
		t.Fatalf("the configuration does not say %q:\n%s", was, text)
	}
	r.write(t, demoConfig, text[:at]+strings.Replace(text[at:], was, now, 1))
}

// A store that cannot grow ends the run with its path; with room it ends right.
func TestStoreThatCannotGrow(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no ulimit on Windows")
	}
	r := newRehearsal(t)
	got := r.exec(t, "sh", "-c", "ulimit -f 160; exec reforest run tonight.csv --yes")
	got.wants(t, exitFailure, filepath.Join(r.dir, "reforest.db"))
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson)
	r.allMoved(t)
}

// allMoved checks that everyone is moved, with all they had but the torn message.
func (r *rehearsal) allMoved(t *testing.T) {
	t.Helper()
	for _, p := range lab.People() {
		want, got := r.Source.Mail.Snapshot(p.Mail()), r.Target.Mail.Snapshot(p.Mail())
		if p.Alias == lab.Torn().Alias {
			want[0].Messages = dropTorn(want[0].Messages)
		}
		if diff := cmp.Diff(inAnyOrder(want), inAnyOrder(got)); diff != "" {
			t.Errorf("%s (-source +target):\n%s", p.Name, diff)
		}
	}
	status := r.reforest(t, "status", "tonight", "--json")
	if n := strings.Count(status.stdout, `"state":"Moved`); n != len(lab.People()) {
		t.Errorf("%d are moved:\n%s", n, status.stdout)
	}
}

func dropTorn(messages []imapd.Message) (kept []imapd.Message) {
	for _, m := range messages {
		if !bytes.Contains(m.Body, []byte(lab.CorruptMarker)) {
			kept = append(kept, m)
		}
	}
	return kept
}

// comparable leaves out what the target numbers anew.
func comparable(folders []imapd.Folder) map[string][]string {
	all := map[string][]string{}
	for _, f := range folders {
		key := strings.Join(f.Path, "/")
		if f.Subscribed {
			key += " (subscribed)"
		}
		all[key] = []string{}
		for _, m := range f.Messages {
			all[key] = append(all[key], m.Received.Format(time.RFC3339)+" "+strings.Join(m.Flags, " ")+" "+string(m.Body))
		}
	}
	return all
}

// inAnyOrder is comparable where messages may lie in another order: what a server puts off
// is sent again behind what was on its way with it.
func inAnyOrder(folders []imapd.Folder) map[string][]string {
	all := comparable(folders)
	for _, messages := range all {
		slices.Sort(messages)
	}
	return all
}

// Ctrl-C once finishes what is in hand and saves; the same command goes on.
func TestInterruptedRunGoesOn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent Ctrl-C on Windows")
	}
	r := newRehearsal(t)
	r.edit(t, "00:00:02", "00:00:10") // the busy server keeps one move waiting
	cmd := exec.CommandContext(t.Context(), "reforest", "run", demoBatch, "--yes", "--json")
	lines, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = r.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForEvent(t, json.NewDecoder(lines), "wait")
	if status := r.reforest(t, "status", lab.PushedBack().Mail()); strings.Contains(status.stdout, "No run") {
		t.Errorf("status while a run is at work: %q", status.stdout)
	}
	locked := r.reforest(t, "run", demoBatch, "--yes")
	locked.wants(t, exitLocked, "another run")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("after Ctrl-C: %v\n%s", err, errs.String())
	}
	status := r.reforest(t, "status", lab.PushedBack().Mail())
	if ok, err := regexp.MatchString(`come back later.*attempt 1 of 20.*No run is at work on it now`, status.stdout); err != nil || !ok || strings.Count(status.stdout, "\n") != 1 {
		t.Errorf("status of one who waits: %q", status.stdout)
	}
	for _, args := range [][]string{{"status", "tonight"}, {"status"}} {
		if all := r.reforest(t, args...); strings.Contains(all.stdout, "next at") {
			t.Errorf("%q promises a time, and nobody is at work:\n%s", args, all.stdout)
		}
	}
	r.reforest(t, "status", "tonight").wants(t, exitDone, "To go on: reforest sync or reforest run, with the batch file (")
	r.reforest(t, "status").wants(t, exitDone, "no run is at work on it")
	r.edit(t, "00:00:10", "00:00:01")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson)
	r.allMoved(t)
}

// waitForEvent reads --json lines until an attempt has failed.
func waitForEvent(t *testing.T, lines *json.Decoder, kind string) {
	t.Helper()
	for {
		var line struct {
			MessageType string `json:"message_type"`
			Kind        string `json:"kind"`
			Attempt     int    `json:"attempt"`
		}
		if err := lines.Decode(&line); err != nil {
			t.Fatalf("the run ended without a %s: %v", kind, err)
		}
		if line.MessageType == "event" && line.Kind == kind && line.Attempt > 0 {
			return
		}
	}
}

// Without its store a finished batch is not moved a second time.
func TestLostStoreDoublesNothing(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	had := r.Target.Mail.Snapshot("anna.berg@alpine.test")
	r.edit(t, "store: reforest.db", "store: other.db")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitForbidden, "source.moved")
	if diff := cmp.Diff(had, r.Target.Mail.Snapshot("anna.berg@alpine.test")); diff != "" {
		t.Error(diff)
	}
}

// Reports that cannot be written do not cost the table.
func TestReportsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	if err := os.Symlink(filepath.Join(r.dir, "not", "there"), filepath.Join(r.dir, "taken")); err != nil {
		t.Skip(err) // not everybody may make links on Windows
	}
	r.edit(t, "reports: reports", "reports: taken") // which looks as if it could be made
	got := r.reforest(t, "run", demoBatch, "--yes")
	got.wants(t, exitFailure, "make it again with: reforest report")
	if !strings.Contains(got.stdout, "1 of 1 moved") {
		t.Errorf("no table:\n%s", got.stdout)
	}
	r.edit(t, "reports: taken", "reports: reports")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone) // nothing is left but the report
}

// Wrong commands and arguments are wrong usage.
func TestUsage(t *testing.T) {
	t.Parallel()
	r := &rehearsal{dir: t.TempDir()}
	for _, args := range [][]string{{"chekc"}, {"status", "a", "b"}, {"run"}, {"run", "a", "--bad-items", "-7"}, {"check", "--nope"}, {"report", "--format", "pdf"}} {
		r.reforest(t, args...).wants(t, exitUsage)
	}
	if got := r.reforest(t, "--version"); got.code != exitDone || !strings.Contains(got.stdout, version) {
		t.Errorf("--version: %+v", got)
	}
}

// A batch that has begun is locked: another list needs another name.
func TestBatchThatHasBegunIsLocked(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.write(t, demoBatch, "anna.berg@alpine.test\nbjorn.akesson@alpine.test\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitUsage, "locked", "another name")
}

// The demo ends 0, and what it says to try next works without its servers.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &rehearsal{dir: dir}
	got := r.reforest(t, "demo")
	got.wants(t, exitDone)
	for _, p := range lab.People() {
		if !strings.Contains(got.stdout, p.Name) {
			t.Errorf("the table does not account for %s:\n%s", p.Name, got.stdout)
		}
	}
	for _, says := range []string{"Georg Weiß .*waited once: ", "Skipped: Dimitra Papadopoulou, INBOX, .*Message contains invalid header"} {
		if !regexp.MustCompile(says).MatchString(got.stdout) {
			t.Errorf("the closing lines do not say %q:\n%s", says, got.stdout)
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^  reforest (status|report) .*$`).FindAllString(got.stdout, -1) {
		next := r.reforest(t, strings.Fields(line)[1:]...)
		next.wants(t, exitDone)
		if next.stdout == "" {
			t.Errorf("%s says nothing", line)
		}
	}
	r.reforest(t, "demo").wants(t, exitDone) // once more, in the place of the first
	r.write(t, "mine", "")
	r.reforest(t, "demo", "--dir", ".").wants(t, exitUsage, "not an earlier rehearsal's")
}
