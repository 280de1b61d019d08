package imaptest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/corpus"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// moverPatience is how long a mover may go on once it, or what it talks to, was killed.
const moverPatience = 3 * time.Minute

// soakMail is what is moved in each of the four worlds when a number of kills is asked
// for: as uneven as people's mail.
func soakMail() corpus.Config {
	return corpus.Config{Seed: 4, Mailboxes: 4, Messages: 2_000, Median: 15_000, Sigma: 1.794, Largest: 25 << 20}
}

// TestKilledAnywhere moves mailboxes and kills, at random moments, the mover, the
// target's IMAP processes or the whole target, on a Dovecot each; and all three of them
// on a Cyrus. After each kill it starts again. At the end of each round everything has to
// be there once, and the source as it was. $REFOREST_KILLS is how many kills there are in
// all; scripts/soak reads the lines that begin with "figure".
//
// The Dovecot that dies is a Maildir: one with mdbox that was killed repairs its index by
// bringing back messages from its storage that it had not confirmed, and doubles mail with
// no mover's help. With Maildir it may forget what a keyword is called, whose name it
// writes after the messages that bear it, and calls it unknown-N; those are counted apart.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	kills, mail := 4, corpus.Small()
	mail.Mailboxes, mail.Messages = 1, 200
	if asked := os.Getenv("REFOREST_KILLS"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 {
			t.Fatalf("REFOREST_KILLS=%q: want a number of kills", asked)
		}
		kills, mail = n, soakMail()
	}
	var count tally
	t.Run("worlds", func(t *testing.T) {
		for name, world := range map[string]func(*testing.T) *world{
			"mover":    func(t *testing.T) *world { return dovecotWorld(t, killMover) },
			"sessions": func(t *testing.T) *world { return dovecotWorld(t, killSessions) },
			"server":   func(t *testing.T) *world { return dovecotWorld(t, killServer) },
			"cyrus":    func(t *testing.T) *world { return cyrusWorld(t, killMover, killSessions, killServer) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := world(t)
				w.tally = &count
				w.soak(mail, (kills+3)/4)
			})
		}
	})
	t.Logf("figure kills %d", count.kills.Load())
	t.Logf("figure lost %d", count.lost.Load())
	t.Logf("figure doubled %d", count.doubled.Load())
	t.Logf("figure unnamed %d", count.unnamed.Load())
	if count.touched.Load() > 0 {
		t.Logf("figure source touched")
		return
	}
	t.Logf("figure source untouched")
}

// A tally is what all worlds have come to.
type tally struct{ kills, lost, doubled, unnamed, touched atomic.Int64 }

// A world is two servers, and what is killed in it.
type world struct {
	t        *testing.T
	tally    *tally
	source   *imaptest.Dovecot
	target   *imaptest.Process
	session  string // name of the target's process that serves one connection
	side     side   // the target
	add      func(t testing.TB, user string) imaptest.Account
	unmapped func(path string) string // the source's name of a target folder
	weapons  []weapon

	mailboxes []corpus.Mailbox
	before    map[string][]imaptest.Shelf // what the source holds, by user
	chunks    int                         // that an undisturbed mover writes, about
	failures  int                         // in a row, of movers that were not disturbed
}

// A weapon kills something and reports whether there was anything to kill.
type weapon func(w *world, m *moving) bool

func killMover(_ *world, m *moving) bool { return m.command.Process.Kill() == nil }

func killSessions(w *world, _ *moving) bool { return w.target.KillSessions(w.t, w.session) > 0 }

func killServer(w *world, _ *moving) bool {
	w.target.Kill(w.t)
	w.target.Start(w.t)
	return true
}

func dovecotWorld(t *testing.T, weapons ...weapon) *world {
	source, target := imaptest.StartDovecot(t, "/"), imaptest.NewDovecot(t, imaptest.DovecotConfig{Maildir: true})
	return &world{
		t: t, source: source, target: target.Process, session: "imap", weapons: weapons,
		side:     side{Address: target.Address, CAFile: target.CAFile, Admin: target.Admin, Password: target.AdminPassword},
		add:      func(_ testing.TB, user string) imaptest.Account { return owner(target, user) },
		unmapped: func(path string) string { return path },
	}
}

