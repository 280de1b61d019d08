package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wantError checks what an error tells the scheduler.
func wantError(t *testing.T, what string, err error, reach migrate.Reach, retry migrate.Retry) migrate.Error {
	t.Helper()
	e := migrate.AsError(err)
	if e == nil {
		t.Fatalf("%s: got %v, want a *migrate.Error", what, err)
	}
	if e.Reach != reach || e.Retry != retry {
		t.Errorf("%s: got %s, retry %s (%v); want %s, retry %s", what, e.Reach, e.Retry, err, reach, retry)
	}
	if strings.Contains(err.Error(), labPassword) || strings.Contains(e.Hint, labPassword) {
		t.Errorf("%s: the password is in the error", what)
	}
	return *e
}

// TestPasswordIsNotSentInClearText counts the octets that reach a plain listener.
func TestPasswordIsNotSentInClearText(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var received atomic.Int64
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n, _ := io.Copy(io.Discard, conn)
			received.Add(n + 1)
			_ = conn.Close()
		}
	})
	for _, config := range []ldap.Config{
		{URL: "ldap://" + listener.Addr().String(), BindDN: "x", Password: labPassword},
		{URL: "ldap://" + listener.Addr().String(), StartTLS: true, BindDN: "x"},
		{URL: "ldap://" + listener.Addr().String(), StartTLS: true, Password: labPassword},
		{URL: "ldapi://" + listener.Addr().String(), BindDN: "x", Password: labPassword},
		{URL: "ldaps://", BindDN: "x", Password: labPassword},
		{URL: "ldaps://" + listener.Addr().String(), BindDN: "x", Password: labPassword, CAFile: filepath.Join(t.TempDir(), "absent")},
	} {
		_, err := ldap.Dial(t.Context(), config)
		wantError(t, config.String(), err, migrate.WholeRun, migrate.Never)
	}
	_ = listener.Close()
	group.Wait()
	if received.Load() != 0 {
		t.Errorf("%d connections or octets reached the server", received.Load())
	}
}

func TestConfigHidesPassword(t *testing.T) {
	t.Parallel()
	config := ldap.Config{URL: "ldaps://dc", BindDN: "x", Password: labPassword}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("connecting", "op", config)
	for _, shown := range []string{fmt.Sprint(config), fmt.Sprintf("%+v %#v", config, config), fmt.Sprintf("%v", &config), logged.String()} {
		if strings.Contains(shown, labPassword) {
			t.Errorf("the password is shown: %s", shown)
		}
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	config.URL, config.StartTLS = server.PlainURL(), true
	conn := dial(t, config)
	if _, err := conn.Get(t.Context(), server.AdminDN(), "cn"); err != nil {
		t.Error(err)
	}
	if conn.DefaultNamingContext() != server.BaseDN() {
		t.Errorf("default naming context: got %q, want %q", conn.DefaultNamingContext(), server.BaseDN())
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	other, err := ldapd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "other.pem")
	if err := other.WriteFile(wrong); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ldap.Config){
		"unknown authority":          func(c *ldap.Config) { c.CAFile = wrong },
		"the system's authorities":   func(c *ldap.Config) { c.CAFile = "" },
		"another name":               func(c *ldap.Config) { c.ServerName = "dc.fabrikam.test" },
		"unknown, through StartTLS":  func(c *ldap.Config) { c.URL, c.StartTLS, c.CAFile = server.PlainURL(), true, wrong },
		"another name with StartTLS": func(c *ldap.Config) { c.URL, c.StartTLS, c.ServerName = server.PlainURL(), true, "x.test" },
	} {
		c := config
		change(&c)
		_, err := ldap.Dial(t.Context(), c)
		if e := wantError(t, name, err, migrate.WholeRun, migrate.Never); e.Hint == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	if _, err := server.Seed(server.BaseDN().Child("CN", "Users").Child("CN", "off"), ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"off"}, "unicodePwd": {string(ldapd.EncodePassword(labPassword))}, "userAccountControl": {"514"},
	}); err != nil {
		t.Fatal(err)
	}
	for user, hint := range map[string]string{"nobody@alpine.test": "name and password", `ALPINE\off`: "disabled"} {
		c := config
		c.BindDN = user
		_, err := ldap.Dial(t.Context(), c)
		e := wantError(t, user, err, migrate.WholeRun, migrate.Never)
		if !e.Auth || e.Op != "ldap.Bind" || !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: got %+v", user, e)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := ldap.Dial(t.Context(), config)
	wantError(t, "closed port", err, migrate.OneServer, migrate.Later)
}

