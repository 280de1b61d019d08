package directorytest

import (
	"errors"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// matchCases are about who at the target is the person, and who is not.
func matchCases() []decision {
	return []decision{
		{name: "target is a mailbox", run: testTargetMailbox},
		{name: "target is a distribution list", run: testTargetGroup},
		{name: "two objects match", run: testTwoTargets},
		{name: "evidence that is not enough", run: testWeakEvidence},
		{name: "contact that is not adopted", run: testOpenContact},
		{name: "unmarked twin is not changed", run: testUnmarkedTwin},
		{name: "clash stops that person alone", run: testClash},
		{name: "SELF owns many mailboxes", run: testSelf},
		{name: "enabled account and master account", run: testTwoOwners},
		{name: "disabled account without master account", run: testNoOwner},
		{name: "split pair at the target", run: testSplitTarget},
		{name: "split pair at the source", run: testSplitSource},
	}
}

func testTargetMailbox(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	w.plant(t, directory.Target, "taken", w.mailUser("taken", w.at("ada")).with(attrs{
		"homeMDB": {string(w.Forests.Target.Database)}, "msExchMailboxGuid": {"guid of " + w.tag}, "targetAddress": nil,
		"msExchHomeServerName": {"/o=Fabrikam/cn=Servers/cn=EX2"}, "msExchRecipientTypeDetails": {"1"},
	}))
	w.refused(t, who, stage, "match.mailbox")
}

func testTargetGroup(t *testing.T, w *world) {
	who := w.person(t, "sales", nil)
	w.plant(t, directory.Target, "sales", attrs{
		"objectClass": {"group"}, "sAMAccountName": {"list" + w.tag}, "groupType": {"8"}, "mailNickname": {"list" + w.tag},
		"mail": {w.at("sales")}, "proxyAddresses": {"SMTP:" + w.at("sales")},
	})
	w.refused(t, who, stage, "match.group")
}

// decided is the answer to one question.
type decided struct {
	source  migrate.GUID
	contact bool // about a contact alone, else about any other object
	answer  directory.Decision
}

// Decision implements directory.Decisions.
func (d decided) Decision(source migrate.GUID, rule string) (directory.Decision, bool) {
	return d.answer, source == d.source && d.contact == (rule == directory.AskContact)
}

// decide answers the question by the rule about the source object.
func (w *world) decide(t *testing.T, who directory.DN, rule string, choice directory.Choice, target directory.DN) {
	t.Helper()
	source, err := w.Resolve(t.Context(), string(who))
	if err != nil {
		t.Fatal(err)
	}
	w.Rules.Decisions = decided{
		source: source.GUID, contact: rule == directory.AskContact,
		answer: directory.Decision{Choice: choice, Target: string(target), Place: "decisions.csv:2:1"},
	}
}

// asked wants a question by the rule, with the candidates.
func (w *world) asked(t *testing.T, who directory.DN, rule string, candidates ...directory.DN) {
	t.Helper()
	question, open := directory.QuestionOf(w.tryMatch(t.Context(), t, who))
	if !open || question.Rule != rule {
		t.Fatalf("about %q: got question %v, %+v, want one by %s", who, open, question, rule)
	}
	var dns []string
	for _, c := range question.Candidates {
		dns = append(dns, string(c.DN))
		if c.Evidence == "" {
			t.Errorf("%q is a candidate without evidence", c.DN)
		}
	}
	sameNames(t, "candidates", dns, candidates...)
}

// testTwoTargets: two objects share an address with the person, and only a person can say
// which is meant.
func testTwoTargets(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	first := w.plant(t, directory.Target, "first", w.mailUser("first", w.at("ada")))
	second := w.plant(t, directory.Target, "second", w.mailUser("second", w.at("ada")))
	before := w.image(t)
	_, err := w.tryMatch(t.Context(), t, who)
	var ambiguous *directory.AmbiguousError
	if !errors.As(err, &ambiguous) {
		t.Fatalf("got error %v, want an AmbiguousError", err)
	}
	w.asked(t, who, directory.AskSeveral, first, second)
	plans := w.everyone(t, directory.Selection{})
	if plans["ada"].Err == nil {
		t.Error("everyone: nothing is said of two objects for one person")
	}
	w.again = nil // decided below
	w.unchanged(t, "an open question", before)
	w.decide(t, who, directory.AskSeveral, directory.Leave, "")
	w.refused(t, who, stage, "match.left")
	w.decide(t, who, directory.AskSeveral, directory.Create, "")
	w.refused(t, who, stage, "address.taken", "address.taken")
	w.decide(t, who, directory.AskSeveral, directory.Adopt, second)
	w.carry(t, who, stage)
	same(t, "target", w.target(t, who).DN.Name(), "second")
	w.unchanged(t, "adopting the second", before, first)
}

// testWeakEvidence: an employeeID finds, and does not adopt.
func testWeakEvidence(t *testing.T, w *world) {
	w.Rules.Match = append(directory.DefaultMatch(), directory.MatchEmployeeID)
	number := attrs{"employeeID": {"E" + w.tag}}
	ada := w.person(t, "ada", number)
	found := w.plant(t, directory.Target, "found", w.account("found").with(number))
	before := w.image(t)
	w.refused(t, ada, stage, "match.adopt")
	w.asked(t, ada, directory.AskAdopt, found)
	w.decide(t, ada, directory.AskAdopt, directory.Leave, "")
	w.refused(t, ada, stage, "match.left")
	w.decide(t, ada, directory.AskAdopt, directory.Create, "")
	w.carry(t, ada, stage)
	w.unchanged(t, "making another one", before, found)
	same(t, "target", w.target(t, ada).DN.Name(), "ada")

	number = attrs{"employeeID": {"F" + w.tag}}
	bea := w.person(t, "bea", number)
	hers := w.plant(t, directory.Target, "hers", w.account("hers").with(number))
	w.decide(t, bea, directory.AskAdopt, directory.Adopt, hers)
	w.carry(t, bea, stage)
	target := w.target(t, bea)
	same(t, "adopted", target.DN.Name(), "hers")
	same(t, "mark", target.Mark, directory.Mark(w.match(t, bea).Source.GUID))
}

// testOpenContact: a contact may stand for the person, and nobody has said so.
func testOpenContact(t *testing.T, w *world) {
	w.Rules.Adopt = nil
	who := w.person(t, "ada", nil)
	contact := w.plantContact(t, "ada")
	w.refused(t, who, stage, "match.contact")
	w.asked(t, who, directory.AskContact, contact)
	w.decide(t, who, directory.AskContact, directory.Leave, "")
	w.refused(t, who, stage, "match.left")
	w.decide(t, who, directory.AskContact, directory.Create, "") // and leave the contact its addresses
	w.refused(t, who, stage, "address.taken")
	w.decide(t, who, directory.AskContact, directory.Adopt, contact)
	w.carry(t, who, stage)
	has(t, w.target(t, who), "smtp:"+w.to("contact"))
	if w.get(t, directory.Target, contact).Has("proxyAddresses") {
		t.Error("the contact still has its addresses")
	}
}

// testUnmarkedTwin: nothing that was not adopted is changed, nor linked to.
func testUnmarkedTwin(t *testing.T, w *world) {
	w.Rules.Adopt = nil
	boss := w.person(t, "boss", nil)
	w.person(t, "ada", attrs{"manager": {string(boss)}})
	unmarked := w.plant(t, directory.Target, "unmarked", w.mailUser("unmarked", w.at("boss")))
	before := w.image(t)
	w.everyone(t, directory.Selection{})
	w.told(t, "match.adopt", "link.not-adopted")
	w.unchanged(t, "staging everyone", before, unmarked)
	same(t, "what stands for ada", w.get(t, directory.Target, w.Forests.Target.Base.Child("CN", "ada"), "mail").First("mail"), w.at("ada"))
}

// testClash: bea's routing address is somebody else's.
func testClash(t *testing.T, w *world) {
	for _, name := range []string{"ada", "bea", "cem"} {
		w.person(t, name, nil)
	}
	third := w.plant(t, directory.Target, "third", w.mailUser("third", w.at("third")).with(attrs{
		"proxyAddresses": {"SMTP:" + w.to("third"), "smtp:" + w.at("third"), "smtp:" + w.routing("bea")},
	}))
	before := w.image(t)
	plans := w.everyone(t, directory.Selection{})
	w.told(t, "address.taken")
	stop := plans["bea"].Plan.Forbidden()
	if len(stop) != 1 || stop[0].Whom != string(third) {
		t.Errorf("got %v, want one finding about %q", stop, third)
	}
	w.unchanged(t, "a clash", before, third, w.Forests.Source.Base.Child("CN", "bea"))
	for _, name := range []string{"ada", "cem"} {
		w.target(t, w.Forests.Source.Base.Child("CN", name))
	}
	if pair := w.match(t, w.Forests.Source.Base.Child("CN", "bea")); pair.Target != nil {
		t.Errorf("bea has got %q", pair.Target.DN)
	}
}

// testSelf: SELF is nobody, so two objects that it owns are not the same.
func testSelf(t *testing.T, w *world) {
	self := attrs{"msExchMasterAccountSid": {octets(t, migrate.Self)}, "userAccountControl": {"514"}}
	who := w.person(t, "shared", self.with(attrs{"msExchRecipientTypeDetails": {"4"}, "msExchRecipientDisplayType": {"0"}}))
	room := w.plant(t, directory.Target, "room", w.account("room").with(self).with(attrs{"msExchRecipientTypeDetails": {"16"}}))
	before := w.image(t)
	w.carry(t, who, wholeMove()...)
	target := w.target(t, who)
	same(t, "owner", target.MasterSID, migrate.Self)
	same(t, "type", target.TypeDetails, int64(4))
	same(t, "account is disabled", target.Disabled, true)
	w.unchanged(t, "moving a shared mailbox", before, room)
}

// testTwoOwners: the operator is told, and the mailbox stays the master account's.
func testTwoOwners(t *testing.T, w *world) {
	const master migrate.SID = "S-1-5-21-1111111111-2222222222-3333333333-4444"
	who := w.person(t, "ada", attrs{"msExchMasterAccountSid": {octets(t, master)}, "msExchRecipientTypeDetails": {"2"}})
	w.checked(t, who, "source.two-owners")
	w.carry(t, who, wholeMove()...)
	target := w.target(t, who)
	same(t, "owner", target.MasterSID, master)
	same(t, "type", target.TypeDetails, int64(2))
}

// testNoOwner: Microsoft's script calls it invalid; here it is told, and moved.
func testNoOwner(t *testing.T, w *world) {
	who := w.person(t, "left", attrs{"userAccountControl": {"514"}})
	w.checked(t, who, "source.disabled")
	w.carry(t, who, wholeMove()...)
	w.verified(t, who)
}

// checked wants the rules among what preflight finds, and nothing that forbids the move.
func (w *world) checked(t *testing.T, who directory.DN, rules ...string) {
	t.Helper()
	findings, err := w.Check(t.Context(), w.match(t, who), "")
	if err != nil {
		t.Fatal(err)
	}
	w.among(t, "check", findings, rules...)
	for _, f := range findings {
		if f.Severity == migrate.Forbid {
			t.Errorf("check: %v", f)
		}
	}
}

func (w *world) among(t *testing.T, what string, findings []migrate.Finding, rules ...string) {
	t.Helper()
	got := map[string]bool{}
	for _, f := range findings {
		got[f.Rule] = true
	}
	for _, rule := range rules {
		if !got[rule] {
			t.Errorf("%s: no finding by %s: %v", what, rule, findings)
		}
	}
}

// verified wants nothing wrong after a whole move, beyond findings by the rules.
func (w *world) verified(t *testing.T, who directory.DN, rules ...string) {
	t.Helper()
	findings, err := w.Verify(t.Context(), w.match(t, who), "")
	if err != nil {
		t.Fatal(err)
	}
	w.among(t, "verify", findings, rules...)
	for _, f := range findings {
		if f.Severity == migrate.Forbid && len(rules) == 0 {
			t.Errorf("verify: %v", f)
		}
	}
}

// testSplitTarget: two target objects claim one mailbox, before the move and after it.
func testSplitTarget(t *testing.T, w *world) {
	ada, bea := w.person(t, "ada", nil), w.person(t, "bea", nil)
	guid := attrs{"msExchMailboxGuid": w.mailbox("ada")["msExchMailboxGuid"]}
	first := w.plant(t, directory.Target, "first", w.account("first").with(guid))
	second := w.plant(t, directory.Target, "second", w.account("second").with(guid))
	w.asked(t, ada, directory.AskSeveral, first, second)

	w.carry(t, bea, wholeMove()...)
	w.verified(t, bea)
	opened := w.target(t, bea).MailboxGUID
	w.plant(t, directory.Target, "empty", w.account("empty").with(attrs{"msExchMailboxGuid": {string(opened[:])}}))
	w.verified(t, bea, "mailbox.split")
}

// testSplitSource: two source objects claim one mailbox.
func testSplitSource(t *testing.T, w *world) {
	who := w.person(t, "full", nil)
	w.person(t, "empty", attrs{"msExchMailboxGuid": w.mailbox("full")["msExchMailboxGuid"]})
	findings, err := w.Check(t.Context(), w.match(t, who), "")
	if err != nil {
		t.Fatal(err)
	}
	w.among(t, "check", findings, "mailbox.split")
}
