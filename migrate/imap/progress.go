package imap

import (
	"net"
	"sync"
	"time"
)

// A progressConn moves its deadline with every read and write, so that a timeout
// bounds silence and not work. It goes no faster than the server's limit allows.
type progressConn struct {
	net.Conn
	timeout time.Duration
	aside   aside
	server  *Server // may be nil
	wire    *wire   // under TLS; nil without
	closed  chan struct{}
	once    sync.Once
}

func newProgressConn(raw net.Conn, timeout time.Duration, server *Server) *progressConn {
	return &progressConn{Conn: raw, timeout: timeout, server: server, closed: make(chan struct{})}
}

// Read pays for what it has read, so that nothing is waited for that may not come.
func (p *progressConn) Read(b []byte) (int, error) {
	if n, some := p.aside.take(b); some {
		return n, nil
	}
	if err := p.SetReadDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	n, err := p.Conn.Read(b[:min(len(b), ioBuffer)])
	p.server.payBytes(p.closed, n)
	return n, err
}

func (p *progressConn) Write(b []byte) (done int, err error) {
	for done < len(b) && err == nil {
		some := b[done:min(len(b), done+ioBuffer)]
		p.server.payBytes(p.closed, len(some))
		if err = p.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
			return done, err
		}
		heard := p.aside.listen(p.Conn)
		var n int
		p.wire.hold()
		n, err = p.Conn.Write(some)
		if released := p.wire.release(); err == nil {
			err = released
		}
		err = heard(err)
		done += n
	}
	return done, err
}

// Close closes the connection and ends every wait for a limit.
func (p *progressConn) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}
