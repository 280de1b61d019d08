package directory_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// allRules are every rule there is.
var allRules = []directory.MatchRule{
	directory.MatchMark, directory.MatchSIDHistory, directory.MatchMaster, directory.MatchMailbox, directory.MatchX500,
	directory.MatchSMTP, directory.MatchMail, directory.MatchEmployeeID, directory.MatchSam,
}

// birgitSID has octets below 16 and above 127 in it: 1105 is 51 04 00 00 on the wire.
const birgitSID = alpine + "-1105"

// evidence is what points to a target object by one rule alone.
var evidence = map[directory.MatchRule]map[string][]string{
	directory.MatchSIDHistory: {"objectClass": {"user"}, "sIDHistory": {string(sidBytes(ancient + "-5")), string(sidBytes(birgitSID))}},
	directory.MatchMaster:     {"objectClass": {"user"}, "msExchMasterAccountSid": {string(sidBytes(birgitSID))}},
	directory.MatchMailbox:    {"objectClass": {"user"}, "msExchMailboxGuid": birgit()["msExchMailboxGuid"]},
	directory.MatchX500:       {"objectClass": {"user"}, "proxyAddresses": {"x500:" + strings.ToUpper(birgitLegacy)}},
	directory.MatchSMTP:       {"objectClass": {"user"}, "proxyAddresses": {"SMTP:B.Schulz@Alpine.test"}},
	directory.MatchMail:       {"objectClass": {"user"}, "mail": {"B.SCHULZ@alpine.test"}},
	directory.MatchEmployeeID: {"objectClass": {"user"}, "employeeID": {"a4711"}},
	directory.MatchSam:        {"objectClass": {"user"}, "sAMAccountName": {"BMeier"}},
}

// marked returns attrs with our mark for the source object of birgit's.
func (l *lab) marked(t testing.TB, attrs map[string][]string) map[string][]string {
	t.Helper()
	guid, err := migrate.GUIDFromBytes(l.source.entries[birgitDN.Key()].attrs["objectguid"][0])
	if err != nil {
		t.Fatal(err)
	}
	return with(attrs, map[string][]string{"adminDescription": {directory.Mark(guid)}})
}

// putFull puts birgit with everything that any rule looks at.
func (l *lab) putFull(t testing.TB) {
	t.Helper()
	l.source.put(t, birgitDN, with(birgit(), map[string][]string{
		"objectSid": {string(sidBytes(birgitSID))}, "employeeID": {"A4711"},
	}))
}

// TestEveryRuleAlone: each rule finds what it is for, and is named with its evidence.
func TestEveryRuleAlone(t *testing.T) {
	t.Parallel()
	want := map[directory.MatchRule]string{
		directory.MatchSIDHistory: "sIDHistory " + string(birgitSID), directory.MatchMaster: "msExchMasterAccountSid " + string(birgitSID),
		directory.MatchMailbox: "msExchMailboxGuid 04030201-0605-0807-090a-0b0c0d0e0f10", directory.MatchX500: "X500:" + birgitLegacy,
		directory.MatchSMTP: "smtp:b.schulz@alpine.test", directory.MatchMail: "mail B.SCHULZ@alpine.test",
		directory.MatchEmployeeID: "employeeID a4711", directory.MatchSam: "sAMAccountName BMeier",
	}
	for rule, attrs := range evidence {
		l := newLab(t)
		l.putFull(t)
		for cn, attrs := range evidence {
			if cn != rule {
				l.target.put(t, staffDN(string(cn)), attrs)
			}
		}
		l.Rules.Match, l.Rules.Adopt = []directory.MatchRule{rule}, []directory.MatchRule{rule}
		if pair := l.match(t, string(birgitDN)); pair.Target != nil {
			t.Errorf("%s: found %s by another's evidence", rule, pair.Target.DN)
		}
		l.target.put(t, staffDN(string(rule)), attrs)
		pair := l.match(t, string(birgitDN))
		if pair.Target == nil || pair.Target.DN.Name() != string(rule) || pair.Rule != rule || !pair.Ours || pair.Evidence != want[rule] {
			t.Errorf("%s: got %+v", rule, pair)
		}
	}
}

// TestRulesInOrder: the first rule that finds anything decides, in whatever order they
// are asked, and what points elsewhere is noticed.
func TestRulesInOrder(t *testing.T) {
	t.Parallel()
	ordered := allRules[1:]
	backwards := slices.Clone(ordered)
	slices.Reverse(backwards)
	for _, order := range [][]directory.MatchRule{ordered, backwards} {
		l := newLab(t)
		l.putFull(t)
		l.Rules.Match = order
		for n := len(order) - 1; n >= 0; n-- {
			l.target.put(t, staffDN(string(order[n])), evidence[order[n]])
			pair := l.match(t, string(birgitDN))
			if pair.Target == nil || pair.Rule != order[n] || pair.Target.DN.Name() != string(order[n]) {
				t.Errorf("with %v: got %+v", order[n:], pair)
			}
			if got, want := len(pair.Noticed()), len(order)-1-n; got != want || slices.ContainsFunc(pair.Noticed(), func(id string) bool { return id != "match.other" }) {
				t.Errorf("with %v: noticed %v", order[n:], pair.Noticed())
			}
		}
	}
}

