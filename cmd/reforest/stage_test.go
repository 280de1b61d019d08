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
	r.reforest(t, "clean", demoBatch, "--yes").wants(t, exitNeedsPerson, "1 cleaned", "23 had nothing to clean", "1 need a person")
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
