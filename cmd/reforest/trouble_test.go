package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// A meddler does something before or after a change is written.
type meddler struct {
	directory.Writer
	before func(directory.Change) error
	after  func(directory.Change, error) error
}

func (m *meddler) Write(ctx context.Context, c directory.Change) error {
	if m.before != nil {
		if err := m.before(c); err != nil {
			return err
		}
	}
	err := m.Writer.Write(ctx, c)
	if m.after != nil {
		return m.after(c, err)
	}
	return err
}

const (
	bjorn = "bjorn.akesson@alpine.test"
	anna  = "anna.berg@alpine.test"
)

// run runs the batch in this process, with the connection changed by meddle.
func (r *rehearsal) run(t *testing.T, meddle func(*connection)) (map[string]batch.Move, error) {
	t.Helper()
	env := &environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	c, err := loadConfig(filepath.Join(r.dir, demoConfig))
	if err != nil {
		t.Fatal(err)
	}
	c.Retry = retryConfig{Interval: duration(50 * time.Millisecond), Attempts: 3}
	c.Switch.Drain = duration(50 * time.Millisecond)
	b, err := readBatch(c, filepath.Join(r.dir, demoBatch))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), store.Config{Path: c.storePath()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	if err := b.known(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), env, c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	options := &runOptions{globalOptions: &globalOptions{}, kind: batch.RunWhole, yes: true}
	who, err := pickFor(t.Context(), options, conn, st, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := mayRun(t.Context(), env, c, conn, st, who); err != nil {
		return nil, err
	}
	if err := st.Plan(t.Context(), b.Batch, b.moves); err != nil {
		t.Fatal(err)
	}
	if meddle != nil {
		meddle(conn)
	}
	runErr := newRunner(env, options, c, st, conn, who).run(t.Context())
	moves, err := movesOf(t.Context(), st, batch.Query{Batch: b.ID})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]batch.Move{}
	for _, move := range moves {
		by[move.Identity] = move
	}
	return by, runErr
}

// target has the meddler stand between the run and the target's directory.
func target(m *meddler) func(*connection) {
	return func(conn *connection) {
		m.Writer = conn.directories.Target.Writer
		conn.directories.Target.Writer = m
	}
}

func source(m *meddler) func(*connection) {
	return func(conn *connection) {
		m.Writer = conn.directories.Source.Writer
		conn.directories.Source.Writer = m
	}
}

func messages(folders []imapd.Folder) (n int) {
	for _, f := range folders {
		n += len(f.Messages)
	}
	return n
}

// wantMoved checks that one person is moved, with every message once.
func (r *rehearsal) wantMoved(t *testing.T, moves map[string]batch.Move, err error, who string) {
	t.Helper()
	if move := moves[who]; err != nil || move.State != batch.Moved {
		t.Errorf("%s is %s in %s %s: %s (%s); the run ended with %v", who, move.State, move.Phase, move.Step, move.Reason, move.Hint, err)
	}
	r.wantMessages(t, who)
}

func (r *rehearsal) wantMessages(t *testing.T, who string) {
	t.Helper()
	if have, want := messages(r.Target.Mail.Snapshot(who)), messages(r.Source.Mail.Snapshot(who)); have != want {
		t.Errorf("%s has %d messages at the target, %d at the source", who, have, want)
	}
}

// A mailbox that one batch moves is none of another's: its messages would be doubled.
func TestMailboxOfAnotherBatchIsRefused(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	had := messages(r.Target.Mail.Snapshot(anna))
	r.write(t, "tomorrow.txt", anna+"\n"+bjorn+"\n")
	r.reforest(t, "run", "tomorrow.txt", "--yes").wants(t, exitForbidden, "batch.other", `batch "tonight"`)
	if have := messages(r.Target.Mail.Snapshot(anna)); have != had || messages(r.Target.Mail.Snapshot(bjorn)) != 0 {
		t.Errorf("Anna has %d messages, had %d", have, had)
	}
}

// The answer to an Add is lost: the object that is there is ours.
func TestLostAnswerToAnAdd(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	lost := 0
	moves, err := r.run(t, target(&meddler{after: func(c directory.Change, err error) error {
		if c.Op == directory.Add && lost == 0 {
			lost++
			return &migrate.Error{Op: "ldap.Add", Reach: migrate.OneServer, Retry: migrate.Now, Err: errors.New("connection reset")}
		}
		return err
	}}))
	r.wantMoved(t, moves, err, bjorn)
	if lost != 1 {
		t.Error("no answer was lost: the test shows nothing")
	}
}

// Mail that comes to the source after the last look, just before it is disconnected.
func TestMailBeforeTheDisconnectIsFetched(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	late := imapd.Folder{Path: []string{"INBOX"}, Messages: []imapd.Message{{Body: []byte("Subject: late\r\n\r\nlate\r\n"), Received: time.Unix(1, 0)}}}
	came := 0
	moves, err := r.run(t, source(&meddler{before: func(c directory.Change) error {
		if !deletes(c, "homeMDB") {
			return nil
		}
		came++
		return r.Source.Mail.Put(bjorn, late)
	}}))
	r.wantMoved(t, moves, err, bjorn)
	if came == 0 {
		t.Error("no mail came: the test shows nothing")
	}
}

