package real

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// testOU is where tests plant; nothing else in a forest is touched by them.
const testOU = "reforest"

// A Forest is one of the lab's two.
type Forest struct {
	URL          string // ldaps://address:port
	GC           string // ldaps://address:port of the global catalog
	ServerName   string // the domain controller's DNS name, in its certificate
	Domain       string // alpine.test
	NetBIOS      string // ALPINE
	Base         string // DC=alpine,DC=test
	Organisation string // Alpine
	BindDN       string // an administrator's DN
	Login        string // his user principal name
	Password     string
	CA           string // file
}

// OU returns the DN of the organizational unit with this name for tests; "" is the
// one that holds them all.
func (f Forest) OU(name string) string {
	dn := "OU=" + testOU + "," + f.Base
	if name != "" {
		dn = "OU=" + name + "," + dn
	}
	return dn
}

// groupName is the administrative group of every organisation since Exchange 2007.
const groupName = "Exchange Administrative Group (FYDIBOHF23SPDLT)"

// DatabasesDN returns the DN of the container of mailbox databases.
func (f Forest) DatabasesDN() string {
	return "CN=Databases,CN=" + groupName + ",CN=Administrative Groups,CN=" + f.Organisation +
		",CN=Microsoft Exchange,CN=Services,CN=Configuration," + f.Base
}

// DatabaseDN returns the DN of the mailbox database with this name.
func (f Forest) DatabaseDN(name string) string { return "CN=" + name + "," + f.DatabasesDN() }

// LegacyDN returns the legacyExchangeDN that Exchange would give a recipient.
func (f Forest) LegacyDN(name string) string {
	return "/o=" + f.Organisation + "/ou=" + groupName + "/cn=Recipients/cn=" + name
}

func (f Forest) address() string {
	u, err := url.Parse(f.URL)
	if err != nil {
		return f.URL
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "636")
	}
	return u.Host
}

// Dial returns a connection that is bound as the administrator and dies with the test.
func (f Forest) Dial(t testing.TB) *ldap.Conn {
	t.Helper()
	conn := ldap.NewConn(dialTLS(t, f.address(), f.CA, f.ServerName), true)
	conn.SetTimeout(operationTime)
	conn.Start()
	if err := conn.Bind(f.BindDN, f.Password); err != nil {
		t.Fatalf("bind to %s: %v", f.NetBIOS, err)
	}
	return conn
}

// Reset deletes all that tests planted in the forest and leaves the OUs Staff, Joined
// and Migrated, all empty.
func (f Forest) Reset(t testing.TB) {
	t.Helper()
	conn := f.Dial(t)
	defer func() { _ = conn.Close() }()
	request := ldap.NewDelRequest(f.OU(""), []ldap.Control{ldap.NewControlSubtreeDelete()})
	if err := conn.Del(request); err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		t.Fatalf("delete the test OU of %s: %v", f.NetBIOS, err)
	}
	for _, name := range []string{"", "Staff", "Joined", "Migrated"} {
		f.add(t, conn, f.OU(name), map[string][]string{"objectClass": {"organizationalUnit"}})
	}
}

// Fresh puts both forests back to their first day. It takes about two seconds, and much
// less than to delete thousands of objects, of which a server keeps the tombstones.
func (l Lab) Fresh(t testing.TB) {
	t.Helper()
	l.reset(t, "alpine", "fabrikam")
}

// FreshTarget puts FABRIKAM back to its first day.
func (l Lab) FreshTarget(t testing.TB) {
	t.Helper()
	l.reset(t, "fabrikam")
}

// reset runs scripts/lab/reset.
func (l Lab) reset(t testing.TB, what ...string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), operationTime)
	defer cancel()
	script := filepath.Join(filepath.Dir(file), "..", "..", "..", "scripts", "lab", "reset")
	command := exec.CommandContext(ctx, script, what...)
	command.Env = append(os.Environ(), "REFOREST_LAB="+l.Dir)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("reset %q: %v\n%s", what, err, out)
	}
}

func (f Forest) add(t testing.TB, conn *ldap.Conn, dn string, attributes map[string][]string) {
	t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	if err := conn.Add(request); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

// replace sets an attribute.
func (f Forest) replace(t testing.TB, conn *ldap.Conn, dn, name string, values ...string) {
	t.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace(name, values)
	if err := conn.Modify(request); err != nil {
		t.Fatalf("set %s of %s: %v", name, dn, err)
	}
}

// read returns one attribute of one object as bytes.
func (f Forest) read(t testing.TB, conn *ldap.Conn, dn, name string, controls ...ldap.Control) []byte {
	t.Helper()
	result, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{name}, controls))
	if err == nil && len(result.Entries) != 1 {
		err = errors.New("not one entry")
	}
	if err != nil {
		t.Fatalf("read %s of %s: %v", name, dn, err)
	}
	value := result.Entries[0].GetRawAttributeValue(name)
	if len(value) == 0 {
		t.Fatalf("read %s of %s: it has none", name, dn)
	}
	return value
}

// escapeRDN escapes a value for a DN (RFC 4514 2.4), the equals sign too: Samba
// refuses it bare.
func escapeRDN(value string) string {
	return strings.ReplaceAll(ldap.EscapeDN(value), "=", "\\=")
}
