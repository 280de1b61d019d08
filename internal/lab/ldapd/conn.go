package ldapd

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

const (
	// idleTime is how long a client may be silent: MaxConnIdleTime of Active
	// Directory's default query policy.
	idleTime = 15 * time.Minute
	// writeTime bounds the writing of one answer to a client that does not read.
	writeTime = time.Minute
	// maxCookies is how many paged searches a connection may have open.
	maxCookies = 10
)

const (
	oidStartTLS = "1.3.6.1.4.1.1466.20037"
	oidWhoAmI   = "1.3.6.1.4.1.4203.1.11.3"
	oidNotice   = "1.3.6.1.4.1.1466.20036" // of disconnection (RFC 4511 4.4.1)
)

// A conn is one client's connection. Its requests run one after the other.
type conn struct {
	server *Server
	store  *store
	net    net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	secure bool // TLS is established
	global bool // speaks to the global catalog
	who    identity
	pages  *pages
	failed error // of the first write that failed
}

// serve reads requests until the client leaves or misbehaves. kind says what the port is
// for.
func (s *Server) serve(raw net.Conn, kind conn) {
	c := &conn{server: s, store: s.store, pages: newPages(), global: kind.global}
	c.attach(raw)
	if kind.secure && c.startTLS() != nil {
		return
	}
	for c.failed == nil {
		if c.net.SetReadDeadline(time.Now().Add(idleTime)) != nil {
			return
		}
		m, err := readMessage(c.in)
		if err != nil {
			if errors.Is(err, errMessage) {
				c.notice()
			}
			return
		}
		if m.op.Tag == opUnbind {
			return
		}
		c.handle(m)
		c.flush()
	}
}

func (c *conn) attach(n net.Conn) {
	c.net, c.in, c.out = n, bufio.NewReader(n), bufio.NewWriterSize(n, 64<<10)
}

func (c *conn) startTLS() error {
	secured := tls.Server(c.net, c.server.tls)
	if err := secured.SetDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.attach(secured)
	c.secure = true
	return nil
}

func (c *conn) send(id int64, op, controls *ber.Packet) {
	if c.failed != nil {
		return
	}
	c.failed = c.net.SetWriteDeadline(time.Now().Add(writeTime))
	if c.failed == nil {
		_, c.failed = c.out.Write(envelope(id, op, controls).Bytes())
	}
}

func (c *conn) flush() {
	if c.failed == nil {
		c.failed = c.out.Flush()
	}
}

// notice tells the client why it is cut off.
func (c *conn) notice() {
	op := result(opExtendedAnswer, refuse(protocolError, "00000057: LdapErr: malformed message"))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, oidNotice, ""))
	c.send(0, op, nil)
	c.flush()
}

// handle answers one request.
func (c *conn) handle(m message) {
	if m.op.Tag == opAbandon {
		return // requests run one after the other: what is abandoned has been answered
	}
	ctl, f := parseControls(m.controls)
	if f != nil {
		c.send(m.id, result(answerTo(m.op.Tag), f), nil)
		return
	}
	switch int(m.op.Tag) {
	case opBind:
		c.send(m.id, result(opBindAnswer, c.bind(m.op)), nil)
	case opSearch:
		c.search(m, ctl)
	case opExtended:
		c.extended(m)
	default:
		f, hung := c.change(m.op, ctl)
		if hung {
			c.failed = ErrHangUp
		}
		c.send(m.id, result(answerTo(m.op.Tag), f), nil)
	}
}

func answerTo(op ber.Tag) ber.Tag {
	switch int(op) {
	case opSearch:
		return opSearchDone
	case opExtended:
		return opExtendedAnswer
	}
	return op + 1
}

// change carries out an operation that is answered by a result alone. hung reports that
// it is not to be answered.
func (c *conn) change(p *ber.Packet, ctl controls) (f *fault, hung bool) {
	if !c.who.bound {
		return notBound(), false
	}
	if p.Tag == opCompare {
		return c.compare(p), false
	}
	if c.global {
		return refuse(unwilling, "00002035: SvcErr: DSID-031A11E5, problem 5003 (WILL_NOT_PERFORM), data 0, a global catalog cannot be written to"), false
	}
	req, f := readWrite(p, ctl)
	if f == nil && c.server.copied != nil {
		f = c.server.copied.refer(req)
	}
	if f != nil {
		return f, false
	}
	return c.write(req)
}

// compare answers compareTrue or compareFalse (RFC 4511 4.10), which both are no
// success and so travel as faults.
func (c *conn) compare(p *ber.Packet) *fault {
	if len(p.Children) != 2 || len(p.Children[1].Children) != 2 {
		return malformed()
	}
	assertion := p.Children[1].Children
	f := &filter{choice: filterEqual, attr: content(assertion[0]), value: []byte(content(assertion[1]))}
	c.store.mu.RLock()
	defer c.store.mu.RUnlock()
	o, bad := c.store.must(content(p.Children[0]))
	if bad != nil {
		return bad
	}
	switch c.store.match(f, o) {
	case yes:
		return &fault{code: compareTrue}
	case no:
		return &fault{code: compareFalse}
	case undefined:
	}
	return refuse(noSuchAttribute, "00000057: LdapErr: %s cannot be compared with that", f.attr)
}

func (c *conn) extended(m message) {
	var kind string
	if len(m.op.Children) > 0 {
		kind = content(m.op.Children[0])
	}
	switch {
	case kind == oidStartTLS && !c.secure && c.in.Buffered() == 0:
		c.send(m.id, result(opExtendedAnswer, nil), nil)
		c.flush()
		if c.failed == nil {
			c.failed = c.startTLS()
		}
	case kind == oidWhoAmI:
		op := result(opExtendedAnswer, nil)
		op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, c.whoAmI(), ""))
		c.send(m.id, op, nil)
	default:
		c.send(m.id, result(opExtendedAnswer, refuse(protocolError, "00000057: LdapErr: unknown extended operation %q", kind)), nil)
	}
}
