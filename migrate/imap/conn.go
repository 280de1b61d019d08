package imap

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"reforest/migrate"
)

const (
	ioBuffer      = 64 << 10        // bytes read or written at once
	logoutTimeout = 2 * time.Second // for the answer to LOGOUT
)

// A Conn is one connection, logged in to one mailbox. It is used by one goroutine
// at a time.
type Conn struct {
	net      *progressConn
	lex      *lexer
	out      *bufio.Writer
	caps     map[string]bool
	tags     int
	bye      *status // what the server said before it left
	said     string  // what it said when it last asked for more
	server   *Server // what it shares with the other connections; may be nil
	leave    func()  // gives up its place among them
	identity string  // what the server said of itself; "" if it has not
	broken   bool    // no command can be sent any more
	selected selection

	unanswered []*sent // commands that were sent and not answered yet, oldest first
	qresync    bool    // QRESYNC is enabled
	bodyFirst  bool    // FETCH brings a body before what else is asked for
}

// A selection is the mailbox that is open.
type selection struct {
	name        string // "" if none is
	writable    bool   // it was opened with SELECT
	uidValidity uint32
	uidNext     uint32 // 0 where the server does not say
	exists      uint32
	modSeq      uint64 // HIGHESTMODSEQ (RFC 7162 3.1.2.1); 0 where the server does not say
}

// Dial connects over TLS and logs in. Its errors are *migrate.Error, or ctx's
// cause.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	settings, err := config.tls()
	if err != nil {
		return nil, err
	}
	leave, err := config.Server.enter(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := config.reach(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	c := newConn(raw, config.Timeout)
	c.share(config.Server, leave)
	if err := c.enter(ctx, config, settings); err != nil {
		config.Server.judge(err)
		c.abandon()
		return nil, err
	}
	return c, nil
}

// reach connects to the server, and has nothing said yet.
func (c Config) reach(ctx context.Context) (net.Conn, error) {
	if len(c.Tunnel) > 0 {
		t, err := c.dig() //nolint:contextcheck // the command ends with the connection, not with ctx
		if err != nil {
			return nil, configError(fmt.Errorf("start the tunnel: %w", err))
		}
		return t, nil
	}
	dialer := net.Dialer{Timeout: c.Timeout}
	raw, err := dialer.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, lost(ctx, "imap.Dial", err)
	}
	return raw, nil
}

// share makes the connection one of those of a server.
func (c *Conn) share(server *Server, leave func()) {
	c.server, c.net.server, c.leave = server, server, leave
}

func newConn(raw net.Conn, timeout time.Duration) *Conn {
	c := &Conn{leave: func() {}}
	c.attach(raw, timeout)
	return c
}

// attach makes raw the connection; what was buffered of another one is dropped.
func (c *Conn) attach(raw net.Conn, timeout time.Duration) {
	c.net = newProgressConn(raw, timeout, c.server)
	c.lex = &lexer{r: bufio.NewReaderSize(c.net, ioBuffer)}
	c.out = bufio.NewWriterSize(c.net, ioBuffer)
}

// enter brings a fresh connection to the authenticated state.
func (c *Conn) enter(ctx context.Context, config Config, settings *tls.Config) error {
	if t, tunnelled := c.net.Conn.(*tunnel); tunnelled {
		return c.enterTunnel(ctx, config, t)
	}
	if !config.StartTLS {
		if err := c.handshake(ctx, config, settings); err != nil {
			return err
		}
	}
	if err := c.greeting(ctx, "OK"); err != nil {
		return err
	}
	if config.StartTLS {
		if err := c.startTLS(ctx, config, settings); err != nil {
			return err
		}
	}
	if c.caps == nil {
		if err := c.capability(ctx); err != nil {
			return err
		}
	}
	if err := c.login(ctx, config); err != nil {
		return err
	}
	return c.settle(ctx, config)
}

// enterTunnel learns from the greeting that somebody is logged in already.
func (c *Conn) enterTunnel(ctx context.Context, config Config, t *tunnel) error {
	if err := c.greeting(ctx, "PREAUTH"); err != nil {
		if e := migrate.AsError(err); e != nil {
			e.Err = t.explain(e.Err)
		}
		return err
	}
	if c.caps == nil {
		if err := c.capability(ctx); err != nil {
			return err
		}
	}
	return c.settle(ctx, config)
}

