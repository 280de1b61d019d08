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

// answers are decisions about birgit, by the rule of the question.
type answers map[string]directory.Decision

func (a answers) Decision(_ migrate.GUID, rule string) (directory.Decision, bool) {
	if rule == directory.AskSeveral {
		rule = directory.AskAdopt
	}
	d, ok := a[rule]
	return d, ok
}

// shared is an address of birgit's.
var shared = []string{"smtp:b.schulz@alpine.test"}

// TestOnlyWhatIsAdoptedIsChanged: what merely matches is a question.
func TestOnlyWhatIsAdoptedIsChanged(t *testing.T) {
	t.Parallel()
	both := map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "mail": {"b.schulz@alpine.test"}}
	for name, test := range map[string]struct {
		adopt []directory.MatchRule
		mark  bool
		ours  bool
	}{
		"nothing is":              {nil, false, false},
		"another rule is":         {[]directory.MatchRule{directory.MatchSam}, false, false},
		"its rule is":             {[]directory.MatchRule{directory.MatchSMTP}, false, true},
		"a weaker one that is so": {[]directory.MatchRule{directory.MatchMail}, false, true},
		"it carries the mark":     {nil, true, true},
	} {
		l := newLab(t)
		l.putBirgit(t, nil)
		attrs := both
		if test.mark {
			attrs = l.marked(t, both)
		}
		l.target.put(t, staffDN("A"), attrs)
		l.Rules.Adopt = test.adopt
		pair := l.match(t, string(birgitDN))
		plan, err := l.PlanStage(t.Context(), pair)
		if err != nil {
			t.Fatal(err)
		}
		question, open := directory.QuestionOf(pair, nil)
		if pair.Ours != test.ours || open == test.ours {
			t.Errorf("%s: ours %v, open %v", name, pair.Ours, open)
		}
		if test.ours {
			if len(plan.Forbidden()) != 0 || len(plan.Changes) == 0 {
				t.Errorf("%s: %v", name, plan.Findings)
			}
			continue
		}
		if diff := cmp.Diff([]string{"match.adopt"}, rules(plan.Forbidden())); diff != "" || len(plan.Changes) != 0 {
			t.Errorf("%s: %d changes, %s", name, len(plan.Changes), diff)
		}
		if what := plan.Findings[0]; !strings.Contains(what.What, "smtp:b.schulz@alpine.test and mail") || !strings.Contains(what.Mend, "smtp under match.adopt") {
			t.Errorf("%s: got %v", name, what)
		}
		want := directory.Question{
			Rule: "match.adopt", Source: "birgit.meier@alpine.test", SourceGUID: pair.Source.GUID, Evidence: pair.Evidence,
			Candidates: []directory.Candidate{{DN: staffDN("A"), GUID: pair.Target.GUID, Class: "user", Evidence: pair.Evidence}},
		}
		if diff := cmp.Diff(want, question); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestMarkOfAnother: an object that stands for somebody else never matches, and its
// addresses stop the move.
func TestMarkOfAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("A"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": shared, "adminDescription": {directory.Mark(migrate.GUID{7})},
	})
	pair := l.putBirgit(t, nil)
	if pair.Target != nil {
		t.Fatalf("matched %s", pair.Target.DN)
	}
	plan, err := l.PlanStage(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"match.marked-other", "address.taken"}, rules(plan.Findings)); diff != "" {
		t.Error(diff)
	}
	twin := l.target.get(t, staffDN("A")).Bytes("objectGUID")[0]
	pair, err = l.Match(t.Context(), pair.Source, migrate.GUID(twin))
	if err != nil || pair.Ours {
		t.Errorf("got %+v, %v", pair, err)
	}
	l.forbidden(t, "as a twin", "match.marked-other", pair, l.PlanStage)
}

// TestMarkWins: the marked object is it, whatever points elsewhere; two are a question.
func TestMarkWins(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putFull(t)
	l.target.put(t, staffDN("A"), evidence[directory.MatchSIDHistory])
	l.target.put(t, staffDN("B"), l.marked(t, evidence[directory.MatchMail]))
	pair := l.match(t, string(birgitDN))
	if pair.Target == nil || pair.Target.DN.Name() != "B" || pair.Rule != directory.MatchMark || !strings.HasPrefix(pair.Evidence, "adminDescription reforest:") {
		t.Errorf("got %+v", pair)
	}
	if diff := cmp.Diff([]string{"match.other"}, pair.Noticed()); diff != "" {
		t.Error(diff)
	}
	l.target.put(t, staffDN("C"), l.marked(t, evidence[directory.MatchMail]))
	_, err := l.Match(t.Context(), pair.Source, migrate.GUID{})
	if diff := cmp.Diff([]string{"B", "C"}, matched(t, directory.Pair{}, err)); diff != "" {
		t.Error(diff)
	}
}

