package main

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab"
	"reforest/internal/lab/ldapd"
)

// volatile are attributes that a server changes by itself.
var volatile = map[string]bool{
	"usnchanged": true, "usncreated": true, "whenchanged": true, "lastlogon": true, "logoncount": true, "lastlogontimestamp": true,
	"dscorepropagationdata": true,
}

// content reads everything in a forest's domain but what its server changes by itself.
func content(t *testing.T, r *rehearsal, side lab.Side) map[string]map[string][]string {
	t.Helper()
	conn := r.dial(t, side)
	out := map[string]map[string][]string{}
	for entry, err := range conn.Find(t.Context(), directory.Query{Filter: directory.Any}) {
		if err != nil {
			t.Fatal(err)
		}
		attrs := map[string][]string{}
		for _, name := range entry.Attrs() {
			if !volatile[strings.ToLower(name)] {
				attrs[name] = slices.Sorted(slices.Values(entry.Values(name)))
			}
		}
		out[string(entry.DN)] = attrs
	}
	return out
}

// counts returns the result line that --json ends with.
func (got result) counts(t *testing.T) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	counts := map[string]any{}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &counts); err != nil {
		t.Fatalf("read %q: %v\n%s", lines[len(lines)-1], err, got.stderr)
	}
	return counts
}

func TestStageAndUndo(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	source, target := content(t, r, r.Source), content(t, r, r.Target)

	planned := r.reforest(t, "stage", "--all", "--dry-run", "--json")
	if diff := cmp.Diff(target, content(t, r, r.Target)); diff != "" {
		t.Fatalf("a dry run changed the target (-before +after):\n%s", diff)
	}
	staged := r.reforest(t, "stage", "--all", "--yes", "--json")
	if staged.code != planned.code {
		t.Errorf("exit code %d, planned %d\n%s", staged.code, planned.code, staged.stderr)
	}
	if got := staged.counts(t)["added"].(float64); got < 10 {
		t.Errorf("%v added, want at least 10\n%s", got, staged.stderr)
	}
	if cmp.Equal(target, content(t, r, r.Target)) || cmp.Equal(source, content(t, r, r.Source)) {
		t.Error("staging changed nothing")
	}
	again := r.reforest(t, "stage", "--all", "--yes", "--json").counts(t)
	if again["writes"].(float64) != 0 {
		t.Errorf("a second staging wrote %v changes, want 0", again["writes"])
	}
	undone := r.reforest(t, "stage", "--all", "--undo", "--yes", "--json")
	undone.wants(t, exitDone)
	if diff := cmp.Diff(source, content(t, r, r.Source)); diff != "" {
		t.Errorf("source (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(target, content(t, r, r.Target)); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// Cleaning by command does what the end of a run does, for rights that were given since.
func TestCleanByCommand(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson)
	r.reforest(t, "clean", demoBatch, "--yes").wants(t, exitDone, "0 cleaned", "25 had nothing to clean")
	anna := directory.DN("CN=Anna Berg,OU=Staff,DC=fabrikam,DC=test")
	if err := r.GiveLegacyRights(anna); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "clean", demoBatch, "--dry-run").wants(t, exitDone, "nTSecurityDescriptor", "Nothing was changed")
	r.reforest(t, "clean", demoBatch, "--yes").wants(t, exitDone, "1 cleaned")
	r.reforest(t, "clean", demoBatch, "--yes").wants(t, exitDone, "0 cleaned")
}

// Who cannot be cleaned does not keep the others from it.
func TestCleanGoesOnWithoutOne(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson)
	if err := r.GiveLegacyRights("CN=Anna Berg,OU=Staff,DC=fabrikam,DC=test"); err != nil {
		t.Fatal(err)
	}
	source := r.dial(t, r.Source)
	var first directory.DN
	for entry, err := range source.Find(t.Context(), directory.Query{Filter: directory.Eq("mail", "bjorn.akesson@alpine.test"), Attrs: []string{"cn"}}) {
		if err != nil {
			t.Fatal(err)
		}
		first = entry.DN
	}
	if err := source.Write(t.Context(), directory.Change{Forest: directory.Source, Op: directory.Delete, DN: first}); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "clean", demoBatch, "--dry-run").wants(t, exitNeedsPerson, "nTSecurityDescriptor", "Nothing was changed")
	r.reforest(t, "clean", demoBatch, "--yes").wants(t, exitNeedsPerson, "1 cleaned", "23 had nothing to clean", "1 failed")
}

// A server that does not take writes any more is nobody's fault: staging ends, and does
// not go on to fail at everyone.
func TestStagingEndsWhenTheServerDoes(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.edit(t, "attempts: 20", "attempts: 2")
	r.Target.Directory.OnWrite(func(ldapd.Write, ldapd.Stage) error {
		return ldapd.RefusalError{Code: 51, Text: "busy"} // LDAPResultBusy
	})
	got := r.reforest(t, "stage", "--all", "--yes", "--json")
	got.wants(t, exitFailure)
	if failed := got.counts(t)["failed"].(float64); failed != 0 {
		t.Errorf("%v people failed, want 0", failed)
	}
	r.Target.Directory.OnWrite(nil)
	if failed := r.reforest(t, "stage", "--all", "--yes", "--json").counts(t)["failed"].(float64); failed != 0 {
		t.Errorf("%v people failed once the server was there again, want 0", failed)
	}
}

