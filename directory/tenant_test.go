package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

const (
	hosted    directory.DN = "OU=Hosted,DC=baltic,DC=test"
	contosoOU              = "OU=Contoso," + hosted
	tailspin               = "OU=Tailspin," + hosted
	contosoG               = "CN=Contoso," + contosoOU
	tailspinG              = "CN=Tailspin," + tailspin
	bookOne   directory.DN = "CN=Contoso ABP,CN=Configuration,DC=baltic,DC=test"
	bookTwo   directory.DN = "CN=Tailspin ABP,CN=Configuration,DC=baltic,DC=test"
	oabOne    directory.DN = "CN=Contoso OAB,CN=Configuration,DC=baltic,DC=test"
)

// newHostedLab is a target with two companies; the people of the source belong to the
// first, or to the second if their company attribute says so.
func newHostedLab(t testing.TB) *lab {
	t.Helper()
	l := newLab(t)
	for _, ou := range []directory.DN{hosted, contosoOU, tailspin} {
		l.target.put(t, ou, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	l.target.put(t, contosoG, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"contoso"}})
	l.target.put(t, tailspinG, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"tailspin"}})
	l.Rules.Tenants = []directory.Tenant{
		{
			Name: "Contoso", SourceDomain: "Alpine.test", Attribute: "company", Value: "Contoso", OU: contosoOU, Group: contosoG,
			UPNSuffix: "contoso.test", OAB: oabOne, AddressBookPolicy: bookOne,
		},
		{Name: "Tailspin", SourceOU: people, Attribute: "company", Value: "Tailspin", OU: tailspin, Group: tailspinG, QueryBase: tailspin, AddressBookPolicy: bookTwo},
	}
	return l
}

// TestTenantOfANewUser: everything that shows them their own company, and a second plan
// wants nothing.
func TestTenantOfANewUser(t *testing.T) {
	t.Parallel()
	for company, test := range map[string]struct {
		ou   directory.DN
		want map[string][]string
	}{
		"CONTOSO": {contosoOU, map[string][]string{
			"userPrincipalName": {"birgit@contoso.test"}, "msExchQueryBaseDN": {string(contosoOU)}, "msExchUseOAB": {string(oabOne)},
			"msExchAddressBookPolicyLink": {string(bookOne)}, "memberOf": {string(contosoG)},
		}},
		"Tailspin": {tailspin, map[string][]string{
			"userPrincipalName": {"birgit@group.test"}, "msExchQueryBaseDN": {string(tailspin)},
			"msExchAddressBookPolicyLink": {string(bookTwo)}, "memberOf": {string(tailspinG)},
		}},
	} {
		l := newHostedLab(t)
		pair := l.stage(t, l.putBirgit(t, map[string][]string{"company": {company}}))
		if !pair.Target.DN.Parent().Equal(test.ou) {
			t.Errorf("%s: is put at %q", company, pair.Target.DN)
		}
		entry, err := l.target.Get(t.Context(), pair.Target.DN)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, text(entry, "userPrincipalName", "msExchQueryBaseDN", "msExchUseOAB", "msExchAddressBookPolicyLink", "memberOf")); diff != "" {
			t.Errorf("%s: %s", company, diff)
		}
		l.nothingLeft(t, company, pair, l.PlanStage)
		for _, step := range l.steps()[1:5] {
			l.carryOut(t, pair, step.plan)
			pair = l.reload(t, pair)
		}
		l.nothingLeft(t, company+", moved", pair, l.PlanStage)
	}
}

// TestTenantIsCertain: who belongs to none, or to several, is a question for a person.
func TestTenantIsCertain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source map[string][]string
		more   []directory.Tenant
		want   string
	}{
		"none":         {map[string][]string{"company": {"Fabrikam"}}, nil, "tenant.none"},
		"no attribute": {nil, nil, "tenant.none"},
		"other domain": {map[string][]string{"company": {"Contoso"}, "proxyAddresses": {"SMTP:b@mail.alpine.test"}, "mail": {"b@mail.alpine.test"}}, nil, "tenant.none"},
		"several":      {map[string][]string{"company": {"Contoso"}}, []directory.Tenant{{Name: "All", SourceOU: "DC=alpine,DC=test", OU: "OU=All,DC=baltic,DC=test"}}, "tenant.several"},
	} {
		l := newHostedLab(t)
		l.Rules.Tenants = append(l.Rules.Tenants, test.more...)
		l.forbidden(t, name, test.want, l.putBirgit(t, test.source), l.PlanStage)
	}
}

