package transport_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/ldapd"
)

// stranger connects to a transport, by STARTTLS.
func stranger(t *testing.T, s *site, address string) *smtp.Client {
	t.Helper()
	pem, err := os.ReadFile(s.config.CertFile)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	must(t, err)
	client, err := smtp.NewClientStartTLS(conn, &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestProbe: RCPT is answered with what would become of the mail.
func TestProbe(t *testing.T) {
	t.Parallel()
	s, _ := pair(t)
	s.addHome(t, "anna")
	s.add(t, "moved", ldapd.Attrs{"targetAddress": {"SMTP:moved@fabrikam.test"}})
	s.add(t, "twice", nil)
	s.add(t, "twice2", ldapd.Attrs{"proxyAddresses": {"SMTP:twice2@alpine.test", "smtp:twice@alpine.test"}})
	client := stranger(t, s, s.start(t).Addr())
	must(t, client.Mail("stranger@elsewhere.test", nil))
	for to, want := range map[string]string{
		"anna@alpine.test":   "",
		"moved@alpine.test":  "",
		"x@fabrikam.test":    "",
		"nobody@alpine.test": "550 [5 1 1] RESOLVER.ADR.RecipNotFound; not found",
		"twice@alpine.test":  "550 [5 1 4] RESOLVER.ADR.Ambiguous; ambiguous address",
		"x@elsewhere.test":   "550 [5 7 54] SMTP; Unable to relay recipient in non-accepted domain",
	} {
		if got := said(client.Rcpt(to, nil)); got != want {
			t.Errorf("RCPT TO:<%s>: got %q, want %q", to, got, want)
		}
	}
	must(t, s.ldap.Close())
	if got := said(client.Rcpt("anna@alpine.test", nil)); !strings.HasPrefix(got, "451 ") {
		t.Errorf("without a directory: got %q, want 451", got)
	}
}

func said(err error) string {
	var answer *smtp.SMTPError
	if !errors.As(err, &answer) {
		return ""
	}
	return fmt.Sprint(answer.Code, " ", answer.EnhancedCode, " ", answer.Message)
}

// TestStranger: outside mail arrives as it was sent, under what each site writes above.
func TestStranger(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	s.add(t, "moved", ldapd.Attrs{"targetAddress": {"SMTP:moved@fabrikam.test"}})
	other.addHome(t, "moved")
	client := stranger(t, s, s.start(t).Addr())
	other.start(t)
	message := "From: <x@elsewhere.test>\r\nX-Note: one\r\n\ttwo\r\nSubject: none\r\n\r\n.dots\r\n..\r\n\r\n"
	must(t, client.SendMail("x@elsewhere.test", []string{"moved@alpine.test"}, strings.NewReader(message)))
	drain(t, s, other)
	inbox := other.inbox("moved")
	if len(inbox) != 1 || !bytes.HasSuffix(inbox[0], []byte(message)) {
		t.Fatalf("got %q, want one message that ends in %q", inbox, message)
	}
	head := string(bytes.TrimSuffix(inbox[0], []byte(message)))
	for want, times := range map[string]int{
		"Received: by source.rehearsal.test (reforest rehearsal)\r\n": 1, "Received: by target.rehearsal.test (reforest rehearsal)\r\n": 1,
		"X-Rehearsal-Origin: outside\r\n": 1, "Message-ID: <": 1, "X-Rehearsal-Transfer:": 0,
	} {
		if got := strings.Count(head, want); got != times {
			t.Errorf("%q stands %d times above the message, want %d:\n%s", want, got, times, head)
		}
	}
	summary := readLog(t, s, other)
	if len(summary.Messages) != 1 || summary.MaxHops != 2 {
		t.Errorf("%d messages and %d hops in the records, want 1 and 2", len(summary.Messages), summary.MaxHops)
	}
}

// TestLoop: two sites that forward to each other send a message to and fro, and the one
// that counts too many hops ends it.
func TestLoop(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	s.config.MaxHops, other.config.MaxHops = 6, 6
	s.add(t, "anna", ldapd.Attrs{"targetAddress": {"SMTP:anna@fabrikam.test"}})
	other.add(t, "anna", ldapd.Attrs{"targetAddress": {"SMTP:anna@alpine.test"}})
	s.start(t)
	other.start(t)
	s.inject(t, "<1@loop>", "anna@alpine.test")
	drain(t, s, other)
	summary := readLog(t, s, other)
	if len(summary.Bounces) != 1 || summary.Bounces[0].Text != "554 5.4.14 Hop count exceeded - possible mail loop ATTR34" {
		t.Fatalf("got bounces %+v, want one for the loop", summary.Bounces)
	}
	if summary.MaxHops != 7 || summary.Bounces[0].Site != "source" || summary.Messages["<1@loop>"].Forwarded != 6 {
		t.Errorf("got %d hops, %d transfers, bounced by %s; want 7, 6, the source", summary.MaxHops, summary.Messages["<1@loop>"].Forwarded, summary.Bounces[0].Site)
	}
	kept, err := os.ReadDir(s.config.Dir + "/bounced")
	must(t, err)
	if len(kept) != 1 {
		t.Errorf("%d messages kept in bounced, want 1", len(kept))
	}
}

// A cutter stands between two sites. It passes a message on to its end, waits until the
// other site has answered, and hangs up without saying so.
type cutter struct {
	listener net.Listener
	to       func() string
	cuts     atomic.Int32 // how many are left
	conns    sync.WaitGroup
}

func newCutter(t *testing.T, cuts int32, to func() string) *cutter {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	c := &cutter{listener: listener, to: to}
	c.cuts.Store(cuts)
	c.conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.conns.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.conns.Wait()
	})
	return c
}

