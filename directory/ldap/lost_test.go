package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

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
