package ldapd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// The tests below hold the server to what Active Directory does and other servers
// do not, so that whoever passes here is not surprised there.

type attr struct {
	name   string
	values []string
}

func addUser(conn *goldap.Conn, dn directory.DN, attrs ...attr) error {
	request := goldap.NewAddRequest(string(dn), nil)
	request.Attribute("objectClass", []string{"user"})
	for _, a := range attrs {
		request.Attribute(a.name, a.values)
	}
	return conn.Add(request)
}

func TestAddRefusals(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	seedUser(t, server, users, "taken", ldapd.Attrs{"userPrincipalName": {"taken@alpine.test"}})
	conn := bound(t, server)
	quoted := string(ldapd.EncodePassword("Good-Passw0rd"))
	for _, test := range []struct {
		name  string
		code  uint16
		attrs []attr
	}{
		{"plain", 0, nil},
		{"unknown attribute", 16, []attr{{"colour", []string{"red"}}}},
		{"LargeInteger is a word", 21, []attr{{"msExchVersion", []string{"ten"}}}},
		{"LargeInteger past 64 bits", 21, []attr{{"msExchVersion", []string{"9223372036854775808"}}}},
		{"integer past 32 bits", 21, []attr{{"msExchRecipientDisplayType", []string{"2147483654"}}}},
		{"integer with a plus", 21, []attr{{"msExchRecipientDisplayType", []string{"+6"}}}},
		{"boolean in lower case", 21, []attr{{"msExchHideFromAddressLists", []string{"true"}}}},
		{"empty value", 21, []attr{{"title", []string{""}}}},
		{"no UTF-8", 21, []attr{{"title", []string{"\xff\xfe"}}}},
		{"bad time", 21, []attr{{"msExchWhenMailboxCreated", []string{"yesterday"}}}},
		{"bad SID", 21, []attr{{"msExchMasterAccountSid", []string{"S-1-5-10"}}}},
		{"two values in a single-valued attribute", 19, []attr{{"title", []string{"a", "b"}}}},
		{"attribute twice", 20, []attr{{"title", []string{"a"}}, {"TITLE", []string{"b"}}}},
		{"value twice", 20, []attr{{"proxyAddresses", []string{"smtp:a@x", "smtp:a@x"}}}},
		{"value twice but for case", 20, []attr{{"proxyAddresses", []string{"SMTP:a@x", "smtp:A@x"}}}},
		{"mailNickname of 65", 19, []attr{{"mailNickname", []string{strings.Repeat("n", 65)}}}},
		{"sAMAccountName of 21", 19, []attr{{"sAMAccountName", []string{strings.Repeat("n", 21)}}}},
		{"sAMAccountName with @", 19, []attr{{"sAMAccountName", []string{"a@b"}}}},
		{"sAMAccountName ending in a period", 19, []attr{{"sAMAccountName", []string{"ab."}}}},
		{"sAMAccountName taken", 68, []attr{{"sAMAccountName", []string{"TAKEN"}}}},
		{"userPrincipalName taken", 19, []attr{{"userPrincipalName", []string{"Taken@alpine.test"}}}},
		{"GUID of 17", 19, []attr{{"msExchMailboxGuid", []string{strings.Repeat("g", 17)}}}},
		{"link to nobody", 19, []attr{{"manager", []string{"CN=nobody,DC=alpine,DC=test"}}}},
		{"link that is no DN", 34, []attr{{"manager", []string{"nobody"}}}},
		{"objectSid", 53, []attr{{"objectSid", []string{"\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"}}}},
		{"more values than a record holds", 11, []attr{{"proxyAddresses", aliases(1201)}}},
		{"as many values as a record holds", 0, []attr{{"proxyAddresses", aliases(1200)}}},
		{"back link", 53, []attr{{"memberOf", []string{string(users)}}}},
		{"enabled without password", 53, []attr{{"userAccountControl", []string{"512"}}}},
		{"enabled, password not required", 0, []attr{{"userAccountControl", []string{"544"}}}},
		{"enabled with password", 0, []attr{{"userAccountControl", []string{"512"}}, {"unicodePwd", []string{quoted}}}},
		{"password not quoted", 53, []attr{{"unicodePwd", []string{"Good-Passw0rd"}}}},
		{"weak password", 19, []attr{{"unicodePwd", []string{string(ldapd.EncodePassword("password"))}}}},
		{"junk descriptor", 53, []attr{{"nTSecurityDescriptor", []string{"junk"}}}},
		{"wrong common name", 64, []attr{{"cn", []string{"someone else"}}}},
	} {
		dn := users.Child("CN", test.name)
		wantCode(t, test.name, addUser(conn, dn, test.attrs...), test.code)
		if _, err := server.Entry(dn); (err == nil) != (test.code == 0) {
			t.Errorf("%s: entry after the add: %v", test.name, err)
		}
	}
}

