package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"reforest/migrate"
)

// A Login is the way in which an administrator opens someone's mailbox.
type Login string

// The login styles.
const (
	// Master is LOGIN "user*admin", as Dovecot's master users have it.
	Master Login = "master"
	// Plain is AUTHENTICATE PLAIN with the mailbox as the authorization identity
	// (RFC 4616), as Cyrus' proxy servers and Dovecot have it.
	Plain Login = "plain"
	// XOAuth2 is AUTHENTICATE XOAUTH2 with an access token for the mailbox, as Exchange
	// and Gmail have it.
	XOAuth2 Login = "xoauth2"
	// OAuthBearer is AUTHENTICATE OAUTHBEARER with an access token (RFC 7628); the
	// mailbox is the authorization identity.
	OAuthBearer Login = "oauthbearer"
)

const (
	defaultTimeout = 60 * time.Second
	defaultPage    = 1000
)

// Config says how to reach one mailbox. No password goes without TLS.
type Config struct {
	Address    string        // host:port; empty with a Tunnel
	StartTLS   bool          // begin in the clear and upgrade (RFC 9051 6.2.1); default is TLS from the start
	CAFile     string        // PEM file of the authorities to trust; default is the system's
	ServerName string        // name in the server's certificate; default is Address' host
	Mailbox    string        // the user whose mailbox it is
	Admin      string        // the administrator who opens it; "" logs in as the mailbox itself
	Password   string        // of Admin, or of Mailbox where there is no Admin
	Login      Login         // how the mailbox is opened; default Master. Master and Plain are about Admin
	Separator  string        // between mailbox and admin in a Master login; default "*"
	Timeout    time.Duration // longest silence of the server within a command; default 60 s
	Page       int           // items between two cursors of Deltas; default 1000
	Compress   bool          // where the server offers it (RFC 4978): less travels, and both sides work more
	Version    string        // ours, for the server's log (RFC 2971); "" is not told
	Server     *Server       // what all connections to this server share; nil bounds nothing

	// Tunnel is a command and its arguments whose standard input and output are a
	// connection that is logged in already (PREAUTH, RFC 9051 7.1.4), such as ssh to the
	// server and an IMAP server there: each MailboxWord in it stands for the mailbox. It
	// takes the place of the network, of TLS and of the login. No shell is asked here.
	Tunnel []string

	// Token returns an access token for the logins XOAuth2 and OAuthBearer. It is asked
	// at each login, and again with the token that the server has just refused: then it
	// returns another one, or the same if it has no other.
	Token func(ctx context.Context, refused string) (string, error)
}

// String names the mailbox and leaves out the password, so that it is safe in logs.
func (c Config) String() string {
	if len(c.Tunnel) > 0 {
		return c.Mailbox + " through " + c.Tunnel[0]
	}
	return c.Mailbox + " at " + c.Address
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// withDefaults fills in what was left empty and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.Login == "" {
		c.Login = Master
	}
	if c.Separator == "" {
		c.Separator = "*"
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Page <= 0 {
		c.Page = defaultPage
	}
	if len(c.Tunnel) > 0 {
		return c, errors.Join(c.check(), c.checkTunnel())
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return c, configError(fmt.Errorf("parse address %q: %w", c.Address, err))
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c, c.check()
}

func (c Config) check() error {
	switch {
	case c.Mailbox == "":
		return configError(errors.New("no mailbox is named"))
	case strings.ContainsAny(c.Mailbox+c.Admin+c.Password, "\x00\r\n"):
		return configError(errors.New("user name or password holds a control character"))
	case c.Login != Master && c.Login != Plain && !c.usesToken():
		return configError(fmt.Errorf("login style %q: want %q, %q, %q or %q", c.Login, Master, Plain, XOAuth2, OAuthBearer))
	case c.usesToken() && c.Token == nil:
		return configError(fmt.Errorf("login style %q needs an access token", c.Login))
	case c.usesToken() && strings.Contains(c.Mailbox, "\x01"):
		return configError(errors.New("mailbox holds a control character"))
	case c.Admin != "" && c.Login == Master && strings.Contains(c.Mailbox, c.Separator):
		return configError(fmt.Errorf("mailbox %q holds the master separator %q", c.Mailbox, c.Separator))
	}
	return nil
}

// tls returns the client's TLS settings.
func (c Config) tls() (*tls.Config, error) {
	settings := &tls.Config{
		ServerName: c.ServerName, MinVersion: tls.VersionTLS12,
		DynamicRecordSizingDisabled: true, // small records are for browsers that wait for the first bytes
	}
	if c.CAFile == "" {
		return settings, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, configError(fmt.Errorf("read CA file: %w", err))
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, configError(fmt.Errorf("read CA file %q: it holds no PEM certificate", c.CAFile))
	}
	return settings, nil
}

func configError(err error) error {
	return &migrate.Error{Op: "imap.Dial", Reach: migrate.WholeRun, Err: err}
}
