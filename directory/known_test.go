package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func TestNames(t *testing.T) {
	t.Parallel()
	guid := migrate.GUID{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	attrs := with(birgit(), map[string][]string{
		"objectGUID": {string(guid[:])}, "objectSid": {string(sidBytes(alpine + "-1105"))},
		"mail": {"Birgit.MEIER@alpine.test"}, "mailNickname": {"birgit"},
	})
	person, err := directory.ParseRecipient(entry(attrs))
	if err != nil {
		t.Fatal(err)
	}
	common := []string{
		"birgit.meier@alpine.test", "bmeier@mail.alpine.test", "b.schulz@alpine.test",
		birgitLegacy, "/o=Old/ou=Site/cn=Recipients/cn=schulz_b+1(x).ü", "/o=Old/cn=Recipients/cn=bm", "bmeier",
	}
	rest := []string{"birgit@group.test", guid.String(), string(alpine) + "-1105", "birgit"}
	domains := []directory.Domain{
		{DN: "DC=test", NetBIOS: "ROOT"},
		{DN: "DC=ALPINE,DC=test", NetBIOS: "ALPINE"},
		{DN: "DC=lab,DC=alpine,DC=test", NetBIOS: "LAB"},
		{NetBIOS: "UNKNOWN"},
	}
	for name, test := range map[string]struct {
		info      directory.Info
		qualified []string
	}{
		"own domain":    {directory.Info{Domains: domains}, []string{`ALPINE\bmeier`}},
		"parent alone":  {directory.Info{Domains: domains[:1]}, []string{`ROOT\bmeier`}},
		"other domains": {directory.Info{Domains: domains[2:]}, nil},
		"no domains":    {directory.Info{}, nil},
	} {
		want := append(append(append([]string{}, common...), test.qualified...), rest...)
		if d := cmp.Diff(want, person.Names(test.info)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestNamesOfNobody(t *testing.T) {
	t.Parallel()
	contact, err := directory.ParseRecipient(entry(map[string][]string{"objectClass": {"contact"}}))
	if err != nil {
		t.Fatal(err)
	}
	info := directory.Info{Domains: []directory.Domain{{DN: "DC=alpine,DC=test", NetBIOS: "ALPINE"}}}
	if names := contact.Names(info); len(names) > 0 {
		t.Errorf("got %q", names)
	}
}