func aliases(count int) []string {
	var values []string
	for i := range count {
		values = append(values, fmt.Sprintf("smtp:alias%d@x.test", i))
	}
	return values
}

func TestMembers(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	seedGroup(t, server, users, "crew")
	seedUser(t, server, users, "ada", nil)
	conn := bound(t, server)
	change := func(op uint) error {
		request := goldap.NewModifyRequest("CN=crew,"+string(users), nil)
		request.Changes = []goldap.Change{{Operation: op, Modification: goldap.PartialAttribute{Type: "member", Vals: []string{"CN=ada," + string(users)}}}}
		return conn.Modify(request)
	}
	wantCode(t, "take out who is not in", change(goldap.DeleteAttribute), 53)
	wantCode(t, "put in", change(goldap.AddAttribute), 0)
	wantCode(t, "put in twice", change(goldap.AddAttribute), 68)
	wantCode(t, "take out", change(goldap.DeleteAttribute), 0)
}

func TestNamingRules(t *testing.T) {
	t.Parallel()
	server := start(t)
	base := server.BaseDN()
	users := base.Child("CN", "Users")
	seedUser(t, server, users, "ada", nil)
	conn := bound(t, server)
	add := func(dn, class string) error {
		request := goldap.NewAddRequest(dn, nil)
		request.Attribute("objectClass", []string{class})
		return conn.Add(request)
	}
	wantCode(t, "user below a user", add("CN=x,CN=ada,"+string(users), "user"), 64)
	wantCode(t, "unit in a container", add("OU=x,"+string(users), "organizationalUnit"), 64)
	wantCode(t, "user named by OU", add("OU=x,"+string(users), "user"), 64)
	wantCode(t, "unknown class", add("CN=x,"+string(users), "giraffe"), 65)
	wantCode(t, "abstract class", add("CN=x,"+string(users), "person"), 53)
	wantCode(t, "contact with an account", conn.Add(contactWith(users.Child("CN", "x"), "sAMAccountName", "x")), 65)
	wantCode(t, "absent parent", add("CN=x,OU=nowhere,"+string(base), "user"), 32)
	wantCode(t, "unescaped =", add("CN=a=b,"+string(users), "user"), 34)
	wantCode(t, "no DN", add("nonsense", "user"), 34)
	wantCode(t, "name of 65", add("CN="+strings.Repeat("x", 65)+","+string(users), "user"), 19)
	wantCode(t, "accent alone", add("CN=ÁDA,"+string(users), "user"), 68)
	wantCode(t, "delete with children", conn.Del(goldap.NewDelRequest(string(users), nil)), 53)
	wantCode(t, "delete the absent", conn.Del(goldap.NewDelRequest("CN=x,"+string(users), nil)), 32)
	wantCode(t, "unit", add("OU=Alps,"+string(base), "organizationalUnit"), 0)
	wantCode(t, "below the unit", add("CN=x,OU=Alps,"+string(base), "user"), 0)
	wantCode(t, "delete a non-leaf", conn.Del(goldap.NewDelRequest("OU=Alps,"+string(base), nil)), 66)
	tree := []goldap.Control{goldap.NewControlSubtreeDelete()}
	wantCode(t, "delete a tree", conn.Del(goldap.NewDelRequest("OU=Alps,"+string(base), tree)), 0)
	if _, err := server.Lookup("cn", "x"); err == nil {
		t.Error("a deleted tree has left an entry")
	}
}

func contactWith(dn directory.DN, name, value string) *goldap.AddRequest {
	request := newContact(dn)
	request.Attribute(name, []string{value})
	return request
}