// decided is what a decision leads to.
type decided struct {
	target, contact string // common names
	ours            bool
	forbids         []string
	wrong           string // what a *DecisionError says
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	user := map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "mail": {"a@baltic.test"}, "legacyExchangeDN": {"/o=B/cn=a"}}
	other := map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:bmeier@mail.alpine.test"}}
	contact := map[string][]string{"objectClass": {"contact"}, "proxyAddresses": {"smtp:birgit.meier@alpine.test"}}
	guid := "0000000a-0000-0000-0000-000000000001"
	named := with(user, map[string][]string{"objectGUID": {string(guidBytes(t, guid))}})
	adopt := func(target string) answers {
		return answers{"match.adopt": {Choice: directory.Adopt, Target: target, Place: "d.csv:3:4"}}
	}
	for name, test := range map[string]struct {
		answers answers
		there   map[string]map[string][]string
		mark    string
		want    decided
	}{
		"adopt the only one":      {answers: adopt(""), there: in("A", user), want: decided{target: "A", ours: true}},
		"adopt by DN":             {answers: adopt("cn=a, " + string(staff)), there: in("A", user, "B", other), want: decided{target: "A", ours: true}},
		"adopt by GUID":           {answers: adopt(guid), there: in("A", named, "B", other), want: decided{target: "A", ours: true}},
		"adopt as it is shown":    {answers: adopt("CN=A," + string(staff) + " (user, objectGUID " + guid + ")"), there: in("A", named, "B", other), want: decided{target: "A", ours: true}},
		"adopt by address":        {answers: adopt("A@Baltic.test"), there: in("A", user, "B", other), want: decided{target: "A", ours: true}},
		"adopt by proxy":          {answers: adopt("SMTP:B.Schulz@alpine.test"), there: in("A", user, "B", other), want: decided{target: "A", ours: true}},
		"adopt by X500":           {answers: adopt("X500:/O=b/cn=A"), there: in("A", user, "B", other), want: decided{target: "A", ours: true}},
		"adopt one of two unsaid": {answers: adopt(""), there: in("A", user, "B", other), want: decided{wrong: "leaves open"}},
		"adopt nobody":            {answers: adopt(""), want: decided{wrong: "nothing at the target matches any more"}},
		"adopt who does not match": {
			answers: adopt(string(staffDN("Z"))), there: in("A", user, "Z", map[string][]string{"objectClass": {"user"}}),
			want: decided{wrong: "is not, or no longer, one of the candidates"},
		},
		"adopt a contact by name": {answers: adopt(string(staffDN("C"))), there: in("A", user, "C", contact), want: decided{contact: "C"}},
		"a contact is not meant":  {answers: adopt(""), there: in("C", contact), want: decided{wrong: "nothing at the target matches any more"}},
		"user chosen, contact asked": {
			answers: adopt(string(staffDN("A"))), there: in("A", user, "C", contact),
			want: decided{target: "A", ours: true, forbids: []string{"match.contact"}},
		},
		"user and contact chosen": {
			answers: answers{"match.adopt": {Choice: directory.Adopt, Target: string(staffDN("A"))}, "match.contact": {Choice: directory.Adopt}},
			there:   in("A", user, "C", contact), want: decided{target: "A", ours: true, contact: "C"},
		},
		"create":                    {answers: answers{"match.adopt": {Choice: directory.Create}}, there: in("A", user, "C", contact), want: decided{}},
		"create, and it was":        {answers: answers{"match.adopt": {Choice: directory.Create}}, there: in("A", user, "B", other), mark: "B", want: decided{target: "B", ours: true}},
		"the contact is another's":  {answers: answers{"match.contact": {Choice: directory.Create}}, there: in("C", contact), want: decided{}},
		"left":                      {answers: answers{"match.adopt": {Choice: directory.Leave}}, there: in("A", user), want: decided{forbids: []string{"match.left"}}},
		"left, by the contact":      {answers: answers{"match.contact": {Choice: directory.Leave}}, there: in("C", contact), want: decided{forbids: []string{"match.left"}}},
		"adopted before":            {answers: adopt(string(staffDN("A"))), there: in("A", user), mark: "A", want: decided{target: "A", ours: true}},
		"against the mark":          {answers: adopt(string(staffDN("A"))), there: in("A", user, "B", other), mark: "B", want: decided{wrong: "carries the mark already"}},
		"contact replaced before":   {answers: answers{"match.contact": {Choice: directory.Adopt, Target: string(staffDN("C"))}}, there: in("B", other), mark: "B", want: decided{target: "B", ours: true}},
		"contact replaced by half":  {answers: adopt(string(staffDN("C"))), there: in("B", other, "C", contact), mark: "B", want: decided{target: "B", ours: true, contact: "C"}},
		"contact gone, no user yet": {answers: answers{"match.contact": {Choice: directory.Adopt}}, want: decided{wrong: "nothing at the target matches any more"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.putBirgit(t, nil)
			l.Rules.Adopt, l.Rules.Decisions = nil, test.answers
			for cn, attrs := range test.there {
				if cn == test.mark {
					attrs = l.marked(t, attrs)
				}
				l.target.put(t, staffDN(cn), attrs)
			}
			l.decides(t, test.want)
		})
	}
}

