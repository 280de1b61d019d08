package imap_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// mustDial logs in and out again.
func mustDial(t *testing.T, config imap.Config) {
	t.Helper()
	c, err := imap.Dial(t.Context(), config)
	if err != nil {
		t.Errorf("dial with %q login of %q by %q: %v", config.Login, config.Mailbox, config.Admin, err)
		return
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// refusedDial checks that a login fails as it should.
func refusedDial(t *testing.T, config imap.Config, want migrate.Error) {
	t.Helper()
	c, err := imap.Dial(t.Context(), config)
	if err == nil {
		_ = c.Close()
		t.Fatal("got in")
	}
	got := migrate.AsError(err)
	if got == nil || got.Reach != want.Reach || got.Retry != want.Retry || got.Auth != want.Auth {
		t.Errorf("got %v: %+v, want %+v", err, got, want)
	}
	if strings.Contains(err.Error(), config.Password) {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{StartTLS: true, Without: []goimap.Cap{"SASL-IR"}})
	for _, server := range []*imapd.Server{w.source, w.target} {
		config := w.config(server)
		config.StartTLS = server == w.target
		mustDial(t, config)
		config.Login = imap.Master
		mustDial(t, config)
		config.Admin, config.Password = "", "own"
		mustDial(t, config)
	}
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	for _, login := range []imap.Login{imap.Master, imap.Plain} {
		config := w.config(w.source)
		config.Login, config.Password = login, "wrong-secret"
		refusedDial(t, config, migrate.Error{Reach: migrate.WholeRun, Retry: migrate.Never, Auth: true})

		config = w.config(w.source)
		config.Login, config.Mailbox = login, "nobody-of-that-name"
		refusedDial(t, config, migrate.Error{Reach: migrate.OneMailbox, Retry: migrate.Never, Auth: true})

		w.source.Plan(imapd.Fault{Op: imapd.Login, Times: 1, Code: "UNAVAILABLE", Text: "try again"})
		refusedDial(t, w.config(w.source), migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later})
		w.source.Plan(imapd.Fault{Op: imapd.Login, Times: 1, Drop: imapd.DropBefore})
		refusedDial(t, w.config(w.source), migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later})
		mustDial(t, w.config(w.source))
	}
}

func TestNoPasswordWithoutTrustedTLS(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	other := imaptest.NewCert(t)
	for name, change := range map[string]func(*imap.Config){
		"no CA file":   func(c *imap.Config) { c.CAFile = "" },
		"another CA":   func(c *imap.Config) { c.CAFile = other.CertFile },
		"another name": func(c *imap.Config) { c.ServerName = "mail.alpine.test" },
	} {
		config := w.config(w.source)
		change(&config)
		_, err := imap.Dial(t.Context(), config)
		if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Never || e.Hint == "" {
			t.Errorf("%s: got %v, want an error for a person", name, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := imap.Config{Address: "127.0.0.1:1", Mailbox: "u", Admin: "a", Password: "p"}
	for name, change := range map[string]func(*imap.Config){
		"address":     func(c *imap.Config) { c.Address = "nowhere" },
		"mailbox":     func(c *imap.Config) { c.Mailbox = "" },
		"separator":   func(c *imap.Config) { c.Mailbox = "a*b" },
		"login":       func(c *imap.Config) { c.Login = "kerberos" },
		"line break":  func(c *imap.Config) { c.Password = "a\r\nb" },
		"CA file":     func(c *imap.Config) { c.CAFile = "/nonexistent/ca.pem" },
		"CA not PEM":  func(c *imap.Config) { c.CAFile = "config.go" },
		"NUL in user": func(c *imap.Config) { c.Mailbox = "a\x00b" },
	} {
		config := good
		change(&config)
		_, err := imap.OpenSource(t.Context(), config)
		if e := migrate.AsError(err); e == nil || e.Reach != migrate.WholeRun || e.Retry != migrate.Never {
			t.Errorf("%s: got %v, want a configuration error", name, err)
		}
	}
}

func TestLoginOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	for _, startTLS := range []bool{false, true} {
		for _, login := range []imap.Login{imap.Master, imap.Plain} {
			config := dovecotConfig(d, newUser())
			config.Login = login
			if startTLS {
				config.StartTLS, config.Address = true, d.ClearAddress
			}
			mustDial(t, config)
			config.Password = "wrong-secret"
			refusedDial(t, config, migrate.Error{Reach: migrate.WholeRun, Retry: migrate.Never, Auth: true})
		}
		config := dovecotConfig(d, newUser())
		config.CAFile, config.StartTLS = "", startTLS
		if startTLS {
			config.Address = d.ClearAddress
		}
		refusedDial(t, config, migrate.Error{Reach: migrate.OneServer, Retry: migrate.Never})
	}
}

func TestDialGivesTheCauseOfCancellation(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	cause := errors.New("the window has closed")
	source, target, done := w.Open(t)
	defer done()
	ctx, cancel := withCause(t)
	cancel(cause)
	if _, err := imap.Dial(ctx, w.config(w.source)); !errors.Is(err, cause) {
		t.Errorf("Dial: %v, want %v", err, cause)
	}
	if _, err := source.Folders(ctx); !errors.Is(err, cause) {
		t.Errorf("Folders: %v, want %v", err, cause)
	}
	if _, err := target.Mark(ctx, "INBOX"); !errors.Is(err, cause) {
		t.Errorf("Mark: %v, want %v", err, cause)
	}
	// The next use, under a context of its own, dials again.
	if _, err := source.Folders(t.Context()); err != nil {
		t.Errorf("Folders afterwards: %v", err)
	}
}

func TestConfigDoesNotShowThePassword(t *testing.T) {
	t.Parallel()
	config := imap.Config{Address: "mail.alpine.test:993", Mailbox: "ann", Password: "hush"}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("connect", "mailbox", config)
	fmt.Fprintf(&out, "%v %+v %#v %s", config, config, config, &config)
	if text := out.String(); strings.Contains(text, "hush") || strings.Count(text, "ann at mail.alpine.test:993") != 5 {
		t.Errorf("printed as %s", text)
	}
}
