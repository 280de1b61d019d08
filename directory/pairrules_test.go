package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// accept puts an accepted domain into the forest's configuration.
func (m *memory) accept(t testing.TB, root directory.DN, name, flags string) {
	t.Helper()
	m.put(t, ("CN=Configuration,"+root).Child("CN", "accepts "+name), map[string][]string{
		"objectClass": {"msExchAcceptedDomain"}, "msExchAcceptedDomainName": {name}, "msExchAcceptedDomainFlags": {flags},
	})
}

const alpineRoot, balticRoot directory.DN = "DC=alpine,DC=test", "DC=baltic,DC=test"

// ownDomains lets each side accept what it has to for birgit.
func (l *lab) ownDomains(t testing.TB) {
	t.Helper()
	l.source.accept(t, alpineRoot, "alpine.test", "4") // authoritative, and the default one
	l.source.accept(t, alpineRoot, "mail.alpine.test", "0")
	l.target.accept(t, balticRoot, "*.baltic.test", "0")
	l.survey(t)
}

func (l *lab) putAt(t testing.TB, side directory.Side, name string, attrs map[string][]string) {
	t.Helper()
	m, dn := l.source, people.Child("CN", name)
	if side == directory.Target {
		m, dn = l.target, staffDN(name)
	}
	m.put(t, dn, with(map[string][]string{"objectClass": {"user"}}, attrs))
}

// found returns the finding of the rule, which has to be the only one of that rule.
func found(t *testing.T, findings []migrate.Finding, rule string) migrate.Finding {
	t.Helper()
	var of []migrate.Finding
	for _, f := range findings {
		if f.Rule == rule {
			of = append(of, f)
		}
	}
	if len(of) != 1 {
		t.Fatalf("%d findings of %s, want 1: %v", len(of), rule, findings)
	}
	return of[0]
}

// proves checks that the finding says whom, what by its values, and what to do.
func proves(t *testing.T, f migrate.Finding, evidence ...string) {
	t.Helper()
	rule, registered := directory.RuleOf(f.Rule)
	if !registered || f.Severity > rule.Severity || f.Whom == "" || f.Mend == "" && f.Severity != migrate.Note {
		t.Errorf("%+v says too little, or more than its rule %+v", f, rule)
	}
	for _, text := range evidence {
		if !strings.Contains(f.What+" "+f.Mend, text) {
			t.Errorf("%q is not in %q, %q", text, f.What, f.Mend)
		}
	}
}

