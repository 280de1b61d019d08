package directory_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// dora has rights on birgit's target user, and nobody at the target has her name.
const (
	dora     = alpine + "-2020"
	doraTwin = baltic + "-3020"
)

var (
	doraDN      = people.Child("CN", "dora")
	doraProxies = []string{"SMTP:dora@alpine.test"}
	doraMailbox = map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": doraProxies, "mailNickname": {"dora"}, "userAccountControl": {"512"},
		"homeMDB": {"CN=Old DB"}, "msExchHomeServerName": {"/o=Alpine/cn=EX1"}, "msExchMailboxGuid": {"mailbox of dora "},
		"objectGUID": {"dora at alpine  "},
	}
)

// trusteeLab has birgit staged, with rights of dora's, who is as given, and of one who
// is gone.
func trusteeLab(t *testing.T, attrs map[string][]string) (*lab, directory.Pair) {
	t.Helper()
	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, nil))
	if attrs != nil {
		l.source.put(t, doraDN, with(attrs, map[string][]string{"objectSid": {string(sidBytes(dora))}}))
	}
	l.target.entries[pair.Target.DN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(
		ace(ntsd.Deny, readProperty, migrate.GUID{}, dora),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, dora),
		ace(ntsd.Allow, fullControl, migrate.GUID{}, leftBehind),
	)}
	return l, pair
}

// clean carries out both halves and returns the rules of what they found.
func (l *lab) clean(t *testing.T, pair directory.Pair) []string {
	t.Helper()
	found := l.carryOut(t, pair, l.PlanTwinRights).Findings
	found = append(found, l.carryOut(t, pair, l.PlanStrip).Findings...)
	for _, f := range found {
		if f.Severity != migrate.Warn || f.Mend == "" {
			t.Errorf("got %v", f)
		}
	}
	return rules(found)
}