func TestModifyRefusals(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	dn := users.Child("CN", "ada")
	conn := bound(t, server)
	if err := addUser(conn, dn, attr{"proxyAddresses", []string{"SMTP:ada@x"}}, attr{"title", []string{"smith"}}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		op     uint
		attr   string
		values []string
		code   uint16
	}{
		{"add the same value", goldap.AddAttribute, "proxyAddresses", []string{"SMTP:ada@x"}, 20},
		{"add one equal but for case", goldap.AddAttribute, "proxyAddresses", []string{"smtp:ADA@x"}, 20},
		{"add one equal but for accents", goldap.AddAttribute, "proxyAddresses", []string{"smtp:áda@x"}, 20},
		{"delete one in other case", goldap.DeleteAttribute, "proxyAddresses", []string{"smtp:ADA@X"}, 0},
		{"delete an absent value", goldap.DeleteAttribute, "proxyAddresses", []string{"smtp:b@x"}, 16},
		{"delete an absent attribute", goldap.DeleteAttribute, "company", nil, 16},
		{"replace by nothing what is not there", goldap.ReplaceAttribute, "company", nil, 0},
		{"second value", goldap.AddAttribute, "title", []string{"reeve"}, 19},
		{"unknown attribute", goldap.ReplaceAttribute, "colour", []string{"red"}, 16},
		{"enable without password", goldap.ReplaceAttribute, "userAccountControl", []string{"512"}, 53},
		{"objectGUID", goldap.ReplaceAttribute, "objectGUID", []string{strings.Repeat("g", 16)}, 19},
		{"memberOf", goldap.AddAttribute, "memberOf", []string{string(users)}, 53},
		{"the naming attribute", goldap.ReplaceAttribute, "cn", []string{"bea"}, 67},
		{"the class", goldap.ReplaceAttribute, "objectClass", []string{"contact"}, 65},
		{"sAMAccountName of nothing", goldap.DeleteAttribute, "sAMAccountName", nil, 65},
		{"no value to add", goldap.AddAttribute, "title", nil, 21},
	} {
		request := goldap.NewModifyRequest(string(dn), nil)
		request.Changes = append(request.Changes, goldap.Change{
			Operation: test.op, Modification: goldap.PartialAttribute{Type: test.attr, Vals: test.values},
		})
		wantCode(t, test.name, conn.Modify(request), test.code)
	}
}

func TestPermissiveModify(t *testing.T) {
	t.Parallel()
	server := start(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "ada")
	conn := bound(t, server)
	if err := addUser(conn, dn, attr{"proxyAddresses", []string{"smtp:a@x"}}); err != nil {
		t.Fatal(err)
	}
	permissive := []goldap.Control{goldap.NewControlString("1.2.840.113556.1.4.1413", true, "")}
	request := goldap.NewModifyRequest(string(dn), permissive)
	request.Add("proxyAddresses", []string{"SMTP:A@X", "smtp:b@x"})
	request.Delete("proxyAddresses", []string{"smtp:nobody@x"})
	request.Delete("company", nil)
	wantCode(t, "permissive modify", conn.Modify(request), 0)
	entry, err := server.Entry(dn, "proxyAddresses")
	if err != nil || !slices.Equal(entry.Values("proxyAddresses"), []string{"smtp:a@x", "smtp:b@x"}) {
		t.Errorf("got %q, %v", entry.Values("proxyAddresses"), err)
	}
}

func TestPasswordChange(t *testing.T) {
	t.Parallel()
	server := start(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "ada")
	seedUser(t, server, dn.Parent(), "ada", nil)
	conn := bound(t, server)
	change := func(from, to string) error {
		request := goldap.NewModifyRequest(string(dn), nil)
		request.Delete("unicodePwd", []string{string(ldapd.EncodePassword(from))})
		request.Add("unicodePwd", []string{string(ldapd.EncodePassword(to))})
		return conn.Modify(request)
	}
	wantCode(t, "from a wrong one", change("Wrong-Passw0rd", "New-Passw0rd1"), 19)
	wantCode(t, "to a weak one", change(password, "short"), 19)
	wantCode(t, "to a good one", change(password, "New-Passw0rd1"), 0)
	wantCode(t, "bind with the old", connect(t, server, server.URL()).Bind("ada@alpine.test", password), 49)
	wantCode(t, "bind with the new", connect(t, server, server.URL()).Bind("ada@alpine.test", "New-Passw0rd1"), 0)
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	for i := range 1003 {
		if _, err := server.Seed(users.Child("CN", fmt.Sprint("contact ", i)), ldapd.Attrs{"objectClass": {"contact"}}); err != nil {
			t.Fatal(err)
		}
	}
	conn := bound(t, server)
	all := searchFor(users, "(objectClass=contact)", "cn")
	found, err := conn.Search(all)
	wantCode(t, "unpaged search", err, 4)
	if len(found.Entries) != 1000 {
		t.Errorf("got %d entries unpaged, want 1000", len(found.Entries))
	}
	all.SizeLimit = 5
	found, err = conn.Search(all)
	wantCode(t, "size limit 5", err, 4)
	if len(found.Entries) != 5 {
		t.Errorf("got %d entries, want 5", len(found.Entries))
	}
	found, err = conn.SearchWithPaging(searchFor(users, "(objectClass=contact)", "cn"), 5000)
	if err != nil || len(found.Entries) != 1003 {
		t.Errorf("paged by 5000: got %d entries, %v", len(found.Entries), err)
	}
}

