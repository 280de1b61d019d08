package transport_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"reforest/internal/lab/imapd"
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

// killAtRandom kills one of the processes after another, at random instants, and starts
// it again, until stop is closed. It returns how often.
func killAtRandom(t *testing.T, stop <-chan struct{}, longest time.Duration, processes ...*transport.Process) int {
	t.Helper()
	kills := 0
	for {
		timer := time.NewTimer(rand.N(longest))
		select {
		case <-stop:
			timer.Stop()
			return kills
		case <-timer.C:
		}
		process := processes[rand.IntN(len(processes))]
		if err := process.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
		if err := process.Start(t.Context()); err != nil {
			t.Errorf("start again: %v", err)
			return kills
		}
		kills++
	}
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
	processes := []*transport.Process{source.spawn(t), target.spawn(t)}
	numbers := transport.StartNumbers(t.Context(), numbersFor(people, 2000, source, target))
	switched := switchHomes(t, numbers, people, source, target)
	kills := killWhile(t, numbers, 2000, 400*time.Millisecond, processes...)
	switched.Wait()
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
	found := 0
	for _, outcome := range summary.Messages {
		for _, r := range outcome.Delivered {
			if r.Found {
				found++
			}
		}
	}
	if found < 5 {
		t.Errorf("%d messages were found where an attempt had been cut short, want the 5 of the plan at least", found)
	}
	t.Logf("%d messages, %d kills, %d hops, %d found", len(sent), kills, summary.MaxHops, found)
}

// switchHomes moves those at home at the source to the target, one after the other, while
// their mail arrives: the target delivers before the source forwards to it.
func switchHomes(t *testing.T, numbers *transport.Numbers, people []string, source, target *site) *sync.WaitGroup {
	var switching sync.WaitGroup
	switching.Go(func() {
		for i := 0; i < len(people); i += 2 {
			eventually(t, "mail is on its way", func() bool { return len(numbers.Sent()) > 200*(i/2+1) })
			here, there := source.people.Child("CN", people[i]), target.people.Child("CN", people[i])
			target.set(t, there, "homeMDB", string(target.home))
			target.set(t, there, "targetAddress")
			source.set(t, here, "targetAddress", "SMTP:"+target.address(people[i]))
		}
	})
	return &switching
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

// killWhile kills processes until so many messages were sent.
func killWhile(t *testing.T, numbers *transport.Numbers, total int, longest time.Duration, processes ...*transport.Process) (kills int) {
	t.Helper()
	var killer sync.WaitGroup
	stop := make(chan struct{})
	killer.Go(func() { kills = killAtRandom(t, stop, longest, processes...) })
	eventually(t, "all is sent", func() bool { return len(numbers.Sent()) >= total })
	_, err := numbers.Stop()
	close(stop)
	killer.Wait()
	must(t, err)
	return kills
}
