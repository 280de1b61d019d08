package transport_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/ldapd"
)

// TestDecisions sends to every kind of recipient and finds out where the mail went.
func TestDecisions(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	other.addHome(t, "moved")
	plantKinds(t, s)
	s.start(t)
	other.start(t)
	const (
		notFound = "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found"
		loop     = "550 5.4.6 RESOLVER.FWD.Loop; there is a forwarding loop configured in the directory"
	)
	for i, test := range []struct {
		to   string
		want []string // mailboxes, and answers of bounces
	}{
		{"home@alpine.test", []string{"home@alpine.test"}},
		{"HOME@Alpine.Test", []string{"home@alpine.test"}},
		{"second.name@alpine.test", []string{"home@alpine.test"}},
		{"nobody@alpine.test", []string{notFound}},
		{"plain@alpine.test", []string{notFound}},
		{"wild*card@alpine.test", []string{notFound}},
		{"twice@alpine.test", []string{"550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address"}},
		{"moved@alpine.test", []string{"moved@fabrikam.test"}},
		{"homebuttargeted@alpine.test", []string{"moved@fabrikam.test"}},
		{"chained@alpine.test", []string{"home@alpine.test"}},
		{"self@alpine.test", []string{loop}},
		{"x400@alpine.test", []string{"550 5.2.0 RESOLVER.CON.InvalidTarget; contact's target address is invalid"}},
		{"redirected@alpine.test", []string{"home@alpine.test"}},
		{"both@alpine.test", []string{"both@alpine.test", "home@alpine.test"}},
		{"ring@alpine.test", []string{"gnir@alpine.test", "ring@alpine.test"}},
		{"nameless@alpine.test", []string{"550 5.2.0 RESOLVER.ADR.BadPrimary; recipient primary SMTP address is missing or invalid"}},
		{"someone@elsewhere.test", []string{"550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"}},
		{"home@branch.alpine.test", []string{"home@alpine.test"}},
		{"moved@shared.test", []string{"moved@fabrikam.test"}},
		{"here.too@fabrikam.test", []string{"home@alpine.test"}}, // known here, whatever the domain
		{"guest@fabrikam.test", []string{"moved@fabrikam.test"}}, // a targetAddress that is one of its own
		{"moved@fabrikam.test", []string{"moved@fabrikam.test"}}, // nobody here: by its domain
		{"IMCEAEX-_o=ALPINE_ou=First+20Group+20+28FYDIBOHF23SPDLT+29_cn=Recipients_cn=home@alpine.test", []string{"home@alpine.test"}},
		{"IMCEAEX-_o=ALPINE_ou=OLD_cn=Recipients_cn=was@alpine.test", []string{"home@alpine.test"}},
		{"IMCEAEX-_o=ALPINE_ou=OLD_cn=Recipients_cn=gone@alpine.test", []string{"550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found"}},
	} {
		t.Run(test.to, func(t *testing.T) {
			id := fmt.Sprintf("<%d@decisions.test>", i)
			s.inject(t, id, test.to)
			drain(t, s, other)
			var got []string
			outcome := readLog(t, s, other).Messages[id]
			for _, r := range outcome.Delivered {
				got = append(got, r.Mailbox)
			}
			for _, r := range outcome.Bounced {
				got = append(got, r.Text)
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("mail for %s (-want +got):\n%s", test.to, diff)
			}
			checkCopies(t, id, test.want, s, other)
		})
	}
}

