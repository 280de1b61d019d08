package directorytest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// defectCases are what Microsoft's Prepare-MoveRequest.ps1 does wrong.
func defectCases() []decision {
	return []decision{
		{name: "X500 name that another one begins with", run: testX500Prefix},
		{name: "account name of 20 characters is taken", run: testFullSam},
		{name: "user principal name is taken", run: testUPNTaken},
		{name: "user principal name is taken in another domain", needs: SecondDomain, run: testUPNInAnotherDomain},
		{name: "SID with octets below 16", run: testLowSID},
		{name: "join keeps all historic addresses", run: testHistoricAddresses},
		{name: "contact without legacyExchangeDN is replaced", run: testBareContact},
		{name: "join as linked mail user, account enabled", run: testJoinLinked},
		{name: "dry run writes nothing", run: testDryRun},
		{name: "journal takes everything back", run: testTakeBack},
		{name: "contact keeps its addresses until the user has them", run: testContactLast},
		{name: "refused write is not done", run: testRefusedWrite},
		{name: "address that the target alone delivers", run: testRoutingAddress},
	}
}

// testX500Prefix: cn=jsmith2 on either side is not cn=jsmith.
func testX500Prefix(t *testing.T, w *world) {
	legacy, own := sourcePrefix+"jsmith"+w.tag, targetPrefix+"js"+w.tag
	who := w.person(t, "jsmith", attrs{"proxyAddresses": {"SMTP:" + w.at("jsmith"), "X500:" + own + "2", "X500:" + legacy + "4"}})
	w.plant(t, directory.Target, "js", w.mailUser("js", w.at("jsmith")).with(attrs{
		"proxyAddresses": {"SMTP:" + w.to("js"), "smtp:" + w.at("jsmith"), "X500:" + legacy + "2"},
	}))
	stranger := w.plant(t, directory.Target, "jsmith3", w.mailUser("jsmith3", w.at("jsmith3")).with(attrs{
		"proxyAddresses": {"SMTP:" + w.to("jsmith3"), "smtp:" + w.at("jsmith3"), "X500:" + legacy + "3"},
	}))
	before := w.image(t)
	w.carry(t, who, stage)
	pair := w.match(t, who)
	same(t, "target", pair.Target.DN.Name(), "js")
	has(t, pair.Target, "X500:"+legacy, "X500:"+legacy+"2", "X500:"+legacy+"4", "X500:"+own+"2")
	has(t, pair.Source, "X500:"+own, "X500:"+own+"2", "X500:"+legacy+"2")
	w.unchanged(t, "staging jsmith", before, stranger)
}

// testFullSam: a number takes the place of the last character.
func testFullSam(t *testing.T, w *world) {
	sam := w.tag + "abcdefghijkl"
	who := w.person(t, "ada", attrs{"sAMAccountName": {sam}})
	w.plant(t, directory.Target, "first", w.account("first").with(attrs{"sAMAccountName": {sam}}))
	w.plant(t, directory.Target, "second", w.account("second").with(attrs{"sAMAccountName": {sam[:19] + "2"}}))
	w.carry(t, who, stage)
	same(t, "sAMAccountName", w.target(t, who).Sam, sam[:19]+"3")
}

// testUPNTaken: by another UPN, and by an account that is also known as name@domain.
func testUPNTaken(t *testing.T, w *world) {
	upn := func(name string) attrs { return attrs{"userPrincipalName": {w.to(name)}} }
	ada, bea := w.person(t, "ada", upn("ada")), w.person(t, "bea", upn("bea"))
	w.plant(t, directory.Target, "upn", w.account("upn").with(upn("ada")))
	w.plant(t, directory.Target, "sam", w.account("bea"))
	w.carry(t, ada, stage)
	w.carry(t, bea, stage)
	same(t, "UPN of ada", w.target(t, ada).UPN, "ada"+w.tag+"2@"+w.targetDNS())
	same(t, "UPN of bea", w.target(t, bea).UPN, "bea"+w.tag+"2@"+w.targetDNS())
}

// testUPNInAnotherDomain: only the global catalog knows of it.
func testUPNInAnotherDomain(t *testing.T, w *world) {
	upn := attrs{"userPrincipalName": {w.to("ada")}}
	who := w.person(t, "ada", upn)
	home := w.Forests.Target
	home.Seed(t, home.Elsewhere.Child("CN", "far "+w.tag), w.account("far").with(upn))
	w.carry(t, who, stage)
	same(t, "UPN", w.target(t, who).UPN, "ada"+w.tag+"2@"+w.targetDNS())
}

