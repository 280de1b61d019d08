package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// logins of the lab: short names at the source, other short names at the target.
var logins = directory.Logins{Source: "mailNickname", Target: "sAMAccountName"}

// holderLab is the lab of clean, in which the colleagues have login names and alice is
// known to the target's mail server by one that is bob's at the source.
func holderLab(t *testing.T) (*lab, directory.Pair) {
	t.Helper()
	l, pair := cleanLab(t)
	set := func(m *memory, dn directory.DN, attr, value string) {
		m.entries[dn.Key()].attrs[attr] = [][]byte{[]byte(value)}
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		set(l.source, people.Child("CN", name), "mailnickname", name)
		set(l.source, people.Child("CN", name), "legacyexchangedn", "/o=Alpine/ou=EX/cn=Recipients/cn="+name+" smith")
		set(l.target, staffDN(name), "samaccountname", name+"9")
	}
	set(l.target, staffDN("alice"), "samaccountname", "bob")
	return l, pair
}

func TestHolders(t *testing.T) {
	t.Parallel()
	l, pair := holderLab(t)
	nobody := "nobody in the source forest is known by it"
	for _, side := range []directory.Side{directory.Source, directory.Target} {
		want := map[string]string{
			"alice":                      "bob",
			"ALICE@alpine.test":          "bob",
			"legacy-" + string(bob):      "bob9",
			strings.ToLower(string(bob)): "bob9",
			string(carolOnce):            "carol9",
			"O=Alpine/OU=EX/CN=Recipients/CN=carol smith":     "carol9",
			"x500:/o=alpine/ou=ex/cn=recipients/cn=bob smith": "bob9",
			string(people.Child("CN", "carol")):               "carol9",
			"smith":                                           nobody,
			"bob smith":                                       nobody,
			"$Domain Users":                                   "no object at the target stands for it",
			"$nobody":                                         nobody,
			string(leftBehind):                                "no object at the target stands for it",
			string(longerSID):                                 nobody,
			"anyone":                                          "public anyone",
			"":                                                nobody,
			string(migratedGroup):                             "",
			string(people.Child("CN", "gone")):                nobody,
		}
		if side == directory.Source {
			want["bob"], want["bmeier"], want[string(birgitsOwn)] = "bob9", "owner", "owner"
			want[string(aliceTwin)] = nobody
		} else {
			want["bob"], want[string(aliceTwin)], want["carol9"] = "local", "local", "local"
			want[pair.Target.Sam] = "owner"
		}
		var whos []string
		for who := range want {
			whos = append(whos, who)
		}
		slices.Sort(whos)
		got := map[string]string{}
		for who, h := range must(l.Holders(t.Context(), pair, side, whos, logins)) {
			got[who] = summary(h)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("on %s lists:\n%s", side, diff)
		}
	}
}

func summary(h directory.Holder) string {
	switch {
	case h.Owner:
		return "owner"
	case h.Public:
		return "public " + h.Spelt(logins)
	case h.Local:
		return "local"
	case h.Twin != nil:
		return h.Spelt(logins)
	}
	return h.Why
}

// An address that is one person's login and another's alias is a question.
func TestHolderThatTwoMayBe(t *testing.T) {
	t.Parallel()
	l, pair := holderLab(t)
	l.source.put(t, people.Child("CN", "other"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:alice@alpine.test"}, "objectSid": {string(sidBytes(alpine + "-7777"))},
		"objectGUID": {"other source obj"},
	})
	got := must(l.Holders(t.Context(), pair, directory.Source, []string{"alice@alpine.test"}, logins))["alice@alpine.test"]
	if got.Twin != nil || !strings.Contains(got.Why, "2 objects") || got.Mend == "" {
		t.Errorf("got %+v", got)
	}
}

// Somebody whose twin is still to be made is named, and nobody stands for them.
func TestHolderWithoutATwinYet(t *testing.T) {
	t.Parallel()
	l, pair := holderLab(t)
	l.source.put(t, people.Child("CN", "dora"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"SMTP:dora@alpine.test"}, "objectSid": {string(sidBytes(alpine + "-8888"))},
		"objectGUID": {"dora source obj."}, "mailNickname": {"dora"}, "homeMDB": {"CN=Old DB,CN=Configuration,DC=alpine,DC=test"},
	})
	got := must(l.Holders(t.Context(), pair, directory.Target, []string{"dora"}, logins))["dora"]
	if got.Twin != nil || !got.Legacy || got.Why != "nothing stands for them at the target yet" {
		t.Errorf("got %+v", got)
	}
	if got.Source == nil || got.Source.SID != alpine+"-8888" {
		t.Errorf("who it is was lost: %+v", got.Source)
	}
}
