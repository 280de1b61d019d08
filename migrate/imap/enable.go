package imap

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// An enabling is ENABLE QRESYNC on its way; without a command there is nothing to enable.
type enabling struct{ *sent }

// sendEnable switches QRESYNC on, once for the connection, where the server has it
// (RFC 7162 3.2.3). ENABLE is for a connection on which no folder is open (RFC 5161 3.1).
// Commands that build on it may follow at once: if the server does not enable it, it
// refuses them.
func (c *Conn) sendEnable(ctx context.Context) (enabling, error) {
	if c.qresync || !c.Offers("QRESYNC") || !c.Offers("ENABLE") {
		return enabling{}, nil
	}
	if err := c.unselect(ctx); err != nil {
		return enabling{}, err
	}
	handle := func(r reply) error {
		if r.name == "ENABLED" {
			names := strings.Fields(r.lex.text())
			c.qresync = slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, "QRESYNC") })
		}
		return nil
	}
	s, err := c.send(ctx, "imap.Enable", handle, raw("ENABLE QRESYNC"))
	c.qresync = true
	return enabling{s}, err
}

// wait returns an error only if the connection has ended.
func (e enabling) wait(ctx context.Context) error {
	if e.sent == nil {
		return nil
	}
	s, err := e.sent.wait(ctx)
	if errors.Is(err, errSyntax) || err == nil && !s.ok() {
		e.conn.qresync, err = false, nil
		delete(e.conn.caps, "QRESYNC") // it is not asked again
		e.conn.caps["CONDSTORE"] = true
	}
	return err
}
