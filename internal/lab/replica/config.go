package replica

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"reforest/internal/lab/ldapd"
)

// Defaults of Config.
const (
	defaultPoll    = 200 * time.Millisecond
	defaultTimeout = 30 * time.Second
)

// A Config says what server to follow, and how far behind it to be.
type Config struct {
	// Upstream is the LDAPS URL of the server that is followed; it must be given. That of a
	// domain controller gives its own domain, Configuration and Schema.
	Upstream string
	// CAFile is a PEM file of the authorities that are trusted, and CA are such authorities;
	// one of them must be given.
	CAFile string
	CA     *x509.CertPool
	// ServerName is the name in the upstream's certificate. Empty means the host of
	// Upstream.
	ServerName string
	// BindDN and Password are who reads upstream: an administrator, for security
	// descriptors and tombstones are read too. Both must be given.
	BindDN, Password string
	// Timeout bounds one request to the upstream. 0 means 30 s.
	Timeout time.Duration
	// Poll is how often the upstream is asked for changes. 0 means 200 ms.
	Poll time.Duration
	// Lag is how much later a change shows here than it was seen upstream. 0 means at
	// once.
	Lag time.Duration
	// Catalog makes the replica a global catalog: URL leads to one.
	Catalog bool
	// Host is the replica's own DNS name. Empty means "replica." and the domain's name.
	Host string
	// Address is where URL leads, and the certificate names its host. Empty means
	// 127.0.0.1:0. The product knows a global catalog by port 3269 alone, where a URL is all
	// that it is told.
	Address string
	// Authority signs the replica's certificate. Nil means one of its own.
	Authority *ldapd.Authority
	// Logins are the passwords of those who may log on here, by a name in any form that a
	// bind takes. Nil means BindDN with Password.
	Logins map[string]string
	// Logger is told when the upstream cannot be read, and when it can be again. Nil means
	// nobody is.
	Logger *slog.Logger
}

// String tells what is followed, without the passwords.
func (c Config) String() string { return "replica of " + c.Upstream }

// GoString is String, so that %#v does not print the passwords.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that the passwords are never logged.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Config) complete() (Config, error) {
	if c.BindDN == "" || c.Password == "" {
		return c, errors.New("bind name and password must both be given")
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Poll <= 0 {
		c.Poll = defaultPoll
	}
	if c.Logins == nil {
		c.Logins = map[string]string{c.BindDN: c.Password}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c.trust()
}

// trust reads the authorities that are believed.
func (c Config) trust() (Config, error) {
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return c, fmt.Errorf("read CA file: %w", err)
		}
		c.CA = x509.NewCertPool()
		if !c.CA.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("read CA file %q: no certificate in it", c.CAFile)
		}
	}
	if c.CA == nil {
		return c, errors.New("no authority is given")
	}
	return c, nil
}

// address returns host and port of the upstream, and how TLS with it begins.
func (c Config) address() (string, *tls.Config, error) {
	u, err := url.Parse(c.Upstream)
	if err != nil || u.Scheme != "ldaps" || u.Hostname() == "" {
		return "", nil, fmt.Errorf("upstream %q: want ldaps://host[:port]", c.Upstream)
	}
	name, port := c.ServerName, u.Port()
	if name == "" {
		name = u.Hostname()
	}
	if port == "" {
		port = "636"
	}
	return net.JoinHostPort(u.Hostname(), port), &tls.Config{RootCAs: c.CA, ServerName: name, MinVersion: tls.VersionTLS12}, nil
}