// TestEvidenceOfAllRules: what several rules say of one object is told together.
func TestEvidenceOfAllRules(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putFull(t)
	l.target.put(t, staffDN("A"), map[string][]string{
		"objectClass": {"user"}, "mail": {"b.schulz@alpine.test"}, "sIDHistory": {string(sidBytes(birgitSID))},
		"proxyAddresses": {"smtp:b.schulz@alpine.test"}, "employeeID": {"A4711"},
	})
	pair := l.match(t, string(birgitDN))
	want := "sIDHistory " + string(birgitSID) + " and smtp:b.schulz@alpine.test and mail b.schulz@alpine.test"
	if pair.Evidence != want || pair.Rule != directory.MatchSIDHistory || len(pair.Noticed()) != 0 {
		t.Errorf("got %q by %s, noticed %v; want %q", pair.Evidence, pair.Rule, pair.Noticed(), want)
	}
}

// TestUnknownRule is an error, not a rule that finds nothing.
func TestUnknownRule(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	l.Rules.Match = []directory.MatchRule{"shoe-size"}
	if _, err := l.Match(t.Context(), pair.Source, migrate.GUID{}); err == nil || !strings.Contains(err.Error(), `"shoe-size"`) {
		t.Errorf("got %v", err)
	}
}

// crowd fills both forests with people who have something in common by every rule, with
// nobody, with two, and with what must not count.
func crowd(t testing.TB, l *lab) (identities []string) {
	t.Helper()
	for n := range 40 {
		name := fmt.Sprintf("p%d", n)
		sid := alpine + migrate.SID(fmt.Sprintf("-%d", 3000+n))
		legacy := "/o=Alpine/cn=Recipients/cn=" + name
		guid := "guid of one " + fmt.Sprintf("%04d", n)
		mailbox := "mailbox of  " + fmt.Sprintf("%04d", n)
		l.source.put(t, people.Child("CN", name), map[string][]string{
			"objectClass": {"user"}, "objectGUID": {guid}, "objectSid": {string(sidBytes(sid))}, "sAMAccountName": {name}, "employeeID": {"e" + name},
			"mailNickname": {name}, "mail": {name + "@alpine.test"}, "legacyExchangeDN": {legacy}, "homeMDB": {"CN=Old DB"}, "msExchMailboxGuid": {mailbox},
			"proxyAddresses": {"SMTP:" + name + "@alpine.test", "smtp:" + name + ".old@alpine.test", "X500:/o=Older/cn=" + name},
		})
		identities = append(identities, name)
		source, err := migrate.GUIDFromBytes([]byte(guid))
		if err != nil {
			t.Fatal(err)
		}
		found := []map[string][]string{
			0: {"sIDHistory": {string(sidBytes(sid))}},
			1: {"msExchMasterAccountSid": {string(sidBytes(sid))}},
			2: {"msExchMailboxGuid": {mailbox}},
			3: {"legacyExchangeDN": {strings.ToUpper(legacy)}},
			4: {"proxyAddresses": {"x500:/O=Older/cn=" + name}},
			5: {"proxyAddresses": {"SMTP:" + strings.ToUpper(name) + ".old@alpine.test"}},
			6: {"mail": {name + ".OLD@alpine.test"}},
			7: {"employeeID": {"E" + name}},
			8: {"sAMAccountName": {strings.ToUpper(name)}},
			9: {
				"proxyAddresses": {"X500:" + legacy, "smtp:" + name + "@alpine.test"}, "adminDescription": {directory.Mark(source)}, "mail": {name + "@alpine.test"},
				"sIDHistory": {string(sidBytes(sid))}, "msExchMasterAccountSid": {string(sidBytes(sid))}, "msExchMailboxGuid": {mailbox},
				"employeeID": {"e" + name}, "sAMAccountName": {name},
			},
		}[n%10]
		for copies := range 1 + n/30 { // the last ten are ambiguous
			attrs := with(map[string][]string{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("%s-%d", name, copies)}}, found)
			l.target.put(t, staffDN(fmt.Sprintf("%s target %d", name, copies)), attrs)
			if n%10 == 8 {
				break // account names are unique
			}
		}
		if n%3 == 0 {
			l.target.put(t, staffDN(name+" contact"), map[string][]string{"objectClass": {"contact"}, "proxyAddresses": {"smtp:" + name + "@alpine.test"}})
		}
		if n%5 == 0 {
			l.target.put(t, staffDN(name+" computer"), map[string][]string{"objectClass": {"user", "computer"}, "proxyAddresses": {"smtp:" + name + "@alpine.test"}, "sAMAccountName": {name}})
		}
	}
	return identities
}

