package directory_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"reforest/directory"
)

func TestDNParts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"plain":          "plain",
		"Meier, Birgit":  `Meier\, Birgit`,
		`"B." + <x>;\`:   `\"B.\" \+ \<x\>\;\\`,
		"a=b":            `a\=b`,
		" #x ":           `\ #x\ `,
		"#x":             `\#x`,
		"星野 😀 ü":         "星野 😀 ü",
		"line\nfeed\x00": `line\0Afeed\00`,
	} {
		dn := directory.DN("OU=People,DC=alpine,DC=test").Child("CN", name)
		if got := directory.DN("CN=" + want + ",OU=People,DC=alpine,DC=test"); dn != got {
			t.Errorf("%q: got %s, want %s", name, dn, got)
		}
		if dn.Name() != name || dn.Parent() != "OU=People,DC=alpine,DC=test" {
			t.Errorf("%q: got name %q, parent %s", name, dn.Name(), dn.Parent())
		}
	}
}

func TestDNEqual(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b directory.DN
		want bool
	}{
		{"CN=a;b,DC=x", `cn=A\3Bb, dc=X`, true},
		{`CN=a\,b,DC=x`, `CN=a\2cb,DC=x`, true},
		{"CN=a,b=c,DC=x", `CN=a\,b\=c,DC=x`, false},
		{"CN=a,DC=x", "CN=a,DC=x,DC=y", false},
		{"", "", true},
	} {
		if got := test.a.Equal(test.b); got != test.want {
			t.Errorf("%s and %s: got %v", test.a, test.b, got)
		}
	}
}

func TestDNUnder(t *testing.T) {
	t.Parallel()
	base := directory.DN("OU=People,DC=alpine,DC=test")
	for dn, want := range map[directory.DN]bool{
		base: true, "cn=a, ou=people, dc=ALPINE, dc=test": true, "CN=a,OU=More People,DC=alpine,DC=test": false,
		`CN=a\,OU=People,DC=alpine,DC=test`: false, "DC=alpine,DC=test": false,
	} {
		if got := dn.Under(base); got != want {
			t.Errorf("%s: got %v", dn, got)
		}
	}
}

// TestDNAnyName: whatever an entry is called, its name and its place come back.
func TestDNAnyName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		name, other := rapid.String().Draw(r, "name"), rapid.String().Draw(r, "other")
		base := directory.DN("DC=x").Child("OU", other)
		dn := base.Child("CN", name)
		if dn.Name() != name || dn.Parent() != base || base.Name() != other || !dn.Under(base) {
			r.Fatalf("%q below %q: %s has name %q, parent %s", name, other, dn, dn.Name(), dn.Parent())
		}
		if !strings.EqualFold(name, other) && dn.Equal(base.Child("CN", other)) {
			r.Fatalf("%q and %q are the same", name, other)
		}
	})
}

// TestFilterEscapes: no value ends a filter early or becomes a pattern.
func TestFilterEscapes(t *testing.T) {
	t.Parallel()
	either := directory.Or(directory.Eq("a", "1"), directory.And(directory.Eq("b", "2"), directory.Any))
	for _, test := range []struct {
		got  directory.Filter
		want string
	}{
		{directory.Eq("cn", `a*)(cn=\`), `(cn=a\2a\29\28cn=\5c)`},
		{directory.Eq("cn", "ü\x00"), `(cn=\c3\bc\00)`},
		{directory.EqBytes("objectSid", []byte{1, 5, 0x0b, 0xff}), `(objectSid=\01\05\0b\ff)`},
		{either, `(|(a=1)(&(b=2)(objectClass=*)))`},
		{directory.Or(directory.Eq("a", "1")), `(a=1)`},
		{directory.Not(directory.Eq("a", "1")), `(!(a=1))`},
	} {
		if string(test.got) != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}
