package replica_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
)

func tlsOf(authority *ldapd.Authority) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority.PEM())
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// TestShowsTheSame changes a forest in every way there is and compares the replica with it
// after each: all entries, all attributes, back links and security descriptors included.
func TestShowsTheSame(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	base := server.BaseDN()
	member := members(t, server, 3)[0]
	l := follow(t, upstream, replica.Config{})
	l.same(t)
	conn := raw(t, upstream, server.Authority())
	rename := func(dn directory.DN, name string, parent directory.DN) error {
		return conn.ModifyDN(goldap.NewModifyDNRequest(string(dn), name, true, string(parent)))
	}
	contact := goldap.NewAddRequest(string(staff(base, "cyd")), nil)
	contact.Attribute("objectClass", []string{"contact"})
	other := base.Child("OU", "Other")
	unit := goldap.NewAddRequest(string(other), nil)
	unit.Attribute("objectClass", []string{"organizationalUnit"})
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"modify", func() error {
			return l.main.Write(t.Context(), modify(staff(base, "ada"), "targetAddress", "SMTP:ada@fabrikam.test"))
		}},
		{"link", func() error {
			return l.main.Write(t.Context(), modify(staff(base, "ada"), "manager", string(staff(base, "bea"))))
		}},
		{"remove a value", func() error { return l.main.Write(t.Context(), modify(staff(base, "bea"), "displayName")) }},
		{"delete and add under the same name", func() error {
			return errors.Join(conn.Del(goldap.NewDelRequest(string(staff(base, "cyd")), nil)), conn.Add(contact))
		}},
		{"exchange names", func() error {
			return errors.Join(rename(staff(base, "ada"), "CN=x", ""), rename(staff(base, "bea"), "CN=ada", ""), rename(staff(base, "x"), "CN=bea", ""))
		}},
		{"another spelling of the name", func() error { return rename(staff(base, "ada"), "CN=ADA", "") }},
		{"move into a new unit", func() error { return errors.Join(conn.Add(unit), rename(staff(base, "ada"), "CN=ada", other)) }},
		{"rename a unit", func() error { return rename(other, "OU=Elsewhere", "") }},
		{"move out and delete the unit", func() error {
			return errors.Join(rename("CN=ada,OU=Elsewhere,"+base, "CN=ada", base.Child("OU", "Staff")),
				conn.Del(goldap.NewDelRequest("OU=Elsewhere,"+string(base), nil)))
		}},
		{"delete a member", func() error { return conn.Del(goldap.NewDelRequest(member, nil)) }},
		{"delete a tree", func() error {
			return conn.Del(goldap.NewDelRequest(string(base.Child("OU", "Staff")), []goldap.Control{goldap.NewControlSubtreeDelete()}))
		}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		l.catchUp(t)
		l.sameBelow(t, base)
		if t.Failed() {
			t.Fatalf("after: %s", step.what)
		}
	}
	l.same(t)
}

// TestManyMembers: a group of more members than come at a time (MS-ADTS 3.1.1.3.1.3.3) is
// whole.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	count := len(members(t, server, 3100))
	l := follow(t, upstream, replica.Config{})
	group := staff(server.BaseDN(), "everyone")
	if entry, err := l.conn.Get(t.Context(), group, "member"); err != nil || len(entry.Values("member")) != count {
		t.Fatalf("got %d members, %v", len(entry.Values("member")), err)
	}
	l.write(t, directory.Change{Op: directory.Modify, DN: group, Mods: []directory.Mod{
		{Op: directory.DeleteValues, Attr: "member", Values: [][]byte{[]byte(staff(server.BaseDN(), "member 0007"))}},
	}})
	l.catchUp(t)
	if entry, err := l.conn.Get(t.Context(), group, "member"); err != nil || len(entry.Values("member")) != count-1 {
		t.Fatalf("got %d members, %v", len(entry.Values("member")), err)
	}
}

