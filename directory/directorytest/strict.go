package directorytest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// A forbidden thing is one that Active Directory refuses or cuts short, with the answers
// to it. Where Samba's is another, it is laxer, or says the same in other words; what is
// planned has to suit the strict one.
type forbidden struct {
	name   string
	send   func(t *testing.T, s *strictness) string
	strict string
	samba  string // "" is the same
}

// forbiddenThings returns the table. The writes are adds of a user with one attribute
// more, or modifications of a user that is there.
func forbiddenThings() []forbidden {
	long := func(n int) string { return strings.Repeat("x", n) }
	return []forbidden{
		{name: "1,510 entries without pages", send: unpaged, strict: "result 4 with 1000 entries", samba: "result 0 with 1510 entries"},
		{name: "1,510 values at once", send: unranged, strict: "1500 values", samba: "1510 values"},
		{"proxy address equal but for case", added("proxyAddresses", "smtp:ADA@x.test"), "result 20", "result 0"},
		{"same proxy address", added("proxyAddresses", "smtp:ada@x.test"), "result 20", ""},
		{"account name is taken", user("sAMAccountName", "%tag%"), "result 68", ""},
		{"user principal name is taken", user("userPrincipalName", "%tag%@x.test"), "result 19", ""},
		{"name is taken", sameName, "result 68", ""},
		{"account name of 21 characters", user("sAMAccountName", "%tag%"+long(13)), "result 19", "result 0"},
		{"alias of 65 characters", user("mailNickname", long(65)), "result 19", "result 21"},
		{"department of 65 characters", user("department", long(65)), "result 19", "result 21"},
		{"proxy address of 1,124 characters", user("proxyAddresses", "smtp:"+long(1119)), "result 19", "result 21"},
		{"common name of 65 characters", longName, "result 19", "result 0"},
		{"photograph of 102,401 octets", user("thumbnailPhoto", long(102401)), "result 19", "result 21"},
		{"number past 32 bits", user("msExchRecipientDisplayType", "2147483654"), "result 21", "result 0"},
		{"country code past its range", user("countryCode", "65536"), "result 19", "result 21"},
		{"number past 64 bits", user("msExchVersion", "9223372036854775808"), "result 21", ""},
		{"enabled without a password", user("userAccountControl", "512"), "result 53", "result 0"},
		{"two values in a single-valued attribute", user("title", "one", "two"), "result 19", ""},
		{"link to an object of another forest", user("manager", "CN=Users,DC=elsewhere,DC=test"), "result 19", ""},
		{"link to nobody", user("manager", "CN=nobody,%base%"), "result 19", ""},
	}
}

// A strictness is a server under the table, with a crowd of contacts, a group of them all,
// and a user called ada to run into.
type strictness struct {
	conn *goldap.Conn
	base directory.DN
	tag  string
}

// Strictness sends what Active Directory refuses and wants its answers, or, from a lax
// server, those of Samba. base is an empty organizational unit.
func Strictness(t *testing.T, conn *goldap.Conn, base directory.DN, lax bool) {
	s := &strictness{conn: conn, base: base, tag: tag(t)}
	s.plant(t)
	for _, f := range forbiddenThings() {
		want := f.strict
		if lax && f.samba != "" {
			want = f.samba
		}
		same(t, f.name, f.send(t, s), want)
	}
}

func (s *strictness) plant(t *testing.T) {
	t.Helper()
	members := make([]string, crowd)
	for i := range members {
		members[i] = string(s.base.Child("CN", fmt.Sprintf("contact %04d", i)))
		s.must(t, members[i], "contact", nil)
	}
	s.must(t, string(s.base.Child("CN", "crowd")), "group", attrs{"sAMAccountName": {"crowd" + s.tag}, "member": members})
	s.must(t, string(s.base.Child("CN", "ada")), "user", attrs{
		"sAMAccountName": {s.tag}, "userPrincipalName": {s.tag + "@x.test"}, "proxyAddresses": {"smtp:ada@x.test"},
	})
}

func (s *strictness) must(t *testing.T, dn, class string, a attrs) {
	t.Helper()
	if err := s.add(dn, class, a); err != nil {
		t.Fatalf("plant %q: %v", dn, err)
	}
}

func (s *strictness) add(dn, class string, a attrs) error {
	request := goldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", []string{class})
	for name, values := range a {
		request.Attribute(name, values)
	}
	return s.conn.Add(request)
}

// answer says what the server made of a request.
func answer(err error) string {
	var e *goldap.Error
	switch {
	case err == nil:
		return "result 0"
	case errors.As(err, &e):
		return fmt.Sprintf("result %d", e.ResultCode)
	}
	return err.Error()
}

// user adds a user with the attribute. Of one that was refused nothing may be left; one
// that a lax server took is deleted.
func user(attr string, values ...string) func(*testing.T, *strictness) string {
	return func(t *testing.T, s *strictness) string {
		dn := string(s.base.Child("CN", "forbidden"))
		a := attrs{"userAccountControl": {"514"}, attr: nil}
		for _, v := range values {
			a[attr] = append(a[attr], strings.NewReplacer("%tag%", s.tag, "%base%", string(s.base)).Replace(v))
		}
		err := s.add(dn, "user", a)
		s.traces(t, attr, dn, err)
		return answer(err)
	}
}

// traces wants no entry to be left of an add that was refused, and deletes one that was
// taken.
func (s *strictness) traces(t *testing.T, what, dn string, err error) {
	t.Helper()
	gone := s.conn.Del(goldap.NewDelRequest(dn, nil))
	if (err == nil) != (gone == nil) {
		t.Errorf("%s: added with %v, then deleted with %v", what, err, gone)
	}
}

// added adds a value to the user that is there.
func added(attr, value string) func(*testing.T, *strictness) string {
	return func(_ *testing.T, s *strictness) string {
		request := goldap.NewModifyRequest(string(s.base.Child("CN", "ada")), nil)
		request.Add(attr, []string{value})
		return answer(s.conn.Modify(request))
	}
}

func sameName(_ *testing.T, s *strictness) string {
	return answer(s.add(string(s.base.Child("CN", "ADA")), "contact", nil))
}

func longName(t *testing.T, s *strictness) string {
	dn := string(s.base.Child("CN", strings.Repeat("x", 65)))
	err := s.add(dn, "contact", nil)
	s.traces(t, "common name", dn, err)
	return answer(err)
}

func (s *strictness) search(filter string, attrs ...string) (*goldap.SearchResult, error) {
	return s.conn.Search(goldap.NewSearchRequest(string(s.base), goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, filter, attrs, nil))
}

func unpaged(_ *testing.T, s *strictness) string {
	found, err := s.search("(objectClass=contact)", "cn")
	return fmt.Sprintf("%s with %d entries", answer(err), len(found.Entries))
}

func unranged(t *testing.T, s *strictness) string {
	found, err := s.search("(cn=crowd)", "member")
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("read the members: %v, %v", found, err)
	}
	count := 0
	for _, attr := range found.Entries[0].Attributes {
		count += len(attr.Values)
	}
	return fmt.Sprintf("%d values", count)
}