// TestRulesOfAPair: each rule that holds before and after a move, finding and not.
func TestRulesOfAPair(t *testing.T) {
	t.Parallel()
	const birgitMail = "birgit.meier@alpine.test"
	mailboxGUID := birgit()["msExchMailboxGuid"]
	for name, test := range map[string]struct {
		source   map[string][]string
		prepare  func(t *testing.T, l *lab)
		want     string // rule; "" is nothing
		evidence []string
	}{
		"accepted domains": {prepare: func(t *testing.T, l *lab) { l.ownDomains(t) }},
		"address nobody accepts": {
			source:   map[string][]string{"proxyAddresses": {"SMTP:" + birgitMail, "smtp:bm@mail.alpine.test", "smtp:b@sold.test"}},
			prepare:  func(t *testing.T, l *lab) { l.ownDomains(t) },
			want:     "domain.unaccepted",
			evidence: []string{"proxyAddresses", `"smtp:b@sold.test"`, string(birgitDN)},
		},
		"address that a wildcard accepts": {
			source:  map[string][]string{"proxyAddresses": {"SMTP:" + birgitMail, "smtp:bm@mail.alpine.test", "smtp:b@deep.sub.baltic.test"}},
			prepare: func(t *testing.T, l *lab) { l.ownDomains(t) },
		},
		"address in a configured domain": {
			source:  map[string][]string{"proxyAddresses": {"SMTP:" + birgitMail, "smtp:bm@mail.alpine.test", "smtp:b@sold.test"}},
			prepare: func(t *testing.T, l *lab) { l.ownDomains(t); l.Rules.TargetDomains = []string{"Sold.test"} },
		},
		"address, and nothing is known of domains": {
			source: map[string][]string{"proxyAddresses": {"SMTP:" + birgitMail, "smtp:bm@mail.alpine.test", "smtp:b@sold.test"}},
		},
		"mail goes to a domain that both claim": {
			source: map[string][]string{"proxyAddresses": {"SMTP:" + birgitMail}},
			prepare: func(t *testing.T, l *lab) {
				l.ownDomains(t)
				l.Rules.SourceRouting = "alpine.test"
				l.target.accept(t, balticRoot, "alpine.test", "0")
				l.survey(t)
			},
			want:     "domain.both",
			evidence: []string{"targetAddress", birgitMail, "alpine.test", string(birgitDN)},
		},
		"the target relays the source's domain": {
			source: map[string][]string{"proxyAddresses": {"SMTP:" + birgitMail}},
			prepare: func(t *testing.T, l *lab) {
				l.ownDomains(t)
				l.Rules.SourceRouting = "alpine.test"
				l.target.accept(t, balticRoot, "alpine.test", "2")
				l.survey(t)
			},
		},
		"circle through a third": {
			source: map[string][]string{"targetAddress": {"SMTP:relay@baltic.test"}},
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Relay", map[string][]string{"proxyAddresses": {"SMTP:relay@baltic.test"}, "targetAddress": {"SMTP:" + birgitMail}})
			},
			want:     "route.loop",
			evidence: []string{string(birgitDN), string(staffDN("Relay")), "SMTP:relay@baltic.test", "SMTP:" + birgitMail},
		},
		"circle through three others": {
			source: map[string][]string{"targetAddress": {"SMTP:r1@baltic.test"}},
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "R1", map[string][]string{"proxyAddresses": {"smtp:r1@baltic.test"}, "targetAddress": {"SMTP:r2@alpine.test"}})
				l.putAt(t, directory.Source, "R2", map[string][]string{"proxyAddresses": {"smtp:r2@alpine.test"}, "targetAddress": {"SMTP:r3@baltic.test"}})
				l.putAt(t, directory.Target, "R3", map[string][]string{"proxyAddresses": {"smtp:r3@baltic.test"}, "targetAddress": {"SMTP:" + birgitMail}})
			},
			want:     "route.loop",
			evidence: []string{string(staffDN("R1")), "CN=R2", string(staffDN("R3"))},
		},
		"chain that ends in a mailbox": {
			source: map[string][]string{"targetAddress": {"SMTP:relay@baltic.test"}},
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Relay", map[string][]string{"proxyAddresses": {"SMTP:relay@baltic.test"}, "targetAddress": {"SMTP:end@alpine.test"}})
				l.putAt(t, directory.Source, "End", map[string][]string{"proxyAddresses": {"SMTP:end@alpine.test"}, "homeMDB": {"CN=Old DB"}})
			},
		},
		"forwards to nobody": {
			source:   map[string][]string{"targetAddress": {"SMTP:left@mail.baltic.test"}},
			want:     "route.nobody",
			evidence: []string{string(birgitDN), "left@mail.baltic.test"},
		},
		"forwards to a stranger": {source: map[string][]string{"targetAddress": {"SMTP:b@freemail.test"}}},
		"split at the source": {
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Source, "Double", map[string][]string{"msExchMailboxGuid": mailboxGUID, "homeMDB": {"CN=Other DB,CN=Configuration,DC=alpine,DC=test"}})
			},
			want:     "mailbox.split",
			evidence: []string{"msExchMailboxGuid 04030201-0605-0807-090a-0b0c0d0e0f10", "Other DB", "Old DB", string(birgitDN)},
		},
		"the same GUID in the other forest, without a mailbox": {
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Twin", map[string][]string{"msExchMailboxGuid": mailboxGUID})
			},
			want:     "match.second",
			evidence: []string{string(staffDN("Twin")), "msExchMailboxGuid 04030201"},
		},
		"second by employeeID": {
			source: map[string][]string{"employeeID": {"4711"}},
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Twin", map[string][]string{"employeeID": {"4711"}})
			},
			want:     "match.second",
			evidence: []string{string(staffDN("Twin")), "employeeID 4711"},
		},
		"another employeeID": {
			source: map[string][]string{"employeeID": {"4711"}},
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Other", map[string][]string{"employeeID": {"47112"}})
			},
		},
		"second by sIDHistory": {
			source: map[string][]string{"objectSid": {string(sidBytes(alpine + "-12"))}},
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Twin", map[string][]string{"sIDHistory": {string(sidBytes(alpine + "-12"))}})
			},
			want:     "match.second",
			evidence: []string{"sIDHistory", string(alpine) + "-12"},
		},
		"second by name and local part": {
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Twin", map[string][]string{"displayName": {"Meier, Birgit"}, "mail": {"B.Schulz@baltic.test"}})
			},
			want:     "match.second",
			evidence: []string{"displayName", "Meier, Birgit", "b.schulz"},
		},
		"a namesake": {
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "Other", map[string][]string{"displayName": {"Meier, Birgit"}, "mail": {"meier7@baltic.test"}})
			},
		},
		"archive": {
			source:   map[string][]string{"msExchArchiveGUID": {"0123456789abcdef"}},
			want:     "archive.no-target",
			evidence: []string{"msExchArchiveGUID", "33323130-3534-3736-3839-616263646566", string(birgitDN)},
		},
		"litigation hold":    {source: map[string][]string{"msExchELCMailboxFlags": {"26"}}, want: "hold.litigation", evidence: []string{"msExchELCMailboxFlags", "26"}},
		"recovery, no hold":  {source: map[string][]string{"msExchELCMailboxFlags": {"18"}}},
		"in-place hold":      {source: map[string][]string{"msExchUserHoldPolicies": {"a1", "b2"}}, want: "hold.policies", evidence: []string{"msExchUserHoldPolicies", `"a1", "b2"`}},
		"protected":          {source: map[string][]string{"adminCount": {"1"}}, want: "account.protected", evidence: []string{"adminCount", "AdminSDHolder", string(birgitDN)}},
		"no more protected":  {source: map[string][]string{"adminCount": {"0"}}},
		"nothing in the way": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if test.prepare != nil {
				test.prepare(t, l)
			}
			l.source.put(t, birgitDN, with(birgit(), test.source))
			source, err := l.Resolve(t.Context(), string(birgitDN))
			if err != nil {
				t.Fatal(err)
			}
			findings, err := l.Check(t.Context(), directory.Pair{Source: source}, "")
			if err != nil {
				t.Fatal(err)
			}
			findings = slices.DeleteFunc(findings, func(f migrate.Finding) bool {
				return slices.Contains([]string{"source.routing", "source.forwards"}, f.Rule) // of the setting, not the rule under test
			})
			if test.want == "" {
				if len(findings) > 0 {
					t.Errorf("found %v", findings)
				}
				return
			}
			if diff := cmp.Diff([]string{test.want}, rules(findings)); diff != "" {
				t.Fatalf("%s\n%v", diff, findings)
			}
			proves(t, findings[0], test.evidence...)
		})
	}
}