// TestSilentServer accepts and says nothing.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for _, config := range []ldap.Config{
		{URL: "ldaps://" + listener.Addr().String()},
		{URL: "ldap://" + listener.Addr().String(), StartTLS: true},
	} {
		config.BindDN, config.Password, config.Timeout = "x", labPassword, 50*time.Millisecond
		_, err := ldap.Dial(t.Context(), config)
		wantError(t, config.URL, err, migrate.OneServer, migrate.Later)

		config.Timeout = time.Minute
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(errStopped) })
		if _, err := ldap.Dial(ctx, config); !errors.Is(err, errStopped) {
			t.Errorf("%s: got %v, want the cause", config.URL, err)
		}
	}
}

var errStopped = errors.New("the operator stopped the run")

func TestRights(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	users := server.BaseDN().Child("CN", "Users")
	if _, err := server.Seed(users.Child("CN", "plain"), ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"plain"}, "unicodePwd": {string(ldapd.EncodePassword(labPassword))}, "userAccountControl": {"512"},
	}); err != nil {
		t.Fatal(err)
	}
	config.BindDN = `ALPINE\plain`
	conn := dial(t, config)
	e := wantError(t, "add", conn.Write(t.Context(), contact(users.Child("CN", "x"))), migrate.OneMailbox, migrate.Never)
	if !strings.Contains(e.Hint, "Create Child on "+string(users)) || !strings.Contains(e.Hint, `ALPINE\plain`) {
		t.Errorf("hint: %q", e.Hint)
	}
	change := directory.Change{Op: directory.Modify, DN: users, Why: "test", Mods: []directory.Mod{
		{Op: directory.ReplaceValues, Attr: "description", Values: [][]byte{[]byte("x")}},
		{Op: directory.ReplaceValues, Attr: "nTSecurityDescriptor", Values: [][]byte{[]byte("x")}},
	}}
	e = wantError(t, "modify", conn.Write(t.Context(), change), migrate.OneMailbox, migrate.Never)
	if !strings.Contains(e.Hint, "Write Property of description") || !strings.Contains(e.Hint, "WRITE_DAC") {
		t.Errorf("hint: %q", e.Hint)
	}
}

