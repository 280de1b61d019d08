package directorytest

import (
	"strings"
	"testing"

	"reforest/directory"
)

// addressCases are about what becomes of addresses.
func addressCases() []decision {
	return []decision{
		{name: "no address is marked as primary", run: testNoPrimary},
		{name: "two addresses are marked as primary", run: testTwoPrimaries},
		{name: "addresses of 1123 characters", run: testLongAddresses},
		{name: "SIP, X400 and EUM stay as they are", run: testForeignTypes},
		{name: "slash and backslash in an address", run: testSlash},
		{name: "legacyExchangeDN with signs and umlauts", run: testOddLegacy},
		{name: "targetAddress in a circle", run: testLoop},
		{name: "address policy rewrites a primary address", run: testPolicy},
		{name: "addresses that differ in case between the sides", run: testCaseBetween},
		{name: "addresses that differ in case at the source", run: testCaseAtSource},
	}
}

func testNoPrimary(t *testing.T, w *world) {
	who := w.person(t, "ada", attrs{"proxyAddresses": {"smtp:" + w.at("aaa"), "smtp:" + w.at("ada")}})
	w.checked(t, who, "source.primary-none")
	w.carry(t, who, wholeMove()...)
	same(t, "primary addresses of the target", primaries(w.target(t, who)), []string{"SMTP:" + w.at("ada")})
}

func testTwoPrimaries(t *testing.T, w *world) {
	who := w.person(t, "ada", attrs{"proxyAddresses": {"SMTP:" + w.at("aaa"), "SMTP:" + w.at("ada")}})
	w.checked(t, who, "source.primary-several")
	w.carry(t, who, wholeMove()...)
	target := w.target(t, who)
	same(t, "primary addresses of the target", primaries(target), []string{"SMTP:" + w.at("ada")})
	has(t, target, "smtp:"+w.at("aaa"))
}

// testLongAddresses: values as long as proxyAddresses may have (MS-ADA3 2.169).
func testLongAddresses(t *testing.T, w *world) {
	long := func(head, tail string) string { return head + strings.Repeat("x", 1123-len(head)-len(tail)) + tail }
	values := []string{
		long("X400:c=DE;a= ;p=Alpine;s="+w.tag, ";"), long("X500:/o=Old/cn="+w.tag, "y"),
		long("smtp:"+w.tag, "@"+w.sourceDNS()), long("X500:/o=Öst/cn="+w.tag, "y"),
	}
	values[3] = values[3] + "z" // Ö is two octets and one character
	who := w.person(t, "ada", attrs{"proxyAddresses": append([]string{"SMTP:" + w.at("ada")}, values...)})
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")))
	w.carry(t, who, wholeMove()...)
	w.told(t, "account.disabled") // the one that was joined
	has(t, w.target(t, who), values...)
	has(t, w.match(t, who).Source, values...)
}

// foreignTypes are addresses that are no mail addresses, or not of SMTP.
func foreignTypes(tag string) []string {
	return []string{
		"SIP:Ada." + tag + "@Alpine.test", "sip:second." + tag + "@alpine.test", "X400:c=US;a= ;p=Alpine;o=Exchange;s=Ada" + tag + ";g=Ä;",
		"x400:C=US;A= ;P=Alpine;S=" + tag + ";", "EUM:4711" + tag + ";phone-context=alpine.alpine.test", "eum:4712" + tag,
		"CCMAIL:Lovelace, Ada at " + tag, "MS:ALPINE/POST/" + tag, "Notes:Ada/" + tag + "@Alpine",
	}
}

func testForeignTypes(t *testing.T, w *world) {
	values := foreignTypes(w.tag)
	who := w.person(t, "ada", attrs{"proxyAddresses": append([]string{"SMTP:" + w.at("ada")}, values...)})
	joined := w.person(t, "bea", attrs{"proxyAddresses": append([]string{"SMTP:" + w.at("bea")}, foreignTypes("b"+w.tag)...)})
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("bea")))
	w.carry(t, who, wholeMove()...)
	w.carry(t, joined, wholeMove()...)
	w.told(t, "account.disabled") // the one that was joined
	has(t, w.target(t, who), values...)
	has(t, w.match(t, who).Source, values...)
	has(t, w.target(t, joined), foreignTypes("b"+w.tag)...)
}

// testSlash: what mail systems refuse gets a clean form beside it, or in its place, unless
// that is another's.
func testSlash(t *testing.T, w *world) {
	who := w.person(t, "ada", attrs{"proxyAddresses": {
		"SMTP:" + w.at("ada"), "smtp:" + w.at("Atlanta/sales"), `smtp:` + w.at(`back\slash`), "smtp:" + w.at("ta/ken"),
	}})
	other := w.plant(t, directory.Target, "other", w.mailUser("other", w.at("taken")))
	before := w.image(t)
	w.carry(t, who, stage)
	w.told(t, "address.cleaned", "address.cleaned", "address.cleaned")
	target := w.target(t, who)
	has(t, target, "smtp:"+w.at("Atlanta/sales"), "smtp:"+w.at("Atlantasales"), "smtp:"+w.at("backslash"), "smtp:"+w.at("ta/ken"))
	lacks(t, target, "smtp:"+w.at(`back\slash`), "smtp:"+w.at("taken"))
	w.unchanged(t, "cleaning addresses", before, other)
}

