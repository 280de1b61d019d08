package imap

import (
	"context"
	"encoding/base64"
	"errors"

	"reforest/migrate"
)

// login authenticates, then learns what the server offers to a user.
func (c *Conn) login(ctx context.Context, config Config) error {
	before := c.caps
	c.caps = nil
	authenticate := c.loginCommand
	if config.usesPlain(before) {
		authenticate = c.loginPlain
	}
	s, err := authenticate(ctx, config, before)
	if err != nil {
		return err
	}
	if !s.ok() {
		return refusedLogin(s)
	}
	if c.caps == nil {
		return c.capability(ctx)
	}
	return nil
}

// usesPlain decides between LOGIN and AUTHENTICATE PLAIN. Without an
// administrator either will do, and LOGIN is what every server has.
func (c Config) usesPlain(caps map[string]bool) bool {
	if c.Admin != "" {
		return c.Login == Plain
	}
	return caps["LOGINDISABLED"] && caps["AUTH=PLAIN"]
}

func (c *Conn) loginCommand(ctx context.Context, config Config, caps map[string]bool) (status, error) {
	if caps["LOGINDISABLED"] {
		return status{}, &migrate.Error{
			Op: "imap.Login", Reach: migrate.OneServer, Err: errors.New("the server forbids LOGIN (LOGINDISABLED)"),
			Hint: `use the login style "plain"`,
		}
	}
	user := config.Mailbox
	if config.Admin != "" {
		user += config.Separator + config.Admin
	}
	return c.do(ctx, "imap.Login", nil, raw("LOGIN "), astring(user), raw(" "), astring(config.Password))
}

// loginPlain is AUTHENTICATE PLAIN, with the initial response at once where the
// server takes it (RFC 4616, RFC 4959).
func (c *Conn) loginPlain(ctx context.Context, config Config, caps map[string]bool) (status, error) {
	message := "\x00" + config.Mailbox + "\x00" + config.Password
	if config.Admin != "" {
		message = config.Mailbox + "\x00" + config.Admin + "\x00" + config.Password
	}
	response := raw(base64.StdEncoding.EncodeToString([]byte(message)))
	if caps["SASL-IR"] {
		return c.do(ctx, "imap.Login", nil, raw("AUTHENTICATE PLAIN "), response)
	}
	return c.do(ctx, "imap.Login", nil, raw("AUTHENTICATE PLAIN"), challenge{}, response)
}

// challenge ends the line and waits for the server's empty challenge.
type challenge struct{}

func (challenge) send(c *Conn, tag string) (*status, error) {
	if _, err := c.out.WriteString("\r\n"); err != nil {
		return nil, err
	}
	return c.awaitContinuation(tag)
}
