package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"reforest/internal/lab/imapd"
	"reforest/internal/lab/real"
	"reforest/internal/lab/transport"
)

// spawn starts a site's transport in a process of its own.
func (s *site) spawn(t *testing.T) *transport.Process {
	t.Helper()
	process, err := transport.Spawn(t.Context(), s.config, "transport")
	must(t, err)
	t.Cleanup(func() { must(t, process.Kill()) })
	return process
}

// A victim is a server that can be killed and started again.
type victim struct{ kill, start func() }

func asVictim(t *testing.T, process *transport.Process) victim {
	return victim{
		kill:  func() { must(t, process.Kill()) },
		start: func() { must(t, process.Start(t.Context())) },
	}
}

// killWhile kills one of the victims after another, at random instants at most longest
// apart, and starts it again, until so many messages were sent. Before each it calls
// between. It returns how often it killed.
func killWhile(t *testing.T, numbers *transport.Numbers, total int, longest time.Duration, between func(), victims ...victim) int {
	t.Helper()
	kills := 0
	for len(numbers.Sent()) < total {
		between()
		select {
		case <-t.Context().Done():
			t.Fatalf("kill and start: %v", context.Cause(t.Context()))
		case <-time.After(rand.N(longest)):
		}
		victim := victims[rand.IntN(len(victims))]
		victim.kill()
		victim.start()
		kills++
	}
	_, err := numbers.Stop()
	must(t, err)
	return kills
}

// people of the kill tests: half have their home at the source, half at the target, and
// each is known at both sites.
func plantPeople(t *testing.T, source, target *site, count int) []string {
	t.Helper()
	var names []string
	for i := range count {
		name := fmt.Sprintf("p%02d", i)
		home, away := source, target
		if i%2 == 1 {
			home, away = target, source
		}
		home.addHome(t, name)
		away.mail.SetUser(away.address(name), "x")
		away.add(t, name, map[string][]string{"targetAddress": {"SMTP:" + home.address(name)}})
		names = append(names, name)
	}
	return names
}

// TestKilledTransports kills both transports at random instants while 2,000 messages
// from three origins pass, homes change and answers get lost: each arrives exactly once.
func TestKilledTransports(t *testing.T) {
	source, target := pair(t)
	people := plantPeople(t, source, target, 10)
	for _, s := range []*site{source, target} {
		s.mail.Plan(imapd.Fault{Op: imapd.Deliver, Pass: 200, Times: 5, Drop: imapd.DropAfter})
		s.mail.Plan(imapd.Fault{Op: imapd.Deliver, Pass: 400, Times: 5, Drop: imapd.DropBefore})
		s.config.MaxDelay = 30 * time.Millisecond
	}
	victims := []victim{asVictim(t, source.spawn(t)), asVictim(t, target.spawn(t))}
	numbers := transport.StartNumbers(t.Context(), numbersFor(people, 2000, source, target))
	switcher := &switcher{numbers: numbers, people: people, every: 200, source: source, target: target}
	kills := killWhile(t, numbers, 2000, 400*time.Millisecond, func() { switcher.advance(t) }, victims...)
	drain(t, source, target)
	sent, err := numbers.Stop()
	must(t, err)
	if len(sent) < 2000 || kills < 5 {
		t.Errorf("%d messages and %d kills, want 2000 and 5 at least", len(sent), kills)
	}
	for _, person := range people {
		tally := numbers.Tally(person, append(source.ids(person), target.ids(person)...))
		if !tally.Exact() || tally.Sent < 2000/len(people) {
			t.Errorf("%s: %s", person, tally)
		}
	}
	summary := readLog(t, source, target)
	if len(summary.Bounces) > 0 || summary.MaxHops > 3 || summary.Queued > 0 {
		t.Errorf("%d bounces, %d hops, %d queued; want none, 3 at most, none", len(summary.Bounces), summary.MaxHops, summary.Queued)
	}
	found := foundIn(summary)
	if found < 5 {
		t.Errorf("%d messages were found where an attempt had been cut short, want the 5 of the plan at least", found)
	}
	t.Logf("%d messages, %d kills, %d hops, %d found", len(sent), kills, summary.MaxHops, found)
}

// foundIn counts the messages that had arrived by an attempt that was cut short.
func foundIn(summary transport.Summary) int {
	found := 0
	for _, outcome := range summary.Messages {
		for _, r := range outcome.Delivered {
			if r.Found {
				found++
			}
		}
	}
	return found
}

// A switcher moves those at home at the source to the target, one after the other, while
// their mail arrives: the target delivers before the source forwards to it.
type switcher struct {
	numbers        *transport.Numbers
	people         []string
	every          int // messages between two of them
	next           int
	source, target *site
}

func (s *switcher) advance(t *testing.T) {
	t.Helper()
	for s.next < len(s.people) && len(s.numbers.Sent()) > s.every*(s.next/2+1) {
		name := s.people[s.next]
		here, there := s.source.people.Child("CN", name), s.target.people.Child("CN", name)
		s.target.set(t, there, "homeMDB", string(s.target.home))
		s.target.set(t, there, "targetAddress")
		s.source.set(t, here, "targetAddress", "SMTP:"+s.target.address(name))
		s.next += 2
	}
}

// numbersFor sends from both sites and from outside, to the address in the domain of the site
// that takes the mail up: so none passes more than three sites.
func numbersFor(people []string, total int, source, target *site) transport.NumbersConfig {
	at := func(s *site) func(string) string { return s.address }
	return transport.NumbersConfig{
		Interval: 5 * time.Second / time.Duration(total/len(people)/3), People: people,
		Origins: []transport.Origin{
			{Label: "source", Send: transport.FromPickup(source.config.Dir), Address: at(source)},
			{Label: "target", Send: transport.FromPickup(target.config.Dir), Address: at(target)},
			{Label: "outside", Send: transport.FromSMTP(source.config.Dir, 20*time.Millisecond), Address: at(source)},
		},
	}
}

// onDovecot lets a site deliver to a real server.
func (s *site) onDovecot(server real.MailServer) {
	s.config.LMTP = transport.LMTPConfig{
		Address: server.LMTP, IMAP: server.Address, ServerName: server.ServerName, CAFile: server.CA,
		Admin: server.Admin, AdminPassword: server.AdminPassword,
	}
	s.config.Settle = time.Second
}
