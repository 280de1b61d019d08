package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	forestfile "reforest/directory/snapshot"
	"reforest/internal/lab"
	"reforest/internal/lab/ldapd"
)

// The configurations of those who collect one side, and of the one who judges: each has
// what it needs and nothing else.
const (
	collectSource = "source:\n  directory: {url: URL, bind: 'BIND', password: 'file:source.password', ca: ca.pem}\n"
	collectTarget = "target:\n  directory: {url: URL, bind: 'BIND', password: 'file:target.password', ca: ca.pem}\n"
)

// collectBoth collects both forests, each with its own configuration, and writes one for
// judging, judge.yaml.
func (r *rehearsal) collectBoth(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{
		"source.yaml": replaceAll(collectSource, "URL", r.Source.Directory.URL(), "BIND", string(r.Source.Directory.AdminDN())),
		"target.yaml": replaceAll(collectTarget, "URL", r.Target.Directory.URL(), "BIND", string(r.Target.Directory.AdminDN())),
		"judge.yaml":  r.withoutServers(t),
	} {
		r.write(t, name, text)
	}
	r.reforest(t, "check", "--config", "source.yaml", "--collect", "source", "--out", "alpine.forest").wants(t, exitDone, "of alpine.test, the source, to alpine.forest")
	r.reforest(t, "check", "--config", "target.yaml", "--collect", "target", "--out", "fabrikam.forest").wants(t, exitDone, "of fabrikam.test, the target, to fabrikam.forest")
}

// withoutServers returns the demo's configuration without anything about servers.
func (r *rehearsal) withoutServers(t *testing.T) string {
	t.Helper()
	var top map[string]any
	if err := yaml.Unmarshal([]byte(r.read(t, demoConfig)), &top); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"source", "target"} {
		keys := top[side].(map[string]any)
		for _, key := range []string{"directory", "mail"} {
			if _, there := keys[key]; !there {
				t.Fatalf("the %s has no %s", side, key)
			}
			delete(keys, key)
		}
	}
	text, err := yaml.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func replaceAll(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}

// judge checks the batch from the two files.
func (r *rehearsal) judge(t *testing.T, args ...string) result {
	t.Helper()
	return r.reforest(t, append([]string{"check", "--config", "judge.yaml", "--offline", "fabrikam.forest,alpine.forest"}, args...)...)
}

// findingsOf returns the findings that a check prints as JSON, in order.
func findingsOf(t *testing.T, got result) (findings []findingLine) {
	t.Helper()
	for text := range strings.Lines(got.stdout) {
		var f findingLine
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatalf("%v: %s%s", err, got.stdout, got.stderr)
		}
		if f.MessageType == "finding" {
			findings = append(findings, f)
		}
	}
	return findings
}

// ofFiles are the rules that are about files alone.
var ofFiles = []string{"check.offline", "check.stale", "mail.untried"}

// sameFindings compares what a check says online and from files, and returns that.
func (r *rehearsal) sameFindings(t *testing.T) []findingLine {
	t.Helper()
	online, offline := r.reforest(t, "check", demoBatch, "--json"), r.judge(t, demoBatch, "--json")
	if online.code != exitDone && online.code != exitForbidden {
		t.Fatalf("online: %+v", online)
	}
	offline.wants(t, online.code)
	want, got := findingsOf(t, online), findingsOf(t, offline)
	ofFile := func(f findingLine) bool { return slices.Contains(ofFiles, f.Rule) }
	if len(got) == 0 || slices.ContainsFunc(want, ofFile) {
		t.Errorf("online: %v, offline: %v", want, got)
	}
	if diff := cmp.Diff(append([]findingLine{}, want...), slices.DeleteFunc(got, ofFile)); diff != "" {
		t.Errorf("findings (-online +offline):\n%s", diff)
	}
	return want
}

// From files the demo's batch is judged as it is online.
func TestOfflineIsOnline(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.collectBoth(t)
	r.sameFindings(t)
}

// So is one in which much is wrong, and each of the faults is seen.
func TestOfflineSeesEveryFault(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.plantFaults(t)
	r.collectBoth(t)
	var rules []string
	for _, f := range r.sameFindings(t) {
		rules = append(rules, f.Rule)
	}
	slices.Sort(rules)
	rules = slices.Compact(rules)
	for _, want := range []string{
		"address.taken", "batch.same", "contact.address-elsewhere", "database.missing", "match.group", "match.mailbox", "match.several", "match.source",
		"source.alt-recipient", "source.disabled", "source.forwards", "source.not-mailbox", "source.primary-several", "x500.source-missing",
	} {
		if !slices.Contains(rules, want) {
			t.Errorf("%s is not among the findings: %q", want, rules)
		}
	}
}