// TestVerifyFindsTheSame: what is wrong before a move is wrong after it as well.
func TestVerifyFindsTheSame(t *testing.T) {
	t.Parallel()
	l, pair := movedLab(t)
	l.source.entries[birgitDN.Key()].attrs["admincount"] = [][]byte{[]byte("1")}
	l.putAt(t, directory.Target, "Empty", map[string][]string{"msExchMailboxGuid": {string(pair.Target.MailboxGUID[:])}, "homeMDB": {"CN=DB 2"}})
	l.source.entries[birgitDN.Key()].attrs["targetaddress"] = [][]byte{[]byte("SMTP:relay@baltic.test")}
	l.putAt(t, directory.Target, "Relay", map[string][]string{"proxyAddresses": {"SMTP:relay@baltic.test"}, "targetAddress": {"SMTP:birgit.meier@alpine.test"}})
	findings, err := l.Verify(t.Context(), pair, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"account.protected", "mailbox.split"} {
		proves(t, found(t, findings, rule))
	}
	if slices.Contains(rules(findings), "route.loop") {
		t.Errorf("mail comes to the target mailbox in the end: %v", findings)
	}
	delete(l.target.entries[pair.Target.DN.Key()].attrs, "homemdb")
	l.target.entries[pair.Target.DN.Key()].attrs["targetaddress"] = [][]byte{[]byte("SMTP:relay@baltic.test")}
	findings, err = l.Verify(t.Context(), pair, "")
	if err != nil {
		t.Fatal(err)
	}
	proves(t, found(t, findings, "route.loop"), string(staffDN("Relay")))
}
