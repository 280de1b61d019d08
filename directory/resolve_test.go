package directory_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	l.source.put(t, "CN=星野,OU=People,DC=alpine,DC=test", with(birgit(), map[string][]string{
		"sAMAccountName": {"bmeier2"}, "userPrincipalName": {"hoshino@alpine.test"}, "mailNickname": {"hoshino"},
		"displayName": {"Hoshino"}, "mail": {"hoshino@alpine.test"}, "legacyExchangeDN": {birgitLegacy + "2"},
		"proxyAddresses": {"SMTP:hoshino@alpine.test"},
	}))
	l.source.put(t, "CN=PC,OU=People,DC=alpine,DC=test", map[string][]string{
		"objectClass": {"user", "computer"}, "sAMAccountName": {"PC$"}, "mail": {"birgit.meier@alpine.test"},
	})
	for _, identity := range []string{
		"birgit.meier@alpine.test", "BIRGIT.MEIER@ALPINE.TEST", "b.schulz@alpine.test", "smtp:b.schulz@alpine.test",
		"birgit@group.test", `ALPINE\bmeier`, `alpine.test\BMeier`, "bmeier", " bmeier ", "Meier, Birgit", string(birgitDN),
		`cn=Meier\2C Birgit, ou=People,dc=ALPINE,dc=test`, pair.Source.GUID.String(), "{" + pair.Source.GUID.String() + "}",
		birgitLegacy, "x500:/O=Old/ou=Site/cn=Recipients/cn=SCHULZ_B+1(x).Ü",
	} {
		got, err := l.Resolve(t.Context(), identity)
		if err != nil || got.DN != birgitDN {
			t.Errorf("%q: got %v, %v", identity, got, err)
		}
	}
	if got, err := l.Resolve(t.Context(), "CN=星野,OU=People,DC=alpine,DC=test"); err != nil || got.Alias != "hoshino" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestResolveFindsNobody(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putBirgit(t, nil)
	for _, identity := range []string{
		"", "*", "b*", "nobody@alpine.test", `OTHER\bmeier`, `ALPINE\nobody`, "CN=Nobody,OU=People,DC=alpine,DC=test",
		"00000000-0000-0000-0000-00000000ffff", birgitLegacy[:len(birgitLegacy)-1], "bmeier)(cn=*", "PC$",
	} {
		if got, err := l.Resolve(t.Context(), identity); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q: got %v, %v, want ErrNotFound", identity, got, err)
		}
	}
}

func TestResolveAsksWhenSeveralAnswer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putBirgit(t, nil)
	l.source.put(t, "CN=Double,OU=People,DC=alpine,DC=test", map[string][]string{
		"objectClass": {"contact"}, "mail": {"b.schulz@alpine.test"},
	})
	_, err := l.Resolve(t.Context(), "b.schulz@alpine.test")
	var ambiguous *directory.AmbiguousError
	if !errors.As(err, &ambiguous) {
		t.Fatalf("got %v, want an AmbiguousError", err)
	}
	want := &directory.AmbiguousError{
		Identity: "b.schulz@alpine.test",
		DNs:      []directory.DN{"CN=Double,OU=People,DC=alpine,DC=test", birgitDN},
	}
	if diff := cmp.Diff(want, ambiguous); diff != "" {
		t.Error(diff)
	}
}

func TestResolveDatabase(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	other := "CN=DB 2,CN=Databases,CN=Group,CN=Configuration,DC=baltic,DC=test"
	for _, dn := range []directory.DN{
		directory.DN(other), "CN=DB 3,CN=A,CN=Configuration,DC=baltic,DC=test", "CN=DB 3,CN=B,CN=Configuration,DC=baltic,DC=test",
	} {
		l.target.put(t, dn, map[string][]string{"objectClass": {"msExchPrivateMDB"}})
	}
	l.target.put(t, "CN=DB 2,CN=Servers,CN=Configuration,DC=baltic,DC=test", map[string][]string{"objectClass": {"container"}})
	for _, name := range []string{"DB 2", "db 2", other} {
		if got, err := l.ResolveDatabase(t.Context(), name); err != nil || string(got) != other {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "DB", "DB*", "CN=DB 9,CN=Configuration,DC=baltic,DC=test"} {
		if got, err := l.ResolveDatabase(t.Context(), name); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q: got %q, %v, want ErrNotFound", name, got, err)
		}
	}
	var ambiguous *directory.AmbiguousError
	if _, err := l.ResolveDatabase(t.Context(), "DB 3"); !errors.As(err, &ambiguous) || len(ambiguous.DNs) != 2 {
		t.Errorf("got %v, want an AmbiguousError with two databases", err)
	}
}

func TestSurvey(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.source.put(t, "CN=SUB,CN=Partitions,CN=Configuration,DC=alpine,DC=test", map[string][]string{
		"objectClass": {"crossRef"}, "nCName": {"DC=sub,DC=alpine,DC=test"}, "dnsRoot": {"sub.alpine.test"}, "nETBIOSName": {"SUB"},
	})
	l.source.put(t, "CN=System,DC=alpine,DC=test", map[string][]string{"objectClass": {"container"}})
	l.source.put(t, "CN=sub.alpine.test,CN=System,DC=alpine,DC=test", map[string][]string{
		"objectClass": {"trustedDomain"}, "trustPartner": {"SUB.alpine.test"}, "securityIdentifier": {string(sidBytes("S-1-5-21-8-8-8"))},
	})
	l.source.put(t, "CN=EX1,CN=Configuration,DC=alpine,DC=test", map[string][]string{"objectClass": {"msExchExchangeServer"}})
	got, err := directory.Survey(t.Context(), l.source)
	if err != nil {
		t.Fatal(err)
	}
	want := directory.Info{
		DefaultNC: "DC=alpine,DC=test", ConfigNC: "CN=Configuration,DC=alpine,DC=test",
		SchemaNC: "CN=Schema,CN=Configuration,DC=alpine,DC=test",
		Domains: []directory.Domain{
			{DN: "DC=alpine,DC=test", DNS: "alpine.test", NetBIOS: "ALPINE", SID: alpine},
			{DN: "DC=sub,DC=alpine,DC=test", DNS: "sub.alpine.test", NetBIOS: "SUB", SID: "S-1-5-21-8-8-8"},
		},
		Holds:       []directory.DN{"DC=alpine,DC=test", "CN=Configuration,DC=alpine,DC=test"},
		UPNSuffixes: []string{"group.test"}, HasExchange: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if l.Target.Info.HasExchange {
		t.Error("a forest without servers has Exchange")
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putBirgit(t, nil)
	l.target.put(t, "CN=B,OU=Staff,DC=baltic,DC=test", map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"},
	})
	pair := l.match(t, "bmeier")
	moved := l.target.entries[pair.Target.DN.Key()]
	delete(l.target.entries, pair.Target.DN.Key())
	moved.dn = "CN=B2,OU=Staff,DC=baltic,DC=test"
	l.target.entries[moved.dn.Key()] = moved
	again, err := l.Reload(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if again.Target.DN != moved.dn || again.Evidence != pair.Evidence || again.Source.GUID != pair.Source.GUID {
		t.Errorf("got %+v", again)
	}
	delete(l.target.entries, moved.dn.Key())
	if _, err := l.Reload(t.Context(), pair); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if _, err := l.Match(t.Context(), pair.Source, pair.Target.GUID); !errors.Is(err, directory.ErrNotFound) || migrate.AsError(err) == nil {
		t.Errorf("a twin that is gone: got %v, want ErrNotFound as *migrate.Error", err)
	}
}
