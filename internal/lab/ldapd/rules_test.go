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

// TestAttributesBelongToClasses writes to contacts, groups and units what only others may
// carry (MS-ADTS 3.1.1.5.2.2).
func TestAttributesBelongToClasses(t *testing.T) {
	t.Parallel()
	server := start(t)
	ou := server.BaseDN().Child("OU", "People")
	seed(t, server, ou, "organizationalUnit", nil)
	user, contact, group := ou.Child("CN", "user"), ou.Child("CN", "contact"), ou.Child("CN", "group")
	for dn, class := range map[directory.DN]string{user: "user", contact: "contact", group: "group"} {
		seed(t, server, dn, class, nil)
	}
	conn := bound(t, server)
	for _, test := range []struct {
		dn   directory.DN
		attr string
		code uint16
	}{
		{user, "employeeNumber", 0},
		{contact, "employeeNumber", 65},
		{contact, "userPrincipalName", 65},
		{contact, "title", 0},
		{group, "title", 65},
		{group, "company", 65},
		{group, "info", 0},
		{group, "mailNickname", 0},
		{ou, "postalCode", 0},
		{ou, "title", 65},
		{ou, "uPNSuffixes", 0},
		{user, "msExchAcceptedDomainName", 65},
	} {
		wantCode(t, fmt.Sprintf("%s of %s", test.attr, test.dn), replace(conn, test.dn, test.attr, "x"), test.code)
	}
	wantCode(t, "managedBy of a group", replace(conn, group, "managedBy", string(user)), 0)
	wantCode(t, "managedBy of a user", replace(conn, user, "managedBy", string(user)), 65)
	wantCode(t, "two descriptions of a user", replace(conn, user, "description", "a", "b"), 19)
	wantCode(t, "two descriptions of a contact", replace(conn, contact, "description", "a", "b"), 0)
}

