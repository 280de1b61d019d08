package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// TestStageCleansAddresses: what cannot be an address does not reach the target, its
// cleaned form does, and everything that is no SMTP address is carried octet by octet.
func TestStageCleansAddresses(t *testing.T) {
	t.Parallel()
	const x400 = `X400:c=DE;a= ;p=Alpine;s=M/\"üller;`
	for name, test := range map[string]struct {
		source   map[string][]string
		atTarget map[string][]string // another object there
		atSource map[string][]string
		want     []string // the target's SMTP addresses; the source's own X500 and the like aside
		mail     string
		rules    []string
		what     string // part of the first finding
	}{
		"a secondary one": {
			source: map[string][]string{"proxyAddresses": {"SMTP:b@alpine.test", `smtp:Atlanta\sales@alpine.test`}},
			want:   []string{"SMTP:b@alpine.test", "smtp:Atlantasales@alpine.test", "smtp:bmeier@mail.baltic.test"},
			mail:   "b@alpine.test", rules: []string{"address.cleaned"},
			what: `Atlanta\sales@alpine.test cannot be an address: '\\' must not be in it; the target gets Atlantasales@alpine.test.`,
		},
		"a legal one with a slash": {
			source: map[string][]string{"proxyAddresses": {"SMTP:Atlanta/sales@alpine.test"}, "mail": {"Atlanta/sales@alpine.test"}},
			want:   []string{"SMTP:Atlanta/sales@alpine.test", "smtp:Atlantasales@alpine.test", "smtp:bmeier@mail.baltic.test"},
			mail:   "Atlanta/sales@alpine.test", rules: []string{"address.cleaned"}, what: "the target gets Atlantasales@alpine.test as well",
		},
		"the primary one": {
			source: map[string][]string{"proxyAddresses": {"SMTP:b m@alpine.test", "smtp:zz@alpine.test", "smtp:b2@alpine.test"}, "mail": {"b m@alpine.test"}},
			want:   []string{"SMTP:bm@alpine.test", "smtp:b2@alpine.test", "smtp:bmeier@mail.baltic.test", "smtp:zz@alpine.test"},
			mail:   "bm@alpine.test", rules: []string{"address.cleaned"}, what: "the target gets bm@alpine.test",
		},
		"the primary one, whose form another target object has": {
			source:   map[string][]string{"proxyAddresses": {"SMTP:b m@alpine.test", "smtp:zz@alpine.test", "smtp:b2@alpine.test"}, "mail": {"b m@alpine.test"}},
			atTarget: map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:BM@alpine.test"}},
			want:     []string{"SMTP:b2@alpine.test", "smtp:bmeier@mail.baltic.test", "smtp:zz@alpine.test"},
			mail:     "b2@alpine.test", rules: []string{"address.cleaned"}, what: "CN=Other,OU=Staff,DC=baltic,DC=test has the cleaned form bm@alpine.test",
		},
		"a form that another source object has": {
			source:   map[string][]string{"proxyAddresses": {"SMTP:b@alpine.test", "smtp:b.o b@alpine.test"}},
			atSource: map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"SMTP:b.ob@alpine.test"}},
			want:     []string{"SMTP:b@alpine.test", "smtp:bmeier@mail.baltic.test"},
			mail:     "b@alpine.test", rules: []string{"address.cleaned"}, what: "the target gets none instead: CN=Other,OU=People,DC=alpine,DC=test has the cleaned form",
		},
		"nothing is left": {
			source: map[string][]string{"proxyAddresses": {"SMTP:b@alpine.test", "smtp:星@alpine.test", "smtp:bmeier"}},
			want:   []string{"SMTP:b@alpine.test", "smtp:bmeier@mail.baltic.test"},
			mail:   "b@alpine.test", rules: []string{"address.cleaned", "address.cleaned"}, what: "bmeier cannot be an address: it has no @; the target gets none instead: nothing is left of it.",
		},
		"the form is an address of theirs already": {
			source: map[string][]string{"proxyAddresses": {"SMTP:bo@alpine.test", "smtp:b o@alpine.test"}},
			want:   []string{"SMTP:bo@alpine.test", "smtp:bmeier@mail.baltic.test"},
			mail:   "bo@alpine.test", rules: []string{"address.cleaned"}, what: "the target gets bo@alpine.test",
		},
		"several primary ones, doubles in case": {
			source: map[string][]string{
				"proxyAddresses": {"smtp:B@alpine.test", "SMTP:z@alpine.test", "SMTP:b@alpine.test", "SMTP:a@alpine.test"}, "mail": {"b@ALPINE.test"},
			},
			want: []string{"SMTP:b@alpine.test", "smtp:a@alpine.test", "smtp:bmeier@mail.baltic.test", "smtp:z@alpine.test"},
			mail: "b@alpine.test",
		},
		"an alias that is dirty": {
			source: map[string][]string{"proxyAddresses": {"SMTP:b@alpine.test"}, "mailNickname": {"Bü/ Meier."}},
			want:   []string{"SMTP:b@alpine.test", "smtp:BuMeier@mail.baltic.test"}, mail: "b@alpine.test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if test.atTarget != nil {
				l.target.put(t, staffDN("Other"), test.atTarget)
			}
			if test.atSource != nil {
				l.source.put(t, people.Child("CN", "Other"), test.atSource)
			}
			more := with(test.source, map[string][]string{"proxyAddresses": append(slices.Clone(test.source["proxyAddresses"]), x400, "SIP:b o@x", "EUM:1 2")})
			if more["mail"] == nil {
				more["mail"] = []string{"b@alpine.test"}
			}
			before := l.putBirgit(t, more)
			plan, err := l.PlanStage(t.Context(), before)
			if err != nil || len(plan.Forbidden()) > 0 {
				t.Fatalf("got %v, %v", plan.Findings, err)
			}
			if diff := cmp.Diff(test.rules, rules(plan.Findings)); diff != "" || test.what != "" && !strings.Contains(plan.Findings[0].What, test.what) {
				t.Errorf("findings: %s%v", diff, plan.Findings)
			}
			pair := l.stage(t, before)
			var smtp []string
			for _, v := range pair.Target.Proxies {
				if strings.EqualFold(v[:5], "smtp:") {
					smtp = append(smtp, v)
				}
			}
			slices.Sort(smtp)
			if diff := cmp.Diff(test.want, smtp); diff != "" {
				t.Error(diff)
			}
			for _, v := range []string{x400, "SIP:b o@x", "EUM:1 2"} {
				if !slices.Contains(pair.Target.Proxies, v) {
					t.Errorf("%q is not carried along: %q", v, pair.Target.Proxies)
				}
			}
			if string(pair.Target.Mail) != test.mail {
				t.Errorf("got mail %q, want %q", pair.Target.Mail, test.mail)
			}
			again, err := l.PlanStage(t.Context(), pair)
			if err != nil || len(again.Changes) > 0 {
				t.Errorf("a second plan wants %+v, %v", again.Changes, err)
			}
			if !pair.Source.Proxies.HasSMTP(migrate.SMTPAddress(smtpIn(smtp, "mail.baltic.test"))) {
				t.Errorf("the source lacks the routing address: %q", pair.Source.Proxies)
			}
		})
	}
}

