package directory_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func staffDN(name string) directory.DN { return staff.Child("CN", name) }

func TestMatch(t *testing.T) {
	t.Parallel()
	account := baltic + "-1280" // has octets below 16 and above 127 beside each other
	for name, test := range map[string]struct {
		source   map[string][]string            // what birgit has besides
		target   map[string]map[string][]string // by common name
		want     []string                       // common names; several are ambiguous
		evidence string
	}{
		"nobody": {target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "mail": {"other@alpine.test"}}}},
		"secondary address, other case": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "proxyAddresses": {"SMTP:B.Schulz@Alpine.Test"}}},
			want:   []string{"A"}, evidence: "smtp:b.schulz@alpine.test",
		},
		"legacyExchangeDN is X500 there": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "proxyAddresses": {"x500:" + strings.ToUpper(birgitLegacy)}}},
			want:   []string{"A"}, evidence: "X500:" + birgitLegacy,
		},
		"X500 is legacyExchangeDN there": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "legacyExchangeDN": {"/o=old/cn=recipients/cn=BM"}}},
			want:   []string{"A"}, evidence: "legacyExchangeDN /o=Old/cn=Recipients/cn=bm",
		},
		"name that begins alike": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "proxyAddresses": {"X500:" + birgitLegacy + "2"}, "legacyExchangeDN": {birgitLegacy[:len(birgitLegacy)-1]}}},
		},
		"SIP alone is no evidence": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "proxyAddresses": {"SIP:birgit@alpine.test"}}},
		},
		"mail": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "mail": {"B.Schulz@alpine.test"}}},
			want:   []string{"A"}, evidence: "mail B.Schulz@alpine.test",
		},
		"address before mail": {
			target: map[string]map[string][]string{
				"A": {"objectClass": {"user"}, "mail": {"b.schulz@alpine.test"}},
				"B": {"objectClass": {"group"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}},
			},
			want: []string{"B"}, evidence: "smtp:b.schulz@alpine.test",
		},
		"two": {
			target: map[string]map[string][]string{
				"A": {"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}},
				"B": {"objectClass": {"contact"}, "proxyAddresses": {"smtp:bmeier@mail.alpine.test"}},
			},
			want: []string{"A", "B"},
		},
		"computers do not count": {
			target: map[string]map[string][]string{"A": {"objectClass": {"user", "computer"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}}},
		},
		"account of a linked mailbox": {
			source: map[string][]string{"msExchMasterAccountSid": {string(sidBytes(account))}},
			target: map[string]map[string][]string{
				"A": {"objectClass": {"user"}, "objectSid": {string(sidBytes(account))}},
				"B": {"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}},
			},
			want: []string{"A"}, evidence: "msExchMasterAccountSid " + string(account),
		},
		"account of a linked mailbox that is one there too": {
			source: map[string][]string{"msExchMasterAccountSid": {string(sidBytes(account))}},
			target: map[string]map[string][]string{"A": {"objectClass": {"user"}, "msExchMasterAccountSid": {string(sidBytes(account))}}},
			want:   []string{"A"}, evidence: "msExchMasterAccountSid " + string(account),
		},
		"SELF is nobody": {
			source: map[string][]string{"msExchMasterAccountSid": {string(sidBytes(migrate.Self))}},
			target: map[string]map[string][]string{
				"A": {"objectClass": {"user"}, "msExchMasterAccountSid": {string(sidBytes(migrate.Self))}},
				"B": {"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}},
			},
			want: []string{"B"}, evidence: "smtp:b.schulz@alpine.test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.source.put(t, birgitDN, with(birgit(), test.source))
			for cn, attrs := range test.target {
				l.target.put(t, staffDN(cn), attrs)
			}
			source, err := l.Resolve(t.Context(), string(birgitDN))
			if err != nil {
				t.Fatal(err)
			}
			pair, err := l.Match(t.Context(), source, migrate.GUID{})
			if diff := cmp.Diff(test.want, matched(t, pair, err)); diff != "" {
				t.Error(diff)
			}
			if len(test.want) == 1 && pair.Evidence != test.evidence {
				t.Errorf("got evidence %q, want %q", pair.Evidence, test.evidence)
			}
		})
	}
}

// matched returns the common names that Match found, whether one or several.
func matched(t *testing.T, pair directory.Pair, err error) []string {
	t.Helper()
	var names []string
	var ambiguous *directory.AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		for _, dn := range ambiguous.DNs {
			names = append(names, dn.Name())
		}
	case err != nil:
		t.Fatal(err)
	}
	for _, found := range []*directory.Recipient{pair.Target, pair.Contact} {
		if found != nil {
			names = append(names, found.DN.Name())
		}
	}
	return names
}