func deletes(c directory.Change, attr string) bool {
	for _, mod := range c.Mods {
		if mod.Attr == attr && len(mod.Values) == 0 {
			return true
		}
	}
	return false
}

// An address that the source gets while its content is copied is brought along.
func TestAddressOfTheLastMinute(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	entry, err := r.Source.Directory.Lookup("mail", bjorn)
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	moves, err := r.run(t, target(&meddler{after: func(c directory.Change, err error) error {
		if strings.Contains(c.Why, "open the target") && given == 0 {
			given++
			change := directory.Mod{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("smtp:new.name@alpine.test")}}
			return errors.Join(err, r.Source.Directory.SeedChange(entry.DN, change))
		}
		return err
	}}))
	r.wantMoved(t, moves, err, bjorn)
	if _, err := r.Target.Directory.Lookup("proxyAddresses", "smtp:new.name@alpine.test"); err != nil || given != 1 {
		t.Errorf("the new address is not at the target: %v", err)
	}
}

// One mailbox that the target's mail server does not know fails alone.
func TestOneUnknownMailboxFailsAlone(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n"+anna+"\n")
	moves, err := r.run(t, target(&meddler{after: func(c directory.Change, err error) error {
		if strings.Contains(c.Why, "open the target") && strings.Contains(string(c.DN), "Anna") {
			change(t, r.Target, c.DN, "mail", "anna.unknown@fabrikam.test")
		}
		return err
	}}))
	if !errors.Is(err, errNeedsPerson) || moves[anna].State != batch.Failed || moves[anna].Phase != batch.PhaseCopy || moves[anna].Hint == "" {
		t.Errorf("run ends with %v; %+v", err, moves[anna])
	}
	r.wantMoved(t, moves, nil, bjorn)
}

// A certificate that is not to be trusted is nobody's fault: the run ends, and nobody
// is marked as failed.
func TestUntrustedServerEndsTheRun(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n"+anna+"\n")
	other, err := ldapd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(r.dir, "other.pem")
	if err := other.WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	moves, err := r.run(t, func(conn *connection) { conn.mailboxes.target.CAFile = ca })
	if err == nil || errors.Is(err, errNeedsPerson) {
		t.Errorf("run ends with %v", err)
	}
	for who, move := range moves {
		if move.State == batch.Failed {
			t.Errorf("%s is marked as failed: %s", who, move.Reason)
		}
	}
	moves, err = r.run(t, nil)
	r.wantMoved(t, moves, err, bjorn)
	r.wantMoved(t, moves, err, anna)
}

// Whose move fails before they are staged keep the rights that wait for their twin.
func TestRightsOfWhoIsNotStagedYetAreKept(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	moves, err := r.run(t, target(&meddler{before: func(c directory.Change) error {
		if c.Op == directory.Add {
			return &migrate.Error{Op: "ldap.Add", Reach: migrate.OneMailbox, Retry: migrate.Never, Err: errors.New("no right to create users")}
		}
		return nil
	}}))
	if !errors.Is(err, errNeedsPerson) || moves[anna].State != batch.Moved {
		t.Fatalf("run ends with %v, Anna is %s: %s", err, moves[anna].State, moves[anna].Reason)
	}
	const dn = "CN=Anna Berg,OU=Staff,DC=fabrikam,DC=test"
	entry, err := r.Target.Directory.Entry(dn, "nTSecurityDescriptor")
	if err != nil {
		t.Fatal(err)
	}
	for _, alias := range []string{"tom.schmidt", "eva.mueller"} {
		sid, err := r.SIDOf(alias).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(entry.First("nTSecurityDescriptor"), string(sid)) {
			t.Errorf("%s lost a right on Anna's account without having got another", alias)
		}
	}
}

// Two people of one name: nobody guesses which is meant.
func TestStatusOfANameThatTwoHave(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "eva.mueller@alpine.test\neva.mueller2@alpine.test\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.reforest(t, "status", "Eva Müller").wants(t, exitFailure, "eva.mueller@alpine.test", "eva.mueller2@alpine.test")
	one := r.reforest(t, "status", "eva.mueller2@alpine.test")
	one.wants(t, exitDone)
	if !strings.HasPrefix(one.stdout, "Eva Müller (eva.mueller2@alpine.test) has been moved on ") {
		t.Errorf("status says %q", one.stdout)
	}
}

