package snapshot

import (
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// Filters that mean nothing are errors.
func TestParseFilterRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []directory.Filter{
		"x", "(", "()", "(cn)", "(cn=a", "(cn=a))", "(cn=a)(cn=b)", "(=a)", "(1cn=a)", "(cn=a(b)", "(!)", "(!(a=b)(c=d))", `(cn=\)`, `(cn=\2)`, `(cn=\zz)`,
		`(cn=a*\2)`, "(&(cn=a)x)", "(cn;range=0-1=a)", " (cn=a)",
		directory.Filter(strings.Repeat("(!", deepest+2) + "(cn=a)" + strings.Repeat(")", deepest+2)),
	} {
		if f, err := parseFilter(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, f)
		}
	}
}

// FuzzParseFilter reads what go-ldap reads of the filters that directory builds, and
// never panics on others.
func FuzzParseFilter(f *testing.F) {
	for _, value := range []string{"", "a", "*", "a*b", `\2a`, "(x)", "é\x00\xff", "=", ":=", ">="} {
		f.Add("cn", value)
	}
	f.Fuzz(func(t *testing.T, attr, value string) {
		_, _ = parseFilter(directory.Filter(attr + value))
		built := directory.And(directory.Not(directory.Eq("cn", value)), directory.EqBytes("objectGUID", []byte(value)))
		if _, err := goldap.CompileFilter(string(built)); err != nil {
			t.Fatalf("%s: %v", built, err)
		}
		parsed, err := parseFilter(built)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range []*filter{parsed.of[0].of[0], parsed.of[1]} {
			if item.choice != equal || item.value != value {
				t.Errorf("%s is read as %+v", built, item)
			}
		}
	})
}

// Whatever the checks look for by a value is found by an index.
func TestIndexed(t *testing.T) {
	t.Parallel()
	r := &Reader{table: table{number: map[string]uint32{}}, byValue: map[uint32]index{}}
	for i, attr := range append(indexed, "title") {
		r.number[attr] = uint32(i)
		r.syntax = append(r.syntax, text)
		if attr != "title" {
			r.byValue[uint32(i)] = nil
		}
	}
	for filter, want := range map[directory.Filter]bool{
		directory.Eq("proxyAddresses", "smtp:a@b"):                                        true,
		directory.Or(directory.Eq("mail", "a"), directory.Eq("userPrincipalName", "a")):   true,
		directory.And(directory.Eq("title", "a"), directory.Eq("legacyExchangeDN", "/o")): true,
		directory.Eq("distinguishedName", "CN=a"):                                         true,
		directory.EqBytes("sIDHistory", []byte{1}):                                        true,
		directory.Or(directory.Eq("mailNickname", "a"), directory.Eq("displayName", "a")): true,
		directory.And(directory.Eq("title", "a"), directory.Eq("lDAPDisplayName", "x")):   true,
		directory.Eq("title", "a"):                                                        false,
		directory.Or(directory.Eq("mail", "a"), directory.Eq("title", "a")):               false,
		directory.Not(directory.Eq("mail", "a")):                                          false,
		"(mail=*)":                                                                        false,
	} {
		f, err := parseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := r.candidates(f); got != want {
			t.Errorf("%s: an index helps: %v, want %v", filter, got, want)
		}
	}
}
