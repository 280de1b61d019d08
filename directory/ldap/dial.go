package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// startTLSName is the OID of the StartTLS operation (RFC 4511 4.14.1).
const startTLSName = "1.3.6.1.4.1.1466.20037"

// connect opens a connection to the address and binds. ctx governs the whole of it.
func (e endpoint) connect(ctx context.Context, address string) (*wire, error) {
	within, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	stream, err := e.secure(within, address)
	if err != nil {
		return nil, failure(ctx, "ldap.Dial", err)
	}
	conn := goldap.NewConn(&deadlined{Conn: stream, timeout: e.Timeout}, true)
	conn.SetTimeout(e.Timeout)
	conn.Start()
	w := &wire{conn: conn, stream: stream}
	err = w.run(within, func() error { return conn.Bind(e.BindDN, e.Password) })
	if err != nil {
		w.close()
		return nil, failure(ctx, "ldap.Bind", err)
	}
	return w, nil
}

// secure returns a connection to the address on which TLS has been established, with the
// name of the configuration.
func (e endpoint) secure(ctx context.Context, address string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if e.plain {
		if err := startTLS(raw); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	secured := tls.Client(raw, e.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("establish TLS: %w", err)
	}
	return secured, nil
}

// startTLS asks for TLS before go-ldap sees the connection: its own StartTLS
// takes no context and keeps the reason of a refused certificate as text only.
func startTLS(raw net.Conn) error {
	request := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(1), ""))
	extended := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "")
	extended.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSName, ""))
	request.AppendChild(extended)
	if _, err := raw.Write(request.Bytes()); err != nil {
		return fmt.Errorf("send StartTLS: %w", err)
	}
	answer, err := ber.ReadPacket(raw)
	if err != nil {
		return fmt.Errorf("read answer to StartTLS: %w", err)
	}
	if len(answer.Children) < 2 {
		return errors.New("read answer to StartTLS: malformed")
	}
	return goldap.GetLDAPError(answer)
}

// deadlined bounds every write: go-ldap's own timeout begins after it.
type deadlined struct {
	net.Conn
	timeout time.Duration
}

func (d *deadlined) Write(p []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(d.timeout)); err != nil {
		return 0, err
	}
	return d.Conn.Write(p)
}

// A wire is one bound connection. Reads have it to themselves; writes share one.
type wire struct {
	conn   *goldap.Conn
	stream net.Conn
	idleAt time.Time // when it was last given back
	used   bool      // it has been idle before: the server may have closed it since
	users  int       // writes under way on it; guarded by the pool
}

// run carries out one operation. The connection is closed when ctx ends; failure
// then puts the cause of that end in place of what go-ldap makes of it.
func (w *wire) run(ctx context.Context, operation func() error) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, w.close)
	err := operation()
	if !stop() {
		w.close() // waits until the other close is through: pool.give must see it
	}
	return err
}

// close closes the stream first: go-ldap's Close waits for a request that is just
// being written, and a server that does not read would hold it up.
func (w *wire) close() {
	_ = w.stream.Close()
	_ = w.conn.Close()
}
