package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// byeTimeout bounds the wait for the server's reason once it no longer listens.
const byeTimeout = time.Second

// A part is one piece of a command; the parts are sent one after another as they
// are.
type part interface {
	send(c *Conn, tag string) (*status, error)
}

// raw is text that needs no quoting.
type raw string

// astring is text that is quoted, or sent as a literal where quoting cannot
// express it (RFC 9051 4.3).
type astring string

// body is a message; exactly size bytes are read of r.
type body struct {
	r    io.Reader
	size int64
}

// A reply is an untagged response that a command's caller may read.
type reply struct {
	num    uint32 // the number before the name, if any
	name   string // upper case
	status status // set for OK and NO
	lex    *lexer // at what follows the name
}

// A handler reads untagged responses. An error of errSyntax's kind spoils the
// command only; any other ends the connection. What it does not read is skipped.
type handler func(reply) error

func (p raw) send(c *Conn, _ string) (*status, error) {
	_, err := c.out.WriteString(string(p))
	return nil, err
}

func (p astring) send(c *Conn, tag string) (*status, error) {
	if quotable(string(p)) {
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(p))
		return raw(`"`+escaped+`"`).send(c, tag)
	}
	return body{strings.NewReader(string(p)), int64(len(p))}.send(c, tag)
}

// quotable reports whether s can stand in a quoted string, which a server may
// limit to about a line (RFC 2683 3.2.1.5).
func quotable(s string) bool {
	for _, b := range []byte(s) {
		if b < 0x20 || b > 0x7e {
			return false
		}
	}
	return len(s) <= 1000
}

func (p body) send(c *Conn, tag string) (*status, error) {
	wait := !c.Offers("LITERAL+") && (!c.Offers("LITERAL-") || p.size > 4096)
	sign := "+"
	if wait {
		sign = ""
	}
	if _, err := c.out.WriteString("{" + strconv.FormatInt(p.size, 10) + sign + "}\r\n"); err != nil {
		return nil, err
	}
	if wait {
		if s, err := c.awaitContinuation(tag); s != nil || err != nil {
			return s, err
		}
	}
	n, err := io.Copy(c.out, io.LimitReader(p.r, p.size))
	if err == nil && n < p.size {
		err = fmt.Errorf("message has %d bytes where %d were announced: %w", n, p.size, io.ErrUnexpectedEOF)
	}
	return nil, err
}

// awaitContinuation waits until the server wants the literal. A status in its
// place ends the command (RFC 9051 7.6).
func (c *Conn) awaitContinuation(tag string) (*status, error) {
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	for {
		s, more, err := c.next(tag, nil)
		if err != nil && !errors.Is(err, errSyntax) {
			return nil, err
		}
		if s != nil || more {
			return s, nil
		}
	}
}

// do sends a command and hands the untagged responses to handle until the tagged
// one comes, which it returns whatever it says.
func (c *Conn) do(ctx context.Context, op string, handle handler, parts ...part) (status, error) {
	if ctx.Err() != nil {
		return status{}, lost(ctx, op, ctx.Err()) // tie might be too slow to stop a quick command
	}
	if c.broken {
		return status{}, lost(ctx, op, errors.New("the connection is closed"))
	}
	stop := c.tie(ctx)
	defer stop()
	c.tags++
	tag := "r" + strconv.Itoa(c.tags)
	early, err := c.transmit(tag, parts)
	if err == nil && early != nil {
		c.learn(*early)
		return *early, nil
	}
	var s status
	if err == nil {
		s, err = c.await(tag, handle)
	} else {
		err = c.lastWords(err)
	}
	return s, c.verdict(ctx, op, err)
}

// verdict makes a *migrate.Error of err and gives up the connection unless only
// the answer was malformed.
func (c *Conn) verdict(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSyntax):
		return notUnderstood(op, err)
	}
	c.abandon()
	if c.bye != nil {
		err = fmt.Errorf("%w: %w", *c.bye, hungUp(err))
	}
	return lost(ctx, op, err)
}

// transmit sends the command. A status is the server's refusal of a literal.
func (c *Conn) transmit(tag string, parts []part) (*status, error) {
	if _, err := c.out.WriteString(tag + " "); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if s, err := p.send(c, tag); s != nil || err != nil {
			return s, err
		}
	}
	if _, err := c.out.WriteString("\r\n"); err != nil {
		return nil, err
	}
	return nil, c.out.Flush()
}

func (c *Conn) await(tag string, handle handler) (status, error) {
	var malformed error
	for {
		s, _, err := c.next(tag, handle)
		switch {
		case errors.Is(err, errSyntax):
			malformed = err
		case err != nil:
			return status{}, err
		}
		if s != nil {
			c.learn(*s)
			return *s, malformed
		}
	}
}

// next reads one response. It returns the status if it is tag's, and true if it
// asks for more.
func (c *Conn) next(tag string, handle handler) (*status, bool, error) {
	if err := c.lex.start(); err != nil {
		return nil, false, err
	}
	first := c.lex.word()
	if first == "+" {
		c.lex.text()
		return nil, true, nil
	}
	name := strings.ToUpper(c.lex.word())
	if first != "*" {
		s := parseStatus(name, c.lex.text())
		if first != tag || !isStatus(name) {
			return nil, false, nil
		}
		return &s, false, nil
	}
	err := c.untagged(name, handle)
	if err != nil && !errors.Is(err, errSyntax) {
		return nil, false, err
	}
	if skipErr := c.lex.skip(); skipErr != nil {
		return nil, false, skipErr
	}
	return nil, false, err
}

func (c *Conn) untagged(name string, handle handler) error {
	r := reply{name: name, lex: c.lex}
	switch {
	case isStatus(name):
		r.status = parseStatus(name, c.lex.text())
		c.learn(r.status)
		if name == "BYE" {
			c.bye = &r.status
		}
	case name == "CAPABILITY":
		c.setCaps(strings.Fields(c.lex.text()))
		return nil
	default:
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			r.num, r.name = uint32(n), strings.ToUpper(c.lex.word())
		}
	}
	if handle == nil {
		return nil
	}
	return handle(r)
}

// lastWords reads the BYE of a server that no longer takes what is sent to it and
// returns err.
func (c *Conn) lastWords(err error) error {
	c.net.timeout = min(c.net.timeout, byeTimeout)
	for c.bye == nil {
		if _, _, readErr := c.next("", nil); readErr != nil {
			break
		}
	}
	return err
}
