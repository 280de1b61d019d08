package ldap_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/directory/directorytest"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/real"
)

const labPassword = "Rehearsal-Passw0rd!"

// startLab starts a rehearsal forest and returns how to reach it.
func startLab(t testing.TB) (*ldapd.Server, ldap.Config) {
	t.Helper()
	server, err := ldapd.Start(context.WithoutCancel(t.Context()), ldapd.Config{Domain: "alpine.test", AdminPassword: labPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	return server, ldap.Config{URL: server.URL(), CAFile: ca, BindDN: `ALPINE\Administrator`, Password: labPassword}
}

func dial(t testing.TB, config ldap.Config) *ldap.Conn {
	t.Helper()
	conn, err := ldap.Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestRehearsal(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	conn := dial(t, config)
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		return directorytest.Fixture{Directory: conn, Base: newUnit(t, config, server.BaseDN())}
	})
}

// TestActiveDirectory runs the suite against a domain controller, Samba's or
// Microsoft's. Its schema must have Exchange's attributes.
func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	config, base := domainController(t)
	conn := dial(t, config)
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		return directorytest.Fixture{Directory: conn, Base: newUnit(t, config, base)}
	})
}

// domainController returns the server that the environment names: one of your own,
// or the source forest of scripts/lab/up. Without either the test is skipped.
func domainController(t *testing.T) (ldap.Config, directory.DN) {
	t.Helper()
	config := ldap.Config{
		URL:      os.Getenv("REFOREST_TEST_LDAP_URL"),
		CAFile:   os.Getenv("REFOREST_TEST_LDAP_CA"),
		BindDN:   os.Getenv("REFOREST_TEST_LDAP_BIND"),
		Password: os.Getenv("REFOREST_TEST_LDAP_PASSWORD"),
	}
	base := directory.DN(os.Getenv("REFOREST_TEST_LDAP_BASE"))
	if config.URL != "" && base != "" {
		return config, base
	}
	forest := real.Load(t).Source
	return ldap.Config{
		URL: forest.URL, CAFile: forest.CA, ServerName: forest.ServerName, BindDN: forest.BindDN, Password: forest.Password,
	}, directory.DN(forest.Base)
}

// newUnit makes an organizational unit for one test and deletes it with all that is
// in it. Deleting is none of the adapter's business, so go-ldap is used as it is.
func newUnit(t *testing.T, config ldap.Config, parent directory.DN) directory.DN {
	t.Helper()
	conn := dialRaw(t, config)
	suffix := make([]byte, 6)
	if _, err := rand.Read(suffix); err != nil {
		t.Fatal(err)
	}
	unit := parent.Child("OU", "test "+hex.EncodeToString(suffix))
	request := goldap.NewAddRequest(string(unit), nil)
	request.Attribute("objectClass", []string{"organizationalUnit"})
	if err := conn.Add(request); err != nil {
		t.Fatalf("add %q: %v", unit, err)
	}
	t.Cleanup(func() {
		tree := []goldap.Control{goldap.NewControlSubtreeDelete()}
		if err := dialRaw(t, config).Del(goldap.NewDelRequest(string(unit), tree)); err != nil {
			t.Errorf("delete %q: %v", unit, err)
		}
	})
	return unit
}

func dialRaw(t *testing.T, config ldap.Config) *goldap.Conn {
	t.Helper()
	pem, err := os.ReadFile(config.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conn, err := goldap.DialURL(config.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: pool, ServerName: config.ServerName}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(config.BindDN, config.Password); err != nil {
		t.Fatal(err)
	}
	return conn
}
