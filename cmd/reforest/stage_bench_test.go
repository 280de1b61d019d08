//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab/real"
)

const (
	benchPeople = 2000
	benchCrowd  = 30_000
)

// product builds the program as it is shipped and returns its path.
func product(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "reforest")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// BenchmarkPrestage stages 2,000 mailboxes, and has ldapadd add the same objects, by
// turns, each into the same fresh FABRIKAM. The source has its new X500 addresses from a
// first staging, and the people have no links, so that both make the same 2,000 objects
// and nothing else. Reforest's time is that of the whole process: reading both forests,
// planning, journalling and looking for links included.
func BenchmarkPrestage(b *testing.B) {
	r := newRace(b)
	var ours, theirs, ratios []float64
	for b.Loop() {
		runs := []func(*testing.B) float64{r.reforest, r.ldapadd}
		if len(ours)%2 == 1 {
			slices.Reverse(runs)
		}
		first, second := runs[0](b), runs[1](b)
		if len(ours)%2 == 1 {
			first, second = second, first
		}
		b.Logf("reforest %.0f/s, ldapadd %.0f/s", first, second)
		ours, theirs, ratios = append(ours, first), append(theirs, second), append(ratios, first/second)
	}
	b.ReportMetric(middle(ours), "adds/s")
	b.ReportMetric(middle(theirs), "ldapadd-adds/s")
	b.ReportMetric(middle(ratios), "ratio")
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// A race is what both contestants start from.
type race struct {
	*twoForests
	program string
	ldif    string // file with the target objects
}

func newRace(b *testing.B) *race {
	b.Helper()
	r := &race{twoForests: &twoForests{lab: real.Load(b)}, program: product(b)}
	company := &real.Company{Mailboxes: r.lab.NewCompany(benchPeople).Mailboxes}
	for _, o := range company.Mailboxes {
		o.Links, o.Joined, o.Refused = nil, nil, ""
		delete(o.Attrs, "deliverAndRedirect")
	}
	r.lab.PlantCompany(b, company)
	r.fresh(b)
	r.ldif = filepath.Join(b.TempDir(), "target.ldif")
	if err := os.WriteFile(r.ldif, ldifOf(b, r.run(b, "stage", "--all", "--dry-run", "--json")), 0o600); err != nil {
		b.Fatal(err)
	}
	r.run(b, "stage", "--all", "--yes")
	return r
}

// fresh begins anew but for the source: an empty target, no store.
func (r *race) fresh(b *testing.B) {
	b.Helper()
	r.lab.FreshTarget(b)
	r.lab.Target.Reset(b)
	r.dir = b.TempDir()
	if err := os.WriteFile(filepath.Join(r.dir, "reforest.yaml"), []byte(r.configuration()), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (r *race) run(b *testing.B, args ...string) []byte {
	b.Helper()
	cmd := r.command(b.Context(), args...)
	cmd.Path = r.program
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v: %v\n%s%s", args, err, out, complaint.Bytes())
	}
	return out
}

func (r *race) reforest(b *testing.B) float64 {
	r.fresh(b)
	began := time.Now()
	out := r.run(b, "stage", "--all", "--yes", "--json")
	took := time.Since(began)
	var counts struct{ Added, Writes int }
	if err := json.Unmarshal(out, &counts); err != nil || counts.Added != benchPeople || counts.Writes != benchPeople {
		b.Fatalf("%s: want %d added, and no other write: %v", out, benchPeople, err)
	}
	return r.score(b, took)
}

func (r *race) ldapadd(b *testing.B) float64 {
	r.fresh(b)
	secret := filepath.Join(r.dir, "password")
	if err := os.WriteFile(secret, []byte(r.lab.Target.Password), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), "ldapadd", "-x", "-H", r.lab.Target.URL, "-D", r.lab.Target.BindDN, "-y", secret, "-f", r.ldif)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+r.lab.CA, "LDAPTLS_REQCERT=demand")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		b.Fatalf("ldapadd: %v\n%s", err, out)
	}
	return r.score(b, took)
}

// score checks that all have been added.
func (r *race) score(b *testing.B, took time.Duration) float64 {
	b.Helper()
	if n := len(r.lab.Target.Search(b, r.lab.Target.OU("Migrated"), "(objectClass=user)", "1.1")); n != benchPeople {
		b.Fatalf("%d objects were added, want %d", n, benchPeople)
	}
	return benchPeople / took.Seconds()
}