// TestServerAndIndexAgree: each rule, and all of them together, find the same whether the
// server is asked or an index of the forest.
func TestServerAndIndexAgree(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	identities := crowd(t, l)
	index, err := directory.NewIndex(t.Context(), &l.Target, nil)
	if err != nil {
		t.Fatal(err)
	}
	sets := [][]directory.MatchRule{allRules, directory.DefaultMatch()}
	for _, rule := range allRules[1:] {
		sets = append(sets, []directory.MatchRule{rule})
	}
	for _, set := range sets {
		l.Rules.Match = set
		hits := 0
		for _, identity := range identities {
			l.Target.UseIndex(nil)
			asked := l.outcome(t, identity)
			l.Target.UseIndex(index)
			if diff := cmp.Diff(asked, l.outcome(t, identity)); diff != "" {
				t.Errorf("%v, %s (-server +index):\n%s", set, identity, diff)
			}
			if asked != "" {
				hits++
			}
		}
		if hits < 3 {
			t.Errorf("%v: %d found; too few to compare", set, hits)
		}
	}
}

// TestIndexKnowsMarks: in an index an object is known by our mark alone; a server, which
// has no index of it, is not asked for it.
func TestIndexKnowsMarks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putFull(t)
	l.target.put(t, staffDN("A"), l.marked(t, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"a"}}))
	if pair := l.match(t, string(birgitDN)); pair.Target != nil {
		t.Errorf("the server was asked for the mark: %+v", pair)
	}
	index, err := directory.NewIndex(t.Context(), &l.Target, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Target.UseIndex(index)
	if pair := l.match(t, string(birgitDN)); pair.Target == nil || pair.Rule != directory.MatchMark || !pair.Ours {
		t.Errorf("got %+v", pair)
	}
}

// outcome tells in one line what Match finds.
func (l *lab) outcome(t testing.TB, identity string) string {
	t.Helper()
	source, err := l.Resolve(t.Context(), identity)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := l.Match(t.Context(), source, migrate.GUID{})
	if err != nil {
		return err.Error()
	}
	text := ""
	if pair.Target != nil {
		text = fmt.Sprint(pair.Target.DN, pair.Rule, pair.Ours, pair.Evidence)
	}
	if pair.Contact != nil {
		text += " contact " + string(pair.Contact.DN)
	}
	q, _ := directory.QuestionOf(pair, err)
	return strings.TrimSpace(text + strings.Join(pair.Noticed(), " ") + q.Rule + q.Evidence)
}

// A countingReader counts searches.
type countingReader struct {
	*memory
	searches int
}

func (r *countingReader) Find(ctx context.Context, q directory.Query) iter.Seq2[*directory.Entry, error] {
	r.searches++
	return r.memory.Find(ctx, q)
}

// TestMatchIsOneSearch: all rules are asked at once.
func TestMatchIsOneSearch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putFull(t)
	counting := &countingReader{memory: l.target}
	l.Target.Reader = counting
	if pair := l.match(t, string(birgitDN)); pair.Target != nil || counting.searches != 1 {
		t.Errorf("%d searches, found %v", counting.searches, pair.Target)
	}
}

// TestSIDFilter: every octet has two digits, those below 16 as well.
func TestSIDFilter(t *testing.T) {
	t.Parallel()
	got := directory.EqBytes("objectSid", sidBytes("S-1-5-21-10-20-30-1105"))
	want := directory.Filter(`(objectSid=\01\05\00\00\00\00\00\05\15\00\00\00\0a\00\00\00\14\00\00\00\1e\00\00\00\51\04\00\00)`)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestJoinTakesEveryOldName: whoever is joined gets all of the source's historic X500
// names, not the present one alone, and the source all of theirs.
func TestJoinTakesEveryOldName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("A"), map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {"a"}, "proxyAddresses": {shared[0], "X500:/o=Before/cn=a", "X500:" + birgitLegacy + "2"}, "legacyExchangeDN": {"/o=Baltic/cn=a"},
	})
	pair := l.stage(t, l.putBirgit(t, nil))
	for _, name := range []migrate.LegacyDN{birgitLegacy, "/o=Old/ou=Site/cn=Recipients/cn=schulz_b+1(x).ü", "/o=Old/cn=Recipients/cn=bm"} {
		if !pair.Target.Proxies.HasX500(name) {
			t.Errorf("the target lacks %s", name)
		}
	}
	for _, name := range []migrate.LegacyDN{"/o=Baltic/cn=a", "/o=Before/cn=a", birgitLegacy + "2"} {
		if !pair.Source.Proxies.HasX500(name) {
			t.Errorf("the source lacks %s", name)
		}
	}
}
