package transport_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"reforest/directory"
	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/transport"
	"reforest/migrate/imap/imaptest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"transport": func() { transport.Main(os.Args[1]) }})
}

const password = "Lab-Passw0rd!"

// patience bounds what a test waits for; it is never waited out unless the test fails.
const patience = 2 * time.Minute

// A site is a directory, a mail server and the configuration of a transport for them.
type site struct {
	name   string
	domain string
	ldap   *ldapd.Server
	people directory.DN // where recipients stand
	home   directory.DN // the mailbox database
	mail   *imapd.Server
	lmtp   *imapd.LMTP
	config transport.Config
}

// newSite starts a site's servers, without a transport.
func newSite(t testing.TB, name, domain string) *site {
	t.Helper()
	ctx := t.Context()
	server, err := ldapd.Start(ctx, ldapd.Config{Domain: domain, AdminPassword: password})
	must(t, err)
	t.Cleanup(func() { _ = server.Close() })
	s := &site{name: name, domain: domain, ldap: server, people: server.BaseDN().Child("OU", "People")}
	_, err = server.Seed(s.people, ldapd.Attrs{"objectClass": {"organizationalUnit"}})
	must(t, err)
	s.home, err = server.AddDatabase("MBX-1")
	must(t, err)
	cert := imaptest.NewCert(t)
	s.mail, err = imapd.Start(ctx, imapd.Config{Certificate: cert.TLS, Admins: map[string]string{"admin": "secret"}})
	must(t, err)
	t.Cleanup(func() { _ = s.mail.Close() })
	s.lmtp, err = s.mail.ListenLMTP(ctx, "")
	must(t, err)
	t.Cleanup(func() { _ = s.lmtp.Close() })
	s.config = s.configure(t, cert)
	return s
}

func (s *site) configure(t testing.TB, cert imaptest.Cert) transport.Config {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, s.ldap.Authority().WriteFile(ca))
	return transport.Config{
		Site: s.name, Dir: filepath.Join(t.TempDir(), "spool"), CertFile: cert.CertFile, KeyFile: cert.KeyFile,
		View: transport.View{URL: s.ldap.URL(), CAFile: ca, ServerName: "dc." + s.domain, BindDN: string(s.ldap.AdminDN()), Password: password},
		LMTP: transport.LMTPConfig{
			Address: s.lmtp.Addr(), IMAP: s.mail.Addr(), ServerName: "localhost", CAFile: cert.CertFile, Admin: "admin", AdminPassword: "secret",
		},
		RetryInterval: 20 * time.Millisecond, Settle: 50 * time.Millisecond, Poll: 5 * time.Millisecond,
	}
}

// pair is two sites, each of which forwards to the other.
func pair(t testing.TB) (source, target *site) {
	t.Helper()
	source, target = newSite(t, "source", "alpine.test"), newSite(t, "target", "fabrikam.test")
	source.config.Next = transport.Next{Domains: []string{target.domain}, Spool: target.config.Dir, CAFile: target.config.CertFile, ServerName: "localhost"}
	target.config.Next = transport.Next{Domains: []string{source.domain}, Spool: source.config.Dir, CAFile: source.config.CertFile, ServerName: "localhost"}
	return source, target
}

// add makes a recipient whose primary address is name and the site's domain.
func (s *site) add(t testing.TB, name string, attrs ldapd.Attrs) directory.DN {
	t.Helper()
	address := s.address(name)
	all := ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {name}, "userAccountControl": {"544"},
		"mail": {address}, "mailNickname": {name}, "proxyAddresses": {"SMTP:" + address},
	}
	for attr, values := range attrs {
		all[attr] = values
	}
	dn := s.people.Child("CN", name)
	_, err := s.ldap.Seed(dn, all)
	must(t, err)
	return dn
}

// addHome makes a recipient with a mailbox.
func (s *site) addHome(t testing.TB, name string) directory.DN {
	t.Helper()
	s.mail.SetUser(s.address(name), "x")
	return s.add(t, name, ldapd.Attrs{"homeMDB": {string(s.home)}})
}

func (s *site) address(name string) string { return name + "@" + s.domain }

// set changes one attribute; no values remove it.
func (s *site) set(t testing.TB, dn directory.DN, attr string, values ...string) {
	t.Helper()
	mod := directory.Mod{Op: directory.ReplaceValues, Attr: attr}
	for _, value := range values {
		mod.Values = append(mod.Values, []byte(value))
	}
	must(t, s.ldap.SeedChange(dn, mod))
}

// start starts the site's transport in this process.
func (s *site) start(t testing.TB) *transport.Transport {
	t.Helper()
	running, err := transport.Start(t.Context(), s.config)
	must(t, err)
	t.Cleanup(func() { _ = running.Close() })
	return running
}

// inbox returns the messages of a mailbox here.
func (s *site) inbox(name string) [][]byte {
	var all [][]byte
	for _, folder := range s.mail.Snapshot(s.address(name)) {
		for _, m := range folder.Messages {
			all = append(all, m.Body)
		}
	}
	return all
}

// ids returns the Message-IDs in a mailbox here, sorted.
func (s *site) ids(name string) []string {
	ids := transport.MessageIDs(s.inbox(name))
	slices.Sort(ids)
	return ids
}

// inject puts a message with this Message-ID into the site's Pickup.
func (s *site) inject(t testing.TB, id string, to ...string) {
	t.Helper()
	must(t, transport.Inject(s.config.Dir, s.name, "tester@"+s.domain, to, letter(id)))
}

func letter(id string) []byte {
	return []byte("From: <tester@alpine.test>\r\nMessage-ID: " + id + "\r\nSubject: test\r\n\r\n.a line with a dot\r\nand the end\r\n")
}

// drain waits until nothing is under way at the sites, as long as mail gets on at all.
func drain(t testing.TB, sites ...*site) {
	t.Helper()
	for before := int64(-1); ; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := transport.Drain(ctx, dirs(sites)...)
		cancel()
		if err == nil {
			return
		}
		now := recorded(t, sites)
		if now == before || t.Context().Err() != nil {
			summary, _ := transport.ReadLog(dirs(sites)...)
			t.Fatalf("wait for the queues: %v; %d queued, deferred %v", err, summary.Queued, summary.Deferred)
		}
		before = now
	}
}

// recorded returns how much the transports have put on record.
func recorded(t testing.TB, sites []*site) (bytes int64) {
	t.Helper()
	for _, dir := range dirs(sites) {
		info, err := os.Stat(filepath.Join(dir, "log.jsonl"))
		must(t, err)
		bytes += info.Size()
	}
	return bytes
}

func dirs(sites []*site) []string {
	var all []string
	for _, s := range sites {
		all = append(all, s.config.Dir)
	}
	return all
}

func readLog(t testing.TB, sites ...*site) transport.Summary {
	t.Helper()
	summary, err := transport.ReadLog(dirs(sites)...)
	must(t, err)
	return summary
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("wait until %s: %v", what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