// TestAnswersAsUpstream asks both servers the same questions.
func TestAnswersAsUpstream(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	base := server.BaseDN()
	entry, err := server.Entry(staff(base, "ada"))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SeedChange(staff(base, "bea"), modify("", "manager", string(staff(base, "ada"))).Mods...); err != nil {
		t.Fatal(err)
	}
	l := follow(t, upstream, replica.Config{})
	for _, filter := range []directory.Filter{
		directory.Eq("proxyAddresses", "smtp:ADA@alpine.test"), directory.Eq("directReports", string(staff(base, "bea"))),
		directory.Eq("manager", string(staff(base, "ada"))), directory.Eq("anr", "ad"), "(objectCategory=person)",
		"(userAccountControl:1.2.840.113556.1.4.803:=2)", "(mail=*alpine*)", "(whenChanged>=20000101000000.0Z)",
		"(&(objectClass=user)(!(manager=*)))", "(memberOf:1.2.840.113556.1.4.1941:=CN=Domain Admins,CN=Users,DC=alpine,DC=test)",
		directory.Filter("(objectGUID=" + escaped(entry.Bytes("objectGUID")[0]) + ")"),
		directory.Filter("(objectSid=" + escaped(entry.Bytes("objectSid")[0]) + ")"),
	} {
		want, got := names(t, l.main, base, filter), names(t, l.conn, base, filter)
		if want == "" || got != want {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
	info, err := directory.Survey(t.Context(), l.main)
	if err != nil {
		t.Fatal(err)
	}
	here, err := directory.Survey(t.Context(), l.conn)
	if err != nil || here.Domains[0] != info.Domains[0] || len(here.Schema) != len(info.Schema) || len(here.Accepted) != len(info.Accepted) {
		t.Errorf("got %+v, %v, want %+v", here.Domains, err, info.Domains)
	}
	root, err := l.conn.Get(t.Context(), "", "dnsHostName", "serverName", "defaultNamingContext")
	if err != nil || root.First("dnsHostName") != "replica.alpine.test" || !strings.HasPrefix(root.First("serverName"), "CN=REPLICA,") {
		t.Errorf("got %v, %v", root, err)
	}
}

// escaped writes bytes for a filter (RFC 4515 3).
func escaped(b []byte) string { return `\` + strings.ReplaceAll(fmt.Sprintf("% x", b), " ", `\`) }

func names(t *testing.T, conn *ldap.Conn, base directory.DN, filter directory.Filter) string {
	t.Helper()
	var out []string
	for entry, err := range conn.Find(t.Context(), directory.Query{Base: base, Filter: filter, Attrs: []string{"cn"}}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry.First("cn"))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// TestReadOnly: writes are referred to the server that is followed, or refused.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	ada := staff(server.BaseDN(), "ada")
	request := goldap.NewModifyRequest(string(ada), nil)
	request.Replace("title", []string{"written"})
	for code, catalog := range map[uint16]bool{goldap.LDAPResultReferral: false, goldap.LDAPResultUnwillingToPerform: true} {
		l := follow(t, upstream, replica.Config{Catalog: catalog})
		conn := raw(t, l.here, l.replica.Server().Authority())
		for what, err := range map[string]error{
			"modify": conn.Modify(request),
			"delete": conn.Del(goldap.NewDelRequest(string(ada), nil)),
			"rename": conn.ModifyDN(goldap.NewModifyDNRequest(string(ada), "CN=x", true, "")),
		} {
			if !goldap.IsErrorWithCode(err, code) {
				t.Errorf("%s: got %v, want result code %d", what, err, code)
			}
		}
		l.catchUp(t)
		l.sameNames(t)
	}
}

func (l *lab) sameNames(t *testing.T) {
	t.Helper()
	if want, got := names(t, l.main, l.base, "(objectClass=user)"), names(t, l.conn, l.base, "(objectClass=user)"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLogins: whoever the configuration names may log on, in any form of the name; nobody
// else, for passwords are not replicated.
func TestLogins(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	l := follow(t, upstream, replica.Config{Logins: map[string]string{string(server.AdminDN()): password, "ada@alpine.test": "Two-Passw0rd"}})
	conn, err := goldap.DialURL(l.replica.URL(), goldap.DialWithTLSConfig(tlsOf(l.replica.Server().Authority())))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, test := range []struct {
		name, password string
		code           uint16
	}{
		{`ALPINE\Administrator`, password, 0},
		{"administrator@alpine.test", password, 0},
		{string(server.AdminDN()), "Two-Passw0rd", 49},
		{string(staff(server.BaseDN(), "ada")), password, 49},
		{string(staff(server.BaseDN(), "ada")), "Two-Passw0rd", 0},
		{"bea@alpine.test", "Two-Passw0rd", 49},
		{"nobody@alpine.test", "Two-Passw0rd", 49},
	} {
		if err := conn.Bind(test.name, test.password); test.code == 0 && err != nil || test.code != 0 && !goldap.IsErrorWithCode(err, test.code) {
			t.Errorf("%s: got %v, want result code %d", test.name, err, test.code)
		}
	}
}

// TestManyWriters: changes come while the replica reads, in no order; a replica of the
// replica shows the same in the end.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	l := follow(t, upstream, replica.Config{Poll: time.Millisecond})
	further := follow(t, l.here, replica.Config{Poll: 5 * time.Millisecond, Authority: server.Authority()})
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() { scribble(t, server, writer) })
	}
	group.Wait()
	l.catchUp(t)
	l.sameBelow(t, l.base)
	further.catchUp(t)
	further.sameBelow(t, further.base)
}

// scribble makes, changes, links and deletes people.
func scribble(t *testing.T, server *ldapd.Server, writer int) {
	base := server.BaseDN()
	for i := range 60 {
		dn := staff(base, fmt.Sprintf("writer %d item %d", writer, i%7))
		if err := server.SeedDelete(dn); err != nil && i >= 7 {
			t.Error(err)
		}
		if _, err := server.Seed(dn, person(fmt.Sprintf("w%di%d", writer, i%7))); err != nil {
			t.Error(err)
		}
		if err := server.SeedChange(staff(base, "ada"), modify("", "manager", string(dn)).Mods...); err != nil {
			t.Error(err)
		}
	}
}

// TestEnds: after Close nobody waits any more.
func TestEnds(t *testing.T) {
	t.Parallel()
	_, upstream := forest(t, ldapd.Config{})
	l := follow(t, upstream, replica.Config{})
	l.replica.Freeze()
	l.write(t, modify(staff(l.base, "ada"), "title", "never"))
	waited := make(chan error, 1)
	go func() { waited <- l.replica.CaughtUp(t.Context()) }()
	if err := l.replica.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waited; err == nil {
		t.Error("got no error")
	}
	if err := l.replica.CaughtUp(t.Context()); err == nil {
		t.Error("after Close: got no error")
	}
}

// TestBadConfig: what cannot work is refused at the start, and names no password.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	_, upstream := forest(t, ldapd.Config{})
	good := replica.Config{Upstream: upstream.URL, CAFile: upstream.CAFile, BindDN: upstream.BindDN, Password: upstream.Password}
	for what, spoil := range map[string]func(*replica.Config){
		"no password":  func(c *replica.Config) { c.Password = "" },
		"no authority": func(c *replica.Config) { c.CAFile = "" },
		"clear text":   func(c *replica.Config) { c.Upstream = strings.Replace(c.Upstream, "ldaps", "ldap", 1) },
		"wrong name":   func(c *replica.Config) { c.ServerName = "elsewhere.test" },
		"wrong secret": func(c *replica.Config) { c.Password += "?" },
	} {
		config := good
		spoil(&config)
		r, err := replica.Start(t.Context(), config)
		if err == nil {
			_ = r.Close()
			t.Errorf("%s is accepted", what)
			continue
		}
		if strings.Contains(err.Error()+fmt.Sprintf("%v %#v", config, config), password) {
			t.Errorf("%s: the password shows", what)
		}
	}
}
