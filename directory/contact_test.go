package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

const (
	contactLegacy = "/o=Baltic/ou=Group/cn=Recipients/cn=contact-bm"
	lists         = directory.DN("OU=Lists,DC=baltic,DC=test")
)

var contactDN = staffDN("Meier, Birgit")

// birgitContact is what a directory synchronisation has made of birgit at the target.
func birgitContact() map[string][]string {
	return map[string][]string{
		"objectClass": {"top", "person", "organizationalPerson", "contact"}, "displayName": {"Birgit Meier (Alpine)"},
		"givenName": {"Biggi"}, "company": {"Alpine Ltd"}, "description": {"keeps the keys"}, "msExchHideFromAddressLists": {"TRUE"},
		"mail": {"birgit.meier@alpine.test"}, "mailNickname": {"bm"}, "legacyExchangeDN": {contactLegacy},
		"targetAddress": {"SMTP:birgit.meier@alpine.test"}, "showInAddressBook": {"CN=All,DC=baltic,DC=test"},
		"msExchRecipientTypeDetails": {"64"}, "msExchRecipientDisplayType": {"6"}, "adminDescription": {"Created by the sync"},
		"proxyAddresses": {
			"SMTP:birgit.meier@alpine.test", "smtp:birgit@baltic.test", "X500:" + birgitLegacy, "X500:/o=Older Sync/cn=bm",
			"X400:c=DE;a= ;p=Baltic;o=Sync;s=Meier;", "X121:4711",
		},
	}
}

// contactLab has birgit at the source, and at the target the contact with all that points
// to it.
func contactLab(t testing.TB, more map[string][]string) *lab {
	t.Helper()
	l := newLab(t)
	l.source.put(t, birgitDN, birgit())
	l.target.put(t, contactDN, with(birgitContact(), more))
	l.target.put(t, lists, map[string][]string{"objectClass": {"organizationalUnit"}})
	l.target.put(t, lists.Child("CN", "Keys"), map[string][]string{
		"objectClass": {"group"}, "groupType": {"8"}, "member": {"CN=Somebody," + string(staff), string(contactDN)}, "authOrig": {string(contactDN)},
	})
	l.target.put(t, lists.Child("CN", "All"), map[string][]string{"objectClass": {"group"}, "groupType": {"2"}, "member": {strings.ToUpper(string(contactDN))}})
	l.target.put(t, staffDN("Report"), map[string][]string{"objectClass": {"user"}, "manager": {string(contactDN)}})
	return l
}

// TestContactIsReplaced: the user has all that the contact had, everything that pointed
// to the contact points to the user, and the contact is no recipient any more but is
// still the same object.
func TestContactIsReplaced(t *testing.T) {
	t.Parallel()
	l := contactLab(t, nil)
	was := l.target.get(t, contactDN)
	pair := l.match(t, string(birgitDN))
	if pair.Target != nil || pair.Contact == nil || !pair.Contact.DN.Equal(contactDN) {
		t.Fatalf("got %+v", pair)
	}
	plan := l.carryOut(t, pair, l.PlanStage)
	if len(plan.Findings) != 0 {
		t.Errorf("got %v", plan.Findings)
	}
	pair = l.match(t, string(birgitDN))
	if pair.Target == nil || pair.Contact != nil || !pair.Ours || pair.Rule != directory.MatchMark {
		t.Fatalf("got %+v", pair)
	}
	want := []string{
		"EUM:4711;phone-context=x", "SIP:birgit@alpine.test", "SMTP:birgit.meier@alpine.test", "X121:4711",
		"X400:c=DE;a= ;p=Alpine;o=Exchange;s=Meier;g=Birgit;", "X500:" + birgitLegacy, "X500:" + contactLegacy,
		"X500:/o=Old/ou=Site/cn=Recipients/cn=schulz_b+1(x).ü", "X500:/o=Older Sync/cn=bm", "smtp:b.schulz@alpine.test",
		"smtp:birgit@baltic.test", "smtp:bmeier@mail.alpine.test", "smtp:bmeier@mail.baltic.test",
		"x400:c=DE;a= ;p=Baltic;o=Sync;s=Meier;", "x500:/o=Old/cn=Recipients/cn=bm",
	}
	user := l.target.get(t, pair.Target.DN)
	if diff := cmp.Diff(want, text(user, "proxyAddresses")["proxyAddresses"]); diff != "" {
		t.Error(diff)
	}
	kept := map[string][]string{
		"displayName": {"Meier, Birgit"}, "givenName": {"Birgit"}, "company": {"Alpine Ltd"}, "description": {"keeps the keys"},
		"adminDescription": {directory.Mark(pair.Source.GUID)}, "legacyExchangeDN": {minted}, "mail": {"birgit.meier@alpine.test"},
	}
	if diff := cmp.Diff(kept, text(user, append(slices.Collect(keysOf(kept)), "msExchHideFromAddressLists")...)); diff != "" {
		t.Error(diff)
	}
	l.checkRetired(t, was, pair)
	l.nothingLeft(t, "replaced", pair, l.PlanStage)
	back := directory.Proxies(l.source.get(t, birgitDN).Values("proxyAddresses"))
	if !back.HasX500(contactLegacy) || !back.HasX500("/o=Older Sync/cn=bm") || !back.HasX500(minted) || back.HasSMTP("birgit@baltic.test") {
		t.Errorf("the source has %v", back)
	}
}