// An answer that is lost on the way is looked for at once.
func TestStagingLooksAfterALostAnswer(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	var writes atomic.Int64
	r.Target.Directory.OnWrite(func(_ ldapd.Write, stage ldapd.Stage) error {
		if stage == ldapd.AfterWrite && writes.Add(1)%5 == 1 {
			return ldapd.ErrHangUp
		}
		return nil
	})
	if got := r.reforest(t, "stage", "--all", "--yes", "--json"); got.counts(t)["failed"].(float64) != 0 {
		t.Errorf("%s\n%s", got.stdout, got.stderr)
	}
	r.Target.Directory.OnWrite(nil)
	if again := r.reforest(t, "stage", "--all", "--yes", "--json").counts(t); again["writes"].(float64) != 0 {
		t.Errorf("a second staging wrote %v changes, want 0", again["writes"])
	}
}

// linesOf reads every line of the standard output as a JSON object.
func (got result) linesOf(t *testing.T) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(got.stdout) {
		object := map[string]any{}
		if err := json.Unmarshal([]byte(line), &object); err != nil || object["message_type"] == nil {
			t.Fatalf("no object with a message_type: %q, %v", line, err)
		}
		lines = append(lines, object)
	}
	return lines
}

// What a second dry run prints is what needs somebody, once each, and one line that sums
// up; links that wait are a figure in it.
func TestDryRunIsQuietWhereNothingIsToBeDone(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.nothingAdopted(t)
	r.reforest(t, "stage", "--all", "--yes").wants(t, exitNeedsPerson, "26 added", "1 need a person", "match.adopt")
	got := r.reforest(t, "stage", "--all", "--dry-run")
	got.wants(t, exitNeedsPerson, "needs a person: Anna Berg", "match.adopt", "26 unchanged, 1 need a person", "0 directory writes", "[link.not-adopted]")
	for _, no := range []string{"unchanged: ", "nothing to change", "Noted for 0"} {
		if strings.Contains(got.stdout, no) {
			t.Errorf("%q is no news:\n%s", no, got.stdout)
		}
	}
	if n := strings.Count(got.stdout+got.stderr, "matches it at the target"); n != 1 {
		t.Errorf("the question is told %d times, want once:\n%s%s", n, got.stdout, got.stderr)
	}
	lines := r.reforest(t, "stage", "--all", "--yes", "--json").linesOf(t)
	last := lines[len(lines)-1]
	if last["message_type"] != "staged" || last["refused"] != 1.0 || last["writes"] != 0.0 || lines[0]["rule"] != "match.adopt" {
		t.Errorf("got %v", lines)
	}
}

// An account that may make users and not write the source makes nobody, and is told what
// it lacks once.
func TestStageWithTooFewRights(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	mover := r.Source.Directory.BaseDN().Child("CN", "mover")
	seed(t, r.Source, mover, ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"mover"}, "userPrincipalName": {"mover@alpine.test"},
		"userAccountControl": {"512"}, "unicodePwd": {string(ldapd.EncodePassword(r.Source.Password))},
	})
	r.editAfter(t, "source:", "bind:", string(r.Source.Directory.AdminDN()), "mover@alpine.test")
	before := content(t, r, r.Target)
	people := r.Source.Directory.BaseDN().Child("OU", "People")
	dsacls := func(class string) string {
		return `dsacls "` + string(people) + `" /I:S /G "mover@alpine.test:RPWP;proxyAddresses;` + class + `"`
	}
	r.reforest(t, "stage", "--all", "--dry-run").wants(t, exitNeedsPerson, "rights.write", dsacls("user"), dsacls("contact"), dsacls("group"), "27 need a person")
	got := r.reforest(t, "stage", "--all", "--yes")
	got.wants(t, exitNeedsPerson, "rights.write", dsacls("user"), "0 added", "27 need a person, 0 failed", "0 directory writes")
	if n := strings.Count(got.stderr, dsacls("user")); n != 1 {
		t.Errorf("the command is told %d times, want once:\n%s", n, got.stderr)
	}
	if diff := cmp.Diff(before, content(t, r, r.Target)); diff != "" {
		t.Errorf("somebody was made whose source may not be written (-before +after):\n%s", diff)
	}
	if err := r.Source.Directory.Grant(mover, ldapd.Grant{Under: people, Write: []string{"proxyAddresses"}}); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "stage", "--all", "--yes").wants(t, exitDone, "26 added, 1 changed", "0 need a person, 0 failed")
	r.reforest(t, "stage", "--all", "--yes").wants(t, exitDone, "27 unchanged", "0 directory writes")
}