// ldifOf writes the target objects that the plans add (RFC 2849).
func ldifOf(b *testing.B, plans []byte) []byte {
	b.Helper()
	var ldif bytes.Buffer
	for decoder := json.NewDecoder(bytes.NewReader(plans)); ; {
		var line struct{ Changes []directory.Change }
		if err := decoder.Decode(&line); err == io.EOF {
			return ldif.Bytes()
		} else if err != nil {
			b.Fatal(err)
		}
		for _, change := range line.Changes {
			if change.Op == directory.Add {
				writeRecord(&ldif, change)
			}
		}
	}
}

func writeRecord(ldif *bytes.Buffer, change directory.Change) {
	fmt.Fprintf(ldif, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(change.DN)))
	for _, mod := range change.Mods {
		for _, value := range mod.Values {
			fmt.Fprintf(ldif, "%s:: %s\n", mod.Attr, base64.StdEncoding.EncodeToString(value))
		}
	}
	ldif.WriteByte('\n')
}

// BenchmarkSearchShare stages a company of 2,000 with all its links, groups and contacts
// and measures how much of the time in LDAP operations goes into reading: both forests,
// from the first search to the last write.
func BenchmarkSearchShare(b *testing.B) {
	w := &twoForests{lab: real.Load(b)}
	var shares []float64
	for b.Loop() {
		w.lab.PlantCompany(b, w.lab.NewCompany(benchPeople))
		w.dir = b.TempDir()
		b.Setenv("SOURCE_PW", w.lab.Source.Password)
		b.Setenv("TARGET_PW", w.lab.Target.Password)
		b.Setenv("MAIL_PW", w.lab.SourceMail.AdminPassword)
		if err := os.WriteFile(filepath.Join(w.dir, "reforest.yaml"), []byte(w.configuration()), 0o600); err != nil {
			b.Fatal(err)
		}
		times := stageTimed(b, w.dir)
		reading, writing := time.Duration(times.reading.Load()), time.Duration(times.writing.Load())
		b.Logf("%s in %d searches and reads, %s in %d writes", reading, times.reads.Load(), writing, times.writes.Load())
		shares = append(shares, float64(reading)/float64(reading+writing))
	}
	b.ReportMetric(middle(shares), "search-share")
}

