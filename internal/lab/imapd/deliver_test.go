package imapd_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"reforest/internal/lab/imapd"
	"reforest/migrate/imap/imaptest"
)

func startDelivery(t *testing.T) (*imapd.Server, *imapd.LMTP) {
	t.Helper()
	config := imapd.Config{Certificate: imaptest.NewCert(t).TLS, Users: map[string]string{"anna@alpine.test": "x", "bert@alpine.test": "x"}}
	s, err := imapd.Start(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	l, err := s.ListenLMTP(t.Context(), "")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return s, l
}

func TestLMTPDelivers(t *testing.T) {
	t.Parallel()
	s, l := startDelivery(t)
	s.Plan(imapd.Fault{User: "bert@alpine.test", Op: imapd.Deliver, Code: "OVERQUOTA", Times: 1})
	message := "Message-ID: <1@x>\r\nSubject: a\r\n\r\n.dot\r\n"
	err := lmtp(t, l, []string{"anna@alpine.test", "bert@alpine.test"}, message)
	var refused smtp.LMTPDataError
	if !errors.As(err, &refused) || len(refused) != 1 || refused["bert@alpine.test"].Code != 452 {
		t.Errorf("bert's mailbox is full: got %v, want 452 for him alone", err)
	}
	if got := string(s.Snapshot("anna@alpine.test")[0].Messages[0].Body); got != message {
		t.Errorf("anna got %q, want %q", got, message)
	}
	if got := len(s.Snapshot("bert@alpine.test")[0].Messages); got != 0 {
		t.Errorf("bert got %d messages, want none", got)
	}
	for user, want := range map[string]bool{"anna@alpine.test": true, "bert@alpine.test": false} {
		if got, err := s.Holds(user, "<1@x>"); err != nil || got != want {
			t.Errorf("%s holds it: got %v, %v, want %v", user, got, err, want)
		}
	}
	if got, _ := s.Holds("anna@alpine.test", "<1@xy>"); got {
		t.Error("anna holds a message that nobody sent")
	}
	if err := lmtp(t, l, []string{"carl@alpine.test"}, message); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("carl has no mailbox: got %v, want 550", err)
	}
}

// An answer that is lost leaves the message where it is.
func TestLMTPDrops(t *testing.T) {
	t.Parallel()
	s, l := startDelivery(t)
	s.Plan(imapd.Fault{Op: imapd.Deliver, Times: 1, Drop: imapd.DropBefore})
	s.Plan(imapd.Fault{Op: imapd.Deliver, Times: 1, Drop: imapd.DropAfter})
	for _, want := range []int{0, 1} {
		err := lmtp(t, l, []string{"anna@alpine.test"}, "Message-ID: <2@x>\r\n\r\nx\r\n")
		var answered *smtp.SMTPError
		if err == nil || errors.As(err, &answered) {
			t.Errorf("the connection drops: got %v, want a broken one", err)
		}
		if got := len(s.Snapshot("anna@alpine.test")[0].Messages); got != want {
			t.Errorf("got %d messages, want %d", got, want)
		}
	}
}

func lmtp(t *testing.T, l *imapd.LMTP, to []string, message string) error {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr())
	must(t, err)
	client := smtp.NewClientLMTP(conn)
	defer func() { _ = client.Close() }()
	return client.SendMail("", to, strings.NewReader(message))
}
