package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// minted is the legacyExchangeDN that follows from birgit's mailbox.
const minted = prefix + "/cn=Recipients/cn=04030201060508070" + "90a0b0c0d0e0f10-bmeier"

// stage plans and applies the stage and returns the pair as it is then.
func (l *lab) stage(t testing.TB, pair directory.Pair) directory.Pair {
	t.Helper()
	l.carryOut(t, pair, l.PlanStage)
	if pair.Target != nil {
		return l.reload(t, pair)
	}
	return l.match(t, string(pair.Source.DN))
}

func (l *lab) reload(t testing.TB, pair directory.Pair) directory.Pair {
	t.Helper()
	again, err := l.Reload(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// text returns the entry's attributes as text.
func text(entry *directory.Entry, attrs ...string) map[string][]string {
	out := map[string][]string{}
	for _, attr := range attrs {
		if values := entry.Values(attr); len(values) > 0 {
			slices.Sort(values)
			out[attr] = values
		}
	}
	return out
}

func TestStageNewUser(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, nil))
	if pair.Target == nil {
		t.Fatal("the new user does not match")
	}
	want := map[string][]string{
		"objectClass": {"organizationalPerson", "person", "top", "user"}, "cn": {"Meier, Birgit"},
		"sAMAccountName": {"bmeier"}, "userPrincipalName": {"birgit@group.test"}, "userAccountControl": {"514"},
		"displayName": {"Meier, Birgit"}, "givenName": {"Birgit"}, "sn": {"Meier"}, "otherTelephone": {"11", "22"},
		"mail": {"birgit.meier@alpine.test"}, "mailNickname": {"bmeier"}, "legacyExchangeDN": {minted},
		"targetAddress": {"SMTP:bmeier@mail.alpine.test"}, "msExchRecipientTypeDetails": {"128"},
		"msExchRecipientDisplayType": {"-2147483642"}, "msExchVersion": {"44220983382016"},
		"adminDescription": {directory.Mark(l.match(t, string(birgitDN)).Source.GUID)}, "adminDisplayName": {"made by reforest"},
		"proxyAddresses": {
			"EUM:4711;phone-context=x", "SIP:birgit@alpine.test", "SMTP:birgit.meier@alpine.test",
			"X400:c=DE;a= ;p=Alpine;o=Exchange;s=Meier;g=Birgit;", "X500:" + birgitLegacy,
			"X500:/o=Old/ou=Site/cn=Recipients/cn=schulz_b+1(x).ü", "smtp:b.schulz@alpine.test",
			"smtp:bmeier@mail.alpine.test", "smtp:bmeier@mail.baltic.test", "x500:/o=Old/cn=Recipients/cn=bm",
		},
	}
	entry := l.target.get(t, pair.Target.DN)
	attrs := slices.DeleteFunc(entry.Attrs(), func(a string) bool {
		return slices.Contains([]string{"objectguid", "objectsid", "ntsecuritydescriptor"}, a)
	})
	if len(attrs) != len(want) {
		t.Errorf("the user has %v", attrs)
	}
	for attr, values := range want {
		slices.Sort(values)
		if diff := cmp.Diff(values, text(entry, attr)[attr]); diff != "" {
			t.Errorf("%s: %s", attr, diff)
		}
	}
	back := directory.Proxies(l.source.get(t, birgitDN).Values("proxyAddresses"))
	if !back.HasX500(minted) || !back.HasSMTP("bmeier@mail.baltic.test") || back.Primary() != "birgit.meier@alpine.test" {
		t.Errorf("the source has %v", back)
	}
}

func TestStageAgainPlansNothing(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]map[string][]string{
		"whole": nil,
		"room":  {"msExchRecipientTypeDetails": {"16"}, "msExchRecipientDisplayType": {"7"}},
		"poor":  {"legacyExchangeDN": nil, "proxyAddresses": nil, "displayName": nil},
		"odd":   {"proxyAddresses": {"SMTP:b@x.test", "SMTP:a@x.test", "smtp:A@X.test", "x500:" + birgitLegacy, "X500:" + strings.ToUpper(birgitLegacy), "SIP:b"}},
	} {
		l := newLab(t)
		pair := l.stage(t, l.putBirgit(t, more))
		if pair.Target == nil {
			t.Fatalf("%s: the new user does not match", name)
		}
		if n := len(pair.Target.Proxies) - len(slices.Compact(slices.Sorted(lower(pair.Target.Proxies)))); n != 0 {
			t.Errorf("%s: %d addresses are there twice: %v", name, n, pair.Target.Proxies)
		}
		l.nothingLeft(t, name, pair, l.PlanStage)
	}
}

func lower(values []string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range values {
			if !yield(strings.ToLower(v)) {
				return
			}
		}
	}
}

