package smtp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	smtpd "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/ldapd"
	"reforest/migrate"
	"reforest/migrate/smtp"
)

// A server answers as its table says, and notes what it was asked.
type server struct {
	answers map[string]error // by recipient; others are refused
	mu      sync.Mutex
	asked   []string // guarded by mu
	secret  bool     // guarded by mu: over TLS
}

type session struct {
	*server
	conn *smtpd.Conn
}

func (s *server) NewSession(c *smtpd.Conn) (smtpd.Session, error) { return session{s, c}, nil }

func (s *server) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s session) Mail(from string, _ *smtpd.MailOptions) error {
	s.note("MAIL FROM:<" + from + ">")
	_, secret := s.conn.TLSConnectionState()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
	return nil
}

func (s session) Rcpt(to string, _ *smtpd.RcptOptions) error {
	s.note("RCPT TO:<" + to + ">")
	err, known := s.answers[to]
	if !known {
		return reply(550, "5.1.1 User unknown")
	}
	return err
}

func (s session) Data(io.Reader) error { s.note("DATA"); return nil }
func (s session) Reset()               { s.note("RSET") }
func (s session) Logout() error        { return nil }

func reply(code int, text string) error {
	return &smtpd.SMTPError{Code: code, EnhancedCode: smtpd.NoEnhancedCode, Message: text}
}

// serve starts a server with the answers; with a certificate it offers STARTTLS.
func serve(t *testing.T, answers map[string]error, certificate *tls.Certificate) (*server, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{answers: answers}
	daemon := smtpd.NewServer(s)
	daemon.Domain = "mail.fabrikam.test"
	daemon.ErrorLog = discard{}
	if certificate != nil {
		daemon.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = daemon.Serve(listener) }) // ends when it is closed
	t.Cleanup(func() { _ = listener.Close(); _ = daemon.Close(); serving.Wait() })
	return s, listener.Addr().String()
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// An answer of the server is the verdict, with its own words, and no message is sent.
func TestProve(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		address migrate.SMTPAddress
		says    string // "" is proved
		retry   migrate.Retry
		reach   migrate.Reach
		hint    bool
	}{
		"taken":              {address: "anna@fabrikam.test"},
		"forwarded":          {address: "björn@fabrikam.test"},
		"unknown":            {address: "nobody@fabrikam.test", says: `550 "5.1.1 User unknown"`, retry: migrate.Never, reach: migrate.OneMailbox, hint: true},
		"not ours":           {address: "eva@other.test", says: `550 "5.7.1 relaying denied"`, retry: migrate.Never, reach: migrate.OneMailbox, hint: true},
		"greylisted":         {address: "georg@fabrikam.test", says: `451 "4.7.1 come back later"`, retry: migrate.Later, reach: migrate.OneMailbox},
		"server goes":        {address: "hana@fabrikam.test", says: `421 "4.3.2 shutting down"`, retry: migrate.Later, reach: migrate.OneServer},
		"no address":         {address: "anna", says: "no address", retry: migrate.Never, reach: migrate.OneMailbox},
		"a second command":   {address: "a@b.test>\r\nDATA", says: "no address", retry: migrate.Never, reach: migrate.OneMailbox},
		"parameters behind":  {address: "a@b.test> NOTIFY=NEVER", says: "no address", retry: migrate.Never, reach: migrate.OneMailbox},
		"an address in need": {address: "", says: "no address", retry: migrate.Never, reach: migrate.OneMailbox},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, address := serve(t, map[string]error{
				"anna@fabrikam.test": nil, "björn@fabrikam.test": nil, "eva@other.test": reply(550, "5.7.1 relaying denied"),
				"georg@fabrikam.test": reply(451, "4.7.1 come back later"), "hana@fabrikam.test": reply(421, "4.3.2 shutting down"),
			}, nil)
			err := smtp.Prove(t.Context(), smtp.Config{Address: address, Hint: "accept it"}, test.address)
			if (err == nil) != (test.says == "") {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if strings.Contains(strings.Join(s.all(), " "), "DATA") {
				t.Errorf("a message was sent: %q", s.all())
			}
			if err == nil {
				want := []string{"MAIL FROM:<>", "RCPT TO:<" + string(test.address) + ">", "RSET"}
				if diff := cmp.Diff(want, s.all()[:3]); diff != "" {
					t.Error(diff)
				}
				return
			}
			e := migrate.AsError(err)
			if e == nil || e.Retry != test.retry || e.Reach != test.reach || !strings.Contains(err.Error(), test.says) || (e.Hint != "") != test.hint {
				t.Errorf("got %#v (%v), want %+v", e, err, test)
			}
		})
	}
}

// all returns what the server was asked.
func (s *server) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// The certificate counts where STARTTLS is offered, unless it is told not to.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority, err := ldapd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue()
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := authority.WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		offers bool
		mode   smtp.TLS
		ca     string
		secret bool
		says   string
	}{
		"offered and known":       {offers: true, ca: ca, secret: true},
		"offered and not known":   {offers: true, says: "certificate"},
		"offered and not wanted":  {offers: true, mode: smtp.Never},
		"not offered":             {mode: smtp.Offered},
		"not offered, but needed": {mode: smtp.Required, ca: ca, says: "does not offer STARTTLS"},
		"needed and offered":      {offers: true, mode: smtp.Required, ca: ca, secret: true},
		"no such file":            {offers: true, ca: ca + ".none", says: "read CA file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var shown *tls.Certificate
			if test.offers {
				shown = &certificate
			}
			s, address := serve(t, map[string]error{"anna@fabrikam.test": nil}, shown)
			err := smtp.Prove(t.Context(), smtp.Config{Address: address, TLS: test.mode, CAFile: test.ca}, "anna@fabrikam.test")
			if test.says != "" {
				if e := migrate.AsError(err); e == nil || e.Retry != migrate.Never || e.Reach != migrate.OneMailbox || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want %q", err, test.says)
				}
				if len(s.all()) > 0 {
					t.Errorf("it was asked all the same: %q", s.all())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.secret != test.secret {
				t.Errorf("over TLS: %v, want %v", s.secret, test.secret)
			}
		})
	}
}

// A server that is not there, or says nothing, is waited for, and no longer than is asked.
func TestSilence(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := listener.Addr().String() // connections are taken by the system, and nobody speaks
	config := smtp.Config{Address: silent, Timeout: 50 * time.Millisecond}
	err = smtp.Greet(t.Context(), config)
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || e.Reach != migrate.OneServer || !strings.Contains(err.Error(), silent) {
		t.Errorf("a silent server: %v", err)
	}
	gone := errors.New("the operator has left")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
	if err := smtp.Greet(ctx, smtp.Config{Address: silent}); !errors.Is(err, gone) {
		t.Errorf("after the end of ctx: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	err = smtp.Greet(t.Context(), config)
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || e.Reach != migrate.OneServer {
		t.Errorf("a server that is not there: %v", err)
	}
	if err := smtp.Greet(t.Context(), smtp.Config{Address: "no port"}); err == nil {
		t.Error("an address without a port is dialled")
	}
}

// A server that only greets is enough for Greet.
func TestGreet(t *testing.T) {
	t.Parallel()
	s, address := serve(t, nil, nil)
	if err := smtp.Greet(t.Context(), smtp.Config{Address: address}); err != nil {
		t.Fatal(err)
	}
	for _, what := range s.all() {
		if what != "RSET" { // the library says it of every connection that ends
			t.Errorf("it was asked %q", what)
		}
	}
}
