package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/real"
	"reforest/internal/lab/replica"
	"reforest/internal/lab/transport"
)

const (
	writtenTo  = 50 // people who get numbered mail
	takenBack  = 20 // of them, those who are rolled back
	longestLag = 20 * time.Second
	killEvery  = 7 * time.Second
	downFor    = 1500 * time.Millisecond
	stuckTime  = time.Minute // without any progress: mail that waits for a server is tried again much sooner
)

// TestNumberedMail moves fifty people between two Samba forests and two Dovecots while
// each of them gets a numbered message a second from the source, from the target and from
// outside. Each site sees its directory late, and the mover, the transports and the mail
// servers are killed in turn. Then twenty are rolled back, under the same. Every message
// has to be exactly once where its owner works in the end.
//
// With REFOREST_SOAK_MINUTES it goes on for so long, with people, lags and kills at
// random; whoever is rolled back may then be moved again.
func TestNumberedMail(t *testing.T) {
	lab := real.Load(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("figure seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var total postFigures
	until := soakTime(t)
	for round := 1; round == 1 || time.Now().Before(until) && !t.Failed(); round++ {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			w := newPost(t, lab, random, until)
			w.round(t)
			total.add(w.figures)
		})
		total.tell(t)
	}
}

// soakTime is until when to go on; zero for one round.
func soakTime(t *testing.T) time.Time {
	t.Helper()
	asked := os.Getenv("REFOREST_SOAK_MINUTES")
	if asked == "" {
		return time.Time{}
	}
	minutes, err := strconv.Atoi(asked)
	if err != nil || minutes < 1 {
		t.Fatalf("REFOREST_SOAK_MINUTES=%q: want a number of minutes", asked)
	}
	return time.Now().Add(time.Duration(minutes) * time.Minute)
}

// round moves everyone, takes some back, and, in a soak, moves some of them again.
func (w *post) round(t *testing.T) {
	defer w.sumUp(t)
	home := map[string]func(real.Person) func(*testing.T) []string{}
	var sent []*transport.Numbers
	act := func(side func(real.Person) func(*testing.T) []string, people []real.Person, args ...string) bool {
		for _, p := range people {
			home[p.Mail] = side
		}
		sent = append(sent, w.during(t, func(t *testing.T) { w.drive(t, args...) }))
		for _, p := range w.people {
			ids := home[p.Mail](p)(t)
			for _, numbers := range sent {
				w.tally(t, numbers, p, ids)
			}
		}
		return !t.Failed()
	}
	if !act(w.atTarget, w.people, "run", "fifty.csv", "--yes") {
		return
	}
	back := w.some(takenBack)
	if !act(w.atSource, back, "rollback", "fifty.csv", "--only", mailsOf(back), "--yes") || !w.soaks || w.random.IntN(2) == 0 {
		return
	}
	again := back[:1+w.random.IntN(len(back))]
	act(w.atTarget, again, "run", "fifty.csv", "--only", mailsOf(again), "--yes")
}

// some returns n of the people; in a soak as many as chance has it.
func (w *post) some(n int) []real.Person {
	if !w.soaks {
		return w.people[:min(n, len(w.people))]
	}
	mixed := slices.Clone(w.people)
	w.random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed[:1+w.random.IntN(len(mixed))]
}

func mailsOf(people []real.Person) string {
	var mails []string
	for _, p := range people {
		mails = append(mails, p.Mail)
	}
	return strings.Join(mails, ",")
}

// A post is two real forests, two mail servers and the transports between them.
type post struct {
	*twoForests
	views   [2]*replica.Replica   // what each site sees of its forest
	carries [2]*transport.Process // source, target
	spools  [2]string
	random  *rand.Rand
	soaks   bool
	figures postFigures

	mu    sync.Mutex
	mover *exec.Cmd // guarded by mu; nil while none runs
}

