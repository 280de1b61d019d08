package snapshot_test

import (
	"os"
	"path/filepath"
	"testing"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/directory/snapshot"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

const labPassword = "Rehearsal-Passw0rd!"

// A forest is a rehearsal server with a connection to it.
type forest struct {
	server *ldapd.Server
	conn   *ldap.Conn
}

func startForest(t testing.TB) forest {
	t.Helper()
	server, err := ldapd.Start(t.Context(), ldapd.Config{
		Domain: "alpine.test", AdminPassword: labPassword, UPNSuffixes: []string{"alpine.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	conn, err := ldap.Dial(t.Context(), ldap.Config{
		URL: server.URL(), CAFile: ca, BindDN: `ALPINE\Administrator`, Password: labPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return forest{server, conn}
}

// seed adds an entry without LDAP.
func (f forest) seed(t testing.TB, dn directory.DN, attrs ldapd.Attrs) directory.DN {
	t.Helper()
	if _, err := f.server.Seed(dn, attrs); err != nil {
		t.Fatal(err)
	}
	return dn
}

// config is what the tests collect with.
func config() snapshot.Config {
	return snapshot.Config{
		Side: directory.Source, Account: `ALPINE\Administrator`,
		Attrs: []string{"thumbnailPhoto", "badPwdCount"},
	}
}

// save collects the reader's forest to a file and returns its path.
func save(t testing.TB, reader directory.Reader, config snapshot.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alpine.forest")
	if _, err := snapshot.Save(t.Context(), reader, path, config); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *snapshot.Reader {
	t.Helper()
	r, err := snapshot.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sidOf returns the binary form of a SID.
func sidOf(t testing.TB, sid migrate.SID) string {
	t.Helper()
	b, err := sid.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
