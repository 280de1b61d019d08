package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"slices"
	"time"

	"reforest/migrate"
)

// A TLS says how a connection is made secret.
type TLS string

// The ways. Whether a server takes an address is no secret, and is told to anyone who
// asks; who answers is worth knowing.
const (
	Offered  TLS = "offered"  // STARTTLS (RFC 3207) where the server offers it
	Required TLS = "required" // a server that does not offer it is not asked
	Never    TLS = "never"    // not even where it is offered: the certificate is nobody's whom we know
)

// Modes lists the ways.
func Modes() []TLS { return []TLS{Offered, Required, Never} }

// Config says how to reach one mail server.
type Config struct {
	Address    string        // host:port; required
	TLS        TLS           // default Offered
	CAFile     string        // PEM file of the authorities to trust; default is the system's
	ServerName string        // name in the server's certificate; default is Address' host
	Name       string        // by which we greet it (RFC 5321 4.1.1.1); default is this host's, or localhost
	Timeout    time.Duration // for all of one question; default one minute
	Hint       string        // what an operator can do about an address that it refuses
}

func (c Config) withDefaults() Config {
	if c.TLS == "" {
		c.TLS = Offered
	}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(c.Address) // an address without a port cannot be dialled, which is said then
	}
	if c.Name == "" {
		c.Name = ownName()
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return c
}

// ownName returns this host's name, if it is one that a server could read.
func ownName() string {
	name, err := os.Hostname()
	if err != nil || name == "" || slices.ContainsFunc([]byte(name), func(b byte) bool { return b <= ' ' || b >= 0x7f }) {
		return "localhost"
	}
	return name
}

// secure upgrades the connection, as configured.
func (c Config) secure(client *smtp.Client) error {
	offered, _ := client.Extension("STARTTLS")
	switch {
	case c.TLS == Never, c.TLS == Offered && !offered:
		return nil
	case !offered:
		return c.refused(errors.New("the server does not offer STARTTLS"), "set smtp_tls: offered, or name a server that offers it")
	}
	settings, err := c.settings()
	if err != nil {
		return c.refused(err, "")
	}
	err = client.StartTLS(settings)
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return c.refused(err, "name the authority that issued the server's certificate as ca, or set smtp_tls: never")
	}
	return answered("smtp.StartTLS", err, "")
}

// refused is about every address, and ends the question for one: a switch that is under
// way does not need the answer.
func (c Config) refused(err error, hint string) error {
	return &migrate.Error{Op: "smtp.StartTLS", Reach: migrate.OneMailbox, Err: err, Hint: hint}
}

func (c Config) settings() (*tls.Config, error) {
	settings := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return settings, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %q: it holds no PEM certificate", c.CAFile)
	}
	return settings, nil
}
