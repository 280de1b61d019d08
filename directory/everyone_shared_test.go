package directory_test

import (
	"fmt"
	"slices"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// Nobody's links wait for one whose object cannot be made: a group with a member that is
// refused has all the others.
func TestRefusedMemberDoesNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 3)
	delete(l.source.entries[dns[1].Key()].attrs, "mailnickname") // source.alias forbids staging it
	l.source.put(t, people.Child("CN", "All"), map[string][]string{
		"objectClass": {"top", "group"}, "groupType": {"8"}, "sAMAccountName": {"all"}, "mailNickname": {"all"},
		"mail": {"all@alpine.test"}, "proxyAddresses": {"SMTP:all@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/cn=all"},
		"member": {string(dns[0]), string(dns[1]), string(dns[2])},
	})
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	j := newJournal(l.clock)
	for p, err := range staging.Plans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Plan.Forbidden()) == 0 {
			if err := l.Apply(t.Context(), j, p.Plan); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p, err := range staging.Links(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range p.Plan.Changes {
			if change.Op == directory.Modify && l.target.entries[change.DN.Key()] == nil {
				t.Errorf("links of %s, which is not there, are planned", change.DN)
			}
			for _, mod := range change.Mods {
				for _, v := range mod.Values {
					if l.target.entries[directory.DN(v).Key()] == nil {
						t.Errorf("%s of %s is to lead to %s, which is not there", mod.Attr, change.DN, v)
					}
				}
			}
		}
	}
}

// Two source objects that one target object matches are a question: whoever came first
// would have it, with the other's addresses.
func TestTwoSourcesOfOneTarget(t *testing.T) {
	t.Parallel()
	for name, class := range map[string]string{"user": "user", "contact": "contact"} {
		l := newLab(t)
		dns := l.putMany(t, 2)
		l.target.put(t, staffDN("Smiths"), map[string][]string{
			"objectClass": {"top", class}, "displayName": {"The Smiths"}, "mail": {"john.smith00@alpine.test"}, "mailNickname": {"smiths"},
			"proxyAddresses": {"SMTP:john.smith00@alpine.test", "smtp:john.smith01@alpine.test"},
			"targetAddress":  {"SMTP:john.smith00@alpine.test"},
		})
		staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, open := staging.Questions(); len(open) != 2 {
			t.Errorf("%s: got %d questions, want one for each", name, len(open))
		}
		for p, err := range staging.Plans(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(rules(p.Plan.Forbidden()), "match.shared") || len(dns) != 2 {
				t.Errorf("%s: %s: got %v and %d changes, want match.shared", name, p.Pair.Source.DN, p.Plan.Findings, len(p.Plan.Changes))
			}
		}
	}
}

// One decision that cannot be carried out concerns its own person alone.
func TestWrongDecisionConcernsOnePerson(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 3)
	wrong := l.match(t, string(dns[0])).Source.GUID
	l.Rules.Decisions = decisions{wrong: {Choice: directory.Adopt, Target: "CN=Nobody,DC=baltic,DC=test", Place: "decisions.csv:2:1"}}
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatalf("everyone: %v", err)
	}
	planned := 0
	for p, err := range staging.Plans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if (p.Err != nil) != (p.Pair.Source.GUID == wrong) {
			t.Errorf("%s: got error %v", p.Pair.Source.DN, p.Err)
		}
		planned += len(p.Plan.Changes)
	}
	for p, err := range staging.Links(t.Context()) {
		if err != nil || p.Err != nil && p.Pair.Source.GUID != wrong {
			t.Fatal(err, p.Err)
		}
	}
	if planned == 0 {
		t.Error("nothing is planned for the others")
	}
}

type decisions map[migrate.GUID]directory.Decision

func (d decisions) Decision(source migrate.GUID, rule string) (directory.Decision, bool) {
	decision, ok := d[source]
	return decision, ok && rule != directory.AskContact
}

// Active Directory does not tell names apart that differ in accents alone.
func TestNamesThatDifferInAccentsAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 2)
	for i, name := range []string{"José Müller", "Jose Muller"} {
		dn := people.Child("OU", string(rune('0'+i))).Child("CN", name)
		l.source.rename(t, dns[i], dn)
		s := l.source.entries[dn.Key()]
		s.attrs["samaccountname"] = [][]byte{[]byte([]string{"josé", "jose"}[i])}
		s.attrs["userprincipalname"] = [][]byte{[]byte([]string{"josé@group.test", "jose@group.test"}[i])}
	}
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for p, err := range staging.Plans(t.Context()) {
		if err != nil || p.Err != nil || len(p.Plan.Forbidden()) > 0 {
			t.Fatal(err, p.Err, p.Plan.Findings)
		}
		change := p.Plan.Changes[0]
		names := []string{directory.Bare(change.DN.Name())}
		for _, mod := range change.Mods {
			if mod.Attr == "sAMAccountName" || mod.Attr == "userPrincipalName" {
				names = append(names, directory.Bare(string(mod.Values[0])))
			}
		}
		for _, name := range names {
			if seen[name] {
				t.Errorf("%s is given twice", name)
			}
			seen[name] = true
		}
	}
}