// plantFaults makes something wrong with many people, and writes the batch.
func (r *rehearsal) plantFaults(t *testing.T) {
	t.Helper()
	user := func(cn string) ldapd.Attrs { return ldapd.Attrs{"objectClass": {"user"}, "sAMAccountName": {cn}} }
	contact := ldapd.Attrs{"objectClass": {"contact"}, "mail": {"bjorn.akesson@alpine.test"}, "targetAddress": {"SMTP:bjorn@freemail.test"}}
	seed(t, r.Target, r.TargetOU.Child("CN", "Björn, of old"), contact)
	group := ldapd.Attrs{"objectClass": {"group"}, "sAMAccountName": {"everybody"}, "proxyAddresses": {"smtp:chloe.lefevre@alpine.test"}}
	seed(t, r.Target, r.TargetOU.Child("CN", "everybody"), group)
	for _, cn := range []string{"One", "Two"} {
		attrs := user(cn)
		attrs["proxyAddresses"] = []string{"smtp:eva.mueller@alpine-old.test"}
		seed(t, r.Target, r.TargetOU.Child("CN", cn), attrs)
	}
	taken := user("taker")
	taken["proxyAddresses"] = []string{"smtp:georg.weiss@fabrikam.test"}
	seed(t, r.Target, r.TargetOU.Child("CN", "taker"), taken)
	change(t, r.Target, "CN=Anna Berg,OU=Staff,DC=fabrikam,DC=test", "homeMDB", databaseOf(t, r))
	for alias, fault := range map[string][2]string{
		"fatima.alsayed": {"targetAddress", "SMTP:elsewhere@example.test"}, "hana.novakova": {"userAccountControl", "546"},
		"iker.etxeberria": {"legacyExchangeDN", ""}, "jose.nunez": {"altRecipient", string(r.personDN(t, "qiao.wang"))},
	} {
		r.fault(t, alias, fault[0], fault[1])
	}
	two := directory.Mod{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("SMTP:second@alpine.test")}}
	if err := r.Source.Directory.SeedChange(r.personDN(t, "simran.kaur"), two); err != nil {
		t.Fatal(err)
	}
	r.write(t, demoBatch, demoRows()+"ALPINE\\lukasz.wojcik,MBX-Z9\nALPINE\\tom.schmidt,\nAdministrator,\nnobody@alpine.test,\n")
}

func (r *rehearsal) personDN(t *testing.T, alias string) directory.DN {
	t.Helper()
	entry, err := r.Source.Directory.Lookup("mail", alias+"@"+lab.SourceDomain)
	if err != nil {
		t.Fatal(err)
	}
	return entry.DN
}

// fault sets an attribute of a person at the source; "" takes it away.
func (r *rehearsal) fault(t *testing.T, alias, attr, value string) {
	t.Helper()
	mod := directory.Mod{Op: directory.ReplaceValues, Attr: attr}
	if value != "" {
		mod.Values = [][]byte{[]byte(value)}
	}
	if err := r.Source.Directory.SeedChange(r.personDN(t, alias), mod); err != nil {
		t.Fatal(err)
	}
}

// Judging needs the files alone: no server is there any more, and no password.
func TestOfflineNeedsNoServer(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.collectBoth(t)
	online := r.reforest(t, "check", demoBatch)
	for _, close := range []func() error{
		r.Source.Directory.Close, r.Target.Directory.Close, r.Source.Mail.Close, r.Target.Mail.Close,
		func() error { return os.Remove(filepath.Join(r.dir, "source.password")) },
		func() error { return os.Remove(filepath.Join(r.dir, "target.password")) },
	} {
		if err := close(); err != nil {
			t.Fatal(err)
		}
	}
	r.Source, r.Target = lab.Side{}, lab.Side{}
	got := r.judge(t, demoBatch)
	got.wants(t, online.code, "Judged from files", "as of "+time.Now().UTC().Format("2006-01-02"), "seen by CN=Administrator,", "[mail.untried]")
	if n := strings.Count(got.stdout, "[check.offline]"); n != 1 {
		t.Errorf("what it rests on is said %d times:\n%s", n, got.stdout)
	}
	if strings.Contains(got.stdout, "check.stale") {
		t.Errorf("a new file is called stale:\n%s", got.stdout)
	}
	r.judge(t).wants(t, exitDone, "Checked both forests: nothing forbids a run")
}

