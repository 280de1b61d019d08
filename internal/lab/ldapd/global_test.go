package ldapd_test

import (
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// forestOfTwo starts a forest with a domain below its first, and someone in each.
func forestOfTwo(t *testing.T) (server *ldapd.Server, sales directory.DN) {
	t.Helper()
	server = start(t)
	sales, err := server.AddDomain("sales")
	if err != nil {
		t.Fatal(err)
	}
	seedUser(t, server, server.BaseDN().Child("CN", "Users"), "ada", nil)
	seedUser(t, server, sales.Child("CN", "Users"), "bea", ldapd.Attrs{
		"userPrincipalName": {"bea@alpine.test"}, "proxyAddresses": {"SMTP:bea@alpine.test"}, "adminDescription": {"staged"},
		"manager": {"CN=ada,CN=Users,DC=alpine,DC=test"},
	})
	return server, sales
}

// TestOtherDomain asks a domain controller of one domain for another: it refers
// (MS-ADTS 3.1.1.4.6), but knows the forest's names.
func TestOtherDomain(t *testing.T) {
	t.Parallel()
	server, sales := forestOfTwo(t)
	bea := sales.Child("CN", "Users").Child("CN", "bea")
	conn := bound(t, server)
	_, err := conn.Search(searchFor(sales, "(objectClass=user)"))
	wantCode(t, "search the other domain", err, 10)
	wantCode(t, "write there", replace(conn, bea, "title", "smith"), 10)
	wantCode(t, "add there", addUser(conn, sales.Child("CN", "Users").Child("CN", "new")), 10)
	wantCode(t, "delete there", conn.Del(goldap.NewDelRequest(string(bea), nil)), 10)
	found, err := conn.Search(searchFor(server.BaseDN(), "(sAMAccountName=bea)", "cn"))
	if err != nil || len(found.Entries) != 0 || !slices.ContainsFunc(found.Referrals, func(url string) bool { return strings.HasSuffix(url, string(sales)) }) {
		t.Errorf("search of the own domain: got %v, %v, want a reference to the other", found, err)
	}

	users := server.BaseDN().Child("CN", "Users")
	wantCode(t, "the same sAMAccountName", addUser(conn, users.Child("CN", "bea"), attr{"sAMAccountName", []string{"bea"}}), 0)
	wantCode(t, "the same userPrincipalName", replace(conn, users.Child("CN", "bea"), "userPrincipalName", "BEA@alpine.test"), 19)
	wantCode(t, "a link into the other domain", replace(conn, users.Child("CN", "bea"), "manager", string(bea)), 0)
	one, other := readBack(t, conn, users.Child("CN", "bea"), "objectSid"), readBack(t, connectGlobal(t, server), bea, "objectSid")
	if one[0][:24] == other[0][:24] {
		t.Error("both domains have one SID")
	}
	wantCode(t, "bind by the name of this domain", connect(t, server, server.URL()).Bind(`ALPINE\bea`, password), 49) // has no password
}

// connectGlobal binds at the global catalog.
func connectGlobal(t *testing.T, server *ldapd.Server) *goldap.Conn {
	t.Helper()
	conn := connect(t, server, server.GlobalURL())
	if err := conn.Bind(string(server.AdminDN()), password); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestGlobalCatalog(t *testing.T) {
	t.Parallel()
	server, sales := forestOfTwo(t)
	conn := connectGlobal(t, server)
	const people = "(&(objectClass=user)(!(isCriticalSystemObject=TRUE)))"
	for _, test := range []struct {
		base   directory.DN
		filter string
		want   []string
	}{
		{"", "(proxyAddresses=smtp:BEA@alpine.test)", []string{"bea"}},
		{"", "(userPrincipalName=bea@alpine.test)", []string{"bea"}},
		{server.BaseDN(), "(|(sAMAccountName=ada)(sAMAccountName=bea))", []string{"ada", "bea"}},
		{sales, "(objectCategory=person)", []string{"bea"}},
		{"", "(cn=Partitions)", []string{"Partitions"}},
		{"", "(adminDescription=staged)", nil}, // a global catalog does not hold it
		{"", "(!(adminDescription=staged))", nil},
		{"", people, nil},
		{"", "(|(adminDescription=staged)(cn=bea))", []string{"bea"}},
	} {
		found, err := conn.Search(searchFor(test.base, test.filter, "cn"))
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		var got []string
		for _, entry := range found.Entries {
			got = append(got, entry.GetAttributeValue("cn"))
		}
		if diff := cmp.Diff(test.want, got); diff != "" || len(found.Referrals) != 0 {
			t.Errorf("%s below %q (-want +got):\n%sreferred to %q", test.filter, test.base, diff, found.Referrals)
		}
	}
	bea := sales.Child("CN", "Users").Child("CN", "bea")
	for attr, count := range map[string]int{"manager": 1, "proxyAddresses": 1, "adminDescription": 0, "pwdLastSet": 0} {
		if got := readBack(t, conn, bea, attr); len(got) != count {
			t.Errorf("%s: got %q, want %d values", attr, got, count)
		}
	}
	wantCode(t, "write", replace(conn, bea, "title", "smith"), 53)
	wantCode(t, "delete", conn.Del(goldap.NewDelRequest(string(bea), nil)), 53)
}

// TestGlobalSeesPages pages through both domains.
func TestGlobalSeesPages(t *testing.T) {
	t.Parallel()
	server, _ := forestOfTwo(t)
	found, err := connectGlobal(t, server).SearchWithPaging(searchFor("", "(objectClass=user)", "cn"), 1)
	if err != nil || len(found.Entries) != 3 { // and the administrator
		t.Errorf("got %v, %v, want three", found, err)
	}
}

// TestReplica plays a second domain controller, which lags behind the first until the
// content is brought over.
func TestReplica(t *testing.T) {
	t.Parallel()
	server, sales := forestOfTwo(t)
	replica := start(t)
	conn := bound(t, server)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "new")
	wantCode(t, "add", addUser(conn, dn), 0)
	if _, err := replica.Entry(dn); err == nil {
		t.Error("the replica does not lag")
	}
	if err := replica.Restore(server.Snapshot()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(server.Dump(), replica.Dump()); diff != "" {
		t.Errorf("after replication (-want +got):\n%s", diff)
	}
	bea := readBack(t, connectGlobal(t, replica), sales.Child("CN", "Users").Child("CN", "bea"), "mail")
	if _, err := bound(t, replica).Search(searchFor(sales, "(objectClass=*)")); !goldap.IsErrorWithCode(err, 10) || len(bea) != 0 {
		t.Errorf("the replica knows the other domain's place: got %v, %q", err, bea)
	}
}
