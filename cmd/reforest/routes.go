package main

import (
	"context"
	"fmt"
	"net"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
	"reforest/migrate/smtp"
)

// routes are the mail servers that are asked whether they take mail. It is the batch.Routes
// of the product.
type routes []smtp.Config

var _ batch.Routes = routes{}

// newRoutes returns the mail servers that are configured, none if none is.
func newRoutes(c *config) routes {
	var all routes
	for _, side := range []directory.Side{directory.Source, directory.Target} {
		m := c.mail(side)
		if m.SMTP == "" {
			continue
		}
		all = append(all, smtp.Config{
			Address: m.SMTP, TLS: smtp.TLS(m.SMTPTLS), CAFile: within(c.dir(), m.CA), ServerName: m.smtpName(), Hint: routeHint(side, c.Target.Domain),
		})
	}
	return all
}

// smtpName is the name in the SMTP server's certificate, where it is not its own address:
// that of the mail server, if both are one host.
func (m mailConfig) smtpName() string {
	if hostOf(m.SMTP) == hostOf(m.IMAP) {
		return m.ServerName
	}
	return ""
}

// routeHint says what an operator can do about an address that the side's server refuses.
func routeHint(side directory.Side, domain string) string {
	if side == directory.Target {
		return fmt.Sprintf("the target's mail servers do not take mail for it: is %s an accepted domain there, and has the target user that address?", domain)
	}
	return fmt.Sprintf("the source's mail servers do not take mail for it: is there a connector for %s, and may this host send through them?", domain)
}

// Prove is batch.Routes': every server has to take mail for the address.
func (r routes) Prove(ctx context.Context, address migrate.SMTPAddress) error {
	for _, server := range r {
		if err := smtp.Prove(ctx, server, address); err != nil {
			return err
		}
	}
	return nil
}

// check greets every server. Who is not there is a finding: everybody's switch would wait
// for it.
func (r routes) check(ctx context.Context) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, server := range r {
		err := smtp.Greet(ctx, server)
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		if err == nil {
			continue
		}
		finding := migrate.Finding{
			Rule: "mail.smtp", Severity: migrate.Warn, Whom: server.Address,
			What: "It is to say before each switch that it takes the forwarded mail, and does not answer: " + err.Error() + ".",
			Mend: "Correct smtp in the configuration, or see why it does not answer; until it does nobody is switched.",
		}
		if e := migrate.AsError(err); e != nil && e.Hint != "" {
			finding.Mend += " Or: " + e.Hint + "."
		}
		findings = append(findings, finding)
	}
	return findings, nil
}

// hostOf returns the host of an address, or all of it where it names no port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