// decides checks what Match makes of a decision.
func (l *lab) decides(t *testing.T, want decided) {
	t.Helper()
	source, err := l.Resolve(t.Context(), string(birgitDN))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := l.Match(t.Context(), source, migrate.GUID{})
	var wrong *directory.DecisionError
	if errors.As(err, &wrong) != (want.wrong != "") || err != nil && !strings.Contains(err.Error(), want.wrong) {
		t.Fatalf("got %v, want %q", err, want.wrong)
	}
	if err != nil {
		return
	}
	plan, err := l.PlanStage(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	got := decided{ours: pair.Ours}
	for _, id := range rules(plan.Forbidden()) {
		if id != "address.taken" { // of those who are not it
			got.forbids = append(got.forbids, id)
		}
	}
	if pair.Target != nil {
		got.target = pair.Target.DN.Name()
	}
	if pair.Contact != nil {
		got.contact = pair.Contact.DN.Name()
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(decided{})); diff != "" {
		t.Error(diff)
	}
}

// in names objects of the target by their common names.
func in(pairs ...any) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i].(string)] = pairs[i+1].(map[string][]string)
	}
	return all
}

func guidBytes(t *testing.T, text string) []byte {
	t.Helper()
	guid, err := migrate.ParseGUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return guid[:]
}

// TestDecisionErrorNamesItsPlace: the operator finds the line at once.
func TestDecisionErrorNamesItsPlace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	l.Rules.Decisions = answers{"match.adopt": {Choice: directory.Adopt, Target: "x@y", Place: "decisions.csv:12:7"}}
	_, err := l.Match(t.Context(), pair.Source, migrate.GUID{})
	if err == nil || !strings.HasPrefix(err.Error(), "decisions.csv:12:7: decision about birgit.meier@alpine.test: ") {
		t.Errorf("got %v", err)
	}
}

// TestQuestionOfSeveral: each candidate is told with what speaks for it.
func TestQuestionOfSeveral(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	l.target.put(t, staffDN("A"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared})
	l.target.put(t, staffDN("B"), map[string][]string{"objectClass": {"group"}, "proxyAddresses": {"smtp:bmeier@mail.alpine.test"}})
	pair, err := l.Match(t.Context(), pair.Source, migrate.GUID{})
	question, open := directory.QuestionOf(pair, err)
	if !open || question.Rule != directory.AskSeveral || question.SourceGUID != pair.Source.GUID || len(question.Candidates) != 2 {
		t.Fatalf("got %+v, %v", question, err)
	}
	if question.Candidates[0].Evidence != "smtp:b.schulz@alpine.test" || question.Candidates[1].Class != directory.ClassGroup {
		t.Errorf("got %+v", question.Candidates)
	}
	if !strings.Contains(err.Error(), "(smtp:b.schulz@alpine.test)") {
		t.Errorf("the error does not tell the evidence: %v", err)
	}
}