// TestTenantLeaks: by what a target user could see another company, or be seen by it.
func TestTenantLeaks(t *testing.T) {
	t.Parallel()
	joined := map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}}
	for name, test := range map[string]struct {
		at      directory.DN
		target  map[string][]string
		member  directory.DN // a group that the target user is in already
		want    []string     // parts of what is found, in order
		outside bool
	}{
		"nothing set yet":        {at: contosoOU},
		"a query base below":     {at: contosoOU, target: map[string][]string{"msExchQueryBaseDN": {"OU=Sales," + string(contosoOU)}}},
		"in its own group":       {at: contosoOU, member: contosoG},
		"a query base above":     {at: contosoOU, target: map[string][]string{"msExchQueryBaseDN": {string(hosted)}}, want: []string{"outside of"}},
		"another's query base":   {at: contosoOU, target: map[string][]string{"msExchQueryBaseDN": {string(tailspin)}}, want: []string{"outside of"}},
		"in another's unit":      {at: tailspin, want: []string{"lies where Tailspin looks"}},
		"in nobody's unit":       {at: staff, outside: true},
		"in another's group":     {at: contosoOU, member: tailspinG, want: []string{"the group of Tailspin"}},
		"another's address book": {at: contosoOU, target: map[string][]string{"msExchAddressBookPolicyLink": {strings.ToLower(string(bookTwo))}}, want: []string{"is that of Tailspin"}},
		"all at once": {
			at: tailspin, target: map[string][]string{"msExchQueryBaseDN": {string(tailspin)}, "msExchAddressBookPolicyLink": {string(bookTwo)}}, member: tailspinG,
			want: []string{"outside of", "lies where Tailspin looks", "the group of Tailspin", "is that of Tailspin"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHostedLab(t)
			dn := test.at.Child("CN", "B")
			l.target.put(t, dn, with(joined, test.target))
			if test.member != "" {
				l.target.entries[test.member.Key()].attrs["member"] = [][]byte{[]byte(dn)}
			}
			pair := l.putBirgit(t, map[string][]string{"company": {"Contoso"}})
			plan, err := l.PlanStage(t.Context(), pair)
			if err != nil {
				t.Fatal(err)
			}
			if (len(plan.Forbidden()) > 0) != (test.want != nil) || test.want != nil && len(plan.Changes) > 0 {
				t.Fatalf("got %v with %d changes", plan.Findings, len(plan.Changes))
			}
			checkLeaks(t, plan, "forbidden", test.want)
			if got := slices.Contains(rules(plan.Findings), "tenant.outside"); got != test.outside {
				t.Errorf("outside: %v", plan.Findings)
			}
			if test.want == nil && !test.outside {
				l.nothingLeft(t, name, l.stage(t, pair), l.PlanStage)
			}
			if test.want == nil {
				return
			}
			// Once the mailbox is open it is no longer the move that makes it so.
			attrs := l.target.entries[dn.Key()].attrs
			known := must(l.Match(t.Context(), pair.Source, pair.Target.GUID))
			attrs["homemdb"], attrs["msexchmailboxguid"] = [][]byte{[]byte(database1)}, [][]byte{[]byte("0123456789abcdef")}
			known = l.reload(t, known)
			if plan, err = l.PlanStage(t.Context(), known); err != nil || len(plan.Forbidden()) > 0 {
				t.Fatalf("opened: got %v, %v", plan.Findings, err)
			}
			checkLeaks(t, plan, "warning", test.want)
		})
	}
}

func checkLeaks(t *testing.T, plan directory.Plan, severity string, want []string) {
	t.Helper()
	leaks := slices.DeleteFunc(slices.Clone(plan.Findings), func(f migrate.Finding) bool { return f.Rule != "tenant.leak" })
	if len(leaks) != len(want) {
		t.Fatalf("got %v, want %q", leaks, want)
	}
	for i, part := range want {
		if !slices.ContainsFunc(leaks, func(f migrate.Finding) bool { return strings.Contains(f.What, part) && f.Severity.String() == severity }) {
			t.Errorf("none of %v is %s and says %q", leaks, severity, want[i])
		}
	}
}

