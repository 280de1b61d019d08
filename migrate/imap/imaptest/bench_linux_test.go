package imaptest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"reforest/internal/lab/corpus"
	"reforest/migrate/imap/imaptest"
)

// wanRoundTrip is what the proxy adds between a mover and the target.
const wanRoundTrip = 20 * time.Millisecond

// BenchmarkMovers moves people's mailboxes from one Dovecot to another, and then one
// crowded folder and one mailbox over a long line, with reforest and its peers by turns.
// A tool that does not bring what it says it brings ends it. It prints lines that begin
// with "table" and "figure" for scripts/bench/imap, and how it gets on to stderr.
func BenchmarkMovers(b *testing.B) {
	r := newRace(b)
	rounds := 0
	for b.Loop() {
		r.round(rounds)
		rounds++
	}
	r.crowd(rounds)
	r.wan(rounds)
	r.tell()
}

// A race is a benchmark under way.
type race struct {
	b       *testing.B
	servers servers
	people  []corpus.Mailbox
	crowded []corpus.Mailbox
	want    map[string][]imaptest.Shelf // what the source holds, by user
	costs   map[string][]cost           // by discipline and tool
	size    map[string]size             // by discipline and tool
}

// A size is what was brought.
type size struct {
	messages int
	bytes    int64
}

func newRace(b *testing.B) *race {
	for _, name := range []string{"mbsync", "doveadm"} {
		if _, err := exec.LookPath(name); err != nil {
			b.Skipf("%s is not installed", name)
		}
	}
	people, crowded := corpora(b)
	durable := imaptest.DovecotConfig{Durable: true}
	r := &race{
		b: b, people: corpus.New(people), crowded: corpus.New(crowded),
		servers: servers{source: imaptest.NewDovecot(b, durable), target: imaptest.NewDovecot(b, durable)},
		want:    map[string][]imaptest.Shelf{}, costs: map[string][]cost{}, size: map[string]size{},
	}
	r.servers.way = r.servers.target.Address
	r.fill(slices.Concat(r.people, r.crowded))
	return r
}

// corpora are what is moved: all of it, or the percentage that REFOREST_BENCH says.
func corpora(b *testing.B) (people, crowded corpus.Config) {
	people, crowded = corpus.People(), corpus.Crowded()
	asked := os.Getenv("REFOREST_BENCH")
	if asked == "" {
		return people, crowded
	}
	percent, err := strconv.Atoi(asked)
	if err != nil || percent < 1 || percent > 100 {
		b.Fatalf("REFOREST_BENCH=%q: want 1 to 100 percent", asked)
	}
	people.Mailboxes = max(1, people.Mailboxes*percent/100)
	people.Messages = people.Messages * percent / 100
	crowded.Messages = crowded.Messages * percent / 100
	return people, crowded
}

// fill makes the source, once for all.
func (r *race) fill(mailboxes []corpus.Mailbox) {
	messages, bytes := corpus.Count(mailboxes)
	r.say("filling the source: %d mailboxes, %d messages, %d MB", len(mailboxes), messages, bytes/1e6)
	var mu sync.Mutex
	r.sideBySide(len(mailboxes), func(i int) {
		mailbox := mailboxes[i]
		account := owner(r.servers.source, mailbox.User)
		pour(r.b, account, mailbox)
		held := account.Inventory(r.b, "")
		if missing, extra := surplus(wanted(mailbox), listing(held)); len(missing)+len(extra) > 0 {
			r.b.Errorf("the source of %s lacks %d messages and has %d too many", mailbox.User, len(missing), len(extra))
		}
		mu.Lock()
		defer mu.Unlock()
		r.want[mailbox.User] = held
	})
}

// sideBySide calls fn with 0 to n-1, two at a time, and ends the benchmark where one fails.
func (r *race) sideBySide(n int, fn func(i int)) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			fn(i)
		})
	}
	wait.Wait()
	if r.b.Failed() {
		r.b.FailNow()
	}
}

// round lets each tool move the people once, another one first each time.
func (r *race) round(n int) {
	tools := []tool{reforest, tunnel, mbsync, backup, ceiling}
	for i := range tools {
		t := tools[(i+n)%len(tools)]
		dir := r.compete("people", t, r.people)
		if t.name == reforest.name || t.name == mbsync.name {
			r.again(t, dir)
		}
	}
}

// again makes a pass that finds nothing to do.
func (r *race) again(t tool, dir string) {
	r.measure("nochange", t, r.people, dir)
	r.check(t, r.people)
}

// crowd moves the crowded folder. One round of mbsync takes minutes, and is enough.
func (r *race) crowd(rounds int) {
	for n := range rounds {
		r.compete("100k", reforest, r.crowded)
		if n == 0 {
			r.compete("100k", mbsync, r.crowded)
		}
	}
}

// wan moves one mailbox over a long line to the target.
func (r *race) wan(rounds int) {
	near := r.servers.way
	r.servers.way = imaptest.StartDelay(r.b, near, wanRoundTrip/2)
	for n := range rounds {
		tools := []tool{reforest, mbsync}
		r.compete("wan", tools[n%2], r.people[:1])
		r.compete("wan", tools[1-n%2], r.people[:1])
	}
	r.servers.way = near
}