// TestPagesDoNotShift deletes and adds while pages are fetched.
func TestPagesDoNotShift(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	for i := range 10 {
		if _, err := server.Seed(users.Child("CN", fmt.Sprint("contact ", i)), ldapd.Attrs{"objectClass": {"contact"}}); err != nil {
			t.Fatal(err)
		}
	}
	conn := bound(t, server)
	paging := goldap.NewControlPaging(4)
	var got []string
	for {
		request := searchFor(users, "(objectClass=contact)", "cn")
		request.Controls = []goldap.Control{paging}
		result, err := conn.Search(request)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range result.Entries {
			got = append(got, entry.GetAttributeValue("cn"))
		}
		if len(got) == 4 {
			for _, gone := range []string{"contact 1", "contact 5"} {
				if err := server.SeedDelete(users.Child("CN", gone)); err != nil {
					t.Fatal(err)
				}
			}
			wantCode(t, "add between pages", conn.Add(newContact(users.Child("CN", "late"))), 0)
		}
		cookie := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging).Cookie
		if len(cookie) == 0 {
			break
		}
		paging.SetCookie(cookie)
	}
	want := []string{"contact 0", "contact 1", "contact 2", "contact 3", "contact 4", "contact 6", "contact 7", "contact 8", "contact 9"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	paging.SetCookie([]byte("no such cookie"))
	request := searchFor(users, "(objectClass=contact)")
	request.Controls = []goldap.Control{paging}
	_, err := conn.Search(request)
	wantCode(t, "unknown cookie", err, 53)
}

func TestUnknownControls(t *testing.T) {
	t.Parallel()
	server := start(t)
	conn := bound(t, server)
	for critical, code := range map[bool]uint16{true: 12, false: 0} {
		request := searchFor(server.BaseDN(), "(cn=x)")
		request.Controls = []goldap.Control{goldap.NewControlString("1.2.3.4.5.6", critical, "")}
		_, err := conn.Search(request)
		wantCode(t, fmt.Sprint("critical ", critical), err, code)
		remove := goldap.NewDelRequest("CN=x,CN=Users,DC=alpine,DC=test", request.Controls)
		if critical {
			wantCode(t, "delete with it", conn.Del(remove), 12)
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	var members []string
	for i := range 3200 {
		entry, err := server.Seed(users.Child("CN", fmt.Sprint("contact ", i)), ldapd.Attrs{"objectClass": {"contact"}})
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, string(entry.DN))
	}
	group := users.Child("CN", "crowd")
	if _, err := server.Seed(group, ldapd.Attrs{"objectClass": {"group"}, "member": members}); err != nil {
		t.Fatal(err)
	}
	conn := bound(t, server)
	for _, test := range []struct {
		asked, label string
		first, count int
	}{
		{"member", "member;range=0-1499", 0, 1500},
		{"member;range=0-*", "member;range=0-1499", 0, 1500},
		{"member;range=0-99", "member;range=0-99", 0, 100},
		{"member;range=1500-*", "member;range=1500-2999", 1500, 1500},
		{"member;range=3000-*", "member;range=3000-*", 3000, 200},
		{"member;range=3199-9999", "member;range=3199-*", 3199, 1},
	} {
		found, err := conn.Search(searchFor(group, "(objectClass=group)", test.asked))
		if err != nil || len(found.Entries) != 1 {
			t.Fatalf("%s: got %v, %v", test.asked, found, err)
		}
		attrs := found.Entries[0].Attributes
		if test.asked == "member" { // comes empty, and the range beside it
			if len(attrs) != 2 || attrs[0].Name != "member" || len(attrs[0].Values) != 0 {
				t.Fatalf("%s: got %v", test.asked, attrs)
			}
			attrs = attrs[1:]
		}
		if len(attrs) != 1 {
			t.Fatalf("%s: got %d attributes", test.asked, len(attrs))
		}
		got := attrs[0]
		if got.Name != test.label || !slices.Equal(got.Values, members[test.first:test.first+test.count]) {
			t.Errorf("%s: got %s with %d values, want %s with %d", test.asked, got.Name, len(got.Values), test.label, test.count)
		}
	}
	found, err := conn.Search(searchFor(group, "(objectClass=group)", "member;range=3200-*"))
	if err != nil || len(found.Entries[0].Attributes) != 0 {
		t.Errorf("past the end: got %v, %v", found, err)
	}
}