// testLowSID looks for a SID that a filter with one digit an octet would miss.
func testLowSID(t *testing.T, w *world) {
	n, err := strconv.ParseUint(w.tag, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	owner := func(rid int) attrs {
		return attrs{"msExchMasterAccountSid": {octets(t, migrate.SID(fmt.Sprintf("S-1-5-21-%d-1-257-%d", n, rid)))}}
	}
	who := w.person(t, "ada", owner(9).with(attrs{"userAccountControl": {"514"}, "msExchRecipientTypeDetails": {"2"}}))
	w.plant(t, directory.Target, "hers", w.account("hers").with(owner(9)))
	stranger := w.plant(t, directory.Target, "another's", w.account("other").with(owner(10)))
	before := w.image(t)
	pair := w.match(t, who)
	same(t, "rule", pair.Rule, directory.MatchMaster)
	same(t, "target", pair.Target.DN.Name(), "hers")
	w.carry(t, who, stage)
	has(t, w.target(t, who), "SMTP:"+w.at("ada"), "X500:"+sourcePrefix+"ada"+w.tag)
	w.unchanged(t, "staging ada", before, stranger)
}

func octets(t *testing.T, sid migrate.SID) string {
	t.Helper()
	b, err := sid.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testHistoricAddresses: whoever is joined gets every address, not the current ones alone.
func testHistoricAddresses(t *testing.T, w *world) {
	old := []string{
		"X500:/o=Old/ou=Site/cn=Recipients/cn=" + w.tag, "x500:/o=Older/cn=" + w.tag, "X500:/O=OLDEST/CN=" + w.tag,
		"smtp:" + w.at("maiden"), "smtp:" + w.at("a.lias"),
	}
	who := w.person(t, "ada", attrs{"proxyAddresses": append([]string{"SMTP:" + w.at("ada")}, old...)})
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")))
	w.carry(t, who, stage)
	target := w.target(t, who)
	has(t, target, append(old, "X500:"+sourcePrefix+"ada"+w.tag)...)
	same(t, "primary addresses", primaries(target), []string{"SMTP:" + w.to("joined")})
}

// testBareContact replaces a contact that has no legacyExchangeDN, in whose place group
// and report then have the user.
func testBareContact(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	contact := w.plantContact(t, "ada")
	group := w.plant(t, directory.Target, "crew", attrs{
		"objectClass": {"group"}, "sAMAccountName": {"crew" + w.tag}, "groupType": {"8"}, "member": {string(contact)},
	})
	report := w.plant(t, directory.Target, "report", w.account("report").with(attrs{"manager": {string(contact)}}))
	w.carry(t, who, stage)
	pair := w.match(t, who)
	if pair.Contact != nil || pair.Target == nil || pair.Target.Legacy == "" {
		t.Fatalf("got contact %v, target %v", pair.Contact, pair.Target)
	}
	has(t, pair.Target, "X500:"+sourcePrefix+"ada"+w.tag, "smtp:"+w.to("contact"), "X500:/o=Gal/cn="+w.tag)
	has(t, pair.Source, "X500:"+string(pair.Target.Legacy), "X500:/o=Gal/cn="+w.tag)
	same(t, "telephoneNumber", pair.Target.Entry.First("telephoneNumber"), "+43 1 4000")
	retired := w.get(t, directory.Target, contact)
	if retired.Has("proxyAddresses") || retired.Has("mail") || retired.Has("targetAddress") {
		t.Errorf("the contact still is a recipient: %q", lines(retired))
	}
	sameNames(t, "member", w.get(t, directory.Target, group, "member").Values("member"), pair.Target.DN)
	sameNames(t, "manager", w.get(t, directory.Target, report, "manager").Values("manager"), pair.Target.DN)
}

// plantContact plants a target contact that stands for the person.
func (w *world) plantContact(t *testing.T, name string) directory.DN {
	t.Helper()
	return w.plant(t, directory.Target, "contact of "+name, attrs{
		"objectClass": {"contact"}, "displayName": {name}, "mailNickname": {"c" + name + w.tag}, "mail": {w.at(name)},
		"proxyAddresses": {"SMTP:" + w.at(name), "smtp:" + w.to("contact"), "X500:/o=Gal/cn=" + w.tag},
		"targetAddress":  {"SMTP:" + w.at(name)}, "telephoneNumber": {"+43 1 4000"},
		"msExchRecipientTypeDetails": {"64"}, "msExchRecipientDisplayType": {"6"},
	})
}

// testJoinLinked: the enabled source account goes on owning the mailbox of a target user
// that was there already.
func testJoinLinked(t *testing.T, w *world) {
	w.Rules.Accounts = directory.AccountsLinked
	who := w.person(t, "ada", nil)
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")))
	w.carry(t, who, stage)
	pair := w.match(t, who)
	same(t, "owner", pair.Target.MasterSID, pair.Source.SID)
	same(t, "display type", pair.Target.DisplayType, int32(-1073741818)) // 0xC0000006
	w.carry(t, who, enable)
	target := w.target(t, who)
	same(t, "owner of the mailbox", target.MasterSID, pair.Source.SID)
	same(t, "type of the mailbox", target.TypeDetails, int64(2))
	same(t, "account is disabled", target.Disabled, true)
}

// testDryRun plans all there is to plan.
func testDryRun(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	w.person(t, "bea", attrs{"manager": {string(who)}})
	w.plantContact(t, "ada")
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("bea")))
	before := w.image(t)
	writes := 0
	w.stageAll(t, directory.Selection{}, func(plan directory.Plan) { writes += len(plan.Changes) })
	if writes < 6 {
		t.Errorf("planned %d changes, want at least those of two people, a link and a contact", writes)
	}
	for _, s := range wholeMove() {
		w.plan(t, who, s)
	}
	if _, err := w.Check(t.Context(), w.match(t, who), ""); err != nil {
		t.Fatal(err)
	}
	w.found = nil
	w.unchanged(t, "planning", before)
	if n := len(w.journal.changes); n > 0 {
		t.Errorf("planning put %d changes into the journal", n)
	}
}