// compete moves the mailboxes to a target that is empty, and returns the directory of
// what the tool keeps.
func (r *race) compete(discipline string, t tool, mailboxes []corpus.Mailbox) string {
	r.servers.target.Wipe(r.b)
	syscall.Sync() // what one tool has written is not the next one's to wait for
	dir := r.b.TempDir()
	r.measure(discipline, t, mailboxes, dir)
	r.check(t, mailboxes)
	return dir
}

func (r *race) measure(discipline string, t tool, mailboxes []corpus.Mailbox, dir string) {
	key := discipline + " " + t.name
	if profiles := os.Getenv("REFOREST_BENCH_PROFILES"); profiles != "" {
		r.servers.profile = filepath.Join(profiles, fmt.Sprintf("%s-%d.prof", discipline, len(r.costs[key])))
	}
	c, err := t.run(r.b, r.servers, users(mailboxes), dir)
	if err != nil {
		r.b.Fatalf("%s: %v", key, err)
	}
	r.costs[key] = append(r.costs[key], c)
	r.size[key] = r.sizeOf(t, mailboxes)
	r.say("%-18s %7.2f s, CPU %6.2f s, RSS %4.0f MB", key, c.seconds, c.cpu, c.rss)
}

func users(mailboxes []corpus.Mailbox) []string {
	var list []string
	for _, mailbox := range mailboxes {
		list = append(list, mailbox.User)
	}
	return list
}

// sizeOf says how much of the mailboxes the tool brings.
func (r *race) sizeOf(t tool, mailboxes []corpus.Mailbox) (s size) {
	for _, mailbox := range mailboxes {
		for _, folder := range mailbox.Folders {
			if !t.brings(strings.Join(folder.Path, "/")) {
				continue
			}
			for _, m := range folder.Messages {
				s.messages++
				s.bytes += int64(m.Size)
			}
		}
	}
	return s
}

// check ends the benchmark unless the target holds what the tool says it brings; the
// mover under test brings folders and subscriptions too.
func (r *race) check(t tool, mailboxes []corpus.Mailbox) {
	r.sideBySide(len(mailboxes), func(i int) {
		user := mailboxes[i].User
		held := owner(r.servers.target, user).Inventory(r.b, t.cut)
		missing, extra := surplus(listing(t.of(r.want[user])), listing(t.of(held)))
		if len(missing)+len(extra) > 0 {
			r.b.Errorf("%s is not exact: of %s's mailbox %d messages are missing and %d are too many; missing %.300q, extra %.300q",
				t.name, user, len(missing), len(extra), missing, extra)
		}
		if !t.ours {
			return
		}
		if missing, extra := surplus(folders(r.want[user]), folders(held)); len(missing)+len(extra) > 0 {
			r.b.Errorf("%s is not exact: of %s's folders are missing %q and too many %q", t.name, user, missing, extra)
		}
	})
}

// median is that of one quality of the costs under a key.
func (r *race) median(key string, of func(cost) float64) float64 {
	var values []float64
	for _, c := range r.costs[key] {
		values = append(values, of(c))
	}
	slices.Sort(values)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}

func seconds(c cost) float64 { return c.seconds }

// speed is in bytes per second: a tool may bring less than others.
func (r *race) speed(key string) float64 {
	return float64(r.size[key].bytes) / r.median(key, seconds)
}

// tell prints the table and the figures.
func (r *race) tell() {
	fmt.Printf("table %-19s %8s %8s %7s %8s %7s  rounds\n", "", "seconds", "msg/s", "MB/s", "CPU s", "RSS MB")
	for _, key := range []string{
		"people reforest", "people tunnel", "people mbsync", "people doveadm", "people ceiling", "nochange reforest", "nochange mbsync",
		"100k reforest", "100k mbsync", "wan reforest", "wan mbsync",
	} {
		took := r.median(key, seconds)
		fmt.Printf("table %-19s %8.2f %8.0f %7.1f %8.2f %7.0f  %d\n", key, took, float64(r.size[key].messages)/took, r.speed(key)/1e6,
			r.median(key, func(c cost) float64 { return c.cpu }), r.median(key, func(c cost) float64 { return c.rss }), len(r.costs[key]))
	}
	for _, ratio := range [][3]string{
		{"imap_tls_vs_ceiling", "people reforest", "people ceiling"},
		{"imap_vs_ceiling", "people tunnel", "people ceiling"},
		{"imap_vs_mbsync", "people reforest", "people mbsync"},
		{"imap_vs_doveadm", "people reforest", "people doveadm"},
		{"imap_100k_vs_mbsync", "100k reforest", "100k mbsync"},
		{"imap_nochange_vs_mbsync", "nochange reforest", "nochange mbsync"},
		{"imap_wan_vs_mbsync", "wan reforest", "wan mbsync"},
	} {
		fmt.Printf("figure ratio %s %.2f\n", ratio[0], r.speed(ratio[1])/r.speed(ratio[2]))
	}
	most := 0.0
	for key, costs := range r.costs {
		if strings.HasSuffix(key, " "+reforest.name) || strings.HasSuffix(key, " "+tunnel.name) {
			most = max(most, slices.MaxFunc(costs, func(a, b cost) int { return int(a.rss - b.rss) }).rss)
		}
	}
	fmt.Printf("figure rss_mb %.0f\n", most)
}

func (r *race) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().UTC().Format(time.TimeOnly)}, args...)...)
}