// TestRightsWaitForTheTwin: whoever may still be staged keeps their rights until then.
func TestRightsWaitForTheTwin(t *testing.T) {
	t.Parallel()
	l, pair := trusteeLab(t, doraMailbox)
	kept := []string{"deny " + string(dora), "allow " + string(dora)}
	for _, again := range []bool{false, true} {
		want := []string{"permissions.waiting", "permissions.unmapped"}
		if again {
			want = want[:1]
		}
		if diff := cmp.Diff(want, l.clean(t, pair)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(kept, l.dacl(t, pair)); diff != "" {
			t.Error(diff)
		}
	}
	plan, err := l.PlanStrip(t.Context(), pair)
	if err != nil || len(plan.Findings) != 1 || !strings.Contains(plan.Findings[0].What, "dora@alpine.test ("+string(dora)+")") {
		t.Errorf("got %v, %v", plan.Findings, err)
	}
	findings, err := l.Verify(t.Context(), pair, "")
	if err != nil || !slices.Contains(rules(findings), "permissions.waiting") || slices.Contains(rules(findings), "verify.legacy-permissions") {
		t.Errorf("got %v, %v", findings, err)
	}

	twin := l.stage(t, l.match(t, string(doraDN))).Target.SID
	if got := l.clean(t, pair); got != nil {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff([]string{"deny " + string(twin), "allow " + string(twin)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
}

// TestWhoMayStillBeStaged: the rights of those who never move are not waited for.
func TestWhoMayStillBeStaged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attrs map[string][]string
		kept  bool
	}{
		"mailbox":          {doraMailbox, true},
		"disabled mailbox": {with(doraMailbox, map[string][]string{"userAccountControl": {"514"}}), true},
		"mail user":        {map[string][]string{"objectClass": {"user"}, "proxyAddresses": doraProxies, "targetAddress": {"SMTP:d@freemail.test"}}, true},
		"list":             {map[string][]string{"objectClass": {"group"}, "proxyAddresses": doraProxies}, true},
		"group":            {map[string][]string{"objectClass": {"group"}}, false},
		"account":          {map[string][]string{"objectClass": {"user"}, "userAccountControl": {"512"}}, false},
		"disabled account": {map[string][]string{"objectClass": {"user"}, "mail": {"dora@alpine.test"}, "userAccountControl": {"514"}}, false},
		"computer":         {map[string][]string{"objectClass": {"user", "computer"}, "proxyAddresses": doraProxies}, false},
		"deleted":          {nil, false},
	} {
		l, pair := trusteeLab(t, test.attrs)
		found := l.clean(t, pair)
		if got := len(l.dacl(t, pair)) == 2; got != test.kept || slices.Contains(found, "permissions.waiting") != test.kept || len(found) != 2 {
			t.Errorf("%s: kept %v, %v", name, l.dacl(t, pair), found)
		}
	}
}

// TestRightsAreNotGivenToOthers: who only shares an address with a trustee does not get
// their rights, and the trustee keeps them.
func TestRightsAreNotGivenToOthers(t *testing.T) {
	t.Parallel()
	object := func(class string, more map[string][]string) map[string][]string {
		attrs := map[string][]string{
			"objectClass": {class}, "proxyAddresses": {"smtp:Dora@alpine.test"}, "objectSid": {string(sidBytes(doraTwin))}, "objectGUID": {"dora at baltic  "},
		}
		maps.Copy(attrs, more)
		return attrs
	}
	aMailbox := map[string][]string{"homeMDB": {string(database1)}, "msExchMailboxGuid": {"somebody else's "}}
	history := map[string][]string{"sIDHistory": {string(sidBytes(dora))}}
	for name, test := range map[string]struct {
		source, target map[string][]string
		given          bool
	}{
		"user":                   {doraMailbox, object("user", nil), true},
		"group for a user":       {doraMailbox, object("group", nil), false},
		"contact":                {doraMailbox, with(object("contact", nil), map[string][]string{"objectSid": nil}), false},
		"another's mailbox":      {doraMailbox, object("user", aMailbox), false},
		"her SID is its history": {doraMailbox, object("user", with(aMailbox, history)), true},
		"list":                   {map[string][]string{"objectClass": {"group"}, "proxyAddresses": doraProxies}, object("group", nil), true},
		"user for a list":        {map[string][]string{"objectClass": {"group"}, "proxyAddresses": doraProxies}, object("user", nil), false},
	} {
		l, pair := trusteeLab(t, test.source)
		l.target.put(t, staffDN("dora"), test.target)
		found := l.clean(t, pair)
		holder, want := dora, []string{"permissions.doubtful", "permissions.unmapped"}
		if name == "contact" { // a user is to take its place, who then gets the rights
			want[0] = "permissions.waiting"
		}
		if test.given {
			holder, want = doraTwin, want[1:]
		}
		if diff := cmp.Diff([]string{"deny " + string(holder), "allow " + string(holder)}, l.dacl(t, pair)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestRightsAreNotGivenByGuess: an object that matches a trustee and is not adopted is
// given nothing, and the trustee keeps what it has until a person has decided.
func TestRightsAreNotGivenByGuess(t *testing.T) {
	t.Parallel()
	for name, decision := range map[string]directory.Decisions{
		"nothing is decided": nil,
		"wrongly decided":    answers{"match.adopt": {Choice: directory.Adopt, Target: "x@y", Place: "decisions.csv:2:1"}},
	} {
		l, pair := trusteeLab(t, doraMailbox)
		l.Rules.Adopt, l.Rules.Decisions = nil, decision
		l.target.put(t, staffDN("dora"), map[string][]string{
			"objectClass": {"user"}, "proxyAddresses": {"smtp:dora@alpine.test"}, "objectSid": {string(sidBytes(doraTwin))},
		})
		found := l.clean(t, pair)
		if diff := cmp.Diff([]string{"deny " + string(dora), "allow " + string(dora)}, l.dacl(t, pair)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff([]string{"permissions.doubtful", "permissions.unmapped"}, found); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestForeignSecurityPrincipalIsNoTwin: what the target has made for the trustee of a
// trusted forest has the legacy SID itself, and would go with it.
func TestForeignSecurityPrincipalIsNoTwin(t *testing.T) {
	t.Parallel()
	l, pair := trusteeLab(t, doraMailbox)
	principals := directory.DN("CN=ForeignSecurityPrincipals,DC=baltic,DC=test")
	l.target.put(t, principals.Child("CN", string(dora)), map[string][]string{
		"objectClass": {"top", "foreignSecurityPrincipal"}, "objectSid": {string(sidBytes(dora))},
	})
	l.clean(t, pair)
	if diff := cmp.Diff([]string{"deny " + string(dora), "allow " + string(dora)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
	l.target.put(t, staffDN("dora"), map[string][]string{
		"objectClass": {"user"}, "objectSid": {string(sidBytes(doraTwin))}, "sIDHistory": {string(sidBytes(dora))},
	})
	l.clean(t, pair)
	if diff := cmp.Diff([]string{"deny " + string(doraTwin), "allow " + string(doraTwin)}, l.dacl(t, pair)); diff != "" {
		t.Error(diff)
	}
}

// TestTrusteeOfAnotherDomain: that a server finds nobody means nothing in a domain that
// it does not answer for.
func TestTrusteeOfAnotherDomain(t *testing.T) {
	t.Parallel()
	const sub migrate.SID = "S-1-5-21-40-50-60"
	trustee := sub + "-3000"
	l, pair := trusteeLab(t, nil)
	head := directory.DN("DC=sub,DC=test")
	l.Source.Info.Domains = append(l.Source.Info.Domains, directory.Domain{DN: head, DNS: "sub.test", SID: sub})
	l.target.entries[pair.Target.DN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{security(ace(ntsd.Allow, fullControl, migrate.GUID{}, trustee))}
	left := []string{"allow " + string(trustee)}
	expect := func(rule string) {
		t.Helper()
		got := fmt.Sprint(l.clean(t, pair))
		if diff := cmp.Diff(left, l.dacl(t, pair)); diff != "" || got != "["+rule+"]" {
			t.Errorf("got %s, want %s: %s", got, rule, diff)
		}
	}
	expect("permissions.unseen")

	l.source.put(t, head, map[string][]string{"objectClass": {"domainDNS"}})
	l.source.put(t, head.Child("CN", "dora"), with(doraMailbox, map[string][]string{"objectSid": {string(sidBytes(trustee))}}))
	l.Source.Info.Holds = append(l.Source.Info.Holds, head)
	expect("permissions.waiting")

	delete(l.source.entries, head.Child("CN", "dora").Key())
	left = nil
	expect("permissions.unmapped")
}
