package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
	drainTime  = 3 * time.Minute
)

// TestNumberedMail moves fifty people between two Samba forests and two Dovecots while
// each of them gets a numbered message a second from the source, from the target and from
// outside. Each site sees its directory late, and the mover, the transports and the mail
// servers are killed in turn. Then twenty are rolled back, under the same. Every message
// has to be exactly once where its owner works in the end.
func TestNumberedMail(t *testing.T) {
	w := newPost(t)
	switching := w.during(t, func(t *testing.T) { w.drive(t, "run", "fifty.csv", "--yes") })
	for _, p := range w.people {
		w.tally(t, switching, p, w.atTarget(p))
	}
	if t.Failed() {
		return
	}
	back := w.people[:takenBack]
	returning := w.during(t, func(t *testing.T) {
		w.drive(t, "rollback", "fifty.csv", "--only", mailsOf(back), "--yes")
	})
	for i, p := range w.people {
		ids := w.atTarget(p)
		if i < takenBack {
			ids = w.atSource(p)
			w.tally(t, switching, p, ids)
		}
		w.tally(t, returning, p, ids)
	}
	w.tellFigures(t)
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
	figures struct{ kills, lost, doubled, sent int }

	mu    sync.Mutex
	mover *exec.Cmd // guarded by mu; nil while none runs
}

func newPost(t *testing.T) *post {
	t.Helper()
	lab := real.Load(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("figure seed %d", seed)
	w := &post{twoForests: &twoForests{lab: lab, dir: t.TempDir()}, random: rand.New(rand.NewPCG(seed, 0))}
	w.people = lab.Plant(t, writtenTo)
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
	own := map[string]string{} // where people of the target write to
	for _, p := range w.people {
		people = append(people, p.Mail)
		own[p.Mail] = p.Alias + "@" + w.lab.Target.Domain
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
	ctx, cancel := context.WithTimeout(t.Context(), drainTime)
	defer cancel()
	if err := transport.Drain(ctx, w.spools[:]...); err != nil {
		t.Errorf("mail is still under way: %v", err)
	}
	return numbers
}

// disturb changes the lags and kills the mover, the transports and the mail servers in
// turn, until ended.
func (w *post) disturb(t *testing.T, ended <-chan struct{}) {
	t.Helper()
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
		case <-time.After(killEvery):
		}
		victims[i%len(victims)](t)
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
		found := w.lab.Target.Search(t, w.lab.Target.Base, "(proxyAddresses=X500:"+p.LegacyDN+")")
		if len(found) != 1 || len(found[0]["mail"]) != 1 {
			t.Fatalf("%s: %d objects at the target", p.Mail, len(found))
		}
		return w.lab.TargetMail.Arrived(t, found[0]["mail"][0])
	}
}

// tally compares what the person was sent with what is there.
func (w *post) tally(t *testing.T, numbers *transport.Numbers, p real.Person, read func(*testing.T) []string) {
	t.Helper()
	got := numbers.Tally(p.Mail, read(t))
	w.figures.lost += len(got.Lost)
	w.figures.doubled += len(got.Doubled) + len(got.Strange)
	if !got.Exact() || got.Sent == 0 {
		t.Errorf("%s: %s", p.Mail, got)
	}
}

// tellFigures prints what scripts/test and scripts/soak look for.
func (w *post) tellFigures(t *testing.T) {
	t.Helper()
	log, err := transport.ReadLog(w.spools[:]...)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range log.Bounces {
		if i < 5 {
			t.Errorf("bounced: %s to %s: %s", b.MessageID, b.Recipient, b.Text)
		}
	}
	if log.MaxHops > 3 || log.MaxHops < 2 {
		t.Errorf("a message was handled by %d sites, want 2 or 3 at most", log.MaxHops)
	}
	for name, n := range map[string]int{
		"kills": w.figures.kills, "sent": w.figures.sent, "lost": w.figures.lost, "doubled": w.figures.doubled,
		"bounced": len(log.Bounces), "max_hops": log.MaxHops,
	} {
		t.Log("figure " + name + " " + strconv.Itoa(n))
	}
}

// deliveries says how the transport gets mail into the server.
func deliveries(m real.MailServer) transport.LMTPConfig {
	return transport.LMTPConfig{
		Address: m.LMTP, IMAP: m.Address, ServerName: m.ServerName, CAFile: m.CA, Admin: m.Admin, AdminPassword: m.AdminPassword,
	}
}
