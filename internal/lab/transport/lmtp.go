package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// lookTime bounds one look into a mailbox.
const lookTime = 30 * time.Second

// An LMTPConfig says how a mail server takes mail, and how to look into its mailboxes.
type LMTPConfig struct {
	Address       string // host:port of LMTP, in the clear (RFC 2033)
	IMAP          string // host:port of IMAP, TLS from the start
	ServerName    string // in its certificate
	CAFile        string // PEM file of whom to trust
	Admin         string // may open any mailbox: SASL PLAIN with an authorization identity
	AdminPassword string
}

// String tells the server, without the password.
func (c LMTPConfig) String() string { return "mailboxes of " + c.Address }

// GoString is String, so that %#v does not print the password.
func (c LMTPConfig) GoString() string { return c.String() }

// An LMTP is a Store on a mail server. It delivers by LMTP and looks by IMAP.
type LMTP struct {
	config  LMTPConfig
	courier *courier
}

// NewLMTP returns a store that keeps as many connections. It connects when it is used.
func NewLMTP(config LMTPConfig, connections int) *LMTP {
	l := &LMTP{config: config}
	l.courier = newCourier(connections, l.dial)
	return l
}

func (l *LMTP) dial(ctx context.Context) (*smtp.Client, error) {
	conn, err := (&net.Dialer{Timeout: commandTime}).DialContext(ctx, "tcp", l.config.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	return greet(smtp.NewClientLMTP(conn), "localhost")
}

// Close ends the idle connections.
func (l *LMTP) Close() { l.courier.close() }

// Deliver puts the message into the mailbox's inbox.
func (l *LMTP) Deliver(ctx context.Context, mailbox string, message []byte) error {
	return l.courier.send(ctx, "", mailbox, "", message)
}

// Holds looks into every folder, the inbox first.
func (l *LMTP) Holds(ctx context.Context, mailbox, messageID string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	conn, err := l.connect(ctx)
	if err != nil {
		return false, fmt.Errorf("connect to %s: %w", l.config.IMAP, err)
	}
	client := imapclient.New(conn, nil)
	defer func() { _ = client.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := client.Authenticate(sasl.NewPlainClient(mailbox, l.config.Admin, l.config.AdminPassword)); err != nil {
		return false, fmt.Errorf("open mailbox %q: %w", mailbox, err)
	}
	return holds(client, messageID)
}

func (l *LMTP) connect(ctx context.Context) (net.Conn, error) {
	settings, err := trust(l.config.CAFile, l.config.ServerName)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: settings}).DialContext(ctx, "tcp", l.config.IMAP)
}

func holds(client *imapclient.Client, messageID string) (bool, error) {
	folders, err := client.List("", "*", nil).Collect()
	if err != nil {
		return false, fmt.Errorf("list folders: %w", err)
	}
	names := []string{"INBOX"}
	for _, folder := range folders {
		if folder.Mailbox != "INBOX" && !slices.Contains(folder.Attrs, imap.MailboxAttrNoSelect) {
			names = append(names, folder.Mailbox)
		}
	}
	for _, name := range names {
		found, err := folderHolds(client, name, messageID)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func folderHolds(client *imapclient.Client, name, messageID string) (bool, error) {
	selected, err := client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return false, fmt.Errorf("examine folder %q: %w", name, err)
	}
	if selected.NumMessages == 0 {
		return false, nil
	}
	criteria := &imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: messageID}}}
	found, err := client.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return false, fmt.Errorf("search folder %q: %w", name, err)
	}
	return len(found.AllUIDs()) > 0, nil
}