// TestTenantsOfMany are told apart also where everybody is staged at once, by attributes
// that are no names.
func TestTenantsOfMany(t *testing.T) {
	t.Parallel()
	l := newHostedLab(t)
	for i, dn := range l.putMany(t, 4) {
		l.source.entries[dn.Key()].attrs["company"] = [][]byte{[]byte([]string{"Contoso", "Tailspin"}[i%2])}
	}
	l.stageAll(t, newJournal(l.clock), directory.Selection{})
	where := map[string]int{}
	for _, s := range l.target.entries {
		if len(s.attrs["proxyaddresses"]) > 0 {
			where[s.dn.Parent().Name()+" "+s.dn.Name()]++
		}
	}
	want := map[string]int{"Contoso Smith, John": 1, "Contoso Smith, John 2": 1, "Tailspin Smith, John": 1, "Tailspin Smith, John 2": 1}
	if diff := cmp.Diff(want, where); diff != "" {
		t.Error(diff)
	}
	if n := len(l.target.entries[contosoG.Key()].attrs["member"]); n != 2 {
		t.Errorf("the group of Contoso has %d members, want 2", n)
	}
	if again := l.stageAll(t, newJournal(l.clock), directory.Selection{}); again != 0 {
		t.Errorf("a second staging plans %d changes", again)
	}
}

// TestTenantNeedsItsSchema: what keeps companies apart is not left out in silence.
func TestTenantNeedsItsSchema(t *testing.T) {
	t.Parallel()
	l := newHostedLab(t)
	l.putSchema(t, l.source, nil, nil)
	l.putSchema(t, l.target, nil, nil)
	l.survey(t)
	findings, err := l.CheckForests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(rules(findings), "schema.tenants")
	if i < 0 || !strings.HasSuffix(findings[i].What, "msExchAddressBookPolicyLink, msExchQueryBaseDN, msExchUseOAB.") || findings[i].Severity.String() != "forbidden" {
		t.Errorf("got %v", findings)
	}
}

func TestCheckTenants(t *testing.T) {
	t.Parallel()
	good := directory.Tenant{Name: "A", SourceDomain: "a.test", OU: "OU=A,DC=x"}
	for name, test := range map[string]struct {
		second directory.Tenant
		want   []string
	}{
		"right":       {directory.Tenant{Name: "B", Attribute: "company", Value: "B", OU: "OU=B,DC=x"}, nil},
		"no name":     {directory.Tenant{SourceDomain: "b.test", OU: "OU=B,DC=x"}, []string{"needs a name"}},
		"no ou":       {directory.Tenant{Name: "B", SourceDomain: "b.test"}, []string{"needs an ou"}},
		"nobody":      {directory.Tenant{Name: "B", OU: "OU=B,DC=x"}, []string{"nothing says who"}},
		"same name":   {directory.Tenant{Name: "a", SourceDomain: "b.test", OU: "OU=B,DC=x"}, []string{"already"}},
		"same ou":     {directory.Tenant{Name: "B", SourceDomain: "b.test", OU: "ou=a, dc=x"}, []string{"lie in one another"}},
		"inner ou":    {directory.Tenant{Name: "B", SourceDomain: "b.test", OU: "OU=B,OU=A,DC=x"}, []string{"lie in one another"}},
		"wide base":   {directory.Tenant{Name: "B", SourceDomain: "b.test", OU: "OU=B,DC=x", QueryBase: "DC=x"}, []string{"query_base holds"}},
		"outer ou":    {directory.Tenant{Name: "B", SourceDomain: "b.test", OU: "DC=x"}, []string{"lie in one another"}},
		"not read":    {directory.Tenant{Name: "B", Attribute: "favouriteColour", Value: "red", OU: "OU=B,DC=x"}, []string{"want an attribute"}},
		"no value":    {directory.Tenant{Name: "B", Attribute: "company", OU: "OU=B,DC=x"}, []string{"want an attribute"}},
		"all of that": {directory.Tenant{}, []string{"needs a name", "needs an ou", "nothing says who"}},
	} {
		faults := directory.CheckTenants([]directory.Tenant{good, test.second})
		if len(faults[0]) > 0 || len(faults[1]) != len(test.want) {
			t.Errorf("%s: got %v, want %q", name, faults, test.want)
			continue
		}
		for i, part := range test.want {
			if !strings.Contains(faults[1][i], part) {
				t.Errorf("%s: got %q, want %q", name, faults[1][i], part)
			}
		}
	}
}