// The journal does not repeat a large group with each of its members.
func TestJournalOfALargeGroup(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var others []string
	for i := range 2000 {
		others = append(others, fmt.Sprintf("CN=Member %d,%s", i, staff))
	}
	dns := l.putMany(t, 3)
	group := lists.Child("CN", "All")
	l.target.put(t, lists, map[string][]string{"objectClass": {"organizationalUnit"}})
	l.target.put(t, group, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"all"}, "mail": {"all@alpine.test"}, "mailNickname": {"all"}, "proxyAddresses": {"SMTP:all@alpine.test"}, "member": others})
	l.source.put(t, people.Child("CN", "All"), map[string][]string{
		"objectClass": {"top", "group"}, "groupType": {"8"}, "sAMAccountName": {"all"}, "mailNickname": {"all"},
		"mail": {"all@alpine.test"}, "proxyAddresses": {"SMTP:all@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/cn=all"},
		"member": {string(dns[0]), string(dns[1]), string(dns[2])},
	})
	j := newJournal(l.clock)
	l.stageAll(t, j, directory.Selection{Who: []string{string(dns[0]), string(dns[1])}})
	if got := len(l.target.get(t, group).Values("member")); got != 2002 {
		t.Fatalf("got %d members, want 2002", got)
	}
	noted := 0
	for _, change := range j.changes {
		for _, before := range change.Before {
			noted += len(before.Values)
		}
	}
	if noted > 200 {
		t.Errorf("%d values were noted for two people", noted)
	}
}

// Who has moved takes a delegate away at the target, and staging does not bring them back.
func TestDelegatesAreTheMovedOnesAffair(t *testing.T) {
	t.Parallel()
	for _, policy := range []directory.Policy{directory.Merge, directory.Force} {
		l := newLab(t)
		dns := l.putMany(t, 3)
		l.Rules.Attributes = map[string]directory.Policy{"publicdelegates": policy}
		j := newJournal(l.clock)
		l.stageAll(t, j, directory.Selection{})
		for _, dn := range dns {
			twin := l.target.entries[l.match(t, string(dn)).Target.DN.Key()]
			twin.attrs["homemdb"] = [][]byte{[]byte(database1)}
			delete(twin.attrs, "targetaddress")
		}
		pair := l.match(t, string(dns[0]))
		twin := l.target.entries[pair.Target.DN.Key()]
		kept := slices.Clone(twin.attrs["publicdelegates"][:1])
		twin.attrs["publicdelegates"] = slices.Clone(kept)
		if changes := l.stageAll(t, j, directory.Selection{}); changes != 0 {
			t.Errorf("%s: %d changes are planned for who has moved", policy, changes)
		}
		for _, dn := range dns {
			if plan, err := l.PlanLinks(t.Context(), l.match(t, string(dn))); err != nil || len(plan.Changes) > 0 {
				t.Errorf("%s: got %v, %v", policy, plan.Changes, err)
			}
		}
		if got := l.target.get(t, pair.Target.DN).Bytes("publicDelegates"); len(got) != 1 {
			t.Errorf("%s: got delegates %q, want %q", policy, got, kept)
		}
	}
}

// A partner whose address has changed at the source is told of: mail from the target would
// go on to the former one.
func TestContactThatLeadsElsewhereByNow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	partner := people.Child("CN", "Partner")
	s := l.source.put(t, partner, map[string][]string{
		"objectClass": {"contact"}, "mailNickname": {"partner"}, "mail": {"p@first.test"}, "legacyExchangeDN": {"/o=Alpine/cn=partner"},
		"proxyAddresses": {"SMTP:p@first.test"}, "targetAddress": {"SMTP:p@first.test"},
	})
	j := newJournal(l.clock)
	if l.stageAll(t, j, directory.Selection{}) == 0 {
		t.Fatal("the partner is not staged")
	}
	plan, err := l.PlanStage(t.Context(), l.match(t, string(partner)))
	if err != nil || len(plan.Findings) > 0 {
		t.Fatalf("got %v, %v", plan.Findings, err)
	}
	s.attrs["targetaddress"] = [][]byte{[]byte("SMTP:p@second.test")}
	l.source.entries[partner.Key()].attrs["targetaddress"] = s.attrs["targetaddress"]
	plan, err = l.PlanStage(t.Context(), l.match(t, string(partner)))
	if err != nil || !slices.Contains(rules(plan.Findings), "target.address-elsewhere") || len(plan.Forbidden()) > 0 {
		t.Errorf("got %v, %v", plan.Findings, err)
	}
}

// Who has moved has not gone, whatever kinds are selected.
func TestMovedAreNotGone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	j := newJournal(l.clock)
	only := directory.Selection{Kinds: []string{directory.KindUser}}
	l.stageAll(t, j, only)
	source, twin := l.source.entries[birgitDN.Key()], l.target.entries[l.match(t, string(birgitDN)).Target.DN.Key()]
	for _, attr := range []string{"homemdb", "msexchhomeservername"} {
		delete(source.attrs, attr)
	}
	source.attrs["targetaddress"] = [][]byte{[]byte("SMTP:bmeier@mail.baltic.test")}
	twin.attrs["homemdb"] = [][]byte{[]byte(database1)}
	delete(twin.attrs, "targetaddress")
	staging, err := l.Everyone(t.Context(), only, nil)
	if err != nil {
		t.Fatal(err)
	}
	for r, why := range staging.Gone() {
		t.Errorf("%s: %s of %s", r.DN, why, pair.Source)
	}
}
