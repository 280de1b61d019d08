package imap_test

import (
	"testing"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// mustBusy checks that a login is to be waited for.
func mustBusy(t *testing.T, config imap.Config) {
	t.Helper()
	c, err := imap.Dial(t.Context(), config)
	if err == nil {
		_ = c.Close()
		t.Fatal("got in")
	}
	if e := migrate.AsError(err); e == nil || !e.Busy || e.Retry != migrate.Later || e.Auth {
		t.Errorf("got %v (%+v), want it to be told that the server is busy", err, e)
	}
}

// A server that refuses a connection gets fewer, and the one it refused counts no more.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	config := w.config(w.source)
	config.Server = imap.NewServer(imap.Limits{})
	var held []*imap.Conn
	for range 3 {
		c, err := imap.Dial(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	w.source.Plan(imapd.Fault{Op: imapd.Login, Times: 1, Code: "LIMIT", Text: "Too many connections"})
	mustBusy(t, config)
	if got := config.Server.Room(); got != 3 {
		t.Errorf("room for %d connections, want the 3 that the server took", got)
	}
	for _, c := range held {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	mustDial(t, config)
}

// A connection that is closed by whatever means leaves room for another.
func TestClosedConnectionsLeaveRoom(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	config := w.config(w.source)
	config.Server = imap.NewServer(imap.Limits{Connections: 1, Patience: 1})
	for range 2 {
		s, err := imap.OpenSource(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		mustBusy(t, config)
		ctx, cancel := withCause(t)
		cancel(nil)
		if _, err := s.Folders(ctx); err == nil {
			t.Error("folders were listed for a pass that has ended")
		}
		if _, err := s.Folders(t.Context()); err != nil { // by a connection of its own
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wrong := config
		wrong.Password = "wrong-secret"
		refusedDial(t, wrong, migrate.Error{Reach: migrate.WholeRun, Retry: migrate.Never, Auth: true})
		wrong.Address = "127.0.0.1:1"
		refusedDial(t, wrong, migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later})
	}
}

func TestTooManyConnectionsOfOneUserOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecotWith(t, "mail_max_userip_connections = 2")
	server := imap.NewServer(imap.Limits{})
	config := dovecotConfig(d, newUser())
	config.Server = server
	for range 2 {
		c, err := imap.Dial(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	mustBusy(t, config)
	if got := server.Room(); got != 0 {
		t.Errorf("room for %d connections, want any number: others are not concerned", got)
	}
	other := dovecotConfig(d, newUser())
	other.Server = server
	mustDial(t, other)
}
