package ldapd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"reforest/directory"
)

// A Config says what forest to play.
type Config struct {
	// Domain is the forest's DNS name, such as "alpine.test".
	Domain string
	// NetBIOS is the domain's short name. Empty means the first label of Domain in
	// upper case.
	NetBIOS string
	// Host is the server's DNS name. Empty means "dc." and Domain.
	Host string
	// AdminUser is the sAMAccountName of the administrator. Empty means Administrator.
	AdminUser string
	// AdminPassword is the administrator's password; it must be given.
	AdminPassword string
	// Organization is the name of the Exchange organization. Empty means
	// "First Organization".
	Organization string
	// UPNSuffixes are the alternative suffixes of user principal names.
	UPNSuffixes []string
	// Address is where LDAPS listens. Empty means 127.0.0.1:0.
	Address string
	// PlainAddress is where LDAP with StartTLS listens. Empty means 127.0.0.1:0.
	PlainAddress string
	// GlobalAddress is where LDAPS listens for the global catalog. Empty means
	// 127.0.0.1:0.
	GlobalAddress string
	// Authority signs the server's certificate. Nil means one of its own.
	Authority *Authority
}

// String tells what forest it is, without the password.
func (c Config) String() string { return "forest " + c.Domain }

// GoString is String, so that %#v does not print the password.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that the password is never logged.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Config) complete() (Config, error) {
	if c.Domain == "" || c.AdminPassword == "" {
		return c, errors.New("start directory: domain and administrator's password must be given")
	}
	for _, label := range strings.Split(c.Domain, ".") {
		if label == "" || strings.ContainsAny(label, `,+"\<>;= `) {
			return c, fmt.Errorf("start directory: %q is no DNS name", c.Domain)
		}
	}
	first, _, _ := strings.Cut(c.Domain, ".")
	c.NetBIOS = either(c.NetBIOS, strings.ToUpper(first))
	return c.defaults()
}

// defaults fills in what every kind of server may leave open.
func (c Config) defaults() (Config, error) {
	c.Host = either(c.Host, "dc."+c.Domain)
	c.AdminUser = either(c.AdminUser, "Administrator")
	c.Organization = either(c.Organization, "First Organization")
	c.Address = either(c.Address, "127.0.0.1:0")
	c.PlainAddress = either(c.PlainAddress, "127.0.0.1:0")
	c.GlobalAddress = either(c.GlobalAddress, "127.0.0.1:0")
	if c.Authority != nil {
		return c, nil
	}
	var err error
	c.Authority, err = NewAuthority()
	return c, err
}

func either(given, standard string) string {
	if given == "" {
		return standard
	}
	return given
}

// names are those that clients may know the server by.
func (c Config) names() []string {
	names := []string{c.Host, c.Domain}
	for _, address := range []string{c.Address, c.PlainAddress, c.GlobalAddress} {
		if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
			names = append(names, host)
		}
	}
	return names
}

// baseDN returns DC=alpine,DC=test for alpine.test.
func (c Config) baseDN() directory.DN {
	return directory.DN("DC=" + strings.ReplaceAll(c.Domain, ".", ",DC="))
}