func cyrusWorld(t *testing.T, weapons ...weapon) *world {
	target := imaptest.StartCyrus(t, os.Getenv("REFOREST_CYRUS"))
	code := regexp.MustCompile("=[0-9A-F]{2}")
	return &world{
		t: t, source: imaptest.StartDovecot(t, "/"), target: target.Process, session: "imapd", weapons: weapons,
		side: side{Address: target.Address, CAFile: target.CAFile, Admin: target.Admin, Password: target.AdminPassword, Login: imap.Plain},
		add:  target.AddUser,
		unmapped: func(path string) string {
			return code.ReplaceAllStringFunc(path, func(s string) string {
				b, _ := hex.DecodeString(s[1:])
				return string(b)
			})
		},
	}
}

// soak moves the mail round after round until there were that many kills.
func (w *world) soak(mail corpus.Config, kills int) {
	w.mailboxes, w.before = corpus.New(mail), map[string][]imaptest.Shelf{}
	for _, mailbox := range w.mailboxes {
		account := owner(w.source, mailbox.User)
		pour(w.t, account, mailbox)
		w.before[mailbox.User] = account.Inventory(w.t, "")
	}
	w.chunks = chunks(w.mailboxes)
	for round, left := 1, kills; left > 0; round++ {
		left -= w.round(round, left)
	}
}

// round moves everything once, killing at most that many times, and returns how often.
func (w *world) round(n, most int) (kills int) {
	j := w.newRound(n)
	for finished := false; !finished && kills < most; {
		var hit bool
		if hit, finished = w.disturb(j, kills > 0); hit {
			kills++
			w.tally.kills.Add(1)
		}
	}
	w.finish(j)
	w.compare(j)
	w.t.Logf("round %d: %d kills", n, kills)
	return kills
}

// newRound makes new mailboxes at the target, and a job for a new store.
func (w *world) newRound(n int) job {
	j := job{
		Store: filepath.Join(w.t.TempDir(), "reforest.db"), Workers: atOnce, Tell: true, Suffix: fmt.Sprintf("-r%d", n),
		Source: side{Address: w.source.Address, CAFile: w.source.CAFile, Admin: w.source.Admin, Password: w.source.AdminPassword},
		Target: w.side,
	}
	for _, mailbox := range w.mailboxes {
		j.Users = append(j.Users, mailbox.User)
		w.add(w.t, mailbox.User+j.Suffix)
	}
	return j
}

// disturb starts a mover and kills at some moment. again: an earlier one has left work to
// be looked at. finished: the mover came to its end.
func (w *world) disturb(j job, again bool) (hit, finished bool) {
	m := w.start(j)
	if w.moment(m, again) {
		hit = w.weapons[rand.IntN(len(w.weapons))](w, m)
	}
	return hit, w.ended(m, hit)
}

// moment waits for some moment: most often after a few chunks, and now and then at any
// time near the beginning, such as while the mover finds out what the last one has left.
// It reports whether the mover is still at work.
func (w *world) moment(m *moving, again bool) bool {
	left, timer := 1+rand.IntN(1+w.chunks/6), (<-chan time.Time)(nil)
	if rand.IntN(4) == 0 {
		beginning := time.Second
		if again {
			beginning += migrate.DefaultGrace
		}
		timer = time.After(rand.N(beginning))
	}
	lines := m.lines
	for {
		select {
		case _, more := <-lines:
			if !more {
				return false
			}
			if left--; left == 0 && timer == nil {
				timer = time.After(rand.N(50 * time.Millisecond))
			}
		case <-timer:
			return true
		}
	}
}

// finish lets movers go on until one finds everything done, and one more after it.
func (w *world) finish(j job) {
	for done := 0; done < 2; {
		if w.ended(w.start(j), false) {
			done++
		}
	}
}

// mostFailures is how often in a row a mover may fail that nobody disturbs: a server that
// was killed may not be itself at once.
const mostFailures = 5

// ended waits for the mover and reports whether it came to its end. hit: it was disturbed,
// and may fail.
func (w *world) ended(m *moving, hit bool) bool {
	err := m.wait(w.t)
	if err == nil || hit {
		w.failures = 0
		return err == nil
	}
	if w.failures++; w.failures > mostFailures {
		w.t.Fatalf("an undisturbed mover fails: %v", err)
	}
	return false
}

// chunks is how many the mailboxes make, about.
func chunks(mailboxes []corpus.Mailbox) (n int) {
	for _, mailbox := range mailboxes {
		for _, folder := range mailbox.Folders {
			bytes := 0
			for _, m := range folder.Messages {
				bytes += m.Size
			}
			n += min(len(folder.Messages), 1+bytes/migrate.DefaultChunkBytes)
		}
	}
	return n
}

