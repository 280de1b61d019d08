package transport_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/transport"
)

func inProcess(s *site) transport.Store { return transport.InProcess{Server: s.mail} }

// TestWaits: what is refused for now, or cannot be resolved now, is delivered later, to
// where the recipient is then.
func TestWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, "source", "alpine.test")
	s.addHome(t, "anna")
	s.mail.Plan(imapd.Fault{Op: imapd.Deliver, Code: "OVERQUOTA", Times: 3})
	s.start(t)
	s.inject(t, "<1@waits>", "anna@alpine.test")
	drain(t, s)
	if diff := cmp.Diff([]string{"<1@waits>"}, s.ids("anna")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	summary := readLog(t, s)
	want := map[string]int{`deliver to "anna@alpine.test": 452 4.2.2 <anna@alpine.test> Quota exceeded (mailbox for user is full)`: 1}
	if diff := cmp.Diff(want, summary.Deferred); diff != "" {
		t.Errorf("deferred, each reason once (-want +got):\n%s", diff)
	}
}

// TestResolvesAnew: between two attempts the home moves to the other site.
func TestResolvesAnew(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	dn := s.addHome(t, "anna")
	other.addHome(t, "anna")
	s.mail.Plan(imapd.Fault{Op: imapd.Deliver, Code: "UNAVAILABLE"})
	s.start(t)
	other.start(t)
	s.inject(t, "<1@anew>", "anna@alpine.test")
	eventually(t, "the message waits", func() bool { return len(readLog(t, s).Deferred) > 0 })
	s.set(t, dn, "targetAddress", "SMTP:anna@fabrikam.test")
	drain(t, s, other)
	if got := len(s.ids("anna")) + 10*len(other.ids("anna")); got != 10 {
		t.Errorf("%d copies at the source and %d at the target, want it at the target alone", len(s.ids("anna")), len(other.ids("anna")))
	}
}

// TestDirectoryDown: without a directory mail waits.
func TestDirectoryDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, "source", "alpine.test")
	s.addHome(t, "anna")
	address := strings.TrimPrefix(s.ldap.URL(), "ldaps://")
	snapshot, authority := s.ldap.Snapshot(), s.ldap.Authority()
	must(t, s.ldap.Close())
	s.start(t)
	s.inject(t, "<1@down>", "anna@alpine.test")
	eventually(t, "the message waits", func() bool { return len(readLog(t, s).Deferred) > 0 })
	again, err := ldapd.Start(t.Context(), ldapd.Config{Domain: s.domain, AdminPassword: password, Address: address, Authority: authority})
	must(t, err)
	t.Cleanup(func() { _ = again.Close() })
	must(t, again.Restore(snapshot))
	drain(t, s)
	if diff := cmp.Diff([]string{"<1@down>"}, s.ids("anna")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}

// TestLostAnswers: the mailbox has the message, or has not, and nobody said so.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, drop := range []imapd.Drop{imapd.DropBefore, imapd.DropAfter} {
		for name, store := range map[string]func(*site) transport.Store{"in process": inProcess, "LMTP": func(*site) transport.Store { return nil }} {
			t.Run(name+" "+string(drop), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, "source", "alpine.test")
				s.config.Store = store(s)
				s.addHome(t, "anna")
				s.mail.Plan(imapd.Fault{Op: imapd.Deliver, Drop: drop, Times: 2})
				s.start(t)
				s.inject(t, "<1@lost>", "anna@alpine.test")
				drain(t, s)
				if diff := cmp.Diff([]string{"<1@lost>"}, s.ids("anna")); diff != "" {
					t.Errorf("what arrived (-want +got):\n%s", diff)
				}
				delivered := readLog(t, s).Messages["<1@lost>"].Delivered
				if len(delivered) != 1 || delivered[0].Found != (drop == imapd.DropAfter) {
					t.Errorf("got records %+v, want one, found: %v", delivered, drop == imapd.DropAfter)
				}
			})
		}
	}
}

// A cutStore is a store whose process is cut off in the middle of a delivery: what it
// does is done, and nobody is there to hear of it.
type cutStore struct {
	transport.Store
	cut   context.CancelFunc
	after bool
	times atomic.Int32
}

func (s *cutStore) Deliver(ctx context.Context, mailbox string, message []byte) error {
	s.times.Add(1)
	if s.after {
		if err := s.Store.Deliver(ctx, mailbox, message); err != nil {
			return err
		}
	}
	s.cut()
	return errors.New("cut off")
}