// checkRetired checks what has become of the contact and of what pointed to it.
func (l *lab) checkRetired(t *testing.T, was *directory.Entry, pair directory.Pair) {
	t.Helper()
	want := map[string][]string{
		"objectGUID": was.Values("objectGUID"), "displayName": {"Birgit Meier (Alpine)"}, "company": {"Alpine Ltd"},
		"adminDescription": {directory.RetiredMark(pair.Source.GUID)},
	}
	names := append(slices.Collect(keysOf(want)), "mailNickname", "proxyAddresses", "mail", "targetAddress", "legacyExchangeDN",
		"showInAddressBook", "msExchRecipientTypeDetails", "msExchRecipientDisplayType")
	if diff := cmp.Diff(want, text(l.target.get(t, contactDN), names...)); diff != "" {
		t.Error(diff)
	}
	user := string(pair.Target.DN)
	for dn, want := range map[directory.DN]map[string][]string{
		lists.Child("CN", "Keys"): {"member": {"CN=Somebody," + string(staff), user}, "authOrig": {user}},
		lists.Child("CN", "All"):  {"member": {user}},
		staffDN("Report"):         {"manager": {user}},
	} {
		for attr := range want {
			slices.Sort(want[attr])
		}
		if diff := cmp.Diff(want, text(l.target.get(t, dn), "member", "authOrig", "manager")); diff != "" {
			t.Errorf("%s: %s", dn, diff)
		}
	}
}

// TestContactPlanInOrder: the user comes first and the contact goes last, each of what
// points to it is one modification, and every value says where it comes from.
func TestContactPlanInOrder(t *testing.T) {
	t.Parallel()
	l := contactLab(t, nil)
	plan, err := l.PlanStage(t.Context(), l.match(t, string(birgitDN)))
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, c := range plan.Changes {
		order = append(order, string(c.Op)+" "+c.DN.Name())
	}
	want := []string{"add Meier, Birgit 2", "modify Meier, Birgit", "modify All", "modify Keys", "modify Report", "modify Meier, Birgit"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Fatal(diff)
	}
	if last := plan.Changes[len(plan.Changes)-1]; last.DN != contactDN || last.Forest != directory.Target || len(last.Before) != 9 {
		t.Errorf("the last change is %+v", last)
	}
	i := slices.IndexFunc(plan.Changes[0].Mods, func(m directory.Mod) bool { return m.Attr == "company" })
	if i < 0 || plan.Changes[0].Mods[i].Origin != "contact "+string(contactDN) {
		t.Errorf("the origin of the company is not told: %+v", plan.Changes[0].Mods)
	}
}

