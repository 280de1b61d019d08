package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

func (r *rehearsal) openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(r.dir, "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func (r *rehearsal) lastCheck(t *testing.T) (batch.Check, bool) {
	t.Helper()
	st := r.openStore(t)
	c, found, err := st.LastCheck(t.Context(), "tonight")
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	return c, found
}

func TestCheckListsRules(t *testing.T) {
	t.Parallel()
	r := &rehearsal{dir: t.TempDir()} // no configuration is needed
	text := r.reforest(t, "check", "--rules")
	text.wants(t, exitDone, "x500.missing (forbidden)", "Mend: ", "Source: MS-OXCMAIL")
	listed := map[string]directory.Rule{}
	got := r.reforest(t, "check", "--rules", "--json")
	for _, line := range strings.Split(strings.TrimSpace(got.stdout), "\n") {
		var rule struct{ Rule, Severity, Means, Mend, Source string }
		if err := json.Unmarshal([]byte(line), &rule); err != nil {
			t.Fatal(err)
		}
		listed[rule.Rule] = directory.Rule{ID: rule.Rule, Means: rule.Means, Mend: rule.Mend, Source: rule.Source}
		if !strings.Contains(text.stdout, rule.Rule+" ("+rule.Severity+")\n    "+rule.Means) {
			t.Errorf("%s is not listed as text", rule.Rule)
		}
	}
	for _, want := range directory.AllRules() {
		want.Severity = 0
		if listed[want.ID] != want {
			t.Errorf("got %+v, want %+v", listed[want.ID], want)
		}
	}
}

// A check is kept, told of by status, and made again by run, which says if it was stale.
func TestCheckIsKept(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\nnobody@alpine.test\n")
	r.reforest(t, "check", demoBatch).wants(t, exitForbidden, "match.source")
	r.reforest(t, "status", "tonight").wants(t, exitDone, "has not begun", "2 mailboxes, 1 findings forbid the run")
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	r.reforest(t, "check", demoBatch).wants(t, exitDone, "nothing forbids a run")
	kept, found := r.lastCheck(t)
	if !found || kept.Mailboxes != 1 || kept.Forbidden() != 0 || kept.Version != version || !has(kept.Findings, "mailbox.unswept") {
		t.Errorf("kept %+v", kept)
	}
	kept.At = kept.At.Add(-8 * 24 * time.Hour)
	st := r.openStore(t)
	if err := errors.Join(st.SaveCheck(t.Context(), kept), st.Close()); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "status", "tonight").wants(t, exitDone, "it is stale: it is 8 days old")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone, "is stale (it is 8 days old); everything is checked again")
	again, _ := r.lastCheck(t)
	if time.Since(again.At) > time.Hour {
		t.Errorf("the run did not check again: %v", again.At)
	}
	r.reforest(t, "status", "tonight").wants(t, exitDone, "Last check: ", "nothing forbids a run")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone, "Checked on ")
}

// The forests as a whole: who would get a bounce, and split mailboxes of anybody.
func TestCheckAll(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	guid := []string{"0123456789abcdef"}
	for _, cn := range []string{"One", "Two"} {
		seed(t, r.Target, r.TargetOU.Child("CN", cn), ldapd.Attrs{"objectClass": {"user"}, "sAMAccountName": {cn}, "msExchMailboxGuid": guid})
	}
	got := r.reforest(t, "check", "--all")
	got.wants(t, exitForbidden, "mailbox.split", "CN=Two,OU=Moved", "x500.unowned", "/cn=Recipients/cn=", "mailbox.unswept")
	if n := strings.Count(got.stdout, "[x500.unowned]"); n < 20 {
		t.Errorf("%d people's names are unowned, want those of everyone who is not staged:\n%s", n, got.stdout)
	}
	if _, found := r.lastCheck(t); found {
		t.Error("a check of no batch was kept as one of the batch")
	}
	r.collectBoth(t)
	files := r.judge(t, "--all")
	files.wants(t, exitForbidden, "mailbox.split")
	if online, offline := strings.Count(got.stdout, "[x500."), strings.Count(files.stdout, "[x500."); online != offline {
		t.Errorf("%d findings about names online, %d from files", online, offline)
	}
}