// TestStopInDelivery stops a transport while it delivers, and starts the next.
func TestStopInDelivery(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		s := newSite(t, "source", "alpine.test")
		dn := s.addHome(t, "anna")
		ctx, cut := context.WithCancel(t.Context())
		s.config.Store = &cutStore{Store: inProcess(s), cut: cut, after: after}
		first, err := transport.Start(ctx, s.config)
		must(t, err)
		s.inject(t, "<1@stop>", "anna@alpine.test")
		<-ctx.Done()
		must(t, first.Close())
		if after { // wherever the recipient is now, the message stays where it has arrived
			s.set(t, dn, "targetAddress", "SMTP:anna@fabrikam.test")
		}
		s.config.Store = inProcess(s)
		s.start(t)
		drain(t, s)
		if diff := cmp.Diff([]string{"<1@stop>"}, s.ids("anna")); diff != "" {
			t.Errorf("stopped after delivery: %v: what arrived (-want +got):\n%s", after, diff)
		}
	}
}

// TestOneCopy: two addresses of one person bring one copy.
func TestOneCopy(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	dn := s.addHome(t, "anna")
	s.set(t, dn, "proxyAddresses", "SMTP:anna@alpine.test", "smtp:a.berg@alpine.test")
	other.add(t, "anna", ldapd.Attrs{"targetAddress": {"SMTP:anna@alpine.test"}})
	other.add(t, "berg", ldapd.Attrs{"targetAddress": {"SMTP:ANNA@alpine.test"}})
	s.start(t)
	other.start(t)
	s.inject(t, "<1@one>", "anna@alpine.test", "a.berg@alpine.test", "ANNA@alpine.test")
	other.inject(t, "<2@one>", "anna@fabrikam.test", "berg@fabrikam.test")
	drain(t, s, other)
	if diff := cmp.Diff([]string{"<1@one>", "<2@one>"}, s.ids("anna")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}

// TestMailThatWaitedInPickup: the transport was down when it was put there.
func TestMailThatWaitedInPickup(t *testing.T) {
	t.Parallel()
	s := newSite(t, "source", "alpine.test")
	s.addHome(t, "anna")
	first, err := transport.Start(t.Context(), s.config)
	must(t, err)
	must(t, first.Close())
	s.inject(t, "<1@pickup>", "anna@alpine.test")
	pickup := filepath.Join(s.config.Dir, "pickup")
	must(t, os.WriteFile(filepath.Join(pickup, "junk.eml"), []byte("no envelope"), 0o600))
	must(t, os.WriteFile(filepath.Join(pickup, ".half.eml"), []byte(`{"to":["anna@alpine.test"]}`), 0o600))
	s.start(t)
	drain(t, s)
	if diff := cmp.Diff([]string{"<1@pickup>"}, s.ids("anna")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	bad, err := os.ReadDir(filepath.Join(s.config.Dir, "badmail"))
	must(t, err)
	if summary := readLog(t, s); len(bad) != 1 || len(summary.Rejected) != 1 {
		t.Errorf("%d files in badmail and %d records, want the junk", len(bad), len(summary.Rejected))
	}
}

// TestOneTransportASpool: a second one is refused while the first runs.
func TestOneTransportASpool(t *testing.T) {
	t.Parallel()
	s := newSite(t, "source", "alpine.test")
	first := s.start(t)
	if second, err := transport.Start(t.Context(), s.config); err == nil {
		_ = second.Close()
		t.Error("a second transport works on the same spool")
	}
	address := first.Addr()
	must(t, first.Close())
	if got := s.start(t).Addr(); got != address {
		t.Errorf("started again at %s, want %s, where the other site looks for it", got, address)
	}
}

// TestDelay: the way is resolved before the delay, and taken after it.
func TestDelay(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	dn := s.addHome(t, "anna")
	other.addHome(t, "anna")
	s.addHome(t, "probe")
	s.config.MinDelay = 2 * time.Second
	running := s.start(t)
	other.start(t)
	s.inject(t, "<1@delay>", "anna@alpine.test")
	eventually(t, "it is accepted", func() bool { return readLog(t, s).Messages["<1@delay>"] != nil })
	running.SetDelay(0, 0)
	s.inject(t, "<probe@delay>", "probe@alpine.test") // resolved after the first, which has not arrived
	eventually(t, "the probe has arrived", func() bool { return len(s.inbox("probe")) == 1 })
	s.set(t, dn, "targetAddress", "SMTP:anna@fabrikam.test")
	s.inject(t, "<2@delay>", "anna@alpine.test")
	drain(t, s, other)
	if diff := cmp.Diff([]string{"<1@delay>"}, s.ids("anna")); diff != "" {
		t.Errorf("what was on its way before the change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"<2@delay>"}, other.ids("anna")); diff != "" {
		t.Errorf("what came after the change (-want +got):\n%s", diff)
	}
}