// TestContactBesideAUser: a user who is there already takes the contact's place.
func TestContactBesideAUser(t *testing.T) {
	t.Parallel()
	l := contactLab(t, nil)
	was := l.target.get(t, contactDN)
	l.target.put(t, staffDN("bmeier"), map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {"bmeier"}, "mail": {"birgit.meier@alpine.test"}, "company": {"Baltic Ltd"},
	})
	pair := l.match(t, string(birgitDN))
	if pair.Target == nil || pair.Contact == nil || pair.Rule != directory.MatchMail || len(pair.Noticed()) != 0 {
		t.Fatalf("got %+v, noticed %v", pair, pair.Noticed())
	}
	l.carryOut(t, pair, l.PlanStage)
	pair = l.match(t, string(birgitDN))
	if !pair.Target.Proxies.HasX500(contactLegacy) || !pair.Target.Proxies.HasSMTP("birgit@baltic.test") || pair.Contact != nil {
		t.Errorf("got %v", pair.Target.Proxies)
	}
	if got := l.target.get(t, staffDN("bmeier")).First("company"); got != "Baltic Ltd" {
		t.Errorf("the user's company is now %q", got)
	}
	l.checkRetired(t, was, pair)
	l.nothingLeft(t, "replaced", pair, l.PlanStage)
}

// TestContactWithoutLegacyName: the X500 addresses go both ways all the same.
func TestContactWithoutLegacyName(t *testing.T) {
	t.Parallel()
	l := contactLab(t, map[string][]string{"legacyExchangeDN": nil})
	l.carryOut(t, l.match(t, string(birgitDN)), l.PlanStage)
	pair := l.match(t, string(birgitDN))
	back := directory.Proxies(l.source.get(t, birgitDN).Values("proxyAddresses"))
	if !pair.Target.Proxies.HasX500(birgitLegacy) || !pair.Target.Proxies.HasX500("/o=Older Sync/cn=bm") ||
		!back.HasX500(minted) || !back.HasX500("/o=Older Sync/cn=bm") {
		t.Errorf("target %v, source %v", pair.Target.Proxies, back)
	}
	l.nothingLeft(t, "replaced", pair, l.PlanStage)
}

// TestContactOfAPoorSource: what the source does not say of the person is the contact's,
// unless a policy leaves it alone, and a country is taken whole.
func TestContactOfAPoorSource(t *testing.T) {
	t.Parallel()
	poor := map[string][]string{"displayName": nil, "givenName": nil, "c": {"AT"}}
	l := contactLab(t, map[string][]string{"c": {"DE"}, "co": {"Germany"}, "title": {"Dr."}, "info": {"secret"}, "department": {"Sales"}, "description": {"one", "two"}})
	l.source.put(t, birgitDN, with(birgit(), poor))
	l.Rules.Attributes = map[string]directory.Policy{"info": directory.Omit, "department": directory.Force}
	l.carryOut(t, l.match(t, string(birgitDN)), l.PlanStage)
	pair := l.match(t, string(birgitDN))
	want := map[string][]string{"displayName": {"Birgit Meier (Alpine)"}, "givenName": {"Biggi"}, "c": {"AT"}, "title": {"Dr."}, "description": {"one"}}
	if diff := cmp.Diff(want, text(l.target.get(t, pair.Target.DN), "displayName", "givenName", "c", "co", "title", "info", "department", "description")); diff != "" {
		t.Error(diff)
	}
	l.nothingLeft(t, "replaced", pair, l.PlanStage)
}

// addresses are what mail may be sent to while the contact is replaced.
var addresses = []string{"smtp:birgit.meier@alpine.test", "smtp:birgit@baltic.test", "x500:" + birgitLegacy, "x500:" + contactLegacy, "x500:/o=older sync/cn=bm"}

// owned checks that somebody at the target has each address, and that every group has a
// member to whom its mail goes.
func (l *lab) owned(t *testing.T, n int) {
	t.Helper()
	owners := map[string]int{}
	for _, s := range l.target.entries {
		for _, v := range s.attrs["proxyaddresses"] {
			owners[strings.ToLower(string(v))]++
		}
		for _, v := range s.attrs["legacyexchangedn"] {
			owners["x500:"+strings.ToLower(string(v))]++
		}
	}
	for _, address := range addresses {
		if owners[strings.ToLower(address)] == 0 {
			t.Errorf("step %d: nobody has %s", n, address)
		}
	}
	for _, list := range []string{"Keys", "All"} {
		reached := false
		for _, member := range l.target.get(t, lists.Child("CN", list)).Values("member") {
			s := l.target.entries[directory.DN(member).Key()]
			reached = reached || s != nil && len(s.attrs["targetaddress"]) > 0
		}
		if !reached {
			t.Errorf("step %d: nobody gets what is sent to %s", n, list)
		}
	}
}

