package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
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

// A relay stands between adapter and server and can cut the line.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns []net.Conn
	mute  bool // hang up where the server answers
	stall bool // swallow what the server answers
	count int  // connections so far
	group sync.WaitGroup
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{target: u.Host}
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	r.group.Go(r.accept)
	t.Cleanup(func() {
		_ = r.listener.Close()
		r.cut()
		r.group.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		target := r.target
		r.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mu.Lock()
		r.count++
		r.conns = append(r.conns, client, server)
		r.mu.Unlock()
		r.group.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
		r.group.Go(func() { r.answer(client, server) })
	}
}

func (r *relay) answer(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			_ = client.Close()
			return
		}
		r.mu.Lock()
		mute, stall := r.mute, r.stall
		r.mu.Unlock()
		if stall {
			continue
		}
		if mute {
			_ = client.Close()
			continue
		}
		_, _ = client.Write(buf[:n])
	}
}

// cut closes every connection.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *relay) setMute(mute bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = mute
}

func (r *relay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func throughRelay(t *testing.T) (*ldapd.Server, *relay, *ldap.Conn) {
	t.Helper()
	server, config := startLab(t)
	r := startRelay(t, config.URL)
	config.URL = "ldaps://" + r.listener.Addr().String()
	config.PageSize = 5
	return server, r, dial(t, config)
}

func contact(dn directory.DN) directory.Change {
	return directory.Change{
		Op: directory.Add, DN: dn, Why: "test",
		Mods: []directory.Mod{{Op: directory.AddValues, Attr: "objectClass", Values: [][]byte{[]byte("contact")}}},
	}
}

// TestLostWhileIdle cuts the line between operations: nobody above notices.
func TestLostWhileIdle(t *testing.T) {
	t.Parallel()
	server, r, conn := throughRelay(t)
	for i := range 5 {
		r.cut()
		if _, err := conn.Get(t.Context(), server.AdminDN(), "cn"); err != nil {
			t.Errorf("read %d after the line was cut: %v", i, err)
		}
	}
	if r.connections() != 6 {
		t.Errorf("got %d connections, want 6", r.connections())
	}
}

// TestLostWrite loses the answer to a write that the server has carried out.
func TestLostWrite(t *testing.T) {
	t.Parallel()
	server, r, conn := throughRelay(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	r.setMute(true)
	err := conn.Write(t.Context(), contact(dn))
	e := wantError(t, "write", err, migrate.OneServer, migrate.Now)
	if e.Op != "ldap.Add" || e.Hint == "" {
		t.Errorf("got %+v", e)
	}
	r.setMute(false)
	if _, err := conn.Get(t.Context(), dn); err != nil {
		t.Errorf("the write did happen, but: %v", err)
	}
	if err := conn.Write(t.Context(), contact(dn)); !errors.Is(err, directory.ErrExists) {
		t.Errorf("writing again: got %v, want ErrExists", err)
	}
}

// TestLostWhileFinding cuts the line between pages. No entry may come twice, so the
// search ends with an error.
func TestLostWhileFinding(t *testing.T) {
	t.Parallel()
	server, r, conn := throughRelay(t)
	users := server.BaseDN().Child("CN", "Users")
	for i := range 12 {
		if _, err := server.Seed(users.Child("CN", fmt.Sprint("contact ", i)), ldapd.Attrs{"objectClass": {"contact"}}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[directory.DN]int{}
	var failed error
	for entry, err := range conn.Find(t.Context(), directory.Query{Base: users, Filter: directory.Eq("objectClass", "contact")}) {
		if err != nil {
			failed = err
			continue
		}
		seen[entry.DN]++
		if len(seen) == 5 {
			r.cut()
		}
	}
	wantError(t, "find", failed, migrate.OneServer, migrate.Later)
	for dn, times := range seen {
		if times != 1 {
			t.Errorf("%q came %d times", dn, times)
		}
	}
}

// TestTimeout loses answers on a line that stays up.
func TestTimeout(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	r := startRelay(t, config.URL)
	config.URL, config.Timeout = "ldaps://"+r.listener.Addr().String(), 300*time.Millisecond
	conn := dial(t, config)
	r.mu.Lock()
	r.stall = true
	r.mu.Unlock()
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	wantError(t, "write", conn.Write(t.Context(), contact(dn)), migrate.OneServer, migrate.Now)
	_, err := conn.Get(t.Context(), dn)
	wantError(t, "read", err, migrate.OneServer, migrate.Later)
	r.mu.Lock()
	r.stall = false
	r.mu.Unlock()
	if _, err := conn.Get(t.Context(), dn); err != nil {
		t.Errorf("once the server answers again: %v", err)
	}
}

func TestCancelDuringRead(t *testing.T) {
	t.Parallel()
	listener, _, conn := muteRelay(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(30*time.Millisecond, func() { cancel(errStopped) })
	if _, err := conn.Get(ctx, listener.AdminDN()); !errors.Is(err, errStopped) || migrate.AsError(err) != nil {
		t.Errorf("got %v, want the bare cause", err)
	}
	if err := conn.Write(ctx, contact(listener.AdminDN())); !errors.Is(err, errStopped) {
		t.Errorf("write after the end: got %v", err)
	}
}

// muteRelay returns a connection to a server that takes requests and never answers.
func muteRelay(t *testing.T) (*ldapd.Server, *relay, *ldap.Conn) {
	t.Helper()
	server, r, conn := throughRelay(t)
	r.mu.Lock()
	r.target = silentListener(t)
	r.mu.Unlock()
	r.cut()
	return server, r, conn
}

func silentListener(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

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

// TestChangingRanges adds members while ranges of them are read: every answer must
// be one that was true at some moment.
func TestChangingRanges(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	conn := dial(t, config)
	users := server.BaseDN().Child("CN", "Users")
	group := users.Child("CN", "crowd")
	var values []string
	for i := range 3000 {
		entry, err := server.Seed(users.Child("CN", fmt.Sprintf("contact %04d", i)), ldapd.Attrs{"objectClass": {"contact"}})
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, string(entry.DN))
	}
	if _, err := server.Seed(group, ldapd.Attrs{"objectClass": {"group"}, "sAMAccountName": {"crowd"}, "member": values}); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; !done.Load(); i++ {
			op := []directory.ModOp{directory.DeleteValues, directory.AddValues}[i%2]
			mod := directory.Mod{Op: op, Attr: "member", Values: [][]byte{[]byte(values[i/2%10])}}
			if err := server.SeedChange(group, mod); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(20 * time.Millisecond) // let some reads through
		}
	})
	whole := 0
	for range 8 {
		entry, err := conn.Get(t.Context(), group, "member")
		if err != nil {
			wantError(t, "unsteady", err, migrate.OneServer, migrate.Later)
			continue
		}
		whole++
		got := entry.Values("member")
		slices.Sort(got)
		if n := len(slices.Compact(slices.Clone(got))); n != len(got) || n < 2999 {
			t.Errorf("got %d values, %d of them different, want 2999 or 3000", len(got), n)
		}
	}
	done.Store(true)
	writer.Wait()
	t.Logf("%d of 8 reads were steady", whole)
	if _, err := conn.Get(t.Context(), group, "member"); err != nil {
		t.Errorf("once nothing changes: %v", err)
	}
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
	} {
		err := ldap.Failure(t.Context(), "ldap.Search", goldap.NewError(test.code, errors.New("the server's own words")))
		e := wantError(t, fmt.Sprint("code ", test.code), err, test.reach, test.retry)
		if test.is != nil && !errors.Is(err, test.is) || !goldap.IsErrorWithCode(err, test.code) || !strings.Contains(err.Error(), "own words") {
			t.Errorf("code %d: got %v", test.code, e)
		}
	}
}