// compare counts what the target lacks and what it has twice, and looks whether the source
// is what it was.
func (w *world) compare(j job) {
	for _, user := range j.Users {
		account := imaptest.Account{Address: w.side.Address, CAFile: w.side.CAFile, User: user + j.Suffix, Admin: w.side.Admin, Password: w.side.Password}
		held := account.Inventory(w.t, "")
		for i := range held {
			held[i].Path = w.unmapped(held[i].Path)
		}
		missing, extra := surplus(listing(w.before[user]), listing(held))
		if w.session == "imap" {
			w.compareFolders(user+j.Suffix, w.before[user], held)
			var unnamed int
			missing, extra, unnamed = pairUnnamed(missing, extra)
			w.tally.unnamed.Add(int64(unnamed))
		}
		w.tally.lost.Add(int64(len(missing)))
		w.tally.doubled.Add(int64(len(extra)))
		if len(missing)+len(extra) > 0 {
			w.t.Errorf("%s%s: lost %d: %.1000q\ndoubled %d: %.1000q", user, j.Suffix, len(missing), missing, len(extra), extra)
		}
		if diff := cmp.Diff(w.before[user], owner(w.source, user).Inventory(w.t, "")); diff != "" {
			w.tally.touched.Add(1)
			w.t.Errorf("the source of %s has changed (-before +after):\n%.2000s", user, diff)
		}
	}
}

// compareFolders: a Cyrus makes folders of its own above those that hold mail.
func (w *world) compareFolders(user string, source, target []imaptest.Shelf) {
	if missing, extra := surplus(folders(source), folders(target)); len(missing)+len(extra) > 0 {
		w.t.Errorf("%s lacks the folders %q and has %q too many", user, missing, extra)
	}
}

// flagsOf finds the flags in a line of a listing.
var flagsOf = regexp.MustCompile(`\[[^\]]*\]( \d+ [0-9a-f]+)$`)

// pairUnnamed leaves out of what is missing and what is extra the messages that differ in
// nothing but flags, one of which has lost its name. It returns how many there are.
func pairUnnamed(missing, extra []string) (left, more []string, unnamed int) {
	left = slices.Clone(missing)
	for _, line := range extra {
		bare := flagsOf.ReplaceAllString(line, "$1")
		at := slices.IndexFunc(left, func(other string) bool { return flagsOf.ReplaceAllString(other, "$1") == bare })
		if at < 0 || !strings.Contains(flagsOf.FindString(line), `"unknown-`) {
			more = append(more, line)
			continue
		}
		left = slices.Delete(left, at, at+1)
		unnamed++
	}
	return left, more, unnamed
}

func TestPairUnnamed(t *testing.T) {
	t.Parallel()
	entry := func(sum byte, flags ...string) string {
		return words("[INBOX]", imaptest.Entry{Received: 9, Size: 5, Sum: [32]byte{sum}, Flags: flags})
	}
	left, more, unnamed := pairUnnamed([]string{entry(1, `\Seen`, "Junk"), entry(2, "Junk")}, []string{entry(1, `\Seen`, "unknown-0"), entry(2, `\Seen`), entry(3, "unknown-1")})
	want := [][]string{{entry(2, "Junk")}, {entry(2, `\Seen`), entry(3, "unknown-1")}}
	if diff := cmp.Diff(want, [][]string{left, more}); diff != "" || unnamed != 1 {
		t.Errorf("paired %d, want 1; missing and extra (-want +got):\n%s", unnamed, diff)
	}
}

// A moving is a mover process.
type moving struct {
	command *exec.Cmd
	lines   chan string // one for each chunk; closed when there are no more
	output  bytes.Buffer
	cancel  context.CancelFunc
}

func (w *world) start(j job) *moving {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	command, err := j.command(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &moving{command: command, lines: make(chan string, 1<<16), cancel: cancel}
	command.Stderr = &m.output
	stdout, err := command.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(m.lines)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			m.lines <- scan.Text()
		}
	}()
	return m
}

// wait returns how the mover has ended.
func (m *moving) wait(t *testing.T) error {
	t.Helper()
	defer m.cancel()
	patience := time.AfterFunc(moverPatience, m.cancel)
	for range m.lines {
		continue // until it prints no more
	}
	err := m.command.Wait()
	if !patience.Stop() {
		t.Fatalf("the mover does not end: %s", m.output.String())
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, m.output.String())
	}
	return nil
}