// replaceOnce is what a fresh process does: it looks, plans and applies.
func (l *lab) replaceOnce(t *testing.T, j *journal) error {
	t.Helper()
	plan, err := l.PlanStage(t.Context(), l.match(t, string(birgitDN)))
	if err != nil {
		t.Fatal(err)
	}
	return l.Apply(t.Context(), j, plan)
}

// TestContactKilledAtEveryStep: whenever the process dies, no address is without an owner
// at that instant, and the next process comes to the same end.
func TestContactKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, decisions := range map[string]directory.Decisions{
		"by rule": nil, "by decision": answers{directory.AskContact: {Choice: directory.Adopt, Target: string(contactDN)}},
		"one of several": answers{directory.AskAdopt: {Choice: directory.Adopt, Target: string(contactDN)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fresh := func() *lab {
				l := contactLab(t, nil)
				if decisions != nil {
					l.Rules.Adopt, l.Rules.Decisions = nil, decisions
				}
				return l
			}
			whole := fresh()
			if err := whole.replaceOnce(t, newJournal(whole.clock)); err != nil {
				t.Fatal(err)
			}
			if whole.clock.steps < 36 {
				t.Fatalf("it takes %d steps, too few for six changes", whole.clock.steps)
			}
			for n := 1; n < whole.clock.steps; n++ {
				l := fresh()
				l.clock.last = n
				j := newJournal(l.clock)
				if err := l.replaceOnce(t, j); !errors.Is(err, errKilled) {
					t.Fatalf("step %d: got %v, want the kill", n, err)
				}
				l.owned(t, n)
				l.clock.last = 0
				if err := l.replaceOnce(t, j); err != nil {
					t.Fatalf("step %d: resumed: %v", n, err)
				}
				if diff := cmp.Diff(whole.target.dump(), l.target.dump()); diff != "" {
					t.Errorf("step %d: target: %s", n, diff)
				}
				if diff := cmp.Diff(whole.source.dump(), l.source.dump()); diff != "" {
					t.Errorf("step %d: source: %s", n, diff)
				}
				l.nothingLeft(t, "resumed", l.match(t, string(birgitDN)), l.PlanStage)
			}
		})
	}
}

// TestContactFindings: what a person has to look at before a contact is replaced.
func TestContactFindings(t *testing.T) {
	t.Parallel()
	sub := directory.DN("DC=sub,DC=baltic,DC=test")
	for name, test := range map[string]struct {
		contact map[string][]string
		change  func(*lab)
		want    string
		forbid  bool
	}{
		"it leads elsewhere":       {contact: map[string][]string{"targetAddress": {"SMTP:b@freemail.test"}}, want: "contact.address-elsewhere", forbid: true},
		"it leads to a second one": {contact: map[string][]string{"targetAddress": {"smtp:B.Schulz@alpine.test"}}},
		"it leads nowhere":         {contact: map[string][]string{"targetAddress": nil}},
		"the group gives rights": {change: func(l *lab) {
			l.target.entries[lists.Child("CN", "All").Key()].attrs["grouptype"] = [][]byte{[]byte("-2147483640")}
		}, want: "contact.security-group"},
		"another object has its name": {change: func(l *lab) {
			l.target.put(t, staffDN("X"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:Birgit@baltic.test"}})
		}, want: "address.taken", forbid: true},
		"a group of another domain": {
			change: func(l *lab) {
				l.Target.Info.Domains = append(l.Target.Info.Domains, directory.Domain{DN: sub, DNS: "sub.baltic.test"})
				l.target.put(t, sub.Child("CN", "Far"), map[string][]string{"objectClass": {"group"}, "member": {string(contactDN)}})
			},
			want: "contact.links-elsewhere", forbid: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := contactLab(t, test.contact)
			if test.change != nil {
				test.change(l)
			}
			plan, err := l.PlanStage(t.Context(), l.match(t, string(birgitDN)))
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			if diff := cmp.Diff(want, rules(plan.Findings)); diff != "" || len(plan.Forbidden()) > 0 != test.forbid {
				t.Errorf("%s: %v", diff, plan.Findings)
			}
		})
	}
}

// TestContactsAreAmbiguous: two contacts, or a contact and a user by one rule, are for a
// person to decide.
func TestContactsAreAmbiguous(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"contact", "user"} {
		l := contactLab(t, nil)
		l.target.put(t, staffDN("B"), map[string][]string{"objectClass": {class}, "legacyExchangeDN": {birgitLegacy}})
		source, err := l.Resolve(t.Context(), string(birgitDN))
		if err != nil {
			t.Fatal(err)
		}
		pair, err := l.Match(t.Context(), source, migrate.GUID{})
		if diff := cmp.Diff([]string{"B", "Meier, Birgit"}, matched(t, pair, err)); diff != "" {
			t.Errorf("%s: %s", class, diff)
		}
	}
}

