package ldap_test

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
)

// dialByName connects to the server by the name localhost, which leads to it, and which
// the test then lets lead elsewhere.
func dialByName(t *testing.T) (*ldap.Conn, *relay) {
	t.Helper()
	server, err := ldapd.Start(t.Context(), ldapd.Config{Domain: "alpine.test", AdminPassword: "Rehearsal-Passw0rd!"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	r := startRelay(t, server.URL())
	served, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ldap.Dial(t.Context(), ldap.Config{
		URL: "ldaps://localhost:" + port, CAFile: ca, ServerName: served.Hostname(), BindDN: string(server.AdminDN()), Password: "Rehearsal-Passw0rd!",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, r
}

// Once a server was reached, every connection goes to it, wherever its name leads since,
// and it is named.
func TestServerIsKept(t *testing.T) {
	t.Parallel()
	conn, r := dialByName(t)
	address := r.listener.Addr().String()
	if got := conn.Server(); !strings.HasPrefix(got, "ldaps://localhost:") || !strings.Contains(got, address) || !strings.Contains(got, "alpine.test") {
		t.Errorf("the server is called %q; want the name, the server's own name and %s", got, address)
	}
	conn.Readdress("nowhere.invalid:636")
	if _, err := conn.Get(t.Context(), ""); err != nil {
		t.Errorf("the next connection did not go to the server that was reached first: %v", err)
	}
	r.mu.Lock()
	count := r.count
	r.mu.Unlock()
	if count != 2 {
		t.Errorf("%d connections were made, want 2", count)
	}
}

// A server that is gone is not replaced by another that has its name.
func TestKeptServerIsGone(t *testing.T) {
	t.Parallel()
	conn, r := dialByName(t)
	address := r.listener.Addr().String()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	_ = r.listener.Close()
	r.cut()
	conn.Readdress(other.Addr().String())
	_, err = conn.Get(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "server "+address+", which this run stays with") {
		t.Errorf("got %v, want an error that names %s", err, address)
	}
}