// testTakeBack undoes a new user, one that was joined, and a contact that was replaced.
func testTakeBack(t *testing.T, w *world) {
	for _, name := range []string{"ada", "bea", "cem"} {
		w.person(t, name, nil)
	}
	w.plantContact(t, "ada")
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("bea")))
	before := w.image(t)
	w.everyone(t, directory.Selection{})
	w.again = nil // what is taken back is to be planned anew
	if len(w.image(t)) != len(before)+2 {
		t.Fatalf("%d objects after staging, %d before; want two more", len(w.image(t)), len(before))
	}
	w.undo(t)
	now := w.image(t).unversioned()
	same(t, "both forests after undoing", now, before.unversioned())
}

// undo takes back what is in the journal, person by person.
func (w *world) undo(t *testing.T) {
	t.Helper()
	people, touched := map[migrate.GUID][]directory.Change{}, directory.Touched{}
	for _, c := range w.journal.committed() {
		people[c.Person] = append([]directory.Change{c}, people[c.Person]...)
		touched.Note(c)
	}
	for person, changes := range people {
		plan, err := w.PlanUndo(t.Context(), changes, touched)
		if err == nil {
			err = w.Apply(t.Context(), w.journal, plan)
		}
		if err != nil {
			t.Fatalf("undo what was done for %s: %v", person, err)
		}
	}
}

// testContactLast looks after each write who has the contact's addresses.
func testContactLast(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	w.plantContact(t, "ada")
	writes := 0
	w.Directories.Target.Writer = watched{w.Directories.Target.Writer, func(c directory.Change) {
		writes++
		for _, address := range []string{"smtp:" + w.at("ada"), "smtp:" + w.to("contact"), "X500:/o=Gal/cn=" + w.tag} {
			if w.owners(t, address) == 0 {
				t.Errorf("nobody has %s after %s of %q", address, c.Op, c.DN)
			}
		}
	}}
	w.carry(t, who, stage)
	if writes < 2 {
		t.Errorf("saw %d writes at the target, want the user and the contact", writes)
	}
}

// owners counts the objects of the target unit that have the address.
func (w *world) owners(t *testing.T, address string) int {
	t.Helper()
	home := w.Forests.Target
	count := 0
	for _, err := range home.Forest.Reader.Find(t.Context(), directory.Query{Base: home.Base, Filter: directory.Eq("proxyAddresses", address), Attrs: []string{"cn"}}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	return count
}

// testRefusedWrite: somebody takes the account name between plan and write, and the server
// refuses to give it twice.
func testRefusedWrite(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	plan := w.plan(t, who, stage)
	w.plant(t, directory.Target, "thief", w.account("ada"))
	err := w.Apply(t.Context(), w.journal, plan)
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Now {
		t.Errorf("got error %v, want one about this person, to be tried again now", err)
	}
	if done, open := w.journal.committed(), w.journal.open(); len(done)+len(open) > 0 || len(w.journal.dropped) != 1 {
		t.Errorf("the journal has %d changes done, %d open and %d dropped, want one dropped", len(done), len(open), len(w.journal.dropped))
	}
	if pair := w.match(t, who); pair.Target != nil || strings.Contains(strings.Join(pair.Source.Proxies, " "), targetGroup) {
		t.Errorf("a refused write has left %v and %q", pair.Target, pair.Source.Proxies)
	}
	w.carry(t, who, stage)
	same(t, "sAMAccountName", w.target(t, who).Sam, "ada"+w.tag+"2")
}

// testRoutingAddress: both sides have it before the move, and without it mail is not
// switched.
func testRoutingAddress(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	w.carry(t, who, stage, enable)
	pair := w.match(t, who)
	address := "smtp:" + w.routing("ada")
	has(t, pair.Source, address)
	has(t, pair.Target, address)
	for side, dn := range map[directory.Side]directory.DN{directory.Source: who, directory.Target: pair.Target.DN} {
		w.change(t, side, dn, mod(directory.DeleteValues, "proxyAddresses", address))
		w.refused(t, who, deliver, "routing.missing")
		w.carry(t, who, stage)
	}
	w.carry(t, who, deliver, forward)
	same(t, "the source forwards to", w.match(t, who).Source.TargetAddress, "SMTP:"+w.routing("ada"))
}