func (c *cutter) pass(client net.Conn) {
	server, err := net.Dial("tcp", c.to())
	if err != nil {
		_ = client.Close()
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = server.Close() }()
		_, _ = io.Copy(server, client)
	}()
	c.answers(client, server)
	_ = client.Close()
	_ = server.Close()
	<-ended
}

// answers passes answers on, but not the one that a message is queued.
func (c *cutter) answers(client io.Writer, server io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := server.Read(buffer)
		if bytes.Contains(buffer[:n], []byte("OK: queued")) && c.cuts.Add(-1) >= 0 {
			return
		}
		if _, writeErr := client.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// TestLostAnswerBetweenSites: the other site has taken the message and nobody heard. In
// the meantime the directories change, both ways: it stays one message.
func TestLostAnswerBetweenSites(t *testing.T) {
	t.Parallel()
	s, other := pair(t)
	s.mail.SetUser("anna@alpine.test", "x")
	here := s.add(t, "anna", ldapd.Attrs{"targetAddress": {"SMTP:anna@fabrikam.test"}})
	there := other.addHome(t, "anna")
	running := other.start(t)
	c := newCutter(t, 3, running.Addr)
	s.config.Next.Address, s.config.Next.CAFile = c.listener.Addr().String(), ""
	s.config.Settle = 300 * time.Millisecond
	s.start(t)
	s.inject(t, "<1@between>", "anna@alpine.test")
	eventually(t, "the answer is lost", func() bool { return c.cuts.Load() < 3 })
	eventually(t, "the message has arrived", func() bool { return len(other.inbox("anna")) == 1 })
	// Now the source would deliver it itself, and the target would not take it any more.
	s.set(t, here, "homeMDB", string(s.home))
	s.set(t, here, "targetAddress")
	must(t, other.ldap.SeedDelete(there))
	drain(t, s, other)
	if diff := cmp.Diff([]string{"<1@between>"}, append(other.ids("anna"), s.ids("anna")...)); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	if summary := readLog(t, s, other); len(summary.Bounces) > 0 || c.cuts.Load() > 0 {
		t.Errorf("bounces %+v, %d answers left to lose; want none", summary.Bounces, c.cuts.Load())
	}
}

// TestTransferTwice sends one transfer over many connections at once, and again to the
// next process on the same spool.
func TestTransferTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t, "target", "fabrikam.test")
	s.addHome(t, "anna")
	running := s.start(t)
	var senders sync.WaitGroup
	for range 8 {
		client := stranger(t, s, running.Addr())
		senders.Go(func() { transferTo(t, client) })
	}
	senders.Wait()
	drain(t, s)
	must(t, running.Close())
	transferTo(t, stranger(t, s, s.start(t).Addr()))
	drain(t, s)
	if diff := cmp.Diff([]string{"<1@twice>"}, s.ids("anna")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}

// TestTransferOfTheDead: the process died when the message was in the queue and the
// transfer not yet noted. It is repeated, and stays one message.
func TestTransferOfTheDead(t *testing.T) {
	t.Parallel()
	s := newSite(t, "target", "fabrikam.test")
	s.addHome(t, "anna")
	queue := filepath.Join(s.config.Dir, "queue")
	must(t, os.MkdirAll(queue, 0o700))
	head := `{"to":["anna@fabrikam.test"],"origin":"outside","transfer":"source/1/0","accepted":"2026-01-02T03:04:05Z"}` + "\n"
	must(t, os.WriteFile(filepath.Join(queue, "1"), append([]byte(head), letter("<1@twice>")...), 0o600))
	transferTo(t, stranger(t, s, s.start(t).Addr()))
	drain(t, s)
	if diff := cmp.Diff([]string{"<1@twice>"}, s.ids("anna")); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}

func transferTo(t *testing.T, client *smtp.Client) {
	err := client.Mail("", &smtp.MailOptions{EnvelopeID: "source/1/0"})
	if err == nil {
		err = client.Rcpt("anna@fabrikam.test", nil)
	}
	var data *smtp.DataCommand
	if err == nil {
		data, err = client.Data()
	}
	if err == nil {
		_, err = data.Write(letter("<1@twice>"))
	}
	if err == nil {
		err = data.Close()
	}
	if err != nil {
		t.Errorf("send the transfer: %v", err)
	}
}