// A batch that failed before it made a twin does not take up a mailbox that another
// batch has moved since.
func TestLateBatchDoesNotTakeUpAMovedMailbox(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	moves, err := r.run(t, target(&meddler{before: func(c directory.Change) error {
		return &migrate.Error{Op: "ldap.Add", Reach: migrate.OneMailbox, Retry: migrate.Never, Err: errors.New("no right to create users")}
	}}))
	if !errors.Is(err, errNeedsPerson) || moves[bjorn].Phase != batch.PhaseStage {
		t.Fatalf("run ends with %v: %+v", err, moves[bjorn])
	}
	r.write(t, "tomorrow.txt", bjorn+"\n")
	r.reforest(t, "run", "tomorrow.txt", "--yes").wants(t, exitDone)
	moves, err = r.run(t, nil)
	if moves[bjorn].State == batch.Moved {
		t.Errorf("run once more ends with %v: %+v", err, moves[bjorn])
	}
	r.wantMessages(t, bjorn)
	if got := r.reforest(t, "status", bjorn); !strings.Contains(got.stdout, "has been moved") {
		t.Errorf("status says %q", got.stdout)
	}
}

// What changes between two steps is staged before the next, wherever that is.
func TestChangeBetweenSteps(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]string{"stage": "pre-stage", "open": "open the target", "deliver": "deliver", "forward": "forward"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRehearsal(t)
			r.write(t, demoBatch, bjorn+"\n")
			entry, err := r.Source.Directory.Lookup("mail", bjorn)
			if err != nil {
				t.Fatal(err)
			}
			given := 0
			give := func(c directory.Change, err error) error {
				if strings.Contains(c.Why, step) && given == 0 {
					given++
					change := directory.Mod{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("smtp:new.name@alpine.test")}}
					return errors.Join(err, r.Source.Directory.SeedChange(entry.DN, change))
				}
				return err
			}
			moves, err := r.run(t, func(conn *connection) {
				target(&meddler{after: give})(conn)
				source(&meddler{after: give})(conn)
			})
			r.wantMoved(t, moves, err, bjorn)
			if _, err := r.Target.Directory.Lookup("proxyAddresses", "smtp:new.name@alpine.test"); err != nil || given != 1 {
				t.Errorf("the new address, given %d times, is not at the target: %v", given, err)
			}
		})
	}
}

// Whose mailbox is gone does not hold up those who are under way.
func TestUnderWayIsNotHeldUp(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n"+anna+"\n")
	moves, err := r.run(t, target(&meddler{after: func(c directory.Change, err error) error {
		if strings.Contains(c.Why, "open the target") {
			return &migrate.Error{Op: "test", Reach: migrate.WholeRun, Retry: migrate.Never, Err: errors.New("broken off")}
		}
		return err
	}, before: func(c directory.Change) error {
		if strings.Contains(string(c.DN), "Anna") {
			return &migrate.Error{Op: "test", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: errors.New("not yet")}
		}
		return nil
	}}))
	if err == nil {
		t.Fatalf("the run did not break off: %+v", moves)
	}
	r.Source.Mail.Plan(imapd.Fault{User: anna, Op: imapd.Login, Code: "AUTHENTICATIONFAILED", Text: "Authentication failed."})
	moves, err = r.run(t, nil)
	if !errors.Is(err, errNeedsPerson) || moves[anna].State != batch.Failed {
		t.Errorf("run ends with %v: %+v", err, moves[anna])
	}
	r.wantMoved(t, moves, nil, bjorn)
}

// The help desk finds a person by whatever the caller has.
func TestStatusByEveryName(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	want := r.reforest(t, "status", anna).stdout
	for _, name := range []string{
		"ANNA.BERG@alpine.test", "anna.berg@alpine-old.test", "anna.berg@fabrikam.test", "smtp:anna.berg@alpine-old.test", "Anna Berg", "anna.berg",
		`ALPINE\anna.berg`, `fabrikam\anna.berg`, "/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=anna.berg",
		"X500:/o=Alpine Mail/ou=ZRH/cn=Recipients/cn=anna.berg", "CN=Anna Berg,OU=Staff,DC=fabrikam,DC=test",
		"IMCEAEX-_o=Alpine_ou=First+20Administrative+20Group_cn=Recipients_cn=anna+2Eberg@alpine.test",
	} {
		if got := r.reforest(t, "status", name); got.stdout != want {
			t.Errorf("status %s: %q, want %q (%s)", name, got.stdout, want, got.stderr)
		}
	}
	r.reforest(t, "status", "nobody@alpine.test").wants(t, exitFailure, "nobody in any batch is known by nobody@alpine.test")
}

// A source mailbox that cannot be opened is a finding, while others can be.
func TestSourceMailboxThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n"+anna+"\n")
	r.Source.Mail.Plan(imapd.Fault{User: anna, Op: imapd.Login, Code: "AUTHENTICATIONFAILED", Text: "Authentication failed."})
	before := usn(t, r, r.Target)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitForbidden, "mail.mailbox", anna)
	if usn(t, r, r.Target) != before || messages(r.Target.Mail.Snapshot(bjorn)) != 0 {
		t.Error("something was changed")
	}
}