func newPost(t *testing.T, lab real.Lab, random *rand.Rand, until time.Time) *post {
	t.Helper()
	w := &post{twoForests: &twoForests{lab: lab, dir: t.TempDir()}, random: random, soaks: !until.IsZero()}
	n := writtenTo
	if w.soaks {
		n = 4 + random.IntN(writtenTo-3)
	}
	w.people = lab.Plant(t, n)
	for _, p := range w.people {
		lab.SourceMail.Empty(t, p.Mail)
		lab.TargetMail.Empty(t, p.Mail)
		lab.TargetMail.Empty(t, p.Alias+"@"+lab.Target.Domain)
	}
	w.write(t, "fifty.csv", "EmailAddress\n"+strings.ReplaceAll(mailsOf(w.people), ",", "\n")+"\n")
	w.openViews(t)
	w.write(t, "reforest.yaml", w.settling(w.configuration()))
	if out, err := w.command(t.Context(), "stage", "fifty.csv", "--yes").CombinedOutput(); err != nil {
		t.Fatalf("stage: %v\n%s", err, out)
	}
	w.openTransports(t)
	return w
}

// openViews starts a server for each site that lags behind its forest.
func (w *post) openViews(t *testing.T) {
	t.Helper()
	authority, err := ldapd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(w.dir, "views.pem")
	if err := authority.WriteFile(own); err != nil {
		t.Fatal(err)
	}
	var both []byte
	for _, path := range []string{w.lab.CA, own} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	w.write(t, "ca.pem", string(both))
	for i, f := range []real.Forest{w.lab.Source, w.lab.Target} {
		w.views[i], err = replica.Start(t.Context(), replica.Config{
			Upstream: f.URL, CAFile: w.lab.CA, ServerName: f.ServerName, BindDN: f.BindDN, Password: f.Password,
			Authority: authority, Poll: 500 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.views[i].Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// settling has the mover wait for both views, as long as they may lag and longer.
func (w *post) settling(configuration string) string {
	for i, key := range []string{"SOURCE", "TARGET"} {
		password := fmt.Sprintf(`password: "env:%s_PW"`, key)
		configuration = strings.Replace(configuration, password, fmt.Sprintf("%s, settle: [%q]", password, w.views[i].URL()), 1)
	}
	configuration = strings.ReplaceAll(configuration, fmt.Sprintf("ca: %q, server_name", w.lab.CA), `ca: ca.pem, server_name`)
	configuration = strings.Replace(configuration, `retry: {interval: "00:00:01"}`, `retry: {interval: "00:00:01", attempts: 600}`, 1)
	return strings.Replace(configuration, `drain: "00:00:01"`, `drain: "00:00:06"`, 1) + "limits: {moves: 6}\n"
}

// openTransports starts both sites' transports. Each sees its forest by its view.
func (w *post) openTransports(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, side := range []struct {
		site   string
		forest real.Forest
		mail   real.MailServer
	}{{"source", w.lab.Source, w.lab.SourceMail}, {"target", w.lab.Target, w.lab.TargetMail}} {
		if err := w.views[i].CaughtUp(ctx); err != nil {
			t.Fatalf("the %s's view: %v", side.site, err)
		}
		w.spools[i] = filepath.Join(w.dir, "spool-"+side.site)
		other := []real.Forest{w.lab.Target, w.lab.Source}[i]
		p, err := transport.Spawn(ctx, transport.Config{
			Site: side.site, Dir: w.spools[i], Domains: []string{side.forest.Domain},
			View: transport.View{URL: w.views[i].URL(), CAFile: filepath.Join(w.dir, "ca.pem"), BindDN: side.forest.BindDN, Password: side.forest.Password},
			LMTP: deliveries(side.mail), Next: transport.Next{Domains: []string{other.Domain}, Spool: filepath.Join(w.dir, "spool-"+[]string{"target", "source"}[i])},
			RetryInterval: 300 * time.Millisecond, MaxDelay: time.Second, Connections: 16,
		}, "transport")
		if err != nil {
			t.Fatal(err)
		}
		w.carries[i] = p
		t.Cleanup(func() {
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
}

// during sends numbered mail while act goes on, with lags and kills, until a little after
// it, and waits until all of it has arrived somewhere.
func (w *post) during(t *testing.T, act func(*testing.T)) *transport.Numbers {
	t.Helper()
	var people []string
	own := map[string]string{} // where people of the target write to: as they have always done, or as their address book says
	for i, p := range w.people {
		people = append(people, p.Mail)
		own[p.Mail] = []string{p.Mail, p.Alias + "@" + w.lab.Target.Domain}[i%2]
	}
	numbers := transport.StartNumbers(t.Context(), transport.NumbersConfig{People: people, Origins: []transport.Origin{
		{Label: "source", Send: transport.FromPickup(w.spools[0])},
		{Label: "target", Send: transport.FromPickup(w.spools[1]), Address: func(person string) string { return own[person] }},
		{Label: "outside", Send: transport.FromSMTP(w.spools[0], 200*time.Millisecond)},
	}})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		act(t)
	}()
	w.disturb(t, ended)
	sent, err := numbers.Stop()
	if err != nil {
		t.Error(err)
	}
	w.figures.sent += len(sent)
	w.drain(t)
	return numbers
}

// drain waits until no mail is under way any more, however long that takes while mail
// still gets on.
func (w *post) drain(t *testing.T) {
	t.Helper()
	for before := int64(-1); ; {
		ctx, cancel := context.WithTimeout(t.Context(), stuckTime)
		err := transport.Drain(ctx, w.spools[:]...)
		cancel()
		if err == nil {
			return
		}
		now := w.recorded(t)
		if now == before || t.Context().Err() != nil {
			t.Errorf("mail is still under way, and gets on no more: %v", err)
			return
		}
		before = now
	}
}

// recorded returns how much the transports have put on record.
func (w *post) recorded(t *testing.T) (bytes int64) {
	t.Helper()
	for _, spool := range w.spools {
		info, err := os.Stat(filepath.Join(spool, "log.jsonl"))
		if err != nil {
			t.Error(err)
			continue
		}
		bytes += info.Size()
	}
	return bytes
}

// disturb changes the lags and kills the mover, the transports and the mail servers in
// turn, until ended.
func (w *post) disturb(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	every, next := killEvery, func(i int) int { return i }
	if w.soaks {
		every, next = 3*time.Second+time.Duration(w.random.Int64N(int64(killEvery))), func(int) int { return w.random.IntN(5) }
	}
	victims := []func(*testing.T){
		w.killMover,
		func(t *testing.T) { w.killTransport(t, 0) },
		func(t *testing.T) { w.killMail(t, w.lab.SourceMail) },
		func(t *testing.T) { w.killTransport(t, 1) },
		func(t *testing.T) { w.killMail(t, w.lab.TargetMail) },
	}
	for i := 0; ; i++ {
		for _, view := range w.views {
			view.SetLag(time.Duration(w.random.Int64N(int64(longestLag))))
		}
		select {
		case <-ended:
			for _, view := range w.views {
				view.SetLag(0)
			}
			return
		case <-time.After(every):
		}
		victims[next(i)%len(victims)](t)
		w.figures.kills++
	}
}

func (w *post) killMover(*testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mover != nil {
		_ = w.mover.Process.Kill() // it may have ended this very moment
	}
}

func (w *post) killTransport(t *testing.T, side int) {
	t.Helper()
	if err := w.carries[side].Kill(); err != nil {
		t.Error(err)
	}
	time.Sleep(downFor) // it stays away for a while
	if err := w.carries[side].Start(t.Context()); err != nil {
		t.Error(err)
	}
}

func (w *post) killMail(t *testing.T, server real.MailServer) {
	t.Helper()
	server.Kill(t)
	time.Sleep(downFor) // it stays away for a while
	server.Start(t)
}

// drive runs the command until it ends by itself, however often it is killed.
func (w *post) drive(t *testing.T, args ...string) {
	for tries := 0; tries < 100; tries++ {
		out, err := w.once(t, args...)
		var exit *exec.ExitError
		switch {
		case err == nil:
			return
		case errors.As(err, &exit) && exit.ExitCode() == -1: // killed
		default:
			t.Errorf("%v: %v\n%s", args, err, out)
			return
		}
	}
	t.Errorf("%v: was killed too often", args)
}

func (w *post) once(t *testing.T, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var out strings.Builder
	cmd := w.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	w.mu.Lock()
	err := cmd.Start()
	if err == nil {
		w.mover = cmd
	}
	w.mu.Unlock()
	if err != nil {
		return "", err
	}
	err = cmd.Wait()
	w.mu.Lock()
	w.mover = nil
	w.mu.Unlock()
	return out.String(), err
}

func (w *post) atSource(p real.Person) func(*testing.T) []string {
	return func(t *testing.T) []string { return w.lab.SourceMail.Arrived(t, p.Mail) }
}

// atTarget reads the mailbox that the twin's mail attribute names.
func (w *post) atTarget(p real.Person) func(*testing.T) []string {
	return func(t *testing.T) []string {
		found := w.lab.Target.Search(t, w.lab.Target.Base, "(mailNickname="+p.Alias+")")
		if len(found) != 1 || len(found[0]["mail"]) != 1 {
			t.Fatalf("%s: %d objects at the target", p.Mail, len(found))
		}
		return w.lab.TargetMail.Arrived(t, found[0]["mail"][0])
	}
}

// tally compares what the person was sent with what is there.
func (w *post) tally(t *testing.T, numbers *transport.Numbers, p real.Person, ids []string) {
	t.Helper()
	got := numbers.Tally(p.Mail, ids)
	w.figures.lost += len(got.Lost)
	w.figures.doubled += len(got.Doubled) + len(got.Strange)
	if got.Exact() && got.Sent > 0 {
		return
	}
	t.Errorf("%s: %s", p.Mail, got)
	for _, id := range slices.Concat(got.Lost, got.Doubled, got.Strange) {
		w.trace(t, id)
	}
}

// trace tells what the transports have recorded of a message.
func (w *post) trace(t *testing.T, id string) {
	t.Helper()
	for _, spool := range w.spools {
		log, err := os.ReadFile(filepath.Join(spool, "log.jsonl"))
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, strings.Trim(id, "<>")) {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}

// postFigures are what scripts/test and scripts/soak look for.
type postFigures struct{ kills, sent, lost, doubled, bounced, maxHops int }

func (f *postFigures) add(other postFigures) {
	f.kills, f.sent = f.kills+other.kills, f.sent+other.sent
	f.lost, f.doubled, f.bounced = f.lost+other.lost, f.doubled+other.doubled, f.bounced+other.bounced
	f.maxHops = max(f.maxHops, other.maxHops)
}

func (f *postFigures) tell(t *testing.T) {
	t.Helper()
	t.Logf("figure kills %d", f.kills)
	t.Logf("figure sent %d", f.sent)
	t.Logf("figure lost %d", f.lost)
	t.Logf("figure doubled %d", f.doubled)
	t.Logf("figure bounced %d", f.bounced)
	t.Logf("figure max_hops %d", f.maxHops)
}

// sumUp reads from the transports' own records what bounced, and how far mail went.
func (w *post) sumUp(t *testing.T) {
	t.Helper()
	log, err := transport.ReadLog(w.spools[:]...)
	if err != nil {
		t.Error(err)
		return
	}
	w.figures.bounced, w.figures.maxHops = len(log.Bounces), log.MaxHops
	for _, b := range log.Bounces[:min(5, len(log.Bounces))] {
		t.Errorf("bounced: %s to %s: %s", b.MessageID, b.Recipient, b.Text)
	}
	if log.MaxHops > 3 || log.MaxHops < 2 {
		t.Errorf("a message was handled by %d sites, want 2 or 3 at most", log.MaxHops)
	}
}

// deliveries says how the transport gets mail into the server.
func deliveries(m real.MailServer) transport.LMTPConfig {
	return transport.LMTPConfig{
		Address: m.LMTP, IMAP: m.Address, ServerName: m.ServerName, CAFile: m.CA, Admin: m.Admin, AdminPassword: m.AdminPassword,
	}
}