// What cannot be written forbids the run before anything is.
func TestCheckFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := defaultConfig()
	c.path = filepath.Join(dir, demoConfig)
	c.Store, c.Reports = "deep/er/reforest.db", "reports"
	if got := checkFiles(c); len(got) > 0 {
		t.Errorf("found %v", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "taken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Reports = "taken"
	if got := checkFiles(c); len(got) != 1 || got[0].Whom != "reports" || got[0].Severity != migrate.Forbid || got[0].Rule != "files.unwritable" {
		t.Errorf("found %v", got)
	}
}

// What is asked for is done or refused, never passed over.
func TestCheckRefusesWhatDoesNotGoTogether(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	for _, args := range [][]string{
		{"--rules", demoBatch},
		{"--mend", "--all", demoBatch},
		{"--mend"},
		{demoBatch, "--yes"},
		{demoBatch, "--dry-run"},
		{demoBatch, "--mend", "--yes", "--offline", "a,b"},
	} {
		r.reforest(t, append([]string{"check"}, args...)...).wants(t, exitUsage, "reforest: --")
	}
	r.reforest(t, "status").wants(t, exitFailure, "there is no store")
	r.reforest(t, "check", demoBatch).wants(t, exitDone)
	r.reforest(t, "status").wants(t, exitDone, "No batch has begun")
}

// Nobody counts lines at night: what is found often is summed up.
func TestCheckSumsUp(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.reforest(t, "check", "--all").wants(t, exitDone, "27 of [x500.unowned]: ", "Checked both forests: nothing forbids a run.")
}

// Every password that cannot be fetched is named at once.
func TestEveryMissingPassword(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	for _, name := range []string{"source.password", "target.password"} {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.reforest(t, "check").wants(t, exitUsage, "source.directory.password", "source.mail.password", "target.directory.password", "target.mail.password")
}

// An account with too few rights is told the commands that grant them, and no more.
func TestCheckOfRights(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	mover := r.Source.Directory.BaseDN().Child("CN", "mover")
	seed(t, r.Source, mover, ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"mover"}, "userPrincipalName": {"mover@alpine.test"},
		"userAccountControl": {"512"}, "unicodePwd": {string(ldapd.EncodePassword(r.Source.Password))},
	})
	r.editAfter(t, "source:", "bind:", string(r.Source.Directory.AdminDN()), "mover@alpine.test")
	people := r.Source.Directory.BaseDN().Child("OU", "People")
	grant := func(attrs ...string) {
		t.Helper()
		if err := r.Source.Directory.Grant(mover, ldapd.Grant{Under: people, Write: attrs}); err != nil {
			t.Fatal(err)
		}
	}
	grant("proxyAddresses", "msExchRecipientTypeDetails", "msExchRecipientDisplayType")
	got := r.reforest(t, "check", demoBatch)
	got.wants(t, exitForbidden, "rights.write", `dsacls "`+string(people)+`" /I:S /G "mover@alpine.test:RPWP;targetAddress;user"`)
	if strings.Contains(got.stdout, "RPWP;proxyAddresses") {
		t.Errorf("more is asked for than is missing:\n%s", got.stdout)
	}
	grant("targetAddress", "msExchPoliciesExcluded", "homeMDB", "homeMTA", "msExchHomeServerName", "mDBUseDefaults", "mDBStorageQuota",
		"mDBOverQuotaLimit", "mDBOverHardQuotaLimit", "msExchMailboxSecurityDescriptor", "msExchMailboxTemplateLink",
		"msExchRBACPolicyLink", "msExchArchiveDatabaseLink")
	r.reforest(t, "check", demoBatch).wants(t, exitDone, "nothing forbids a run")
}

// sitting is an environment in which somebody answers.
func sitting(answers string) (*environment, *strings.Builder) {
	var out strings.Builder
	return &environment{stdin: strings.NewReader(answers), stdout: &out, stderr: &out, getenv: os.Getenv, terminal: true}, &out
}