// TestContactComesBack: undoing brings the contact back as the same object, with all that
// it had and all that pointed to it.
func TestContactComesBack(t *testing.T) {
	t.Parallel()
	l := contactLab(t, nil)
	l.target.entries[lists.Child("CN", "All").Key()].attrs["member"] = [][]byte{[]byte(contactDN)}
	source, target := l.source.dump(), l.target.dump()
	j := newJournal(l.clock)
	if err := l.replaceOnce(t, j); err != nil {
		t.Fatal(err)
	}
	l.undo(t, j)
	if diff := cmp.Diff(source, l.source.dump()); diff != "" {
		t.Errorf("source (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(target, l.target.dump()); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// TestContactTurnsUpLate: a synchronisation makes the contact anew. One that the rules
// trust is replaced again; of another there is a word.
func TestContactTurnsUpLate(t *testing.T) {
	t.Parallel()
	l := contactLab(t, nil)
	l.carryOut(t, l.match(t, string(birgitDN)), l.PlanStage)
	again := with(birgitContact(), map[string][]string{"adminDescription": {directory.RetiredMark(l.match(t, string(birgitDN)).Source.GUID)}})
	l.target.put(t, contactDN, again)
	l.Rules.Adopt = nil
	pair := l.match(t, string(birgitDN))
	if diff := cmp.Diff([]string{"match.other"}, pair.Noticed()); diff != "" || pair.Contact != nil || !pair.Ours {
		t.Errorf("not trusted: %+v %s", pair, diff)
	}
	l.Rules.Adopt = directory.DefaultMatch()
	twin, err := l.Match(t.Context(), pair.Source, pair.Target.GUID)
	if err != nil || twin.Contact == nil {
		t.Fatalf("trusted: %+v, %v", twin, err)
	}
	l.carryOut(t, twin, l.PlanStage)
	l.nothingLeft(t, "again", l.reload(t, twin), l.PlanStage)
	if l.target.get(t, contactDN).Has("proxyAddresses") {
		t.Error("the contact has its addresses still")
	}
}

// TestContactsAreReplacedInBulk: staging everyone, from an index, comes to the same end,
// and a second staging plans nothing.
func TestContactsAreReplacedInBulk(t *testing.T) {
	t.Parallel()
	one, bulk := contactLab(t, nil), contactLab(t, nil)
	if err := one.replaceOnce(t, newJournal(one.clock)); err != nil {
		t.Fatal(err)
	}
	if n := bulk.stageAll(t, newJournal(bulk.clock), directory.Selection{}); n != 6 {
		t.Errorf("%d changes, want 6", n)
	}
	if diff := cmp.Diff(one.target.dump(), bulk.target.dump()); diff != "" {
		t.Errorf("target (-one +bulk):\n%s", diff)
	}
	if diff := cmp.Diff(one.source.dump(), bulk.source.dump()); diff != "" {
		t.Errorf("source (-one +bulk):\n%s", diff)
	}
	if n := bulk.stageAll(t, newJournal(bulk.clock), directory.Selection{}); n != 0 {
		t.Errorf("a second staging makes %d changes", n)
	}
}