// stageTimed stages everyone in this process.
func stageTimed(b *testing.B, dir string) *operationTimes {
	b.Helper()
	ctx, times := b.Context(), &operationTimes{}
	c, err := loadConfig(filepath.Join(dir, "reforest.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	env := &environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: os.Getenv, interrupt: make(chan struct{})}
	conn, err := connect(ctx, env, c)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, f := range []*directory.Forest{&conn.directories.Source, &conn.directories.Target} {
		f.Reader, f.Writer = timedReader{f.Reader, times}, timedWriter{f.Writer, times}
	}
	st, err := store.Open(ctx, store.Config{Path: c.storePath()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	scope, err := newScope(c, nil)
	if err != nil {
		b.Fatal(err)
	}
	run := newStageRun(env, &stageOptions{globalOptions: &globalOptions{}, all: true}, c, conn, scope)
	run.store = st
	if err := run.stage(ctx); codeOf(err) != exitNeedsPerson { // the company has a few whose addresses are taken
		b.Fatal(err)
	}
	if run.count.added < benchPeople || len(run.count.failed) > 0 {
		b.Fatalf("%+v", run.count)
	}
	return times
}

// operationTimes adds up how long operations took, those at the same time each for
// itself, in nanoseconds.
type operationTimes struct{ reads, reading, writes, writing atomic.Int64 }

type timedReader struct {
	directory.Reader
	times *operationTimes
}

func (r timedReader) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	began := time.Now()
	defer func() { r.times.reading.Add(int64(time.Since(began))) }()
	r.times.reads.Add(1)
	return r.Reader.Get(ctx, dn, attrs...)
}

// Find does not count what is done with the entries.
func (r timedReader) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	return func(yield func(*directory.Entry, error) bool) {
		r.times.reads.Add(1)
		began := time.Now()
		for entry, err := range r.Reader.Find(ctx, query) {
			r.times.reading.Add(int64(time.Since(began)))
			if !yield(entry, err) {
				return
			}
			began = time.Now()
		}
		r.times.reading.Add(int64(time.Since(began)))
	}
}

type timedWriter struct {
	directory.Writer
	times *operationTimes
}

func (w timedWriter) Write(ctx context.Context, change directory.Change) error {
	began := time.Now()
	defer func() { w.times.writing.Add(int64(time.Since(began))) }()
	w.times.writes.Add(1)
	return w.Writer.Write(ctx, change)
}

// BenchmarkPlanMemory plans the staging of 30,000 mailboxes with the program as it is
// shipped, against forests in another process: with none of them at the target yet, and
// with all of them there. The figures are the larger of the two sizes and the smaller of
// the two rates.
func BenchmarkPlanMemory(b *testing.B) {
	program := product(b)
	var size, rate float64
	for b.Loop() {
		c := startCrowd(b)
		none := c.plan(b, program, "none.jsonl")
		c.carryOut(b, "none.jsonl")
		all := c.plan(b, program, "all.jsonl")
		b.Logf("none there: %s; all there: %s", none, all)
		if none.counts.Added != benchCrowd || all.counts.Writes != 0 || all.counts.Unchanged != benchCrowd {
			b.Fatalf("none there: %+v; all there: %+v", none.counts, all.counts)
		}
		size, rate = max(none.megabytes, all.megabytes), min(none.perSecond, all.perSecond)
		c.stop(b)
	}
	b.ReportMetric(size, "rss-mb")
	b.ReportMetric(rate, "recipients/s")
}

// A crowdProcess is the program crowd at work.
type crowdProcess struct {
	dir    string
	cmd    *exec.Cmd
	orders io.WriteCloser
	says   *bufio.Scanner
}

func startCrowd(b *testing.B) *crowdProcess {
	b.Helper()
	c := &crowdProcess{dir: b.TempDir()}
	c.cmd = exec.CommandContext(b.Context(), "crowd", c.dir, fmt.Sprint(benchCrowd))
	c.cmd.Stderr = os.Stderr
	var err error
	if c.orders, err = c.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	c.says = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c.hears(b, "ready")
	return c
}

func (c *crowdProcess) hears(b *testing.B, word string) {
	b.Helper()
	if !c.says.Scan() || c.says.Text() != word {
		b.Fatalf("crowd says %q, want %q: %v", c.says.Text(), word, c.says.Err())
	}
}

func (c *crowdProcess) carryOut(b *testing.B, name string) {
	b.Helper()
	if _, err := fmt.Fprintln(c.orders, filepath.Join(c.dir, name)); err != nil {
		b.Fatal(err)
	}
	c.hears(b, "done")
}

func (c *crowdProcess) stop(b *testing.B) {
	b.Helper()
	if err := c.orders.Close(); err != nil {
		b.Error(err)
	}
	if err := c.cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// A planning is one dry run.
type planning struct {
	megabytes float64 // the most that was resident
	perSecond float64
	counts    struct{ Added, Unchanged, Writes int }
}

func (p planning) String() string { return fmt.Sprintf("%.0f MB, %.0f/s", p.megabytes, p.perSecond) }

// plan has the program write the plan of everyone into the file.
func (c *crowdProcess) plan(b *testing.B, program, name string) (p planning) {
	b.Helper()
	file, err := os.Create(filepath.Join(c.dir, name))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var talk bytes.Buffer
	cmd := exec.CommandContext(b.Context(), program, "stage", "--all", "--dry-run", "--json")
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, file, &talk
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("plan: %v\n%s", err, talk.String())
	}
	p.perSecond = benchCrowd / time.Since(began).Seconds()
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("the system does not say how large the process was")
	}
	p.megabytes = float64(usage.Maxrss) / 1024 // getrusage(2): ru_maxrss is in kilobytes
	text, err := os.ReadFile(file.Name())
	if err != nil {
		b.Fatal(err)
	}
	last := bytes.TrimSpace(text)
	if err := json.Unmarshal(last[bytes.LastIndexByte(last, '\n')+1:], &p.counts); err != nil {
		b.Fatal(err)
	}
	return p
}