// Anna has two primary addresses and Bruno's mail goes in a circle. One mend is declined,
// one carried out; what was declined forbids the run, and the next time both are mended.
func TestCheckMends(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	anna := r.entry(t, "anna.berg@alpine.test")
	for _, value := range anna.Values("proxyAddresses") {
		if strings.HasPrefix(value, "smtp:") {
			mod := directory.Mod{Op: directory.DeleteValues, Attr: "proxyAddresses", Values: [][]byte{[]byte(value)}}
			second := directory.Mod{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("SMTP:" + value[len("smtp:"):])}}
			if err := r.Source.Directory.SeedChange(anna.DN, mod, second); err != nil {
				t.Fatal(err)
			}
		}
	}
	change(t, r.Source, anna.DN, "targetAddress", "SMTP:"+anna.First("mailNickname")+"@fabrikam.test")
	before := r.trace(t)
	check := func(options checkOptions, answers string) (said string, err error) {
		options.globalOptions = &globalOptions{config: filepath.Join(r.dir, demoConfig)}
		env, out := sitting(answers)
		err = runCheck(t.Context(), env, &options, []string{filepath.Join(r.dir, demoBatch)})
		return out.String(), err
	}

	said, err := check(checkOptions{mend: true, dryRun: true}, "")
	if codeOf(err) != exitForbidden || !strings.Contains(said, "mend source.primary-several") || !strings.Contains(said, "mend source.forwards-to-target") {
		t.Errorf("dry run: %v\n%s", err, said)
	}
	said, err = check(checkOptions{mend: true}, "n\nn\n")
	if codeOf(err) != exitForbidden || strings.Count(said, "the mend was declined") != 2 {
		t.Errorf("both declined: %v\n%s", err, said)
	}
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("what was declined was done:\n%s", diff)
	}
	said, err = check(checkOptions{mend: true}, "no\nyes\n")
	if codeOf(err) != exitForbidden || !strings.Contains(said, "[source.primary-several]") || strings.Contains(said, "forbidden: anna.berg@alpine.test: The source sends") {
		t.Errorf("one declined: %v\n%s", err, said)
	}
	if kept, _ := r.lastCheck(t); kept.Forbidden() != 1 || !has(kept.Findings, "source.primary-several") {
		t.Errorf("kept %+v", kept)
	}
	if now := r.entry(t, "anna.berg@alpine.test"); now.Has("targetAddress") {
		t.Error("the circle is still there")
	}
	said, err = check(checkOptions{mend: true, yes: true}, "")
	if err != nil {
		t.Errorf("mended: %v\n%s", err, said)
	}
	primaries := 0
	for _, value := range r.entry(t, "anna.berg@alpine.test").Values("proxyAddresses") {
		if strings.HasPrefix(value, "SMTP:") {
			primaries++
		}
	}
	if primaries != 1 {
		t.Errorf("%d primary addresses, want 1", primaries)
	}
	r.reforest(t, "check", demoBatch, "--mend").wants(t, exitUsage, "--yes") // nobody is here to ask
	r.reforest(t, "check", demoBatch, "--mend", "--yes").wants(t, exitDone)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
}

// A mend that the server refuses leaves the finding, as one that forbids.
func TestMendThatFails(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, "anna.berg@alpine.test\n")
	mover := r.Source.Directory.BaseDN().Child("CN", "mover")
	seed(t, r.Source, mover, ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"mover"}, "userPrincipalName": {"mover@alpine.test"},
		"userAccountControl": {"512"}, "unicodePwd": {string(ldapd.EncodePassword(r.Source.Password))},
	})
	r.editAfter(t, "source:", "bind:", string(r.Source.Directory.AdminDN()), "mover@alpine.test")
	anna := r.entry(t, "anna.berg@alpine.test")
	change(t, r.Source, anna.DN, "targetAddress", "SMTP:"+anna.First("mailNickname")+"@fabrikam.test")
	r.reforest(t, "check", demoBatch, "--mend", "--yes").wants(t, exitForbidden, "the mend failed", "source.forwards-to-target")
	if !r.entry(t, "anna.berg@alpine.test").Has("targetAddress") {
		t.Error("an account without rights has written")
	}
}

// entry reads a source person by address.
func (r *rehearsal) entry(t *testing.T, mail string) *directory.Entry {
	t.Helper()
	conn := r.dial(t, r.Source)
	for entry, err := range conn.Find(t.Context(), directory.Query{Filter: directory.Eq("mail", mail)}) {
		if err != nil {
			t.Fatal(err)
		}
		return entry
	}
	t.Fatalf("nobody has the address %s", mail)
	return nil
}

// Whoever interrupts while being asked has answered nothing.
func TestMendInterrupted(t *testing.T) {
	t.Parallel()
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	env, _ := sitting("")
	m := &mending{env: env, left: map[string]string{}}
	silent, hangUp := io.Pipe()
	defer func() { _ = hangUp.Close() }()
	m.answers = bufio.NewReader(silent)
	if wanted, err := m.ask(ctx, "really?"); wanted || !errors.Is(err, stop) {
		t.Errorf("got %v, %v", wanted, err)
	}
}