func (c *Conn) handshake(ctx context.Context, config Config, settings *tls.Config) error {
	limited, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	under := newWire(c.net.Conn)
	secure := tls.Client(under, settings)
	if err := secure.HandshakeContext(limited); err != nil {
		return handshakeError(ctx, err)
	}
	c.attach(secure, config.Timeout)
	c.net.wire = under
	return nil
}

// greeting reads what the server says first (RFC 9051 7.1), which has to be of the kind
// wanted: OK, or PREAUTH through a tunnel.
func (c *Conn) greeting(ctx context.Context, wanted string) error {
	stop := c.tie(ctx)
	defer stop()
	if err := c.lex.start(); err != nil {
		return lost(ctx, "imap.Dial", err)
	}
	tag, kind := c.lex.word(), strings.ToUpper(c.lex.word())
	s := parseStatus(kind, c.lex.text())
	var err error
	switch {
	case tag == "*" && kind == wanted:
		c.learn(s)
		return nil
	case tag == "*" && kind == "BYE":
		return heed(&migrate.Error{Op: "imap.Dial", Reach: migrate.OneServer, Retry: migrate.Later, Err: s}, s)
	case tag == "*" && kind == "PREAUTH":
		err = errors.New("the server logs everyone in by itself, so that nobody can tell whose mailbox it is")
	case tag == "*" && kind == "OK":
		err = errors.New("the tunnel's server wants a login, and none is sent through a tunnel: want one that greets with PREAUTH")
	default:
		err = fmt.Errorf("%w: not an IMAP greeting", errSyntax)
	}
	return &migrate.Error{Op: "imap.Dial", Reach: migrate.OneServer, Err: err}
}

// startTLS upgrades the connection (RFC 9051 6.2.1). Capabilities learnt in the
// clear are forgotten, and text that came with the answer is refused: it was sent
// by whoever sits in between.
func (c *Conn) startTLS(ctx context.Context, config Config, settings *tls.Config) error {
	s, err := c.do(ctx, "imap.StartTLS", nil, raw("STARTTLS"))
	if err != nil {
		return err
	}
	if !s.ok() {
		return &migrate.Error{Op: "imap.StartTLS", Reach: migrate.OneServer, Err: fmt.Errorf("%w: %w", errNoTLS, s)}
	}
	if c.lex.r.Buffered() > 0 || len(c.net.aside.heard) > 0 {
		err := errors.New("text was injected before TLS began")
		return &migrate.Error{Op: "imap.StartTLS", Reach: migrate.OneServer, Err: err}
	}
	c.caps = nil
	return c.handshake(ctx, config, settings)
}

// tie closes the connection when ctx is done. The returned function unties it;
// a connection that ctx has closed is marked broken.
func (c *Conn) tie(ctx context.Context) func() {
	raw := c.net
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	return func() {
		if !stop() {
			c.broken = true
		}
	}
}

// capability asks what the server can do (RFC 9051 6.1.1).
func (c *Conn) capability(ctx context.Context) error {
	s, err := c.do(ctx, "imap.Capability", nil, raw("CAPABILITY"))
	if err == nil && !s.ok() {
		err = refused("imap.Capability", s, migrate.OneServer, migrate.Never)
	}
	return err
}

// learn takes over the capabilities in a status, if it holds any.
func (c *Conn) learn(s status) {
	if s.code == "CAPABILITY" {
		c.setCaps(strings.Fields(s.arg))
	}
}

func (c *Conn) setCaps(names []string) {
	c.caps = make(map[string]bool, len(names))
	for _, name := range names {
		c.caps[strings.ToUpper(name)] = true
	}
}

// Offers reports whether the server advertises a capability, such as "UIDPLUS".
func (c *Conn) Offers(capability string) bool { return c.caps[strings.ToUpper(capability)] }

// Close logs out, briefly, and closes the connection.
func (c *Conn) Close() error {
	if c.broken {
		c.abandon()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), logoutTimeout)
	defer cancel()
	// The server's answer decides nothing: what it was told to keep, it has confirmed.
	_, _ = c.do(ctx, "imap.Logout", nil, raw("LOGOUT"))
	c.abandon()
	return nil
}

// abandon closes the connection as it is.
func (c *Conn) abandon() {
	c.broken = true
	_ = c.net.Close() // nothing that counts is on its way
	c.leave()
}
