package imapd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-message/textproto"
	"github.com/emersion/go-smtp"
)

// deliveryIdle is how long a connection to the delivery server may be silent.
const deliveryIdle = 5 * time.Minute

// ErrNoUser is returned for a user who has no mailbox.
var ErrNoUser = errors.New("no such user")

// ErrDropped is returned by Deliver where a planned fault breaks the connection: the
// caller is not told whether the message was stored.
var ErrDropped = errDropped

// Deliver puts a message that arrives into the user's inbox, unseen. It returns
// ErrNoUser for a user who is not there, and an *imap.Error for what a planned fault
// (Op Deliver) or the message's own form refuses; then nothing is stored. ErrDropped
// leaves that open.
func (s *Server) Deliver(user string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[user]
	if b == nil {
		return fmt.Errorf("deliver to %q: %w", user, ErrNoUser)
	}
	fault := s.strike(user, Deliver, body)
	switch {
	case fault == nil:
	case fault.Drop == DropBefore:
		return fmt.Errorf("deliver to %q: %w", user, ErrDropped)
	case fault.Drop == NoDrop:
		return fmt.Errorf("deliver to %q: %w", user, fault.refusal())
	}
	if _, err := s.add(b.find("INBOX"), body, time.Time{}, nil); err != nil {
		return fmt.Errorf("deliver to %q: %w", user, err)
	}
	if fault != nil {
		return fmt.Errorf("deliver to %q: %w", user, ErrDropped)
	}
	return nil
}

// Holds reports whether any folder of the user's mailbox holds a message with this
// Message-ID, angle brackets included. It returns ErrNoUser as Deliver does.
func (s *Server) Holds(user, messageID string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[user]
	if b == nil {
		return false, fmt.Errorf("look into the mailbox of %q: %w", user, ErrNoUser)
	}
	for _, f := range b.folders {
		for _, m := range f.messages {
			if bytes.Contains(m.body, []byte(messageID)) && messageIDOf(m.body) == messageID {
				return true, nil
			}
		}
	}
	return false, nil
}

func messageIDOf(body []byte) string {
	// What cannot be parsed has no Message-ID, as on real servers.
	header, _ := textproto.ReadHeader(bufio.NewReader(bytes.NewReader(body)))
	return header.Get("Message-Id")
}

// An LMTP is the door through which mail arrives from other processes (RFC 2033).
type LMTP struct {
	listener net.Listener
	server   *smtp.Server
	serving  sync.WaitGroup
	detach   func() bool
}

// ListenLMTP takes mail by LMTP, in the clear and without a password, until ctx is done
// or Close is called. Recipients are user names, and have to be addresses. address is host:port; "" means a free port of 127.0.0.1.
func (s *Server) ListenLMTP(ctx context.Context, address string) (*LMTP, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("start LMTP server: %w", err)
	}
	l := &LMTP{listener: listener}
	l.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &delivery{server: s, conn: c}, nil
	}))
	l.server.LMTP, l.server.Domain, l.server.MaxLineLength = true, "localhost", 1<<20
	l.server.ReadTimeout, l.server.WriteTimeout = deliveryIdle, deliveryIdle
	l.server.ErrorLog = log.New(io.Discard, "", 0) // broken connections, which the rehearsal breaks itself
	l.serving.Go(func() { _ = l.server.Serve(listener) })
	l.detach = context.AfterFunc(ctx, l.shut)
	return l, nil
}

// Addr returns the host:port where mail is taken.
func (l *LMTP) Addr() string { return l.listener.Addr().String() }

// Close ends all connections and stops listening. It may be called again.
func (l *LMTP) Close() error {
	l.detach()
	l.shut()
	l.serving.Wait()
	return nil
}

func (l *LMTP) shut() {
	_ = l.server.Close()
	_ = l.listener.Close()
}

// A delivery is one connection of ListenLMTP.
type delivery struct {
	server *Server
	conn   *smtp.Conn
	users  []string
}

func (d *delivery) Reset()                               { d.users = nil }
func (d *delivery) Logout() error                        { return nil }
func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }
func (d *delivery) Data(io.Reader) error                 { return errors.New("this is LMTP") }
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	if d.server.boxes[to] == nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + "> User doesn't exist: " + to}
	}
	d.users = append(d.users, to)
	return nil
}

// LMTPData delivers to each user, and answers for each.
func (d *delivery) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	for _, user := range d.users {
		err := d.server.Deliver(user, body)
		if errors.Is(err, ErrDropped) {
			_ = d.conn.Conn().Close()
		}
		status.SetStatus(user, answer(err))
	}
	return nil
}

// answer puts an error of Deliver as LMTP does: all but a user who is not there may be
// tried again.
func answer(err error) error {
	var refused *imap.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoUser):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: err.Error()}
	case errors.As(err, &refused) && refused.Code == imap.ResponseCodeOverQuota:
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "Quota exceeded (mailbox for user is full)"}
	}
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: err.Error()}
}
