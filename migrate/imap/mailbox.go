package imap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"reforest/migrate"
)

// examine opens a mailbox read-only, anew each time, so that what has arrived
// since is seen (RFC 9051 6.3.3).
func (c *Conn) examine(ctx context.Context, name string) (selection, error) {
	return c.enterFolder(ctx, "EXAMINE ", name)
}

// open opens a mailbox to change what it holds (RFC 9051 6.3.2).
func (c *Conn) open(ctx context.Context, name string) (selection, error) {
	return c.enterFolder(ctx, "SELECT ", name)
}

func (c *Conn) enterFolder(ctx context.Context, command raw, name string) (selection, error) {
	o, err := c.sendOpen(ctx, command, name)
	if err != nil {
		return selection{}, err
	}
	return o.wait(ctx)
}

// An opening is a mailbox that is being opened.
type opening struct {
	*sent
	sel selection
}

// sendExamine is examine that does not wait.
func (c *Conn) sendExamine(ctx context.Context, name string) (*opening, error) {
	return c.sendOpen(ctx, "EXAMINE ", name)
}

func (c *Conn) sendOpen(ctx context.Context, command raw, name string) (*opening, error) {
	o := &opening{sel: selection{name: name, writable: command != "EXAMINE "}}
	handle := func(r reply) error {
		switch {
		case r.name == "EXISTS":
			o.sel.exists = r.num
		case r.status.code == "UIDVALIDITY":
			o.sel.uidValidity = r.status.number(0)
		case r.status.code == "UIDNEXT":
			o.sel.uidNext = r.status.number(0)
		case r.status.code == "HIGHESTMODSEQ":
			o.sel.modSeq, _ = strconv.ParseUint(strings.TrimSpace(r.status.arg), 10, 63)
		}
		return nil
	}
	c.selected = selection{}
	var err error
	o.sent, err = c.send(ctx, "imap.Examine", handle, command, astring(name))
	return o, err
}

// wait returns the mailbox once it is open.
func (o *opening) wait(ctx context.Context) (selection, error) {
	s, err := o.sent.wait(ctx)
	switch {
	case err != nil:
		return o.sel, err
	case !s.ok():
		e := refused("imap.Examine", s, migrate.OneMailbox, migrate.Later)
		e.Err = fmt.Errorf("open folder %q: %w", o.sel.name, s)
		return o.sel, e
	case o.sel.uidValidity == 0:
		return o.sel, noUIDs("imap.Examine", o.sel.name)
	}
	o.conn.selected = o.sel
	return o.sel, nil
}

// noUIDs says that a server does not number its messages for good, without which
// nothing can be found again (RFC 9051 2.3.1.1).
func noUIDs(op, name string) error {
	err := fmt.Errorf("folder %q: the server gives no lasting UIDs", name)
	return &migrate.Error{Op: op, Reach: migrate.OneMailbox, Err: err}
}

// unselect leaves the open mailbox, so that STATUS says the truth about it
// (RFC 9051 6.3.11). CLOSE expunges nothing after EXAMINE, and is not sent after SELECT.
func (c *Conn) unselect(ctx context.Context) error {
	if c.selected.name == "" {
		return nil
	}
	command := raw("CLOSE")
	if c.Offers("UNSELECT") || c.Offers("IMAP4REV2") {
		command = "UNSELECT"
	}
	if command == "CLOSE" && c.selected.writable {
		if _, err := c.examine(ctx, c.selected.name); err != nil {
			return err
		}
	}
	c.selected = selection{}
	_, err := c.do(ctx, "imap.Unselect", nil, command)
	return err
}

// status asks for the named numbers of a mailbox (RFC 9051 6.3.11).
func (c *Conn) status(ctx context.Context, name, items string) (map[string]uint64, error) {
	if c.selected.name == name {
		if err := c.unselect(ctx); err != nil {
			return nil, err
		}
	}
	numbers := map[string]uint64{}
	ask := statusOf(name, items, numbers)
	s, err := c.do(ctx, ask.op, ask.handle, ask.parts...)
	if err == nil {
		err = statusRefused(name, s)
	}
	return numbers, err
}

// statusOf is the command that asks for numbers of a mailbox, which it notes.
func statusOf(name, items string, numbers map[string]uint64) sending {
	handle := func(r reply) error {
		if r.name != "STATUS" {
			return nil
		}
		_, found, err := r.lex.statusLine()
		maps.Copy(numbers, found)
		return err
	}
	return sending{"imap.Status", handle, []part{raw("STATUS "), astring(name), raw(" (" + items + ")")}}
}

// statusRefused makes the error of a STATUS that was answered with NO or BAD; nil if not.
func statusRefused(name string, s status) error {
	if s.ok() {
		return nil
	}
	e := refused("imap.Status", s, migrate.OneMailbox, migrate.Later)
	e.Err = fmt.Errorf("ask for the status of folder %q: %w", name, s)
	return e
}

// statusLine reads the name and the numbers of a STATUS response.
func (x *lexer) statusLine() (name string, numbers map[string]uint64, err error) {
	v, err := x.value()
	if err != nil {
		return "", nil, err
	}
	list, err := x.value()
	if err != nil {
		return "", nil, err
	}
	words := list.texts()
	numbers = map[string]uint64{}
	for i := 0; i+1 < len(words); i += 2 {
		// APPENDLIMIT may be NIL; what is no number is not told.
		if n, err := strconv.ParseUint(words[i+1], 10, 63); err == nil {
			numbers[strings.ToUpper(words[i])] = n
		}
	}
	return v.text, numbers, nil
}

// A place is a UID together with the UIDVALIDITY it holds under.
type place struct{ uidValidity, uid uint32 }

func (p place) String() string {
	text := strconv.AppendUint(make([]byte, 0, 24), uint64(p.uidValidity), 10)
	return string(strconv.AppendUint(append(text, '.'), uint64(p.uid), 10))
}

func parsePlace(text string) (place, error) {
	before, after, found := strings.Cut(text, ".")
	validity, err1 := strconv.ParseUint(before, 10, 32)
	uid, err2 := strconv.ParseUint(after, 10, 32)
	if err := errors.Join(err1, err2); err != nil || !found {
		return place{}, fmt.Errorf("%q is not uidvalidity.uid", text)
	}
	return place{uint32(validity), uint32(uid)}, nil
}
