// Package real gives tests the real servers of scripts/lab/up: two Active Directory
// forests (Samba) and two IMAP servers (Dovecot). It plants people and mail there and
// reads back what has become of them.
//
// It shares no code with the product beyond the client libraries, so that a mistake
// of the product is not made twice and overlooked.
package real

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// operationTime bounds one conversation with a server of the lab.
const operationTime = 2 * time.Minute

// A Lab is the set of real servers, held for one test.
type Lab struct {
	Dir        string // what the lab writes lies here
	CA         string // file with the CA certificate of every server
	Source     Forest // ALPINE
	Target     Forest // FABRIKAM
	SourceMail MailServer
	TargetMail MailServer
}

// Load returns the lab that $REFOREST_LAB_ENV, the file env of scripts/lab/up,
// describes. Without that variable the test is skipped.
//
// The lab belongs to the test until it ends: other tests that ask for it wait, in this
// process and in others. A test must not ask twice.
func Load(t testing.TB) Lab {
	t.Helper()
	path := os.Getenv("REFOREST_LAB_ENV")
	if path == "" {
		t.Skip("no real forests: run scripts/lab/up")
	}
	env := readEnv(t, path)
	lab := Lab{
		Dir: env.get("REFOREST_LAB"), CA: env.get("REFOREST_LAB_CA"),
		Source: env.forest("SOURCE"), Target: env.forest("TARGET"),
		SourceMail: env.mail("SOURCE"), TargetMail: env.mail("TARGET"),
	}
	hold(t, lab.Source.address())
	return lab
}

// hold waits for the lab and keeps it for the test. What is held is a port beside the
// forest's own: the kernel frees it however the process ends.
func hold(t testing.TB, ldapAddress string) {
	t.Helper()
	host, _, err := net.SplitHostPort(ldapAddress)
	if err != nil {
		t.Fatalf("read the address of the lab: %v", err)
	}
	address := net.JoinHostPort(host, "6350")
	for deadline := time.Now().Add(15 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err == nil {
			t.Cleanup(func() { _ = listener.Close() })
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("wait for the lab: another test holds it: %v", err)
		}
	}
}

// An environment is what the lab says about itself.
type environment struct {
	t      testing.TB
	path   string
	values map[string]string
}

func readEnv(t testing.TB, path string) environment {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("read the lab's environment: %v", err)
	}
	defer func() { _ = file.Close() }()
	env := environment{t: t, path: path, values: map[string]string{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, found := strings.Cut(lines.Text(), "="); found {
			env.values[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("read the lab's environment: %v", err)
	}
	return env
}

func (e environment) get(key string) string {
	e.t.Helper()
	value := e.values[key]
	if value == "" {
		e.t.Fatalf("%s does not say %s", e.path, key)
	}
	return value
}

func (e environment) forest(side string) Forest {
	key := "REFOREST_LAB_" + side + "_"
	return Forest{
		URL: e.get(key + "LDAP"), GC: e.get(key + "GC"), ServerName: e.get(key + "LDAP_NAME"),
		Domain: e.get(key + "DOMAIN"), NetBIOS: e.get(key + "NETBIOS"), Base: e.get(key + "BASE"),
		Organisation: e.get(key + "ORGANISATION"), BindDN: e.get(key + "BIND"), Login: e.get(key + "LOGIN"),
		Password: e.get(key + "PASSWORD"), CA: e.get("REFOREST_LAB_CA"),
	}
}

func (e environment) mail(side string) MailServer {
	key := "REFOREST_LAB_" + side + "_"
	return MailServer{
		Address: e.get(key + "IMAP"), ServerName: e.get(key + "IMAP_NAME"),
		Admin: e.get("REFOREST_LAB_IMAP_ADMIN"), AdminPassword: e.get("REFOREST_LAB_IMAP_ADMIN_PASSWORD"),
		Password: e.get("REFOREST_LAB_IMAP_PASSWORD"), CA: e.get("REFOREST_LAB_CA"),
		LMTP: e.get(key + "LMTP"), lab: e.get("REFOREST_LAB"), side: strings.ToLower(side),
	}
}

// trust returns a TLS configuration that believes the lab's CA only.
func trust(t testing.TB, ca, serverName string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatalf("read the lab's CA: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("read the lab's CA: no certificate in %s", ca)
	}
	return &tls.Config{RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS12}
}

// dialTLS connects within operationTime; the connection dies with the test.
func dialTLS(t testing.TB, address, ca, serverName string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), operationTime)
	defer cancel()
	dialer := &tls.Dialer{Config: trust(t, ca, serverName)}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatalf("connect to %s: %v", address, err)
	}
	stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
	t.Cleanup(func() { stop() })
	return conn
}