func TestStageTypes(t *testing.T) {
	t.Parallel()
	for details, want := range map[string]int32{"1": -2147483642, "4": -2147483642, "16": -2147481850, "32": -2147481594} {
		l := newLab(t)
		pair := l.stage(t, l.putBirgit(t, map[string][]string{"msExchRecipientTypeDetails": {details}, "msExchRecipientDisplayType": nil}))
		if pair.Target.DisplayType != want || pair.Target.TypeDetails != 128 {
			t.Errorf("%s: got %d and %d", details, pair.Target.TypeDetails, pair.Target.DisplayType)
		}
	}
}

// TestStageJoins: what a target user has is left alone, what is missing is added.
func TestStageJoins(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("B. Meier"), map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {"meierb"}, "displayName": {"B. Meier"}, "givenName": {"Biggi"},
		"mail": {"b.meier@baltic.test"}, "mailNickname": {"meierb"}, "legacyExchangeDN": {prefix + "/cn=Recipients/cn=meierb"},
		"proxyAddresses":             {"SMTP:b.meier@baltic.test", "smtp:B.Schulz@alpine.test", "X500:/o=Former/cn=meierb"},
		"msExchRecipientDisplayType": {"6"}, "userAccountControl": {"512"},
	})
	pair := l.stage(t, l.putBirgit(t, nil))
	want := map[string][]string{
		"sAMAccountName": {"meierb"}, "displayName": {"B. Meier"}, "givenName": {"Biggi"}, "sn": {"Meier"}, "mail": {"b.meier@baltic.test"},
		"mailNickname": {"meierb"}, "legacyExchangeDN": {prefix + "/cn=Recipients/cn=meierb"}, "userAccountControl": {"512"},
		"targetAddress": {"SMTP:bmeier@mail.alpine.test"}, "msExchRecipientDisplayType": {"-2147483642"}, "msExchRecipientTypeDetails": {"128"},
		"proxyAddresses": {
			"EUM:4711;phone-context=x", "SIP:birgit@alpine.test", "SMTP:b.meier@baltic.test",
			"X400:c=DE;a= ;p=Alpine;o=Exchange;s=Meier;g=Birgit;", "X500:" + birgitLegacy, "X500:/o=Former/cn=meierb",
			"X500:/o=Old/ou=Site/cn=Recipients/cn=schulz_b+1(x).ü", "smtp:B.Schulz@alpine.test", "smtp:birgit.meier@alpine.test",
			"smtp:bmeier@mail.alpine.test", "smtp:bmeier@mail.baltic.test", "x500:/o=Old/cn=Recipients/cn=bm",
		},
	}
	slices.Sort(want["proxyAddresses"])
	if diff := cmp.Diff(want, text(l.target.get(t, pair.Target.DN), slices.Collect(keysOf(want))...)); diff != "" {
		t.Error(diff)
	}
	back := directory.Proxies(l.source.get(t, birgitDN).Values("proxyAddresses"))
	if !back.HasX500(prefix+"/cn=Recipients/cn=meierb") || !back.HasX500("/o=Former/cn=meierb") || back.HasX500(minted) {
		t.Errorf("the source has %v", back)
	}
	l.nothingLeft(t, "joined", pair, l.PlanStage)
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestStageRaisesPrimary: the target has the primary address as a secondary one and no
// primary at all; the server would refuse SMTP: beside smtp:.
func TestStageRaisesPrimary(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("B"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:Birgit.Meier@alpine.test", "SIP:b@x"},
	})
	pair := l.stage(t, l.putBirgit(t, nil))
	if got := pair.Target.Proxies.Primary(); got != "Birgit.Meier@alpine.test" {
		t.Errorf("got %q among %v", got, pair.Target.Proxies)
	}
	l.nothingLeft(t, "raised", pair, l.PlanStage)
}