func smtpIn(values []string, domain string) string {
	for _, v := range values {
		if strings.HasSuffix(v, "@"+domain) {
			return v[5:]
		}
	}
	return ""
}

// TestNoAddressAtAll: who cannot be sent mail cannot be moved.
func TestNoAddressAtAll(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.forbidden(t, "dirty", "source.address", l.putBirgit(t, map[string][]string{"proxyAddresses": {"SMTP:b m@alpine.test"}, "mail": {"b m@alpine.test"}}), l.PlanStage)
}

// TestAliasIsCleaned: an alias that Exchange would not take is written as it would.
func TestAliasIsCleaned(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, map[string][]string{"mailNickname": {"b meier,x"}}))
	if pair.Target.Alias != "bmeierx" {
		t.Errorf("got %q", pair.Target.Alias)
	}
	l.nothingLeft(t, "alias", pair, l.PlanStage)
}

// TestTwoCleanToOne: of two people whose addresses come to the same, staged at once, one
// gets it.
func TestTwoCleanToOne(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i, dn := range l.putMany(t, 2) {
		attrs := l.source.entries[dn.Key()].attrs
		attrs["proxyaddresses"] = append(attrs["proxyaddresses"], []byte([]string{"smtp:sa les@alpine.test", "smtp:sal es@alpine.test"}[i]))
	}
	l.stageAll(t, newJournal(l.clock), directory.Selection{})
	owners := 0
	for _, s := range l.target.entries {
		if hasFold(s.attrs["proxyaddresses"], "smtp:sales@alpine.test") {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("%d people have sales@alpine.test", owners)
	}
	if again := l.stageAll(t, newJournal(l.clock), directory.Selection{}); again != 0 {
		t.Errorf("a second staging plans %d changes", again)
	}
}

// TestJoinLeavesOnePrimary: a target user with several primary addresses keeps the one
// that equals mail.
func TestJoinLeavesOnePrimary(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("B"), map[string][]string{
		"objectClass": {"user"}, "mail": {"M@baltic.test"}, "proxyAddresses": {"SMTP:a@baltic.test", "SMTP:m@baltic.test", "smtp:b.schulz@alpine.test", "SIP:x"},
	})
	before := l.putBirgit(t, nil)
	plan, err := l.PlanStage(t.Context(), before)
	if diff := cmp.Diff([]string{"target.primary-several"}, rules(plan.Findings)); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	pair := l.stage(t, before)
	for _, want := range []string{"SMTP:m@baltic.test", "smtp:a@baltic.test", "smtp:birgit.meier@alpine.test", "SIP:x", "SIP:birgit@alpine.test"} {
		if !slices.Contains(pair.Target.Proxies, want) {
			t.Errorf("%s is not among %q", want, pair.Target.Proxies)
		}
	}
	l.nothingLeft(t, "joined", pair, l.PlanStage)
}

// TestForcedMail: the operator wants the source's primary address on whoever is joined.
func TestForcedMail(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.Attributes = map[string]directory.Policy{"mail": directory.Force}
	l.target.put(t, staffDN("B"), map[string][]string{
		"objectClass": {"user"}, "mail": {"m@baltic.test"}, "proxyAddresses": {"SMTP:m@baltic.test", "smtp:b.schulz@alpine.test"},
	})
	pair := l.stage(t, l.putBirgit(t, nil))
	if got := pair.Target.Proxies.Primary(); got != "birgit.meier@alpine.test" || pair.Target.Mail != got || !pair.Target.Proxies.HasSMTP("m@baltic.test") {
		t.Errorf("got primary %q, mail %q among %q", got, pair.Target.Mail, pair.Target.Proxies)
	}
	l.nothingLeft(t, "forced", pair, l.PlanStage)
}
