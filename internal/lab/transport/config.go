package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// The attributes that can name a mailbox.
const (
	ByMail  = "mail"
	ByAlias = "alias" // mailNickname
	BySAM   = "sam"   // sAMAccountName
)

// A Config says whose transport this is. As JSON it is the file that Main reads; times
// are nanoseconds there.
type Config struct {
	// Site is the name of the site in records and headers: "source" or "target".
	Site string
	// Host is the transport's name in Received headers and greetings. Empty means Site
	// and ".rehearsal.test".
	Host string
	// Dir is the spool. It is made where it is missing; one Transport at a time may use it.
	Dir string
	// Listen is where SMTP listens. Empty means 127.0.0.1:0; with port 0 the port of the
	// last time is taken again if it is free.
	Listen string
	// CertFile and KeyFile are PEM files of the listener's certificate. Without them, and
	// without Certificate, STARTTLS is not offered.
	CertFile, KeyFile string
	// Certificate is the listener's certificate for a Transport in this process.
	Certificate tls.Certificate `json:"-"`

	// View is the directory server that is asked.
	View View
	// Domains are the accepted domains, all authoritative. Empty means those of the
	// view's Exchange configuration.
	Domains []string
	// MailboxBy names the attribute that names the mailbox. Empty means ByMail.
	MailboxBy string

	// LMTP is where homes are delivered to, unless Store is set.
	LMTP LMTPConfig
	// Store is where homes are delivered to, in this process.
	Store Store `json:"-"`
	// Next is the other site.
	Next Next

	// MaxHops is how many sites may handle a message. Zero means 10.
	MaxHops int
	// Connections bounds the deliveries and transfers that go on at one time. Zero means 8.
	Connections int
	// RetryInterval is the time between two attempts. Zero means 1 s.
	RetryInterval time.Duration
	// Settle is how long an attempt without an answer is left alone before it is looked
	// for: so long a server may go on with it. Zero means 2 s.
	Settle time.Duration
	// Poll is the time between two looks into Pickup. Zero means 50 ms.
	Poll time.Duration
	// MinDelay and MaxDelay bound a random time between resolving an address and handing
	// the message over. Zero means none.
	MinDelay, MaxDelay time.Duration

	// Log is told what goes wrong in the transport itself. Nil means nobody.
	Log *slog.Logger `json:"-"`
}

// A View is one directory server.
type View struct {
	URL        string // ldaps://host:port, or ldap:// for StartTLS
	CAFile     string // PEM file of whom to trust
	ServerName string // in the server's certificate; empty means the URL's host
	BindDN     string
	Password   string
}

// String tells the server, without the password.
func (v View) String() string { return "view " + v.URL }

// GoString is String, so that %#v does not print the password.
func (v View) GoString() string { return v.String() }

// LogValue is String, so that the password is never logged.
func (v View) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Next is the other site's listener.
type Next struct {
	// Domains are the other site's; a leading "*." stands for all below it.
	Domains []string
	// Address is host:port.
	Address string
	// Spool is the other site's spool, where it says its address; for when Address is
	// empty. It is read at each connection.
	Spool string
	// CAFile is the PEM file of whom to trust. Empty means that STARTTLS is not used.
	CAFile string
	// ServerName is the name in the certificate. Empty means the address's host.
	ServerName string
}

func (c Config) complete() (Config, error) {
	if c.Site == "" || c.Dir == "" || c.View.URL == "" {
		return c, errors.New("start transport: site, spool and view must be given")
	}
	if c.Store == nil && c.LMTP.Address == "" {
		return c, errors.New("start transport: there is no store to deliver to")
	}
	switch c.MailboxBy {
	case "":
		c.MailboxBy = ByMail
	case ByMail, ByAlias, BySAM:
	default:
		return c, fmt.Errorf("start transport: %q names no mailbox; want mail, alias or sam", c.MailboxBy)
	}
	if c.MaxDelay < c.MinDelay {
		c.MaxDelay = c.MinDelay
	}
	c.Host = either(c.Host, c.Site+".rehearsal.test")
	c.Listen = either(c.Listen, "127.0.0.1:0")
	c.MaxHops = either(c.MaxHops, 10)
	c.Connections = either(c.Connections, 8)
	c.RetryInterval = either(c.RetryInterval, time.Second)
	c.Settle = either(c.Settle, 2*time.Second)
	c.Poll = either(c.Poll, 50*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.CertFile == "" {
		return c, nil
	}
	var err error
	if c.Certificate, err = tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
		return c, fmt.Errorf("read certificate: %w", err)
	}
	return c, nil
}

// either returns given unless it is zero.
func either[T comparable](given, standard T) T {
	var zero T
	if given == zero {
		return standard
	}
	return given
}