// A looseReader takes any value for the one that is looked for, as Active Directory
// takes é for e.
type looseReader struct{ *memory }

func (r looseReader) Find(ctx context.Context, q directory.Query) iter.Seq2[*directory.Entry, error] {
	q.Filter = directory.Eq("objectClass", "user")
	return r.memory.Find(ctx, q)
}

// TestLooseAnswersAreNotBelieved: what the server takes for the same is looked at again.
func TestLooseAnswersAreNotBelieved(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, map[string][]string{"msExchMasterAccountSid": {string(sidBytes(baltic + "-77"))}})
	l.target.put(t, staffDN("Schülz"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schülz@alpine.test"}, "mail": {"b.schülz@alpine.test"},
	})
	l.Target.Reader, l.Source.Reader = looseReader{l.target}, looseReader{l.source}
	if got, err := l.Match(t.Context(), pair.Source, migrate.GUID{}); err != nil || got.Target != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, identity := range []string{"bmëier", "b.schülz@alpine.test", `ALPINE\bmëier`, "/o=Old/cn=x", "00000000-0000-0000-0000-00000000ffff"} {
		if got, err := l.Resolve(t.Context(), identity); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q: got %v, %v", identity, got, err)
		}
	}
}

// TestMatchManyAddresses: a person with hundreds of addresses is searched for in
// several searches, and found once.
func TestMatchManyAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var proxies []string
	for n := range 300 {
		proxies = append(proxies, fmt.Sprintf("smtp:alias%d@alpine.test", n))
	}
	l.target.put(t, staffDN("A"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {proxies[5], proxies[299]}})
	pair := l.putBirgit(t, map[string][]string{"proxyAddresses": proxies})
	if pair.Target == nil || pair.Target.DN != staffDN("A") {
		t.Errorf("got %+v", pair.Target)
	}
}

