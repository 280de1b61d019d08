package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"reforest/migrate"
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
	n, err := p.copy(c.out)
	if err == nil && n < p.size {
		err = fmt.Errorf("message has %d bytes where %d were announced: %w", n, p.size, io.ErrUnexpectedEOF)
	}
	return nil, err
}

// copy writes the message. One in memory is handed on as it is: a large one passes by the
// buffer.
func (p body) copy(out io.Writer) (int64, error) {
	if memory, ok := p.r.(*bytes.Reader); ok && int64(memory.Len()) == p.size {
		return memory.WriteTo(out)
	}
	return io.Copy(out, io.LimitReader(p.r, p.size))
}

// awaitContinuation waits until the server wants the literal. A status in its
// place ends the command (RFC 9051 7.6).
func (c *Conn) awaitContinuation(tag string) (*status, error) {
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	for {
		answered, more, err := c.next()
		switch {
		case err != nil:
			return nil, err
		case answered != nil && answered.tag == tag:
			return answered.answer, nil
		case more:
			return nil, nil
		}
	}
}

// A sent is a command on its way: it has been written to the server, and its answer may
// not have been read yet.
type sent struct {
	conn      *Conn
	op        string
	tag       string
	handle    handler
	answer    *status // nil until it has come
	malformed error   // an untagged response to it that could not be understood
}

// do sends a command and hands the untagged responses to handle until the tagged
// one comes, which it returns whatever it says.
func (c *Conn) do(ctx context.Context, op string, handle handler, parts ...part) (status, error) {
	s, err := c.send(ctx, op, handle, parts...)
	if err != nil {
		return status{}, err
	}
	return s.wait(ctx)
}

// send writes a command and does not wait for its answer, so that more can be sent
// meanwhile (RFC 9051 5.5). Untagged responses go to the oldest command that is not
// answered. The caller waits for every command that it has sent. What the server says
// meanwhile is kept, see aside.
func (c *Conn) send(ctx context.Context, op string, handle handler, parts ...part) (*sent, error) {
	if ctx.Err() != nil {
		return nil, lost(ctx, op, ctx.Err()) // tie might be too slow to stop a quick command
	}
	if c.broken {
		return nil, lost(ctx, op, c.gone())
	}
	stop := c.tie(ctx)
	defer stop()
	if err := c.pace(ctx, parts); err != nil {
		return nil, lost(ctx, op, err)
	}
	c.tags++
	s := &sent{conn: c, op: op, tag: "r" + strconv.Itoa(c.tags), handle: handle}
	c.unanswered = append(c.unanswered, s)
	if err := c.transmit(s.tag, parts); err != nil {
		return nil, c.giveUp(ctx, op, c.lastWords(err))
	}
	return s, nil
}

// wait reads until the command's answer has come. The answers of commands that were sent
// before it are kept for those who wait for them.
func (s *sent) wait(ctx context.Context) (status, error) {
	c := s.conn
	if s.answer == nil && c.broken {
		return status{}, lost(ctx, s.op, c.gone())
	}
	stop := c.tie(ctx)
	defer stop()
	for s.answer == nil {
		if _, _, err := c.next(); err != nil {
			return status{}, c.giveUp(ctx, s.op, err)
		}
	}
	if s.malformed != nil {
		return *s.answer, notUnderstood(s.op, s.malformed)
	}
	return *s.answer, nil
}

// gone says why the connection is of no more use.
func (c *Conn) gone() error {
	if c.bye != nil {
		return *c.bye
	}
	return errors.New("the connection is closed")
}

// giveUp closes the connection, of which nothing more can be understood, and makes a
// *migrate.Error of err.
func (c *Conn) giveUp(ctx context.Context, op string, err error) error {
	defer c.abandon()
	if c.bye == nil || ctx.Err() != nil {
		return lost(ctx, op, err)
	}
	c.server.judge(*c.bye)
	err = fmt.Errorf("%w: %w", *c.bye, hungUp(err))
	return heed(&migrate.Error{Op: op, Reach: migrate.OneServer, Retry: migrate.Later, Err: err}, *c.bye)
}

// pace waits until the messages among the parts may travel.
func (c *Conn) pace(ctx context.Context, parts []part) error {
	messages := 0
	for _, p := range parts {
		if _, ok := p.(body); ok {
			messages++
		}
	}
	return c.server.payMessages(ctx, messages)
}

// transmit writes the command. A literal that the server refuses ends it.
func (c *Conn) transmit(tag string, parts []part) error {
	if _, err := c.out.WriteString(tag + " "); err != nil {
		return err
	}
	for _, p := range parts {
		if s, err := p.send(c, tag); s != nil || err != nil {
			return err
		}
	}
	if _, err := c.out.WriteString("\r\n"); err != nil {
		return err
	}
	return c.out.Flush()
}

// next reads one response. It returns the command that it answers, if any, and true if it
// asks for more. What cannot be understood costs the command that it belongs to, and an
// error the connection.
func (c *Conn) next() (answered *sent, more bool, err error) {
	err = c.lex.start()
	if err != nil && !errors.Is(err, errSyntax) {
		return nil, false, err
	}
	first := c.lex.word()
	if first == "+" {
		c.said = c.lex.text()
		return nil, true, nil
	}
	name := strings.ToUpper(c.lex.word())
	if first != "*" {
		return c.tagged(first, name), false, nil
	}
	if err == nil {
		err = c.untagged(name)
	}
	if errors.Is(err, errSyntax) {
		if len(c.unanswered) > 0 {
			c.unanswered[0].malformed = err
		}
		err = nil
	}
	if err != nil {
		return nil, false, err
	}
	return nil, false, c.lex.skip()
}

// tagged takes the answer of a command. Nobody waits for one with an unknown tag, and one
// that is neither OK nor NO nor BAD answers nothing but that the command is over.
func (c *Conn) tagged(tag, name string) *sent {
	answer := parseStatus(name, c.lex.text())
	i := slices.IndexFunc(c.unanswered, func(s *sent) bool { return s.tag == tag })
	if i < 0 {
		return nil
	}
	s := c.unanswered[i]
	if name != "OK" && name != "NO" && name != "BAD" {
		s.malformed = fmt.Errorf("%w: the answer is %.40q", errSyntax, name)
	}
	c.unanswered = slices.Delete(c.unanswered, i, i+1)
	c.learn(answer)
	s.answer = &answer
	return s
}

func (c *Conn) untagged(name string) error {
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
	if len(c.unanswered) == 0 || c.unanswered[0].handle == nil {
		return nil
	}
	return c.unanswered[0].handle(r)
}

// lastWords reads the BYE of a server that no longer takes what is sent to it and
// returns err.
func (c *Conn) lastWords(err error) error {
	c.net.timeout = min(c.net.timeout, byeTimeout)
	for c.bye == nil {
		if _, _, readErr := c.next(); readErr != nil {
			break
		}
	}
	return err
}
