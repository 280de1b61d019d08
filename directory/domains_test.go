package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func TestSurveyReadsAcceptedDomains(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for name, flags := range map[string]string{"a.test": "4", "b.test": "1", "*.c.test": "258"} {
		l.source.accept(t, alpineRoot, name, flags)
	}
	l.source.put(t, "CN=no flags,CN=Configuration,"+alpineRoot, map[string][]string{"objectClass": {"msExchAcceptedDomain"}, "msExchAcceptedDomainName": {"d.test"}})
	l.survey(t)
	want := []directory.AcceptedDomain{
		{Name: "*.c.test", Kind: directory.InternalRelay},
		{Name: "a.test", Kind: directory.Authoritative},
		{Name: "b.test", Kind: directory.ExternalRelay},
		{Name: "d.test", Kind: directory.Authoritative},
	}
	got := l.Source.Info.Accepted
	slices.SortFunc(got, func(a, b directory.AcceptedDomain) int { return strings.Compare(a.Name, b.Name) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRoutingDomains: the domains that mail is forwarded by are each one side's alone.
func TestRoutingDomains(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare  func(t *testing.T, l *lab)
		want     string
		whom     string
		evidence []string
	}{
		"own": {prepare: func(t *testing.T, l *lab) {}},
		"nothing known": {
			prepare:  func(t *testing.T, l *lab) { l.Source.Info.Accepted = nil },
			want:     "domain.unknown",
			whom:     "source",
			evidence: []string{"msExchAcceptedDomain"},
		},
		"configured": {prepare: func(t *testing.T, l *lab) {
			l.Source.Info.Accepted, l.Rules.SourceDomains = nil, []string{"alpine.test"}
		}},
		"the source claims the target's": {
			prepare: func(t *testing.T, l *lab) {
				l.source.accept(t, alpineRoot, "mail.baltic.test", "0")
				l.survey(t)
			},
			want:     "domain.routing-both",
			whom:     "mail.baltic.test",
			evidence: []string{"source claims", "internal relay"},
		},
		"the source relays the target's": {prepare: func(t *testing.T, l *lab) {
			l.source.accept(t, alpineRoot, "mail.baltic.test", "2")
			l.survey(t)
		}},
		"the configuration claims the source's for the target": {
			prepare: func(t *testing.T, l *lab) { l.Rules.TargetDomains = []string{"MAIL.alpine.test"} },
			want:    "domain.routing-both",
			whom:    "mail.alpine.test",
		},
		"the target does not accept its own": {
			prepare: func(t *testing.T, l *lab) {
				l.Target.Info.Accepted = []directory.AcceptedDomain{{Name: "baltic.test"}}
			},
			want:     "domain.routing-unowned",
			whom:     "mail.baltic.test",
			evidence: []string{"msExchAcceptedDomain", "New-AcceptedDomain -DomainName mail.baltic.test"},
		},
		"the target passes its own on": {
			prepare: func(t *testing.T, l *lab) {
				l.Target.Info.Accepted = []directory.AcceptedDomain{{Name: "*.baltic.test"}, {Name: "mail.baltic.test", Kind: directory.ExternalRelay}}
			},
			want: "domain.routing-unowned",
			whom: "mail.baltic.test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.ownDomains(t)
			test.prepare(t, l)
			findings := aboutDomains(t, l)
			if test.want == "" {
				if len(findings) > 0 {
					t.Errorf("found %v", findings)
				}
				return
			}
			f := found(t, findings, test.want)
			proves(t, f, test.evidence...)
			if f.Whom != test.whom || len(findings) != 1 {
				t.Errorf("found %v, want it about %s", findings, test.whom)
			}
		})
	}
}

// aboutDomains returns what the check of the forests finds about mail domains.
func aboutDomains(t *testing.T, l *lab) []migrate.Finding {
	t.Helper()
	for root, m := range map[directory.DN]*memory{alpineRoot: l.source, balticRoot: l.target} {
		schema := directory.DN("CN=Schema,CN=Configuration," + string(root))
		if m.entries[schema.Key()] == nil {
			m.put(t, schema, map[string][]string{"objectClass": {"dMD"}})
		}
	}
	findings, err := l.CheckForests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(findings, func(f migrate.Finding) bool { return !strings.HasPrefix(f.Rule, "domain.") })
}