// A file older than seven days is a warning, and no more.
func TestOfflineStale(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.collectBoth(t)
	online := r.reforest(t, "check", demoBatch)
	for age, stale := range map[time.Duration]bool{6 * 24 * time.Hour: false, 8 * 24 * time.Hour: true} {
		r.collectAged(t, r.Target, directory.Target, "fabrikam.forest", age)
		got := r.judge(t, demoBatch)
		got.wants(t, online.code)
		if strings.Contains(got.stdout, "warning: target: fabrikam.forest is 8 days old") != stale || strings.Contains(got.stdout, "[check.stale]") != stale {
			t.Errorf("%v old:\n%s", age, got.stdout)
		}
	}
}

// collectAged collects a side as somebody else would have some time ago.
func (r *rehearsal) collectAged(t *testing.T, side lab.Side, which directory.Side, name string, age time.Duration) {
	t.Helper()
	config := forestfile.Config{Side: which, Account: "CN=somebody", At: time.Now().Add(-age)}
	if _, err := forestfile.Save(t.Context(), r.dial(t, side), filepath.Join(r.dir, name), config); err != nil {
		t.Fatal(err)
	}
}

// What cannot be collected, or judged from, says why and changes no file.
func TestCollectRefuses(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.collectBoth(t)
	r.write(t, "notes.txt", "mine")
	r.write(t, "wrong.password", "wrong\n")
	r.write(t, "wrong.yaml", strings.Replace(r.read(t, "source.yaml"), "source.password", "wrong.password", 1))
	whole := r.read(t, "alpine.forest")
	r.write(t, "torn.forest", whole[:len(whole)-20])
	r.collectAged(t, r.Source, directory.Target, "turned.forest", 0)
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"--config source.yaml --collect target --out x.forest", exitUsage, "target.directory.url is required"},
		{"--config source.yaml --collect source --out notes.txt", exitUsage, "is there already, and is not replaced"},
		{"--config source.yaml --collect source --out fabrikam.forest", exitUsage, "holds the target forest"},
		{"--config source.yaml --collect source", exitUsage, "--out"},
		{"--config source.yaml --out x.forest", exitUsage, "want source or target"},
		{"--config source.yaml --collect both --out x.forest", exitUsage, "want source or target"},
		{"--config source.yaml --collect source --out x.forest tonight.csv", exitUsage, "no batch file"},
		{"--config source.yaml --collect source --out x.forest --offline alpine.forest,fabrikam.forest", exitUsage, "do not go together"},
		{"--config wrong.yaml --collect source --out x.forest", exitCredentials, "source directory"},
		{"--config source.yaml --collect source --out none/x.forest", exitFailure, "none"},
		{"--config judge.yaml --offline alpine.forest", exitUsage, "two files"},
		{"--config judge.yaml --offline alpine.forest,alpine.forest", exitUsage, "both hold a source forest"},
		{"--config judge.yaml --offline alpine.forest,turned.forest", exitUsage, "the same forest"},
		{"--config judge.yaml --offline alpine.forest,none.forest", exitUsage, "none.forest"},
		{"--config judge.yaml --offline alpine.forest,notes.txt", exitUsage, "no file that reforest collected"},
		{"--config judge.yaml --offline torn.forest,fabrikam.forest", exitUsage, "ends too early"},
		{"--config source.yaml --offline alpine.forest,fabrikam.forest", exitUsage, "target.ou is required"},
	} {
		r.reforest(t, append([]string{"check"}, strings.Fields(test.args)...)...).wants(t, test.code, test.says)
	}
	if r.read(t, "notes.txt") != "mine" || r.read(t, "alpine.forest") != whole {
		t.Error("a file was changed")
	}
	if _, err := os.Stat(filepath.Join(r.dir, "x.forest")); err == nil {
		t.Error("a refused collection left a file")
	}
	r.reforest(t, "check", "--config", "source.yaml", "--collect", "source", "--out", "alpine.forest", "--json").wants(t, exitDone, `"message_type":"collected"`)
}

func (r *rehearsal) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
