package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	smtpd "github.com/emersion/go-smtp"

	"reforest/directory"
)

// A mailServerAt takes mail for those it knows, and notes when it is sent any.
type mailServerAt struct {
	mu    sync.Mutex
	knows map[string]error // guarded by mu: its answer, by recipient; others are unknown
	sent  int              // guarded by mu: messages
}

type smtpSession struct{ *mailServerAt }

func (s *mailServerAt) NewSession(*smtpd.Conn) (smtpd.Session, error) { return smtpSession{s}, nil }

func (s *mailServerAt) answer(to string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knows[to] = err
}

func (s smtpSession) Mail(string, *smtpd.MailOptions) error { return nil }

func (s smtpSession) Rcpt(to string, _ *smtpd.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err, known := s.knows[to]; known {
		return err
	}
	return &smtpd.SMTPError{Code: 550, EnhancedCode: smtpd.NoEnhancedCode, Message: "User unknown"}
}

func (s smtpSession) Data(io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	return errors.New("nobody was to send anything")
}

func (s smtpSession) Reset()        {}
func (s smtpSession) Logout() error { return nil }

// serveMail starts a mail server that knows nobody yet.
func serveMail(t *testing.T) (*mailServerAt, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServerAt{knows: map[string]error{}}
	daemon := smtpd.NewServer(s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = daemon.Serve(listener) }) // ends when it is closed
	t.Cleanup(func() { _ = listener.Close(); _ = daemon.Close(); serving.Wait() })
	return s, listener.Addr().String()
}

// Nobody is switched whose forwarded mail the target's mail server would not take.
func TestRoutesAreProved(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	server, address := serveMail(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	r.editAfter(t, "target:", "mail:", `smtp: ""`, "smtp: "+address)
	r.reforest(t, "check", demoBatch).wants(t, exitDone, "switch: "+address+" must say before each switch")
	r.reforest(t, "sync", demoBatch, "--yes").wants(t, exitDone) // nobody asks before a switch
	server.answer("anna.berg@fabrikam.test", nil)
	server.answer("bjorn.akesson@fabrikam.test", &smtpd.SMTPError{Code: 451, EnhancedCode: smtpd.NoEnhancedCode, Message: "greylisted"})
	r.edit(t, "attempts: 20", "attempts: 1")
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitNeedsPerson, "451", "greylisted", "bjorn.akesson@fabrikam.test")
	r.delivers(t, anna, directory.Target)
	r.delivers(t, bjorn, directory.Source)
	server.answer("bjorn.akesson@fabrikam.test", &smtpd.SMTPError{Code: 550, EnhancedCode: smtpd.NoEnhancedCode, Message: "not here"})
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitNeedsPerson, "550", "not here")
	r.reforest(t, "status", bjorn, "--json").wants(t, exitDone, "not here")
	r.delivers(t, bjorn, directory.Source)
	server.answer("bjorn.akesson@fabrikam.test", nil)
	r.reforest(t, "switch", "tonight", "--yes").wants(t, exitDone)
	r.delivers(t, bjorn, directory.Target)
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.sent > 0 {
		t.Errorf("%d messages were sent", server.sent)
	}
}

// A mail server that is not there is known before the night.
func TestCheckGreetsMailServers(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.editAfter(t, "source:", "mail:", `smtp: ""`, `smtp: 127.0.0.1:1`)
	r.reforest(t, "check", demoBatch).wants(t, exitDone, "mail.smtp", "127.0.0.1:1", "until it does nobody is switched")
}
