package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/migrate"
	"reforest/migrate/imap"
)

func asError(err error) *migrate.Error { return migrate.AsError(err) }

// A connection is both forests and their mail servers, ready for use.
type connection struct {
	config      *config
	directories *directory.Directories
	mailboxes   *mailboxes
	mu          sync.Mutex
	closers     []io.Closer // guarded by mu
}

// connect logs in to both directories and reads what they are.
func connect(ctx context.Context, env *environment, c *config) (*connection, error) {
	if err := c.checkSecrets(env.getenv); err != nil {
		return nil, err
	}
	rules, err := c.decidedRules()
	if err != nil {
		return nil, err
	}
	conn := &connection{config: c, directories: &directory.Directories{Rules: rules}}
	if conn.mailboxes, err = newMailboxes(env, c); err != nil {
		return nil, usage(err)
	}
	if err := conn.forests(ctx, env, c); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// forests connects to both at the same time. Of two errors the source's counts.
func (c *connection) forests(ctx context.Context, env *environment, conf *config) error {
	var both sync.WaitGroup
	var sourceErr, targetErr error
	both.Go(func() {
		c.directories.Source, sourceErr = c.forest(ctx, env, conf, directory.Source, conf.Source.Directory)
	})
	both.Go(func() {
		c.directories.Target, targetErr = c.forest(ctx, env, conf, directory.Target, conf.Target.Directory)
	})
	both.Wait()
	if sourceErr != nil {
		return sourceErr
	}
	return targetErr
}

// Close closes all connections.
func (c *connection) Close() (err error) {
	for _, closer := range c.closers {
		err = errors.Join(err, closer.Close())
	}
	return err
}

func (c *connection) forest(ctx context.Context, env *environment, conf *config, side directory.Side, d directoryConfig) (directory.Forest, error) {
	f := directory.Forest{Side: side, Account: d.Bind}
	dial, err := dialConfig(env, conf, side, d)
	if err != nil {
		return f, err
	}
	conn, err := c.dial(ctx, side, dial)
	if err != nil {
		return f, err
	}
	f.Reader, f.Writer = conn, conn
	for _, url := range d.Settle {
		dial.URL, dial.ServerName = url, ""
		watched, err := c.dial(ctx, side, dial)
		if err != nil {
			return f, err
		}
		f.Watch = append(f.Watch, watched)
	}
	if d.Catalog != "" {
		dial.URL, dial.ServerName = d.Catalog, ""
		catalog, err := c.dial(ctx, side, dial)
		if err != nil {
			return f, err
		}
		f.Catalog = catalog
	}
	f.Info, err = directory.Survey(ctx, conn)
	if err != nil {
		return f, fmt.Errorf("survey the %s directory: %w", side, err)
	}
	return f, nil
}

// dialConfig says how to log in to one side's directory.
func dialConfig(env *environment, conf *config, side directory.Side, d directoryConfig) (ldap.Config, error) {
	password, err := d.Password.resolve(conf.dir(), env.getenv)
	if err != nil {
		return ldap.Config{}, usage(fmt.Errorf("%s.directory.password: %w", side, err))
	}
	return ldap.Config{
		URL: d.URL, StartTLS: d.StartTLS, CAFile: within(conf.dir(), d.CA), ServerName: d.ServerName,
		BindDN: d.Bind, Password: string(password),
	}, nil
}

func (c *connection) dial(ctx context.Context, side directory.Side, config ldap.Config) (*ldap.Conn, error) {
	conn, err := ldap.Dial(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the %s directory at %s: %w", side, config.URL, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closers = append(c.closers, conn)
	return conn, nil
}

// mailboxes opens mailboxes over IMAP. It is the batch.Mailboxes of the product.
type mailboxes struct {
	source, target mailServer
}

// A mailServer is one side's IMAP server without the mailbox.
type mailServer struct {
	imap.Config
	attribute string       // which attribute names the mailbox
	probe     string       // a mailbox that is there before any is opened
	proven    *atomic.Bool // these credentials have opened a mailbox

	patience retryConfig                      // with a server that is busy, where nobody else waits for it
	say      func(format string, args ...any) // tells of it
}

func (m *mailboxes) of(side directory.Side) mailServer {
	if side == directory.Source {
		return m.source
	}
	return m.target
}

// proven reports whether the credentials of both sides have opened a mailbox.
func (m *mailboxes) proven() bool { return m.source.proven.Load() && m.target.proven.Load() }

// judge takes over what opening a mailbox came to. Many servers say the same of a
// wrong password and of a mailbox that is not there. Once the password has opened one
// mailbox, it is the other mailbox that is to blame, and no reason to end the run.
func (s mailServer) judge(err error) error {
	e := migrate.AsError(err)
	if err == nil {
		s.proven.Store(true)
	}
	if e == nil || !e.Auth || !s.proven.Load() {
		return err
	}
	judged := &migrate.Error{
		Op: e.Op, Reach: migrate.OneMailbox, Retry: migrate.Never, Err: e.Err,
		Hint: "see whether the mailbox is there, and whether the migration account may open it",
	}
	if s.Token != nil {
		judged.Retry = migrate.Later // the token may have expired, and be renewed from outside
	}
	return judged
}

// room returns how many moves both servers have connections for; 0 is any number.
func (m *mailboxes) room() int {
	a, b := m.source.Server.Room(), m.target.Server.Room()
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func newMailboxes(env *environment, c *config) (*mailboxes, error) {
	source, err := newMailServer(env, c, "source", c.Source.Mail)
	if err != nil {
		return nil, err
	}
	target, err := newMailServer(env, c, "target", c.Target.Mail)
	return &mailboxes{source, target}, err
}

func newMailServer(env *environment, c *config, side string, m mailConfig) (mailServer, error) {
	var password secret
	var err error
	if !m.usesToken() && !m.tunnelled() {
		if password, err = m.Password.resolve(c.dir(), env.getenv); err != nil {
			return mailServer{}, fmt.Errorf("%s.mail.password: %w", side, err)
		}
	}
	token, err := m.token(env, c.dir(), side)
	if err != nil {
		return mailServer{}, err
	}
	return mailServer{
		Config: imap.Config{
			Address: m.IMAP, StartTLS: m.StartTLS, CAFile: within(c.dir(), m.CA), ServerName: m.ServerName,
			Admin: m.Admin, Password: string(password), Login: imap.Login(m.Login), Separator: m.Separator,
			Tunnel: m.Tunnel, Token: token, Compress: m.Compress, Version: version, Server: m.Limits.server(side, newLogger(env)),
		},
		attribute: m.Mailbox, probe: m.Probe, proven: new(atomic.Bool), patience: c.Retry,
		say: func(format string, args ...any) { env.say("The "+side+" mail server is busy: "+format, args...) },
	}, nil
}

// of returns the configuration for one person's mailbox.
func (s mailServer) of(person *directory.Recipient) imap.Config {
	c := s.Config
	c.Mailbox = person.Login(s.loginAttr())
	return c
}

// loginAttr returns the directory's name of the attribute that names the mailbox.
func (s mailServer) loginAttr() string {
	switch s.attribute {
	case "alias":
		return "mailNickname"
	case "sam":
		return "sAMAccountName"
	case "upn":
		return "userPrincipalName"
	}
	return "mail"
}

// Logins is batch.LoginNames'.
func (m *mailboxes) Logins() directory.Logins {
	return directory.Logins{Source: m.source.loginAttr(), Target: m.target.loginAttr()}
}

// OpenSource is batch.Mailboxes'.
func (m *mailboxes) OpenSource(ctx context.Context, side directory.Side, owner *directory.Recipient) (migrate.Source, io.Closer, error) {
	server := m.of(side)
	s, err := imap.OpenSource(ctx, server.of(owner))
	return s, s, server.judge(err)
}

// OpenTarget is batch.Mailboxes'.
func (m *mailboxes) OpenTarget(ctx context.Context, side directory.Side, owner *directory.Recipient) (migrate.Target, io.Closer, error) {
	server := m.of(side)
	t, err := imap.OpenTarget(ctx, server.of(owner))
	return t, t, server.judge(err)
}

// newLogger writes what an operator has to know to stderr.
func newLogger(env *environment) *slog.Logger {
	return slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
