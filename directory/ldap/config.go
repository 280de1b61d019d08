package ldap

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
)

// Defaults of Config.
const (
	defaultTimeout  = 30 * time.Second
	defaultPageSize = 500
	maxPageSize     = 1000 // MaxPageSize of Active Directory's default query policy
)

// A Config says which server to talk to, and as whom.
type Config struct {
	// URL is ldaps://host[:port], or ldap://host[:port] together with StartTLS.
	URL string
	// StartTLS turns a connection to an ldap:// URL into TLS before anything else
	// is sent (RFC 4511 4.14). It is ignored with ldaps://.
	StartTLS bool
	// CAFile is a PEM file of the authorities that are trusted; empty means those of
	// the operating system.
	CAFile string
	// GlobalCatalog says that URL leads to a global catalog; the ports 3268 and 3269 say so
	// by themselves.
	GlobalCatalog bool
	// ServerName is the name the server's certificate must carry; empty means the
	// host of URL.
	ServerName string
	// BindDN is who to be: a DN, user@domain or DOMAIN\user.
	BindDN string
	// Password goes with BindDN. It must not be empty: a server takes that as an
	// anonymous bind and reports success (RFC 4513 5.1.2). It is never logged.
	Password string
	// Timeout bounds one operation: a dial, a bind, one page of a search, one write.
	// 0 means 30 s.
	Timeout time.Duration
	// PageSize is how many entries are asked for at a time, at most 1000. 0 means 500.
	PageSize int
}

// String tells where the configuration leads, without the password.
func (c Config) String() string { return fmt.Sprintf("%s as %s", c.URL, c.BindDN) }

// GoString is String, so that %#v does not print the password.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that the password is never logged.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// endpoint is a checked Config.
type endpoint struct {
	Config
	address string // host:port
	plain   bool   // begins in clear text, with StartTLS
	tls     *tls.Config
}

func (c Config) check() (endpoint, error) {
	if c.BindDN == "" || c.Password == "" {
		return endpoint{}, errors.New("bind name and password must both be given")
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.PageSize <= 0 {
		c.PageSize = defaultPageSize
	}
	c.PageSize = min(c.PageSize, maxPageSize)
	u, err := url.Parse(c.URL)
	if err != nil {
		return endpoint{}, fmt.Errorf("parse URL: %w", err)
	}
	e := endpoint{Config: c}
	if err := e.locate(u); err != nil {
		return endpoint{}, err
	}
	e.tls, err = c.tlsConfig(u.Hostname())
	return e, err
}

func (e *endpoint) locate(u *url.URL) error {
	port := u.Port()
	switch {
	case u.Hostname() == "":
		return fmt.Errorf("URL %q names no host", e.URL)
	case u.Scheme == "ldaps":
		port = orDefault(port, "636")
	case u.Scheme == "ldap" && e.StartTLS:
		e.plain, port = true, orDefault(port, "389")
	case u.Scheme == "ldap":
		return fmt.Errorf("URL %q would send the password in clear text: use ldaps:// or StartTLS", e.URL)
	default:
		return fmt.Errorf("URL %q: want ldaps:// or ldap://", e.URL)
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	return nil
}

func orDefault(port, standard string) string {
	if port == "" {
		return standard
	}
	return port
}

func (c Config) tlsConfig(host string) (*tls.Config, error) {
	conf := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	if c.CAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %q: no certificate in it", c.CAFile)
	}
	return conf, nil
}
