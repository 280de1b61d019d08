package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strings"

	"reforest/migrate"
)

// login authenticates, then learns what the server offers to a user.
func (c *Conn) login(ctx context.Context, config Config) error {
	before := c.caps
	c.caps = nil
	s, err := c.authenticate(ctx, config, before)
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

func (c *Conn) authenticate(ctx context.Context, config Config, caps map[string]bool) (status, error) {
	switch {
	case config.usesToken():
		return c.loginToken(ctx, config, caps)
	case config.usesPlain(caps):
		return c.loginPlain(ctx, config, caps)
	}
	return c.loginCommand(ctx, config, caps)
}

func (c Config) usesToken() bool { return c.Login == XOAuth2 || c.Login == OAuthBearer }

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

// loginPlain is AUTHENTICATE PLAIN (RFC 4616).
func (c *Conn) loginPlain(ctx context.Context, config Config, caps map[string]bool) (status, error) {
	message := "\x00" + config.Mailbox + "\x00" + config.Password
	if config.Admin != "" {
		message = config.Mailbox + "\x00" + config.Admin + "\x00" + config.Password
	}
	return c.sasl(ctx, "PLAIN", caps, raw(base64.StdEncoding.EncodeToString([]byte(message))))
}

// sasl sends AUTHENTICATE, with the initial response at once where the server takes it
// (RFC 4959).
func (c *Conn) sasl(ctx context.Context, mechanism string, caps map[string]bool, response part) (status, error) {
	if caps["SASL-IR"] {
		return c.do(ctx, "imap.Login", nil, raw("AUTHENTICATE "+mechanism+" "), response)
	}
	return c.do(ctx, "imap.Login", nil, raw("AUTHENTICATE "+mechanism), challenge{}, response)
}

// challenge ends the line and waits for the server's empty challenge.
type challenge struct{}

func (challenge) send(c *Conn, tag string) (*status, error) {
	if _, err := c.out.WriteString("\r\n"); err != nil {
		return nil, err
	}
	return c.awaitContinuation(tag)
}

// loginToken logs in with an access token, and with another one if the server refuses the
// first and there is another: it may have expired.
func (c *Conn) loginToken(ctx context.Context, config Config, caps map[string]bool) (status, error) {
	token, err := config.token(ctx, "")
	if err != nil {
		return status{}, err
	}
	s, err := c.bearer(ctx, config, caps, token)
	if _, busy := s.busy(); err != nil || s.ok() || busy || isOutOfService(s) {
		return s, err
	}
	another, err := config.token(ctx, token)
	if err != nil || another == token {
		return s, err
	}
	return c.bearer(ctx, config, caps, another)
}

// token fetches an access token; see Config.Token.
func (c Config) token(ctx context.Context, refused string) (string, error) {
	token, err := c.Token(ctx, refused)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", lost(ctx, "imap.Login", err)
	case err != nil && migrate.AsError(err) == nil:
		return "", &migrate.Error{Op: "imap.Login", Reach: migrate.OneServer, Retry: migrate.Later, Err: err}
	case err == nil && (token == "" || strings.ContainsFunc(token, notOfToken)):
		err := errors.New("what is configured as an access token is none")
		return "", &migrate.Error{Op: "imap.Login", Reach: migrate.WholeRun, Err: err}
	}
	return token, err
}

// notOfToken tells what no token holds (RFC 6750 2.1).
func notOfToken(r rune) bool { return r <= ' ' || r >= 0x7f }

// bearer is one AUTHENTICATE with a token.
func (c *Conn) bearer(ctx context.Context, config Config, caps map[string]bool, token string) (status, error) {
	t := &tokenResponse{response: xoauth2(config.Mailbox, token)}
	mechanism := "XOAUTH2"
	if config.Login == OAuthBearer {
		mechanism = "OAUTHBEARER"
		t.response, t.farewell = oauthBearer(config, token), base64.StdEncoding.EncodeToString([]byte{1})
	}
	s, err := c.sasl(ctx, mechanism, caps, t)
	if err == nil && !s.ok() && t.challenge != "" {
		s.text = strings.ReplaceAll(strings.TrimSpace(s.text+" "+t.challenge), token, "[redacted]")
	}
	return s, err
}

// xoauth2 is the response of Google's and Microsoft's XOAUTH2.
func xoauth2(user, token string) string {
	return "user=" + user + "\x01auth=Bearer " + token + "\x01\x01"
}

// oauthBearer is the response of RFC 7628 3.1.
func oauthBearer(config Config, token string) string {
	host, port, _ := net.SplitHostPort(config.Address) // checked by withDefaults
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(config.Mailbox)
	return "n,a=" + name + ",\x01host=" + host + "\x01port=" + port + "\x01auth=Bearer " + token + "\x01\x01"
}

// maxChallenge is how much of a server's explanation is shown, in bytes.
const maxChallenge = 400

// A tokenResponse sends a token. A server that refuses it first says why in a challenge,
// which has to be answered before it sends its NO (RFC 7628 3.2.3).
type tokenResponse struct {
	response  string
	farewell  string // the answer to the explanation
	challenge string // the server's explanation, if it came
}

func (t *tokenResponse) send(c *Conn, tag string) (*status, error) {
	if _, err := c.out.WriteString(base64.StdEncoding.EncodeToString([]byte(t.response)) + "\r\n"); err != nil {
		return nil, err
	}
	if s, err := c.awaitContinuation(tag); s != nil || err != nil {
		return s, err
	}
	if words, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.said)); err == nil {
		t.challenge = string(words[:min(len(words), maxChallenge)])
	}
	_, err := c.out.WriteString(t.farewell)
	return nil, err
}