// TestIntegerRanges holds integers to their syntax and to their range.
func TestIntegerRanges(t *testing.T) {
	t.Parallel()
	server := start(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	seed(t, server, dn, "user", nil)
	conn := bound(t, server)
	for _, test := range []struct {
		attr, value string
		code        uint16
	}{
		{"countryCode", "65535", 0},
		{"countryCode", "65536", 19},
		{"countryCode", "-1", 19},
		{"msExchRecipientDisplayType", "-2147483642", 0},
		{"msExchRecipientDisplayType", "2147483654", 21}, // the same bits, unsigned
		{"msExchRecipientDisplayType", "-2147483649", 21},
		{"msExchRecipientDisplayType", "0x6", 21},
		{"msExchRecipientTypeDetails", "34359738368", 0},
		{"msExchRecipientTypeDetails", "9223372036854775808", 21},
		{"msExchRecipientTypeDetails", " 128", 21},
		{"userAccountControl", "4294967296", 21},
	} {
		wantCode(t, test.attr+" "+test.value, replace(conn, dn, test.attr, test.value), test.code)
	}
}

// TestAccountRules are the rules of passwords and userAccountControl (MS-SAMR 3.1.1.8.10,
// MS-ADTS 3.1.1.3.1.5).
func TestAccountRules(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	conn := bound(t, server)
	good, weakOne, clear := string(ldapd.EncodePassword("Good-Passw0rd")), string(ldapd.EncodePassword("good")), "Good-Passw0rd"
	type change struct{ attr, value string }
	for _, test := range []struct {
		name    string
		changes []change // in one modify
		code    uint16
		uac     string // afterwards
	}{
		{"enable without a password", []change{{"userAccountControl", "512"}}, 53, "514"},
		{"password, then enable, in one", []change{{"unicodePwd", good}, {"userAccountControl", "512"}}, 0, "512"},
		{"enable, then password, in one", []change{{"userAccountControl", "512"}, {"unicodePwd", good}}, 0, "512"},
		{"weak password and enable in one", []change{{"unicodePwd", weakOne}, {"userAccountControl", "512"}}, 19, "514"},
		{"password in clear and enable in one", []change{{"unicodePwd", clear}, {"userAccountControl", "512"}}, 53, "514"},
		{"enable, no password required", []change{{"userAccountControl", "544"}}, 0, "544"},
		{"no account type", []change{{"userAccountControl", "2"}}, 0, "514"},
		{"two account types", []change{{"userAccountControl", "4610"}}, 53, "514"},
		{"lockout is not kept", []change{{"userAccountControl", "530"}}, 0, "514"},
		{"must change, with the password", []change{{"unicodePwd", good}, {"pwdLastSet", "0"}}, 0, "514"},
		{"a time of the past", []change{{"pwdLastSet", "132000000000000000"}}, 53, "514"},
		{"now", []change{{"pwdLastSet", "-1"}}, 0, "514"},
	} {
		dn := users.Child("CN", test.name)
		if err := addUser(conn, dn, attr{"userAccountControl", []string{"514"}}); err != nil {
			t.Fatal(err)
		}
		request := goldap.NewModifyRequest(string(dn), nil)
		for _, c := range test.changes {
			request.Replace(c.attr, []string{c.value})
		}
		wantCode(t, test.name, conn.Modify(request), test.code)
		if got := readBack(t, conn, dn, "userAccountControl"); !slices.Equal(got, []string{test.uac}) {
			t.Errorf("%s: got userAccountControl %s, want %s", test.name, got, test.uac)
		}
	}
	if got := readBack(t, conn, users.Child("CN", "must change, with the password"), "pwdLastSet"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("pwdLastSet: got %s, want 0", got)
	}
	if got := readBack(t, conn, users.Child("CN", "now"), "pwdLastSet"); len(got) != 1 || len(got[0]) != 18 {
		t.Errorf("pwdLastSet: got %s, want a time", got)
	}
}

// TestUniqueNames changes a second user into the first: of sAMAccountName and
// userPrincipalName there is one (MS-ADTS 3.1.1.5.1.3), of addresses as many as one likes.
func TestUniqueNames(t *testing.T) {
	t.Parallel()
	server := start(t)
	one, other := server.BaseDN().Child("OU", "One"), server.BaseDN().Child("OU", "Other")
	for _, ou := range []directory.DN{one, other} {
		seed(t, server, ou, "organizationalUnit", nil)
	}
	seedUser(t, server, one, "ada", ldapd.Attrs{
		"userPrincipalName": {"ada@alpine.test"}, "proxyAddresses": {"SMTP:ada@alpine.test"}, "mailNickname": {"ada"},
		"servicePrincipalName": {"http/ada"},
	})
	seedUser(t, server, other, "bea", nil)
	seedGroup(t, server, other, "crew")
	conn := bound(t, server)
	bea := other.Child("CN", "bea")
	for _, test := range []struct {
		attr, value string
		code        uint16
	}{
		{"sAMAccountName", "ADA", 68},
		{"sAMAccountName", "crew", 68}, // groups share the space of names
		{"userPrincipalName", "ADA@Alpine.test", 19},
		{"userPrincipalName", "ada@fabrikam.test", 0},
		{"servicePrincipalName", "HTTP/ada", 19},
		{"proxyAddresses", "SMTP:ada@alpine.test", 0}, // Active Directory does not care
		{"mailNickname", "ada", 0},
		{"sAMAccountName", "bea", 0}, // its own
	} {
		wantCode(t, test.attr+" "+test.value, replace(conn, bea, test.attr, test.value), test.code)
	}
	wantCode(t, "the same name elsewhere", conn.ModifyDN(goldap.NewModifyDNRequest(string(bea), "CN=ada", true, "")), 0)
	wantCode(t, "the same name in one place", conn.ModifyDN(goldap.NewModifyDNRequest(string(other.Child("CN", "ada")), "CN=ada", true, string(one))), 68)
	wantCode(t, "a name of 65", conn.ModifyDN(goldap.NewModifyDNRequest(string(other.Child("CN", "ada")), "CN="+strings.Repeat("x", 65), true, "")), 19)
}

// TestLinkTargets writes links to what is absent, foreign, or no DN.
func TestLinkTargets(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	ada, bea := users.Child("CN", "Ada"), users.Child("CN", "Bea")
	for _, dn := range []directory.DN{ada, bea} {
		seed(t, server, dn, "user", nil)
	}
	db, err := server.AddDatabase("MBX-1")
	if err != nil {
		t.Fatal(err)
	}
	conn := bound(t, server)
	for _, attr := range []string{"manager", "publicDelegates", "homeMDB", "msExchQueryBaseDN", "showInAddressBook"} {
		wantCode(t, attr+" to nobody", replace(conn, ada, attr, "CN=nobody,"+string(users)), 19)
		wantCode(t, attr+" into another forest", replace(conn, ada, attr, "CN=Bea,CN=Users,DC=fabrikam,DC=test"), 19)
		wantCode(t, attr+" to no DN", replace(conn, ada, attr, "Bea"), 34)
		wantCode(t, attr+" to a database", replace(conn, ada, attr, string(db)), 0)
	}
	wantCode(t, "the same link twice, spelt otherwise", replace(conn, ada, "publicDelegates", string(bea), "cn=BEA, "+string(users)), 20)
	wantCode(t, "two managers", replace(conn, ada, "manager", string(bea), string(ada)), 19)
	wantCode(t, "one's own manager", replace(conn, ada, "manager", string(ada)), 0)
	wantCode(t, "a link by GUID", replace(conn, ada, "publicDelegates", "<GUID="+fmt.Sprintf("%x", readBack(t, conn, bea, "objectGUID")[0])+">"), 0)

	// What is deleted goes from both ends.
	wantCode(t, "Bea's manager", replace(conn, bea, "manager", string(ada)), 0)
	wantCode(t, "delete Bea", conn.Del(goldap.NewDelRequest(string(bea), nil)), 0)
	for _, attr := range []string{"directReports", "publicDelegates"} {
		if got := readBack(t, conn, ada, attr); slices.Contains(got, string(bea)) || attr == "publicDelegates" && len(got) > 0 {
			t.Errorf("%s after the delete: %q", attr, got)
		}
	}
}

// TestGroupScopes nests groups of every scope in every other, and changes scopes.
func TestGroupScopes(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	scopes := map[string]string{"global": "-2147483646", "local": "-2147483644", "universal": "-2147483640", "list": "8"}
	for name, kind := range scopes {
		seed(t, server, users.Child("CN", name), "group", ldapd.Attrs{"groupType": {kind}})
		seed(t, server, users.Child("CN", "inner "+name), "group", ldapd.Attrs{"groupType": {kind}})
	}
	seedUser(t, server, users, "ada", nil)
	conn := bound(t, server)
	for outer, refused := range map[string]string{"global": "local universal list", "local": "", "universal": "local", "list": "local"} {
		for inner := range scopes {
			code := uint16(0)
			if slices.Contains(strings.Fields(refused), inner) {
				code = 53
			}
			wantCode(t, inner+" in "+outer, replace(conn, users.Child("CN", outer), "member", string(users.Child("CN", "inner "+inner))), code)
		}
	}
	wantCode(t, "into the primary group", replace(conn, users.Child("CN", "Domain Users"), "member", string(users.Child("CN", "ada"))), 68)
	for _, test := range []struct {
		name, group, kind string
		code              uint16
	}{
		{"global to local", "inner global", "-2147483644", 53},
		{"global to universal", "inner global", "-2147483640", 0},
		{"two scopes", "inner list", "12", 53},
		{"no scope", "inner list", "-2147483648", 53},
		{"security for a list", "inner list", "-2147483640", 0},
	} {
		wantCode(t, test.name, replace(conn, users.Child("CN", test.group), "groupType", test.kind), test.code)
	}
	if got := readBack(t, conn, users.Child("CN", "inner list"), "sAMAccountType"); !slices.Equal(got, []string{"268435456"}) {
		t.Errorf("sAMAccountType of what has become a security group: %s", got)
	}
}

// TestRangesOfBackLinks reads more values of a back link, and of a link with little in
// it, than one answer holds.
func TestRangesOfBackLinks(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	ada := seedUser(t, server, users, "ada", nil)
	for i := range 1501 {
		seed(t, server, users.Child("CN", fmt.Sprint("group ", i)), "group", ldapd.Attrs{"member": {string(ada.DN)}})
	}
	conn := bound(t, server)
	for _, asked := range []string{"memberOf", "*", "MEMBEROF"} {
		found, err := conn.Search(searchFor(ada.DN, "(objectClass=user)", asked))
		if err != nil {
			t.Fatal(err)
		}
		if got := found.Entries[0].GetAttributeValues("memberOf;range=0-1499"); len(got) != 1500 {
			t.Errorf("%s: got %d groups in the first range, want 1500", asked, len(got))
		}
		if got := found.Entries[0].GetAttributeValues("memberOf"); len(got) != 0 {
			t.Errorf("%s: got %d groups without a range", asked, len(got))
		}
	}
	found, err := conn.Search(searchFor(ada.DN, "(objectClass=user)", "memberOf;range=1500-*"))
	if err != nil || len(found.Entries[0].GetAttributeValues("memberOf;range=1500-*")) != 1 {
		t.Errorf("the last range: got %v, %v", found, err)
	}
}

// TestValueCount fills one attribute of an object, bit by bit, to what a record holds.
func TestValueCount(t *testing.T) {
	t.Parallel()
	server := start(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	seed(t, server, dn, "user", ldapd.Attrs{"proxyAddresses": aliases(1199)})
	conn := bound(t, server)
	add := func(value string) error {
		request := goldap.NewModifyRequest(string(dn), nil)
		request.Add("proxyAddresses", []string{value})
		return conn.Modify(request)
	}
	wantCode(t, "the last that fits", add("smtp:last@x.test"), 0)
	wantCode(t, "one more", add("smtp:more@x.test"), 11)
	if got := readBack(t, conn, dn, "proxyAddresses"); len(got) != 1200 {
		t.Errorf("got %d addresses, want 1200", len(got))
	}
}
