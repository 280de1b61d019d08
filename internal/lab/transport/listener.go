package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	addressFile  = "smtp.addr"
	idleTime     = 5 * time.Minute // how long a client may be silent
	messageLimit = 64 << 20        // bytes
)

// A listener takes mail by SMTP, from the other site and from strangers.
type listener struct {
	transport *Transport
	socket    net.Listener
	server    *smtp.Server
	serving   sync.WaitGroup
	detach    func() bool
}

func listen(ctx context.Context, t *Transport) (*listener, error) {
	socket, err := t.bind(ctx)
	if err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	l := &listener{transport: t, socket: socket}
	l.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &reception{
			known: t.spool.wasTaken,
			route: func(to string) (way, error) { return t.resolver.route(ctx, to, true) },
			take:  func(env envelope, message []byte) error { return t.take(ctx, env, message) },
		}, nil
	}))
	l.server.Domain, l.server.MaxLineLength, l.server.MaxMessageBytes = t.config.Host, 1<<20, messageLimit
	l.server.ReadTimeout, l.server.WriteTimeout, l.server.EnableDSN = idleTime, idleTime, true
	l.server.ErrorLog = log.New(io.Discard, "", 0) // broken connections, which the rehearsal breaks itself
	if len(t.config.Certificate.Certificate) > 0 {
		l.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{t.config.Certificate}, MinVersion: tls.VersionTLS12}
	}
	l.serving.Go(func() { _ = l.server.Serve(socket) })
	l.detach = context.AfterFunc(ctx, l.shut)
	return l, nil
}

// bind listens where the last transport on this spool did, if no port is configured and
// that one is free, and says where.
func (t *Transport) bind(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	file := t.spool.path(addressFile)
	if last, err := os.ReadFile(file); err == nil && strings.HasSuffix(t.config.Listen, ":0") {
		if socket, err := config.Listen(ctx, "tcp", strings.TrimSpace(string(last))); err == nil {
			return socket, nil
		}
	}
	socket, err := config.Listen(ctx, "tcp", t.config.Listen)
	if err != nil {
		return nil, err
	}
	if err := writeFile(file, []byte(socket.Addr().String()+"\n")); err != nil {
		_ = socket.Close()
		return nil, err
	}
	return socket, nil
}

// writeFile makes a file appear as a whole.
func writeFile(path string, text []byte) error {
	if err := os.WriteFile(path+".part", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

func (l *listener) addr() string { return l.socket.Addr().String() }

func (l *listener) close() {
	l.detach()
	l.shut()
	l.serving.Wait()
}

func (l *listener) shut() {
	_ = l.server.Close()
	_ = l.socket.Close()
}

// A reception is one connection.
type reception struct {
	known    func(transfer string) bool
	route    func(to string) (way, error)
	take     func(env envelope, message []byte) error
	envelope envelope
}

// Reset forgets the envelope.
func (r *reception) Reset() { r.envelope = envelope{} }

// Logout has nothing to end.
func (r *reception) Logout() error { return nil }

// Mail begins a message. The other site says here already which transfer it is.
func (r *reception) Mail(from string, options *smtp.MailOptions) error {
	r.envelope = envelope{From: from, Origin: "outside", Transfer: options.EnvelopeID}
	return nil
}

// Rcpt answers for whom the view knows, and for whom mail will be relayed.
func (r *reception) Rcpt(to string, _ *smtp.RcptOptions) error {
	if r.envelope.Transfer == "" || !r.known(r.envelope.Transfer) {
		way, err := r.route(to)
		switch {
		case err != nil:
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Directory is not available: " + err.Error()}
		case way.refusal != nil:
			return way.refusal.smtp()
		}
	}
	r.envelope.To = append(r.envelope.To, to)
	return nil
}

// Data takes the message; it is in the queue when this returns nil.
func (r *reception) Data(body io.Reader) error {
	message, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	r.envelope.Transfer = either(r.envelope.Transfer, headerOf(message, TransferHeader))
	if strings.ContainsAny(r.envelope.Transfer, "\r\n") {
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "Malformed ENVID parameter value"}
	}
	r.envelope.Accepted = time.Now().UTC()
	if err := r.take(r.envelope, message); err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: err.Error()}
	}
	return nil
}

// take puts a message into the queue, a transfer once. An error says that it is not
// there.
func (t *Transport) take(ctx context.Context, env envelope, message []byte) error {
	if !t.enter() {
		return errors.New("service is shutting down")
	}
	defer t.running.Done()
	if err := env.check(); err != nil {
		return err
	}
	if env.Transfer == "" {
		return t.queue(ctx, env, message)
	}
	t.spool.taking.Lock()
	defer t.spool.taking.Unlock()
	if t.spool.wasTaken(env.Transfer) {
		return nil
	}
	return t.queue(ctx, env, message)
}

// queue makes an entry of a message. Once the entry is there and the transfer noted, it
// is this site's: what fails after that, the next Start makes good.
func (t *Transport) queue(ctx context.Context, env envelope, message []byte) error {
	id := newID()
	if err := writeWhole(t.spool.path("queue"), id, env, message); err != nil {
		return fmt.Errorf("queue message: %w", err)
	}
	if env.Transfer != "" {
		if err := t.spool.noteTaken(env.Transfer); err != nil {
			return errors.Join(err, t.spool.remove(id))
		}
	}
	if err := t.load(ctx, id, time.Now()); err != nil {
		t.config.Log.Error("cannot begin a message", "err", err)
	}
	return nil
}