// testOddLegacy: the name is compared whole, accents included, whatever is in it.
func testOddLegacy(t *testing.T, w *world) {
	legacy := "/o=Alp (ine)/ou=First + Second/cn=Recipients/cn=j_s+m(i)th.ü*" + w.tag
	who := w.person(t, "jsmith", attrs{"legacyExchangeDN": {legacy}})
	stranger := w.plant(t, directory.Target, "stranger", w.mailUser("stranger", w.at("stranger")).with(attrs{
		"proxyAddresses": {"SMTP:" + w.to("stranger"), "smtp:" + w.at("stranger"), "X500:" + strings.ReplaceAll(legacy, "ü", "u")},
	}))
	before := w.image(t)
	w.carry(t, who, wholeMove()...)
	has(t, w.target(t, who), "X500:"+legacy)
	w.unchanged(t, "moving jsmith", before, stranger)
	found, err := w.Resolve(t.Context(), "X500:"+strings.ToUpper(legacy))
	if err != nil || !found.DN.Equal(who) {
		t.Errorf("resolve the name in capitals: got %v, %v", found, err)
	}
}

// testLoop: mail never goes from the one side to the other and back.
func testLoop(t *testing.T, w *world) {
	ada := w.person(t, "ada", attrs{"targetAddress": {"SMTP:" + w.to("joined")}})
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")))
	w.refused(t, ada, stage, "source.forwards-to-target")
	bea := w.person(t, "bea", nil)
	w.carry(t, bea, stage, enable)
	w.refused(t, bea, forward, "forward.loop")
	w.refused(t, bea, disconnect, "forward.loop")
	w.carry(t, bea, deliver, forward, disconnect)
}

// testPolicy: an address policy, or a person, gives either side another primary address
// after staging.
func testPolicy(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	w.carry(t, who, stage)
	w.change(t, directory.Source, who,
		mod(directory.DeleteValues, "proxyAddresses", "SMTP:"+w.at("ada")),
		mod(directory.AddValues, "proxyAddresses", "smtp:"+w.at("ada"), "SMTP:"+w.at("ada.new")),
		mod(directory.ReplaceValues, "mail", w.at("ada.new")))
	w.carry(t, who, stage)
	target := w.target(t, who)
	has(t, target, "smtp:"+w.at("ada.new"))
	same(t, "primary addresses, kept", primaries(target), []string{"SMTP:" + w.at("ada")})

	w.again = nil // the rules are others from here
	w.Rules.Attributes = map[string]directory.Policy{"mail": directory.Force}
	w.carry(t, who, stage)
	target = w.target(t, who)
	has(t, target, "smtp:"+w.at("ada"))
	same(t, "primary addresses, forced", primaries(target), []string{"SMTP:" + w.at("ada.new")})
	same(t, "mail, forced", string(target.Mail), w.at("ada.new"))

	w.again, w.Rules.Attributes = nil, nil
	w.change(t, directory.Target, target.DN,
		mod(directory.DeleteValues, "proxyAddresses", "SMTP:"+w.at("ada.new")),
		mod(directory.AddValues, "proxyAddresses", "smtp:"+w.at("ada.new"), "SMTP:"+w.to("policy")))
	w.carry(t, who, stage)
	same(t, "primary addresses, rewritten at the target", primaries(w.target(t, who)), []string{"SMTP:" + w.to("policy")})
}

// testCaseBetween: Active Directory takes values that differ in case for one.
func testCaseBetween(t *testing.T, w *world) {
	old := "/o=Old/cn=Recipients/cn=ada" + w.tag
	who := w.person(t, "ada", attrs{"proxyAddresses": {"SMTP:" + w.at("ada"), "smtp:" + w.at("Ada.Second"), "x500:" + old, "SIP:" + w.at("ada")}})
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")).with(attrs{"proxyAddresses": {
		"SMTP:" + strings.ToUpper(w.at("ada")), "smtp:" + w.at("ADA.second"), "X500:" + strings.ToUpper(old), "sip:" + w.at("ADA"),
	}}))
	w.carry(t, who, wholeMove()...)
	w.told(t, "account.disabled") // the one that was joined
	target := w.target(t, who)
	has(t, target, "SMTP:"+strings.ToUpper(w.at("ada")), "smtp:"+w.at("ADA.second"), "X500:"+strings.ToUpper(old), "sip:"+w.at("ADA"))
	onceEach(t, target)
	w.verified(t, who)
}

// onceEach wants no two addresses that differ in case alone.
func onceEach(t *testing.T, r *directory.Recipient) {
	t.Helper()
	seen := map[string]bool{}
	for _, v := range r.Proxies {
		if key := strings.ToLower(v); seen[key] {
			t.Errorf("%q has %q twice: %q", r.DN, v, []string(r.Proxies))
		} else {
			seen[key] = true
		}
	}
}

// testCaseAtSource: some servers take both. One that does not is made to look so.
func testCaseAtSource(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	double := "smtp:" + strings.ToUpper(w.at("ada"))
	err := w.Forests.Source.Forest.Writer.Write(t.Context(), directory.Change{
		Forest: directory.Source, Op: directory.Modify, DN: who, Why: "test",
		Mods: []directory.Mod{mod(directory.AddValues, "proxyAddresses", double)},
	})
	if err != nil {
		refused(t, "add a value that differs in case", err, 20)
		w.Directories.Source.Reader = retold{w.Directories.Source.Reader, func(e *directory.Entry) *directory.Entry {
			if !e.DN.Equal(who) || !e.Has("proxyAddresses") {
				return e
			}
			return withValues(e, "proxyAddresses", append([]string{double}, e.Values("proxyAddresses")...)...)
		}}
	}
	w.carry(t, who, wholeMove()...)
	target := w.target(t, who)
	onceEach(t, target)
	same(t, "primary addresses", primaries(target), []string{"SMTP:" + w.at("ada")})
}
