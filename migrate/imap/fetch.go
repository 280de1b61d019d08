package imap

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// dateLayout is IMAP's date-time (RFC 9051 9, date-day-fixed).
const dateLayout = "_2-Jan-2006 15:04:05 -0700"

// A fetched is what one FETCH response says of a message.
type fetched struct {
	uid      uint32 // 0 where it was not said
	flags    []string
	received time.Time // zero where it was not said
	size     int64     // -1 where it was not said
	flagged  bool      // flags were said
	dated    bool      // a date was said
}

// whole reports whether everything that a message needs beside its body was said.
func (f fetched) whole() bool { return f.uid != 0 && f.size >= 0 && f.flagged && f.dated }

// A content is the body of a message as FETCH brings it; r is nil for NIL.
type content struct {
	r    io.Reader
	size int64
}

// uidFetch sends UID FETCH set items and hands over each response.
// onBody reads the body; it is called in the midst of a response, with what was
// said before the body.
func (c *Conn) uidFetch(ctx context.Context, set, items string, each func(fetched), onBody func(fetched, content) error) (status, error) {
	s, err := c.sendFetch(ctx, set, "("+items+")", each, onBody)
	if err != nil {
		return status{}, err
	}
	return s.wait(ctx)
}

// sendFetch is uidFetch that does not wait; what is asked for stands in its parentheses,
// and modifiers may follow them (RFC 7162 3.1.4).
func (c *Conn) sendFetch(ctx context.Context, set, items string, each func(fetched), onBody func(fetched, content) error) (*sent, error) {
	handle := func(r reply) error {
		if r.name != "FETCH" {
			return nil
		}
		f, err := r.lex.fetch(c.paced(ctx, onBody))
		if err == nil && each != nil {
			each(f)
		}
		return err
	}
	return c.send(ctx, "imap.Fetch", handle, raw("UID FETCH "+set+" "+items))
}

// paced keeps onBody within the server's limit of messages per second.
func (c *Conn) paced(ctx context.Context, onBody func(fetched, content) error) func(fetched, content) error {
	if onBody == nil {
		return nil
	}
	return func(f fetched, body content) error {
		if err := c.server.payMessages(ctx, 1); err != nil {
			return err
		}
		return onBody(f, body)
	}
}

// fetch reads the list of a FETCH response (RFC 9051 7.5.2). Data items it does
// not know are read past.
func (x *lexer) fetch(onBody func(fetched, content) error) (fetched, error) {
	f := fetched{size: -1}
	x.spaces()
	if !x.accept('(') {
		return f, fmt.Errorf("%w: FETCH without a list", errSyntax)
	}
	for {
		x.spaces()
		if x.accept(')') {
			return f, nil
		}
		name, err := x.fetchName()
		if err != nil {
			return f, err
		}
		if err := x.fetchItem(&f, name, onBody); err != nil {
			return f, err
		}
	}
}

// fetchName reads a data item's name with its section: BODY[HEADER.FIELDS (DATE)].
func (x *lexer) fetchName() (string, error) {
	from, inside, quoted := x.pos, false, false
	for ; x.pos < x.end; x.pos++ {
		b := x.line[x.pos]
		if !inside && (b == ' ' || b == '(' || b == ')') {
			break
		}
		quoted = quoted != (inside && b == '"')
		inside = (inside || b == '[') && (quoted || b != ']')
	}
	if x.pos == from {
		return "", fmt.Errorf("%w: FETCH item without a name", errSyntax)
	}
	return strings.ToUpper(string(x.line[from:x.pos])), nil
}

func (x *lexer) fetchItem(f *fetched, name string, onBody func(fetched, content) error) (err error) {
	switch name {
	case "UID":
		f.uid, err = x.uid()
		return err
	case "RFC822.SIZE":
		var n uint64
		n, err = x.number()
		f.size = int64(n)
		return err
	case "BODY[]":
		if onBody != nil {
			return x.fetchBody(*f, onBody)
		}
		return x.fetchBody(*f, func(fetched, content) error { return nil })
	}
	v, err := x.value()
	if err != nil {
		return err
	}
	switch name {
	case "FLAGS":
		f.flags, f.flagged = v.texts(), true
	case "INTERNALDATE":
		f.received, f.dated = parseDate(v.text), true
	}
	return nil
}

// fetchBody hands the body over as a stream and reads past what was left of it.
func (x *lexer) fetchBody(f fetched, onBody func(fetched, content) error) error {
	x.spaces()
	if x.pos == x.end && x.literal >= 0 {
		size := x.literal
		err := onBody(f, content{x.openLiteral(), size})
		if closeErr := x.closeLiteral(); closeErr != nil {
			return closeErr
		}
		return err
	}
	v, err := x.value()
	if err != nil {
		return err
	}
	if v.isNil() {
		return onBody(f, content{})
	}
	if v.kind != stringKind {
		return fmt.Errorf("%w: a body that is no string", errSyntax)
	}
	return onBody(f, content{strings.NewReader(v.text), int64(len(v.text))})
}

// parseDate reads an INTERNALDATE and keeps its zone; what is none becomes zero.
func parseDate(text string) time.Time {
	t, err := time.ParseInLocation("2-Jan-2006 15:04:05 -0700", strings.TrimSpace(text), time.UTC)
	if err != nil {
		return time.Time{}
	}
	return t
}