func plantKinds(t *testing.T, s *site) {
	t.Helper()
	home := s.addHome(t, "home")
	s.set(t, home, "proxyAddresses", "SMTP:home@alpine.test", "smtp:second.name@alpine.test", "smtp:home@branch.alpine.test", "smtp:here.too@fabrikam.test", "X500:/o=ALPINE/ou=OLD/cn=Recipients/cn=was")
	s.set(t, home, "legacyExchangeDN", "/o=ALPINE/ou=First Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=home")
	s.add(t, "plain", nil)
	s.add(t, "twice", nil)
	s.add(t, "twice2", ldapd.Attrs{"proxyAddresses": {"SMTP:twice2@alpine.test", "smtp:twice@alpine.test"}})
	s.add(t, "moved", ldapd.Attrs{"targetAddress": {"SMTP:moved@fabrikam.test"}, "proxyAddresses": {"SMTP:moved@alpine.test", "smtp:moved@shared.test"}})
	s.add(t, "guest", ldapd.Attrs{"targetAddress": {"SMTP:moved@fabrikam.test"}, "proxyAddresses": {"SMTP:guest@alpine.test", "smtp:guest@fabrikam.test"}})
	s.set(t, s.addHome(t, "homebuttargeted"), "targetAddress", "SMTP:moved@fabrikam.test")
	s.add(t, "chained", ldapd.Attrs{"targetAddress": {"second.name@alpine.test"}})
	s.add(t, "self", ldapd.Attrs{"targetAddress": {"SMTP:self@alpine.test"}})
	s.add(t, "x400", ldapd.Attrs{"targetAddress": {"X400:c=at;a= ;p=alpine"}})
	s.set(t, s.addHome(t, "redirected"), "altRecipient", string(home))
	both := s.addHome(t, "both")
	s.set(t, both, "altRecipient", string(home))
	s.set(t, both, "deliverAndRedirect", "TRUE")
	ring, gnir := s.addHome(t, "ring"), s.addHome(t, "gnir")
	s.set(t, ring, "altRecipient", string(gnir))
	s.set(t, gnir, "altRecipient", string(ring))
	s.set(t, ring, "deliverAndRedirect", "TRUE")
	s.set(t, gnir, "deliverAndRedirect", "TRUE")
	s.add(t, "nameless", ldapd.Attrs{"homeMDB": {string(s.home)}, "mail": nil})
	_, err := s.ldap.AddAcceptedDomain("*.alpine.test", ldapd.DomainAuthoritative)
	must(t, err)
	_, err = s.ldap.AddAcceptedDomain("shared.test", ldapd.DomainInternalRelay)
	must(t, err)
}

// checkCopies compares what was recorded with what the mailboxes hold.
func checkCopies(t *testing.T, id string, want []string, sites ...*site) {
	t.Helper()
	copies := 0
	for _, s := range sites {
		for _, name := range []string{"home", "moved", "both", "redirected", "homebuttargeted", "ring", "gnir"} {
			for _, have := range s.ids(name) {
				if have != id {
					continue
				}
				copies++
				if !slices.Contains(want, s.address(name)) {
					t.Errorf("%s has it, want %q", s.address(name), want)
				}
			}
		}
	}
	wanted := 0
	for _, place := range want {
		if strings.Contains(place, "@") {
			wanted++
		}
	}
	if copies != wanted {
		t.Errorf("%d copies in mailboxes, want %d", copies, wanted)
	}
}

// TestRelayDomains: mail for a domain that is relayed goes on where the view knows
// nobody, and for one that lies elsewhere in any case.
func TestRelayDomains(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	_, err := s.ldap.AddAcceptedDomain("fabrikam.test", ldapd.DomainExternalRelay)
	must(t, err)
	_, err = s.ldap.AddAcceptedDomain("shared.test", ldapd.DomainInternalRelay)
	must(t, err)
	_, err = other.ldap.AddAcceptedDomain("shared.test", ldapd.DomainAuthoritative)
	must(t, err)
	s.config.Next.Domains = append(s.config.Next.Domains, "shared.test")
	there := other.addHome(t, "there")
	other.set(t, there, "proxyAddresses", "SMTP:there@fabrikam.test", "smtp:there@shared.test")
	s.start(t)
	other.start(t)
	s.inject(t, "<1@relay>", "there@fabrikam.test", "there@shared.test")
	drain(t, s, other)
	if diff := cmp.Diff([]string{"<1@relay>", "<1@relay>"}, other.ids("there")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}

// TestMailboxNames delivers by the attribute that is configured.
func TestMailboxNames(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"alias", "sam"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "source", "alpine.test")
			s.add(t, "anna", ldapd.Attrs{"homeMDB": {string(s.home)}, "mailNickname": {"the-alias"}})
			want := map[string]string{"alias": "the-alias", "sam": "anna"}[by]
			s.mail.SetUser(want, "x")
			s.config.MailboxBy, s.config.Store = by, inProcess(s)
			s.start(t)
			s.inject(t, "<1@names>", "anna@alpine.test")
			drain(t, s)
			if held, err := s.mail.Holds(want, "<1@names>"); err != nil || !held {
				t.Errorf("mailbox %q: got %v, %v, want the message", want, held, err)
			}
		})
	}
}