// TestStageSharedName: where both organisations gave the same legacyExchangeDN, the
// target is not made an alias of itself.
func TestStageSharedName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("B"), map[string][]string{"objectClass": {"user"}, "legacyExchangeDN": {strings.ToLower(birgitLegacy)}})
	pair := l.stage(t, l.putBirgit(t, nil))
	if pair.Target.Proxies.HasX500(birgitLegacy) || pair.Source.Proxies.HasX500(birgitLegacy) {
		t.Errorf("target %v, source %v", pair.Target.Proxies, pair.Source.Proxies)
	}
	l.nothingLeft(t, "shared", pair, l.PlanStage)
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70)
	for name, test := range map[string]struct {
		source        map[string][]string
		cn            string // of the source
		taken         []map[string][]string
		wantCN        string
		wantSam, want string
	}{
		"free": {cn: "Bo", wantCN: "Bo", wantSam: "bmeier", want: "birgit@group.test"},
		"all taken": {
			cn: "Bo", taken: []map[string][]string{
				{"cn": {"Bo"}, "sAMAccountName": {"BMEIER"}},
				{"cn": {"Bo 2"}, "sAMAccountName": {"bmeier2"}},
				{"cn": {"x"}, "userPrincipalName": {"Birgit@Group.test"}},
			},
			wantCN: "Bo 3", wantSam: "bmeier3", want: "birgit2@group.test",
		},
		"twenty characters": {
			cn: long, source: map[string][]string{"sAMAccountName": {"abcdefghij0123456789"}},
			taken:  []map[string][]string{{"cn": {long[:64]}, "sAMAccountName": {"abcdefghij0123456789"}}},
			wantCN: long[:62] + " 2", wantSam: "abcdefghij0123456782", want: "birgit@group.test",
		},
		"more than twenty, period at the end": {
			cn: "Bo", source: map[string][]string{"sAMAccountName": {"abcdefghij012345678.x"}},
			wantCN: "Bo", wantSam: "abcdefghij012345678", want: "birgit@group.test",
		},
		"foreign suffix": {
			cn: "Bo", source: map[string][]string{"userPrincipalName": {"birgit@alpine.test"}},
			wantCN: "Bo", wantSam: "bmeier", want: "bmeier@baltic.test",
		},
		"known as somebody else's UPN, and the reverse": {
			cn: "Bo", source: map[string][]string{"userPrincipalName": {"birgit@alpine.test"}},
			taken: []map[string][]string{
				{"cn": {"x"}, "userPrincipalName": {"bmeier@baltic.test"}}, {"cn": {"x"}, "sAMAccountName": {"BMeier2"}},
			},
			wantCN: "Bo", wantSam: "bmeier3", want: "bmeier3@baltic.test",
		},
		"hostile": {
			cn: `Bo,*)(cn="x"+y\`, source: map[string][]string{"sAMAccountName": {"b*)(cn=*"}},
			wantCN: `Bo,*)(cn="x"+y\`, wantSam: "b_)(cn__", want: "birgit@group.test",
		},
		"no account name that could be one": {
			cn: "Bo", source: map[string][]string{"sAMAccountName": {`***`}, "mailNickname": {"b/meier."}},
			wantCN: "Bo", wantSam: "b_meier", want: "birgit@group.test",
		},
		"digits alone, and a twin of the cleaned name": {
			cn: "Bo", source: map[string][]string{"sAMAccountName": {"47:11"}},
			taken:  []map[string][]string{{"cn": {"x"}, "sAMAccountName": {"47_11"}}},
			wantCN: "Bo", wantSam: "47_112", want: "birgit@group.test",
		},
		"emoji is not cut in two": {
			cn: strings.Repeat("x", 63) + "😀", wantCN: strings.Repeat("x", 63), wantSam: "bmeier", want: "birgit@group.test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			for n, attrs := range test.taken {
				cn := attrs["cn"][0]
				if cn == "x" {
					cn = fmt.Sprintf("Taken %d", n)
				}
				l.target.put(t, staffDN(cn), with(attrs, map[string][]string{"objectClass": {"user"}}))
			}
			dn := people.Child("CN", test.cn)
			l.source.put(t, dn, with(birgit(), test.source))
			pair := l.stage(t, l.match(t, string(dn)))
			if pair.Target == nil {
				t.Fatal("the new user does not match")
			}
			if pair.Target.DN.Name() != test.wantCN || pair.Target.Sam != test.wantSam || pair.Target.UPN != test.want {
				t.Errorf("got %q, %q, %q", pair.Target.DN.Name(), pair.Target.Sam, pair.Target.UPN)
			}
			l.nothingLeft(t, name, pair, l.PlanStage)
		})
	}
}

// TestUPNIsUniqueInTheForest: the name is taken in another domain, which the server, a
// global catalog, answers for.
func TestUPNIsUniqueInTheForest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, "DC=sub,DC=test", map[string][]string{"objectClass": {"domainDNS"}})
	l.target.put(t, "CN=Other,DC=sub,DC=test", map[string][]string{"objectClass": {"user"}, "userPrincipalName": {"birgit@group.test"}})
	l.Target.Info.Domains = append(l.Target.Info.Domains, directory.Domain{DN: "DC=sub,DC=test", DNS: "sub.test"})
	l.Target.Info.Holds = append(l.Target.Info.Holds, "DC=sub,DC=test")
	if pair := l.stage(t, l.putBirgit(t, nil)); pair.Target.UPN != "birgit2@group.test" {
		t.Errorf("got %q", pair.Target.UPN)
	}
}

// TestNamesRunOut: with every number taken, the source's GUID makes the name.
func TestNamesRunOut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	for n := 1; n <= 99; n++ {
		sam := strings.TrimSuffix(fmt.Sprintf("bmeier%d", n), "r1")
		if n == 1 {
			sam = "bmeier"
		}
		l.target.put(t, staffDN(sam), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {sam}})
	}
	got := l.stage(t, pair).Target.Sam
	if want := fmt.Sprintf("%x", pair.Source.GUID[:10]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