// TestNoQuestionWhereNothingCanBeDecided: a mailbox or a group is refused, whoever says
// that it is the person.
func TestNoQuestionWhereNothingCanBeDecided(t *testing.T) {
	t.Parallel()
	for rule, attrs := range map[string]map[string][]string{
		"match.mailbox": {"objectClass": {"user"}, "proxyAddresses": shared, "homeMDB": {string(database1)}},
		"match.group":   {"objectClass": {"group"}, "proxyAddresses": shared},
	} {
		for _, decisions := range []directory.Decisions{nil, answers{"match.adopt": {Choice: directory.Adopt}}} {
			l := newLab(t)
			l.Rules.Adopt, l.Rules.Decisions = nil, decisions
			l.target.put(t, staffDN("A"), attrs)
			pair := l.putBirgit(t, nil)
			if q, open := directory.QuestionOf(pair, nil); open {
				t.Errorf("%s: asked %+v", rule, q)
			}
			l.forbidden(t, rule, rule, pair, l.PlanStage)
		}
	}
}

// TestAddressDoubled: source objects that share a name are both told of the other.
func TestAddressDoubled(t *testing.T) {
	t.Parallel()
	for what, attrs := range map[string]map[string][]string{
		"smtp:b.schulz@alpine.test":        {"proxyAddresses": {"SMTP:B.SCHULZ@alpine.test"}},
		"mailNickname bmeier":              {"mailNickname": {"BMeier"}},
		"legacyExchangeDN " + birgitLegacy: {"legacyExchangeDN": {strings.ToLower(birgitLegacy)}},
		"X500:/o=Old/cn=Recipients/cn=bm":  {"proxyAddresses": {"X500:/O=OLD/cn=recipients/cn=bm"}},
		"":                                 {"proxyAddresses": {"X500:" + birgitLegacy + "2", "SIP:birgit@alpine.test"}, "mailNickname": {"bmeier2"}},
	} {
		l := newLab(t)
		other := people.Child("CN", "Other")
		l.source.put(t, other, with(doraMailbox, attrs))
		l.putBirgit(t, nil)
		for _, dn := range []directory.DN{birgitDN, other} {
			findings, err := l.Check(t.Context(), l.match(t, string(dn)), "")
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(findings, func(f migrate.Finding) bool { return f.Rule == "address.doubled" })
			if what == "" && at < 0 {
				continue
			}
			if what == "" || at < 0 {
				t.Errorf("%q, %s: got %v", what, dn, findings)
				continue
			}
			if text := findings[at].What; !strings.Contains(text, string(birgitDN)) || !strings.Contains(text, string(other)) || !strings.Contains(strings.ToLower(text), strings.ToLower(what)) {
				t.Errorf("%q, %s: got %s", what, dn, text)
			}
		}
	}
}

// TestStagingLeavesOpen: staging everyone asks the same questions, refuses those who share
// a name on both sides of it, and takes nobody for what is only planned for another.
func TestStagingLeavesOpen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.Adopt = nil
	l.source.put(t, birgitDN, birgit())
	l.source.put(t, doraDN, with(doraMailbox, map[string][]string{"proxyAddresses": {"SMTP:dora@alpine.test", "smtp:bmeier@mail.baltic.test"}}))
	for cn, alias := range map[string]string{"One": "one", "Two": "two"} {
		l.source.put(t, people.Child("CN", cn), with(doraMailbox, map[string][]string{
			"objectGUID": {"guid of one " + alias + "!"}, "mailNickname": {alias}, "msExchMailboxGuid": {"mailbox of " + alias + "  "},
			"proxyAddresses": {"SMTP:" + alias + "@alpine.test", "smtp:both@alpine.test"},
		}))
	}
	l.target.put(t, staffDN("A"), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"a"}, "proxyAddresses": shared})
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	looked, open := staging.Questions()
	if len(looked) != 4 || len(open) != 1 || open[0].Rule != directory.AskAdopt || open[0].Source != "birgit.meier@alpine.test" {
		t.Errorf("looked at %d, left open %+v", len(looked), open)
	}
	got := map[string][]string{}
	for p, err := range staging.Plans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[p.Pair.Source.DN.Name()] = rules(p.Plan.Forbidden())
		if p.Pair.Target != nil && p.Pair.Target.GUID.IsZero() {
			t.Errorf("%s is taken for what is not there yet", p.Pair.Source)
		}
	}
	if !slices.Contains(got["One"], "address.doubled") || !slices.Contains(got["Two"], "address.doubled") || !slices.Contains(got["Meier, Birgit"], "match.adopt") {
		t.Errorf("got %v", got)
	}
}
