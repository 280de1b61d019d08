package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/oauth"
)

// mailLimits bound what all moves of the process do together on one server.
type mailLimits struct {
	Connections int     `yaml:"connections"`
	Megabytes   float64 `yaml:"mb_per_second"`
	Messages    float64 `yaml:"messages_per_second"`
}

func (l mailLimits) check(key string, f *faults) {
	for name, n := range map[string]float64{"connections": float64(l.Connections), "mb_per_second": l.Megabytes, "messages_per_second": l.Messages} {
		if n < 0 {
			f.add(key+"."+name, "%s.%s: want a number, or 0 for no limit", key, name)
		}
	}
}

// server returns what the connections to one side's server share.
func (l mailLimits) server(side string, logger *slog.Logger) *imap.Server {
	return imap.NewServer(imap.Limits{
		Connections: l.Connections, BytesPerSecond: int64(math.Ceil(l.Megabytes * 1e6)), MessagesPerSecond: l.Messages,
		Notify: func(connections int, reason string) {
			logger.Warn("mail server: other number of connections at once", "side", side, "connections", connections, "reason", reason)
		},
	})
}

func (m mailConfig) usesToken() bool {
	return m.Login == string(imap.XOAuth2) || m.Login == string(imap.OAuthBearer)
}

// tunnelled reports whether a command is the connection, which takes no login.
func (m mailConfig) tunnelled() bool { return len(m.Tunnel) > 0 }

func (m mailConfig) checkTunnel(key string, f *faults) {
	if m.IMAP != "" {
		f.add(key+".tunnel", "%s.tunnel and %s.imap exclude each other", key, key)
	}
	if !strings.Contains(strings.Join(m.Tunnel[1:], " "), imap.MailboxWord) {
		f.add(key+".tunnel", "%s.tunnel does not say whose mailbox is to be opened: want %s among its words", key, imap.MailboxWord)
	}
}

// secrets are those that the login needs.
func (m mailConfig) secrets(key string) []namedSecret {
	switch {
	case m.tunnelled():
		return nil
	case !m.usesToken():
		return []namedSecret{{key + ".password", m.Password}}
	case m.TokenURL != "":
		return []namedSecret{{key + ".client_secret", m.ClientSecret}}
	}
	return []namedSecret{{key + ".token", m.Token}}
}

func (m mailConfig) checkLogin(key, dir string, f *faults) {
	if !oneOf(m.Login, "", string(imap.Master), string(imap.Plain)) && !m.usesToken() {
		f.add(key+".login", "%q: want master, plain, xoauth2 or oauthbearer", m.Login)
		return
	}
	if !m.usesToken() {
		f.required(key, map[string]string{"admin": m.Admin, "password": string(m.Password)})
		return
	}
	switch {
	case m.TokenURL == "" && m.Token == "":
		f.add(key+".login", "%s.login: %s needs a token, or a token_url to fetch one from", key, m.Login)
	case m.TokenURL != "" && m.Token != "":
		f.add(key+".token", "%s.token and %s.token_url exclude each other", key, key)
	case m.TokenURL != "":
		f.required(key, map[string]string{"client_id": m.ClientID, "client_secret": string(m.ClientSecret)})
		f.file(key+".token_ca", dir, m.TokenCA)
	}
	if m.TokenURL != "" && !strings.HasPrefix(m.TokenURL, "https://") {
		f.add(key+".token_url", "%q: want https://server/path", m.TokenURL)
	}
}

// token returns where the side's access tokens come from; nil where there are none. A
// file or variable is read again at each login, so that whatever renews it is heeded.
func (m mailConfig) token(env *environment, dir, side string) (func(context.Context, string) (string, error), error) {
	switch {
	case !m.usesToken():
		return nil, nil
	case m.TokenURL == "":
		return func(context.Context, string) (string, error) {
			token, err := m.Token.resolve(dir, env.getenv)
			if err != nil {
				err = fmt.Errorf("%s.mail.token: %w", side, err)
			}
			return string(token), err
		}, nil
	}
	secret, err := m.ClientSecret.resolve(dir, env.getenv)
	if err != nil {
		return nil, fmt.Errorf("%s.mail.client_secret: %w", side, err)
	}
	source, err := oauth.New(oauth.Config{
		URL: m.TokenURL, ClientID: m.ClientID, ClientSecret: string(secret), Scope: m.Scope, CAFile: within(dir, m.TokenCA),
	})
	if err != nil {
		return nil, fmt.Errorf("%s.mail.token_url: %w", side, err)
	}
	return source.Token, nil
}

// patiently does what a check does with the server, and again while that is busy, as often
// and after as long as moves are tried again.
func (s mailServer) patiently(ctx context.Context, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		e := migrate.AsError(err)
		if e == nil || !e.Busy || attempt >= s.patience.Attempts {
			return err
		}
		wait := max(time.Duration(s.patience.Interval), e.After)
		s.say("%v; trying again at %s.", e.Err, clock(time.Now().Add(wait)))
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