func TestMalformedChanges(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	conn := dial(t, config)
	one := []directory.Mod{{Op: directory.AddValues, Attr: "title", Values: [][]byte{[]byte("x")}}}
	for name, change := range map[string]directory.Change{
		"no DN":           {Op: directory.Modify, Mods: one},
		"nothing to do":   {Op: directory.Modify, DN: server.AdminDN()},
		"no operation":    {DN: server.AdminDN(), Mods: one},
		"unknown mod":     {Op: directory.Modify, DN: server.AdminDN(), Mods: []directory.Mod{{Op: "twist", Attr: "title"}}},
		"replace in add":  {Op: directory.Add, DN: server.AdminDN(), Mods: []directory.Mod{{Op: directory.ReplaceValues, Attr: "title"}}},
		"malformed value": {Op: directory.Add, DN: "nonsense", Mods: one},
	} {
		err := conn.Write(t.Context(), change)
		if migrate.AsError(err) == nil {
			t.Errorf("%s: got %v, want a *migrate.Error", name, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Get(t.Context(), "")
	wantError(t, "after Close", err, migrate.WholeRun, migrate.Never)
}

// TestManyMovers shares one Conn.
func TestManyMovers(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	conn := dial(t, config)
	users := server.BaseDN().Child("CN", "Users")
	var group sync.WaitGroup
	for mover := range 12 {
		group.Go(func() {
			for i := range 10 {
				dn := users.Child("CN", fmt.Sprintf("mover %d, item %d", mover, i))
				if err := conn.Write(t.Context(), contact(dn)); err != nil {
					t.Error(err)
				}
				if entry, err := conn.Get(t.Context(), dn, "cn"); err != nil || !entry.DN.Equal(dn) {
					t.Errorf("got %v, %v", entry, err)
				}
			}
		})
	}
	group.Wait()
	count := 0
	for _, err := range conn.Find(t.Context(), directory.Query{Filter: directory.Eq("objectClass", "contact")}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 120 {
		t.Errorf("got %d contacts, want 120", count)
	}
}

// TestResultCodes answers a read with every code that means something of its own.
func TestResultCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code  uint16
		reach migrate.Reach
		retry migrate.Retry
		is    error
	}{
		{goldap.LDAPResultOperationsError, migrate.OneMailbox, migrate.Never, nil},
		{goldap.LDAPResultTimeLimitExceeded, migrate.OneServer, migrate.Later, nil},
		{goldap.LDAPResultStrongAuthRequired, migrate.WholeRun, migrate.Never, nil},
		{goldap.LDAPResultReferral, migrate.OneMailbox, migrate.Never, nil},
		{goldap.LDAPResultConstraintViolation, migrate.OneMailbox, migrate.Never, nil},
		{goldap.LDAPResultNoSuchObject, migrate.OneMailbox, migrate.Never, directory.ErrNotFound},
		{goldap.LDAPResultInsufficientAccessRights, migrate.OneMailbox, migrate.Never, nil},
		{goldap.LDAPResultBusy, migrate.OneServer, migrate.Later, nil},
		{goldap.LDAPResultUnavailable, migrate.OneServer, migrate.Later, nil},
		{goldap.LDAPResultEntryAlreadyExists, migrate.OneMailbox, migrate.Never, directory.ErrExists},
		{goldap.LDAPResultAttributeOrValueExists, migrate.OneMailbox, migrate.Never, nil},
	} {
		err := ldap.Failure(t.Context(), "ldap.Search", goldap.NewError(test.code, errors.New("the server's own words")))
		e := wantError(t, fmt.Sprint("code ", test.code), err, test.reach, test.retry)
		if test.is != nil && !errors.Is(err, test.is) || !goldap.IsErrorWithCode(err, test.code) || !strings.Contains(err.Error(), "own words") {
			t.Errorf("code %d: got %v", test.code, e)
		}
	}
}

// TestEchoOfOwnWrite repeats writes that the server has carried out, as after a lost
// answer: they are worth another look at once.
func TestEchoOfOwnWrite(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	conn := dial(t, config)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	if err := conn.Write(t.Context(), contact(dn)); err != nil {
		t.Fatal(err)
	}
	add := directory.Mod{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("smtp:ada@alpine.test")}}
	gone := directory.Mod{Op: directory.DeleteValues, Attr: "proxyAddresses"}
	for _, test := range []struct {
		mod  directory.Mod
		code uint16
	}{{add, goldap.LDAPResultAttributeOrValueExists}, {gone, goldap.LDAPResultNoSuchAttribute}} {
		change := directory.Change{Op: directory.Modify, DN: dn, Mods: []directory.Mod{test.mod}}
		if err := conn.Write(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		err := conn.Write(t.Context(), change)
		e := wantError(t, "again", err, migrate.OneMailbox, migrate.Now)
		if !goldap.IsErrorWithCode(err, test.code) || !strings.Contains(e.Hint, "accents") {
			t.Errorf("got %v, hint %q", err, e.Hint)
		}
	}
}

// TestServer tells servers apart, and global catalogs from domain controllers.
func TestServer(t *testing.T) {
	t.Parallel()
	_, config := startLab(t)
	conn := dial(t, config)
	if conn.Server() != config.URL || conn.GlobalCatalog() {
		t.Errorf("got %q, global catalog %v", conn.Server(), conn.GlobalCatalog())
	}
	for url, want := range map[string]bool{
		"ldaps://dc:3269": true, "ldap://dc:3268": true, "ldaps://dc": false, "ldaps://3269": false, "ldaps://[fe80::1]:3269": true,
	} {
		if got, err := ldap.IsCatalog(ldap.Config{URL: url, StartTLS: true, BindDN: "x", Password: "x"}); got != want || err != nil {
			t.Errorf("%s: got %v, %v", url, got, err)
		}
	}
}

// TestSearchBase: without a base a global catalog is searched from the root, where every
// domain of the forest lies below; a domain controller has its own domain alone.
func TestSearchBase(t *testing.T) {
	t.Parallel()
	const domain, other directory.DN = "DC=corp,DC=test", "OU=People,DC=sub,DC=corp,DC=test"
	for _, test := range []struct {
		url         string
		asked, want directory.DN
	}{
		{"ldaps://dc", "", domain},
		{"ldaps://dc", other, other},
		{"ldaps://dc:3269", "", ""},
		{"ldaps://dc:3269", other, other},
		{"ldaps://dc:10636", "", ""},
	} {
		config := ldap.Config{URL: test.url, BindDN: "x", Password: "x", GlobalCatalog: test.url == "ldaps://dc:10636"}
		got, err := ldap.SearchBase(config, domain, test.asked)
		if err != nil || got != test.want {
			t.Errorf("%s, %q: got %q, %v; want %q", test.url, test.asked, got, err, test.want)
		}
	}
}
