package directory

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

func TestIllegalAndClean(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1112) + "@x.test"
	for addr, want := range map[migrate.SMTPAddress]struct {
		why  string // part of it; "" is a legal address
		form migrate.SMTPAddress
	}{
		"birgit.meier@alpine.test":           {"", "birgit.meier@alpine.test"},
		"!#$%&'*+-=?^_`{|}~@x.test":          {"", "!#$%&'*+-=?^_`{|}~@x.test"},
		"a@single":                           {"", "a@single"},
		"a@corp_x.test":                      {"", "a@corp_x.test"},
		"a@[192.0.2.1]":                      {"", "a@[192.0.2.1]"},
		"Atlanta/sales@companya.test":        {"", "Atlantasales@companya.test"},
		`Atlanta\sales@companya.test`:        {`'\\'`, "Atlantasales@companya.test"},
		"b meier@x.test":                     {"' '", "bmeier@x.test"},
		`"b meier"@x.test`:                   {`'"'`, "bmeier@x.test"},
		"bj\u00f6rn.stra\u00dfe@x.test":      {"'ö'", "bjorn.strasse@x.test"},
		"bjo\u0308rn@x.test":                 {"must not be in it", "bjorn@x.test"},
		"Łukasz.Øre@x.test":                  {"'Ł'", "Lukasz.Ore@x.test"},
		".a..b.@x.test":                      {"dot", "a.b@x.test"},
		"a@b@x.test":                         {"more than one @", "ab@x.test"},
		"bmeier":                             {"no @", ""},
		"@x.test":                            {"nothing", ""},
		"a@":                                 {"nothing", ""},
		"星@x.test":                           {"'星'", ""},
		"a@x..test":                          {"no mail domain", ""},
		"a@-x.test":                          {"no mail domain", ""},
		"a@müller.test":                      {"no mail domain", ""},
		"a@x.test.":                          {"no mail domain", "a@x.test"},
		"a@x.test ":                          {"no mail domain", "a@x.test"},
		"a<b>(c),d;e:f[g]@x.test":            {"'<'", "abcdefg@x.test"},
		"tab\there@x.test":                   {`'\t'`, "tabhere@x.test"},
		migrate.SMTPAddress(long):            {"longer than 1123", ""},
		migrate.SMTPAddress(long[1:]):        {"", migrate.SMTPAddress(long[1:])},
		"\xff@x.test":                        {"must not be in it", ""},
		migrate.SMTPAddress("a\x7fb@x.test"): {"must not be in it", "ab@x.test"},
	} {
		if why := illegal(addr); (why == "") != (want.why == "") || !strings.Contains(why, want.why) {
			t.Errorf("%.40q: got %q, want %q", addr, why, want.why)
		}
		if form := clean(addr); form != want.form {
			t.Errorf("%.40q: cleaned %.40q, want %.40q", addr, form, want.form)
		}
	}
}

// FuzzClean: what comes out is an address or nothing, in the same domain, and clean.
func FuzzClean(f *testing.F) {
	f.Add("Atlanta/sales@companya.test")
	f.Add(`"b.\ meier"..@x.test.`)
	f.Add("ﬁ①@x.test")
	f.Fuzz(func(t *testing.T, text string) {
		addr := migrate.SMTPAddress(text)
		form := clean(addr)
		if form == "" {
			return
		}
		if why := illegal(form); why != "" {
			t.Errorf("%q from %q: %s", form, addr, why)
		}
		if again := clean(form); again != form {
			t.Errorf("%q becomes %q, and then %q", addr, form, again)
		}
		if got, want := form.Domain(), strings.Trim(addr.Domain(), " ."); got != want {
			t.Errorf("%q is in the domain %q, not %q", form, got, want)
		}
	})
}

func TestCleanAlias(t *testing.T) {
	t.Parallel()
	for alias, want := range map[string]string{
		"bmeier": "bmeier", "b meier": "bmeier", "Atlanta/sales": "Atlanta/sales", `a\b`: `a\b`, "björn": "björn",
		".a..b.": "a.b", "a,b;c@d": "abcd", "星": "", strings.Repeat("a", 63) + ".b": strings.Repeat("a", 63), "a\tb": "ab",
	} {
		if got := cleanAlias(alias); got != want {
			t.Errorf("%q: got %q, want %q", alias, got, want)
		}
	}
}

func TestLegalSam(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"bmeier": "bmeier", "b meier": "b meier", " b ": "b", "b.": "b", "b. .": "b", "4711": "4711",
		`a"/\[]:;|=,+*?<>@b`: "a________________b", "a\tb\x00": "a_b_", "": "", " . ": "", "***": "", "müller": "müller",
	} {
		if got := legalSam(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestCollapse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ stored, want Proxies }{
		"the primary stays":           {Proxies{"smtp:A@x", "SMTP:a@x", "smtp:b@x"}, Proxies{"SMTP:a@x", "smtp:b@x"}},
		"and when it comes first":     {Proxies{"SMTP:a@x", "smtp:A@x"}, Proxies{"SMTP:a@x"}},
		"else the first of the order": {Proxies{"smtp:b@x", "smtp:B@x", "smtp:B@X"}, Proxies{"smtp:B@X"}},
		"of other types too":          {Proxies{"X500:/o=a", "x500:/O=A", "SIP:a", "sip:A"}, Proxies{"X500:/o=a", "SIP:a"}},
		"jsmith is not jsmith2":       {Proxies{"X500:/cn=jsmith2", "X500:/cn=jsmith"}, Proxies{"X500:/cn=jsmith2", "X500:/cn=jsmith"}},
	} {
		if diff := cmp.Diff(test.want, test.stored.collapse()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		back := slices.Clone(test.stored)
		slices.Reverse(back)
		got, want := back.collapse(), slices.Clone(test.want)
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, in another order: %s", name, diff)
		}
	}
}
