package ldapd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "Rehearsal-Passw0rd!"

func start(t testing.TB) *ldapd.Server {
	t.Helper()
	server, err := ldapd.Start(t.Context(), ldapd.Config{
		Domain: "alpine.test", AdminPassword: password, UPNSuffixes: []string{"alpine.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func trust(server *ldapd.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.Authority().PEM())
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// connect opens a connection without binding.
func connect(t testing.TB, server *ldapd.Server, address string) *goldap.Conn {
	t.Helper()
	conn, err := goldap.DialURL(address, goldap.DialWithTLSConfig(trust(server)))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetTimeout(20 * time.Second)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func bound(t testing.TB, server *ldapd.Server) *goldap.Conn {
	t.Helper()
	conn := connect(t, server, server.URL())
	if err := conn.Bind(string(server.AdminDN()), password); err != nil {
		t.Fatal(err)
	}
	return conn
}

func wantCode(t testing.TB, what string, err error, code uint16) {
	t.Helper()
	if code == 0 && err == nil {
		return
	}
	if !goldap.IsErrorWithCode(err, code) {
		t.Errorf("%s: got %v, want result code %d", what, err, code)
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	seedUser(t, server, users, "ada", ldapd.Attrs{"userPrincipalName": {"ada.b@alpine.example"}})
	seedUser(t, server, users, "off", ldapd.Attrs{"userAccountControl": {"514"}})
	for _, test := range []struct {
		name, user, password, data string
		code                       uint16
	}{
		{"DN", string(users.Child("CN", "ada")), password, "", 0},
		{"DN in another spelling", "cn=ADA, cn=users, dc=Alpine,dc=test", password, "", 0},
		{"user principal name", "Ada.B@alpine.example", password, "", 0},
		{"domain and name", `alpine\ADA`, password, "", 0},
		{"DNS domain and name", `alpine.test\ada`, password, "", 0},
		{"name at domain", "ada@alpine.test", password, "", 0},
		{"wrong password", `ALPINE\ada`, "nonsense", "data 52e", 49},
		{"unknown user", `ALPINE\nobody`, password, "data 52e", 49},
		{"other domain", `FABRIKAM\ada`, password, "data 52e", 49},
		{"no password set", string(users.Child("CN", "Domain Admins")), password, "data 52e", 49},
		{"disabled", `ALPINE\off`, password, "data 533", 49},
		{"hostile name", `*)(objectClass=*`, password, "data 52e", 49},
	} {
		conn := connect(t, server, server.URL())
		err := conn.Bind(test.user, test.password)
		wantCode(t, test.name, err, test.code)
		if err != nil && !strings.Contains(err.Error(), test.data) {
			t.Errorf("%s: got %v, want %s in it", test.name, err, test.data)
		}
	}
}

func seedUser(t testing.TB, server *ldapd.Server, below directory.DN, sam string, more ldapd.Attrs) *directory.Entry {
	t.Helper()
	attrs := ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {sam}, "userAccountControl": {"512"},
		"unicodePwd": {string(ldapd.EncodePassword(password))},
	}
	for name, values := range more {
		attrs[name] = values
	}
	entry, err := server.Seed(below.Child("CN", sam), attrs)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

func TestClearTextIsRefused(t *testing.T) {
	t.Parallel()
	server := start(t)
	conn := connect(t, server, server.PlainURL())
	wantCode(t, "bind in clear text", conn.Bind(string(server.AdminDN()), password), 8)
	if err := conn.StartTLS(trust(server)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "bind after StartTLS", conn.Bind(string(server.AdminDN()), password), 0)
	answer, err := conn.WhoAmI(nil)
	if err != nil || answer.AuthzID != `u:ALPINE\Administrator` {
		t.Errorf("who am I: got %+v, %v", answer, err)
	}
}

func TestAnonymous(t *testing.T) {
	t.Parallel()
	server := start(t)
	conn := connect(t, server, server.URL())
	root, err := conn.Search(goldap.NewSearchRequest("", 0, 0, 0, 0, false, "(objectClass=*)", []string{"defaultNamingContext"}, nil))
	if err != nil || root.Entries[0].GetAttributeValue("defaultNamingContext") != "DC=alpine,DC=test" {
		t.Errorf("rootDSE: got %v, %v", root, err)
	}
	wantCode(t, "unauthenticated bind", conn.UnauthenticatedBind(string(server.AdminDN())), 0)
	_, err = conn.Search(searchFor(server.BaseDN(), "(objectClass=*)"))
	wantCode(t, "search", err, 1)
	wantCode(t, "delete", conn.Del(goldap.NewDelRequest(string(server.AdminDN()), nil)), 1)
}

func searchFor(base directory.DN, filter string, attrs ...string) *goldap.SearchRequest {
	return goldap.NewSearchRequest(string(base), goldap.ScopeWholeSubtree, 0, 0, 0, false, filter, attrs, nil)
}

func TestPlainUserMayReadOnly(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	seedUser(t, server, users, "ada", nil)
	conn := connect(t, server, server.URL())
	if err := conn.Bind(`ALPINE\ada`, password); err != nil {
		t.Fatal(err)
	}
	found, err := conn.Search(searchFor(users, "(sAMAccountName=administrator)", "nTSecurityDescriptor", "unicodePwd"))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	if found.Entries[0].GetAttributeValue("unicodePwd") != "" {
		t.Error("a password can be read")
	}
	wantCode(t, "write", conn.Del(goldap.NewDelRequest(string(users.Child("CN", "ada")), nil)), 50)
}

func TestClose(t *testing.T) {
	t.Parallel()
	server := start(t)
	conn := bound(t, server)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Search(searchFor(server.BaseDN(), "(objectClass=*)")); err == nil {
		t.Error("the server answers after Close")
	}
	if err := server.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestContextStopsServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server, err := ldapd.Start(ctx, ldapd.Config{Domain: "alpine.test", AdminPassword: password})
	if err != nil {
		t.Fatal(err)
	}
	conn := bound(t, server)
	cancel()
	for !conn.IsClosing() { // until the server has hung up; go test's timeout bounds it
		time.Sleep(time.Millisecond)
	}
	_ = server.Close()
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	server := start(t)
	db, err := server.AddDatabase("DB, one")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(db), "CN=Databases,CN=Exchange Administrative Group (FYDIBOHF23SPDLT),CN=Administrative Groups,CN=First Organization,CN=Microsoft Exchange,CN=Services,CN=Configuration,DC=alpine,DC=test") {
		t.Errorf("database is at %q", db)
	}
	conn := bound(t, server)
	partitions, err := conn.Search(searchFor("CN=Partitions,CN=Configuration,DC=alpine,DC=test", "(nETBIOSName=*)", "nCName", "nETBIOSName", "dnsRoot"))
	if err != nil || len(partitions.Entries) != 1 {
		t.Fatalf("got %v, %v", partitions, err)
	}
	if got := partitions.Entries[0].GetAttributeValue("nCName"); got != "DC=alpine,DC=test" {
		t.Errorf("nCName: got %q", got)
	}
	suffixes, err := server.Entry("CN=Partitions,CN=Configuration,DC=alpine,DC=test", "uPNSuffixes")
	if err != nil || suffixes.First("uPNSuffixes") != "alpine.example" {
		t.Errorf("uPNSuffixes: got %v, %v", suffixes, err)
	}
	databases, err := conn.Search(searchFor(server.ConfigDN(), "(objectClass=msExchPrivateMDB)", "cn"))
	if err != nil || len(databases.Entries) != 1 {
		t.Errorf("databases: got %v, %v", databases, err)
	}
	// The configuration is a naming context of its own: the domain only refers to it.
	domain, err := conn.Search(searchFor(server.BaseDN(), "(objectClass=msExchPrivateMDB)", "cn"))
	if err != nil || len(domain.Entries) != 0 || len(domain.Referrals) != 1 {
		t.Errorf("search of the domain: got %v, %v", domain, err)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	server := start(t)
	db, err := server.AddDatabase("DB01")
	if err != nil {
		t.Fatal(err)
	}
	history, err := migrate.SID("S-1-5-21-1-2-3-1105").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ada := seedUser(t, server, server.BaseDN().Child("CN", "Users"), "ada", ldapd.Attrs{
		"homeMDB": {string(db)}, "proxyAddresses": {"SMTP:ada@alpine.test"}, "sIDHistory": {string(history)},
	})
	sid, err := migrate.SIDFromBytes(ada.Bytes("objectSid")[0])
	if err != nil || sid.Domain() != server.DomainSID() {
		t.Errorf("objectSid: got %q, %v, want one of %q", sid, err, server.DomainSID())
	}
	if got, err := server.Authenticate("ada@alpine.test", password); err != nil || got != sid {
		t.Errorf("authenticate: got %q, %v", got, err)
	}
	if _, err := server.Authenticate("ada@alpine.test", "nonsense"); err == nil {
		t.Error("a wrong password is accepted")
	}
	found, err := server.Lookup("proxyAddresses", "smtp:ADA@alpine.test")
	if err != nil || !found.DN.Equal(ada.DN) {
		t.Errorf("lookup: got %v, %v", found, err)
	}
	back, err := server.Entry(db, "homeMDBBL")
	if err != nil || !slices.Equal(back.Values("homeMDBBL"), []string{string(ada.DN)}) {
		t.Errorf("homeMDBBL: got %v, %v", back, err)
	}
	if err := server.SeedChange(ada.DN, directory.Mod{Op: directory.DeleteValues, Attr: "homeMDB"}); err != nil {
		t.Fatal(err)
	}
	if back, _ := server.Entry(db, "homeMDBBL"); back.Has("homeMDBBL") {
		t.Error("the back link outlives its link")
	}
	if err := server.SeedDelete(ada.DN); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Entry(ada.DN); err == nil {
		t.Error("a deleted entry is there")
	}
}

// TestManyClients lets clients write and read at once; the race detector watches.
func TestManyClients(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	seedGroup(t, server, users, "everyone")
	var group sync.WaitGroup
	for client := range 6 {
		conn := bound(t, server)
		group.Go(func() {
			for i := range 10 {
				dn := users.Child("CN", strings.Repeat("x", client+1)+" "+strings.Repeat("y", i+1))
				if err := conn.Add(newContact(dn)); err != nil {
					t.Errorf("add %q: %v", dn, err)
					return
				}
				join := goldap.NewModifyRequest(string(users.Child("CN", "everyone")), nil)
				join.Add("member", []string{string(dn)})
				if err := conn.Modify(join); err != nil {
					t.Errorf("join %q: %v", dn, err)
				}
				if _, err := conn.SearchWithPaging(searchFor(users, "(objectClass=contact)"), 7); err != nil {
					t.Errorf("search: %v", err)
				}
			}
		})
	}
	group.Wait()
	everyone, err := server.Entry(users.Child("CN", "everyone"), "member")
	if err != nil || len(everyone.Values("member")) != 60 {
		t.Errorf("got %d members, %v, want 60", len(everyone.Values("member")), err)
	}
}

func seedGroup(t testing.TB, server *ldapd.Server, below directory.DN, name string) {
	t.Helper()
	if _, err := server.Seed(below.Child("CN", name), ldapd.Attrs{"objectClass": {"group"}, "sAMAccountName": {name}}); err != nil {
		t.Fatal(err)
	}
}

func newContact(dn directory.DN) *goldap.AddRequest {
	request := goldap.NewAddRequest(string(dn), nil)
	request.Attribute("objectClass", []string{"contact"})
	return request
}

func TestURLs(t *testing.T) {
	t.Parallel()
	server := start(t)
	for _, address := range []string{server.URL(), server.PlainURL()} {
		u, err := url.Parse(address)
		if err != nil || u.Hostname() != "127.0.0.1" || u.Port() == "0" {
			t.Errorf("got %q, %v, want a port on the loopback", address, err)
		}
	}
	if diff := cmp.Diff(directory.DN("DC=alpine,DC=test"), server.BaseDN()); diff != "" {
		t.Error(diff)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for _, config := range []ldapd.Config{
		{},
		{Domain: "alpine.test"},
		{Domain: "al,pine.test", AdminPassword: password},
		{Domain: "alpine..test", AdminPassword: password},
		{Domain: "alpine.test", AdminPassword: password, Address: "127.0.0.1:-1"},
	} {
		if server, err := ldapd.Start(t.Context(), config); err == nil {
			_ = server.Close()
			t.Errorf("%+v was accepted", config)
		}
	}
}