func TestMatchTwin(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("Other"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}})
	l.target.put(t, staffDN("Twin"), map[string][]string{"objectClass": {"user"}, "objectGUID": {"(*)\\\x00twin-of-bme"}})
	pair := l.putBirgit(t, nil)
	got, err := l.Match(t.Context(), pair.Source, migrate.GUID([]byte("(*)\\\x00twin-of-bme")))
	if err != nil || got.Target.DN != staffDN("Twin") || got.Evidence != directory.EvidenceTwin {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCheckFindsWhatForbids(t *testing.T) {
	t.Parallel()
	shared := []string{"smtp:b.schulz@alpine.test"}
	for name, test := range map[string]struct {
		source, target map[string][]string
		change         func(*lab)
		database       string
		want           []string
	}{
		"clean":      {},
		"user there": {target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared}},
		"mailbox there": {
			target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "homeMDB": {string(database1)}},
			want:   []string{"match.mailbox"},
		},
		"old mailbox there": {
			target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "msExchMailboxGuid": {"0123456789abcdef"}, "msExchHomeServerName": {"/o=B"}},
			want:   []string{"match.mailbox"},
		},
		"group there":   {target: map[string][]string{"objectClass": {"group"}, "proxyAddresses": shared}, want: []string{"match.group"}},
		"list there":    {target: map[string][]string{"objectClass": {"msExchDynamicDistributionList"}, "proxyAddresses": shared}, want: []string{"match.group"}},
		"contact there": {target: map[string][]string{"objectClass": {"contact"}, "proxyAddresses": shared}},
		"contact there, not adopted": {
			target: map[string][]string{"objectClass": {"contact"}, "proxyAddresses": shared},
			change: func(l *lab) { l.Rules.Adopt = nil }, want: []string{"match.contact"},
		},
		"public folder there": {target: map[string][]string{"objectClass": {"publicFolder"}, "proxyAddresses": shared}, want: []string{"match.class"}},
		"sends elsewhere": {
			target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "targetAddress": {"SMTP:b@freemail.test"}},
			want:   []string{"target.address-elsewhere"},
		},
		"sends to a secondary address": {
			target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "targetAddress": {"smtp:B.Schulz@alpine.test"}},
		},
		"no mailbox":             {source: map[string][]string{"homeMDB": nil, "msExchHomeServerName": nil}, want: []string{"source.not-mailbox"}},
		"no alias":               {source: map[string][]string{"mailNickname": nil}, want: []string{"source.alias"}},
		"no address":             {source: map[string][]string{"proxyAddresses": nil, "mail": nil}, want: []string{"source.address"}},
		"no legacy name":         {source: map[string][]string{"legacyExchangeDN": nil}, want: []string{"x500.source-missing"}},
		"two primaries":          {source: map[string][]string{"proxyAddresses": {"SMTP:a@mail.alpine.test", "SMTP:b@alpine.test"}}, want: []string{"source.primary-several"}},
		"no primary":             {source: map[string][]string{"proxyAddresses": {"smtp:a@mail.alpine.test"}}, want: []string{"source.primary-none"}},
		"no routing":             {source: map[string][]string{"proxyAddresses": {"SMTP:a@alpine.test"}}, want: []string{"source.routing"}},
		"disabled":               {source: map[string][]string{"userAccountControl": {"514"}}, want: []string{"source.disabled"}},
		"two owners":             {source: map[string][]string{"msExchMasterAccountSid": {string(sidBytes(baltic + "-77"))}}, want: []string{"source.two-owners"}},
		"shared, disabled":       {source: map[string][]string{"msExchMasterAccountSid": {string(sidBytes(migrate.Self))}, "userAccountControl": {"514"}}},
		"forwards":               {source: map[string][]string{"targetAddress": {"SMTP:b@freemail.test"}}, want: []string{"source.forwards"}},
		"forwards to the target": {source: map[string][]string{"targetAddress": {"SMTP:bmeier@mail.baltic.test"}}, want: []string{"source.forwards-to-target"}},
		"alternate":              {source: map[string][]string{"altRecipient": {"CN=Boss"}}, want: []string{"source.alt-recipient"}},
		"database":               {database: "DB 9", want: []string{"database.missing"}},
		"no database":            {change: func(l *lab) { l.Rules.Database = "" }, want: []string{"database.unset"}},
		"Exchange":               {change: func(l *lab) { l.Target.Info.HasExchange = true }, want: []string{"exchange.owns-mailboxes"}},
		"Exchange at the source": {change: func(l *lab) { l.Source.Info.HasExchange = true }, want: []string{"exchange.owns-mailboxes"}},
		"unknown domain": {
			change: func(l *lab) {
				l.Source.Info.Domains = append(l.Source.Info.Domains, directory.Domain{DN: "DC=sub,DC=alpine,DC=test"})
			},
			want: []string{"permissions.domain-unknown"},
		},
		"rules": {
			change: func(l *lab) { l.Rules = directory.Rules{Database: "DB 1"} },
			want:   []string{"rules.target-routing", "rules.legacy-prefix", "rules.target-ou"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if test.target != nil {
				l.target.put(t, staffDN("There"), test.target)
			}
			if test.change != nil {
				test.change(l)
			}
			pair := l.putBirgit(t, test.source)
			findings, err := l.Check(t.Context(), pair, test.database)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Errorf("%s\n%v", diff, findings)
			}
			for _, f := range findings {
				if f.Whom == "" || f.What == "" || f.Mend == "" && f.Severity != migrate.Note {
					t.Errorf("%+v says too little", f)
				}
			}
		})
	}
}

// TestAddressTaken: the new user needs an address that another target object has, which
// was no reason to take that object for the person.
func TestAddressTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("Other"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"SMTP:bmeier@mail.baltic.test"}})
	pair := l.putBirgit(t, nil)
	if pair.Target != nil {
		t.Fatalf("matched %s", pair.Target.DN)
	}
	plan, err := l.PlanStage(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"address.taken"}, rules(plan.Forbidden())); diff != "" {
		t.Error(diff)
	}
	if got := plan.Forbidden()[0]; got.Whom != string(staffDN("Other")) || !strings.Contains(got.What, "bmeier@mail.baltic.test") {
		t.Errorf("got %v", got)
	}
	err = l.Apply(t.Context(), newJournal(l.clock), plan)
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Never || l.target.writes != 0 {
		t.Errorf("a forbidden plan was applied: %v", err)
	}
}

// TestAddressTakenAtTheSource: the way back would give two source objects one address.
func TestAddressTakenAtTheSource(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.source.put(t, "CN=Other,"+people, map[string][]string{"objectClass": {"contact"}, "proxyAddresses": {"smtp:BMeier@mail.baltic.test"}})
	plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"address.taken"}, rules(plan.Forbidden())); diff != "" {
		t.Error(diff)
	}
	if !slices.ContainsFunc(plan.Findings, func(f migrate.Finding) bool { return f.Whom == "CN=Other,"+string(people) }) {
		t.Errorf("got %v", plan.Findings)
	}
}
