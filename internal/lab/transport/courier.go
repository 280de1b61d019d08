package transport

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	commandTime  = 30 * time.Second // bounds one answer of a server
	handOverTime = 90 * time.Second // bounds one message's whole conversation
)

// A courier hands messages over by SMTP or LMTP, and keeps connections for the next.
type courier struct {
	dial func(ctx context.Context) (*smtp.Client, error)
	idle chan *smtp.Client
}

func newCourier(connections int, dial func(context.Context) (*smtp.Client, error)) *courier {
	return &courier{dial: dial, idle: make(chan *smtp.Client, connections)}
}

// send hands one message to one recipient. id, unless empty, goes along as the
// envelope's (RFC 3461 4.4). A *RefusalError says that the server does not have
// the message; any other error leaves it open.
func (c *courier) send(ctx context.Context, from, to, id string, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	client, err := c.connect(ctx)
	if err != nil {
		return notReached(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	err = converse(client, from, to, id, message)
	_, answered := asRefusal(err)
	if stop() && (err == nil || answered) {
		c.put(client)
		return err
	}
	_ = client.Close()
	return err
}

// connect returns a connection that answers, an idle one if there is any.
func (c *courier) connect(ctx context.Context) (*smtp.Client, error) {
	for {
		select {
		case client := <-c.idle:
			stop := context.AfterFunc(ctx, func() { _ = client.Close() })
			err := client.Reset()
			if stop() && err == nil {
				return client, nil
			}
			_ = client.Close() // the server has gone since
		default:
			return c.dial(ctx)
		}
	}
}

// put keeps a connection, unless there are enough.
func (c *courier) put(client *smtp.Client) {
	select {
	case c.idle <- client:
	default:
		_ = client.Close()
	}
}

// close ends the idle connections. Nothing may be sent any more.
func (c *courier) close() {
	for {
		select {
		case client := <-c.idle:
			_ = client.Close()
		default:
			return
		}
	}
}

// converse sends one message. Until the final dot is written the server has nothing.
func converse(client *smtp.Client, from, to, id string, message []byte) error {
	data, err := begin(client, from, to, id)
	if err != nil {
		return early(err)
	}
	if _, err := data.Write(message); err != nil {
		return notReached(err)
	}
	err = data.Close()
	if refusal, answered := asRefusal(err); answered {
		return refusal
	}
	return err
}

func begin(client *smtp.Client, from, to, id string) (*smtp.DataCommand, error) {
	if err := client.Mail(from, &smtp.MailOptions{EnvelopeID: id}); err != nil {
		return nil, err
	}
	if err := client.Rcpt(to, nil); err != nil {
		return nil, err
	}
	return client.Data()
}

// early is the refusal that an error before the data is.
func early(err error) error {
	if refusal, answered := asRefusal(err); answered {
		return refusal
	}
	return notReached(err)
}

// dialNext connects to the other site.
func dialNext(next Next, host string) func(context.Context) (*smtp.Client, error) {
	return func(ctx context.Context) (*smtp.Client, error) {
		address, err := next.address()
		if err != nil {
			return nil, err
		}
		conn, err := (&net.Dialer{Timeout: commandTime}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		if next.CAFile == "" {
			return greet(smtp.NewClient(conn), host)
		}
		return next.secure(conn, address, host)
	}
}

// address returns where the other site listens now.
func (n Next) address() (string, error) {
	if n.Address != "" {
		return n.Address, nil
	}
	address, err := os.ReadFile(filepath.Join(n.Spool, addressFile))
	if err != nil {
		return "", fmt.Errorf("read the other site's address: %w", err)
	}
	return strings.TrimSpace(string(address)), nil
}

func (n Next) secure(conn net.Conn, address, host string) (*smtp.Client, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	settings, err := trust(n.CAFile, either(n.ServerName, name))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	client, err := smtp.NewClientStartTLS(conn, settings)
	if err != nil {
		return nil, err
	}
	return bounded(client), nil
}

// greet says who is there.
func greet(client *smtp.Client, host string) (*smtp.Client, error) {
	if err := bounded(client).Hello(host); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

func bounded(client *smtp.Client) *smtp.Client {
	client.CommandTimeout, client.SubmissionTimeout = commandTime, 2*commandTime
	return client
}
