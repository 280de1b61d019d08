package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/real"
)

const (
	prestaged   = 2000 // mailboxes
	prestageFor = 2 * time.Minute
)

// Two thousand mailboxes with links among each other, groups, contacts and mail users are
// pre-staged from one Samba forest to the other. What has become of them is computed from
// what was planted, and read with ldapsearch. Taking it back leaves both forests as they
// were.
func TestPrestage(t *testing.T) {
	p := &prestage{twoForests: &twoForests{lab: real.Load(t)}}
	p.company = p.lab.NewCompany(prestaged)
	p.clock(t, "plant", func() { p.lab.PlantCompany(t, p.company) })
	p.dir = t.TempDir()
	p.write(t, "reforest.yaml", p.configuration())
	before := p.dump(t)

	staged := p.timed(t, "stage", "--all", "--yes", "--json")
	p.clock(t, "check", func() { p.check(t, before, p.dump(t), staged) })
	if again := p.timed(t, "stage", "--all", "--dry-run", "--json"); again.sum(t, "added", "changed", "linked", "writes", "gone") != 0 {
		t.Errorf("a second staging plans changes: %v", again.counts(t))
	}
	if again := p.timed(t, "stage", "--all", "--yes", "--json"); again.sum(t, "writes", "failed") != 0 {
		t.Errorf("a second staging writes: %v", again.counts(t))
	}

	undone := p.timed(t, "stage", "--all", "--undo", "--yes", "--json")
	undone.wants(t, exitDone)
	p.same(t, before, p.dump(t))
	p.opened(t)
}

// A prestage is the staging of a company.
type prestage struct {
	*twoForests
	company *real.Company
}

// clock logs how long a part took.
func (p *prestage) clock(t *testing.T, what string, do func()) {
	t.Helper()
	began := time.Now()
	do()
	t.Logf("figure prestage_%s_seconds %.1f", what, time.Since(began).Seconds())
}

// timed runs reforest in a process of its own.
func (p *prestage) timed(t *testing.T, args ...string) (got result) {
	t.Helper()
	what := strings.NewReplacer("stage --all", "", "--", "", " ", "_").Replace(strings.Join(args, " "))
	p.clock(t, what, func() { got = p.reforest(t, args...) })
	return got
}

func (p *prestage) reforest(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), prestageFor)
	defer cancel()
	cmd := p.command(ctx, args...)
	return ended(t, cmd, p.dir, cmd.Run)
}

// sum adds up counts of the result line.
func (got result) sum(t *testing.T, names ...string) (sum int) {
	t.Helper()
	counts := got.counts(t)
	for _, name := range names {
		n, ok := counts[name].(float64)
		if !ok {
			t.Fatalf("%s is not counted: %v", name, counts)
		}
		sum += int(n)
	}
	return sum
}

// forests is what both forests hold, by the keys of the DNs.
type forests struct{ source, target map[string]real.Entry }

func (p *prestage) dump(t *testing.T) forests {
	t.Helper()
	return forests{p.lab.Source.Dump(t), p.lab.Target.Dump(t)}
}

// Attributes that differ although everything was taken back, because the server alone
// writes them.
var (
	bookkeeping = []string{ // of every object
		"uSNChanged",            // the server's count of changes when it was changed last: it only grows
		"whenChanged",           // the time of that
		"dSCorePropagationData", // when its permissions were last handed down
	}
	ridPool = []string{ // of the domain controller's RID set and the domain's RID manager
		"rIDNextRID",                // the next account's number; numbers are never given twice
		"rIDPreviousAllocationPool", // the pool that the number comes from
		"rIDAllocationPool",         // the pool after that
		"rIDAvailablePool",          // what the domain has left
		"rIDUsedPool",
	}
	logons = []string{ // of the account that everything is done with
		"lastLogon", "lastLogonTimestamp", "logonCount",
	}
)

// same compares two dumps and shows the first differences.
func (p *prestage) same(t *testing.T, before, after forests) {
	t.Helper()
	for _, side := range []struct {
		name          string
		admin         string
		before, after map[string]real.Entry
	}{
		{"source", p.lab.Source.BindDN, before.source, after.source}, {"target", p.lab.Target.BindDN, before.target, after.target},
	} {
		var differences []string
		for _, dn := range slices.Sorted(maps.Keys(union(side.before, side.after))) {
			want, got := steadily(side.before[dn], side.admin), steadily(side.after[dn], side.admin)
			if diff := cmp.Diff(want, got); diff != "" {
				differences = append(differences, dn+"\n"+diff)
			}
		}
		if len(differences) > 0 {
			t.Errorf("%d objects of the %s differ; the first (-before +after):\n%s", len(differences), side.name, strings.Join(differences[:min(5, len(differences))], "\n"))
		}
	}
}

func union(a, b map[string]real.Entry) map[string]bool {
	all := map[string]bool{}
	for key := range a {
		all[key] = true
	}
	for key := range b {
		all[key] = true
	}
	return all
}

// steadily returns the entry without what the server alone writes, nil for none.
func steadily(e real.Entry, admin string) map[string][]string {
	if e == nil {
		return nil
	}
	left := slices.Clone(bookkeeping)
	if slices.Contains(e["objectClass"], "rIDSet") || slices.Contains(e["objectClass"], "rIDManager") {
		left = append(left, ridPool...)
	}
	if real.DNKey(e["dn"][0]) == real.DNKey(admin) {
		left = append(left, logons...)
	}
	kept := map[string][]string{}
	for name, values := range e {
		if !slices.Contains(left, name) {
			kept[name] = slices.Sorted(slices.Values(values))
		}
	}
	return kept
}

// opened stages a batch, moves one of its people to the end, and takes the batch back:
// whoever has a mailbox at the target stays.
func (p *prestage) opened(t *testing.T) {
	t.Helper()
	var all strings.Builder
	for _, o := range p.company.Mailboxes[400:420] {
		fmt.Fprintln(&all, o.Mail())
	}
	mover := p.company.Mailboxes[405]
	p.write(t, "some.txt", all.String())
	p.write(t, "one.csv", "EmailAddress;TargetDatabase\n"+mover.Mail()+";MBX-F1\n")
	p.lab.SourceMail.Empty(t, mover.Mail())
	p.lab.TargetMail.Empty(t, mover.Mail())
	p.reforest(t, "stage", "some.txt", "--yes").wants(t, exitDone)
	if n := len(p.migrated(t)); n != 20+occupiedNames {
		t.Errorf("%d objects in the OU of the batch, want %d", n, 20+occupiedNames)
	}
	p.reforest(t, "run", "one.csv", "--yes").wants(t, exitDone)
	p.reforest(t, "stage", "some.txt", "--undo", "--yes").wants(t, exitNeedsPerson, "[undo.opened]", mover.Attrs["displayName"][0])
	left := p.migrated(t)
	if len(left) != 1+occupiedNames || !slices.ContainsFunc(left, func(e real.Entry) bool { return e["mail"] != nil && e["mail"][0] == mover.Mail() }) {
		t.Errorf("%d objects are left in the OU, want %d with %s among them", len(left), 1+occupiedNames, mover.Mail())
	}
}

// occupiedNames is how many objects of others lie where new ones are put.
const occupiedNames = 10

// migrated returns what lies in the OU for new target users.
func (p *prestage) migrated(t *testing.T) []real.Entry {
	t.Helper()
	return p.lab.Target.Search(t, p.lab.Target.OU("Migrated"), "(objectClass=person)", "mail")
}
