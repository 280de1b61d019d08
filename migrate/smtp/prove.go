// Package smtp asks mail servers whether they take mail for an address. It sends none.
package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"reforest/migrate"
)

// Prove asks the server whether it takes mail for the address: EHLO, MAIL FROM:<> and RCPT
// TO, and then RSET in the place of DATA (RFC 5321 4.1.1), so that no message is sent. nil
// says that it does. An error is a *migrate.Error, or ctx's cause: Retry is Never where the
// server refused the address for good (5yz), and Later where it may take it another time
// (4yz, RFC 5321 4.2.1), or was not reached. None reaches further than OneServer, and
// Later: a server that cannot be asked holds up whoever wants to be sure, and nobody else.
func Prove(ctx context.Context, config Config, address migrate.SMTPAddress) error {
	if err := speakable(address); err != nil {
		return err
	}
	return with(ctx, config, func(c *smtp.Client) error {
		// A bounce has the null sender, and every server has to take one (RFC 5321 4.5.5).
		if err := c.Mail(""); err != nil {
			return answered("smtp.Mail", err, config.Hint)
		}
		if err := c.Rcpt(string(address)); err != nil {
			return answered("smtp.Rcpt", err, config.Hint)
		}
		return answered("smtp.Reset", c.Reset(), "")
	})
}

// Greet says EHLO to the server and leaves. Its errors are those of Prove.
func Greet(ctx context.Context, config Config) error {
	return with(ctx, config, func(*smtp.Client) error { return nil })
}

// speakable refuses an address that would end its own argument (RFC 5321 4.1.2).
func speakable(address migrate.SMTPAddress) error {
	text := string(address)
	if strings.Contains(text, "@") && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' }) {
		return nil
	}
	return &migrate.Error{Op: "smtp.Rcpt", Reach: migrate.OneMailbox, Err: fmt.Errorf("%q is no address that mail can be sent to", text)}
}

// with connects to the server, hands the connection to fn, and leaves.
func with(ctx context.Context, config Config, fn func(*smtp.Client) error) error {
	config = config.withDefaults()
	limited, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	err := dial(limited, config, fn)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return fmt.Errorf("ask %s: %w", config.Address, cause)
	}
	if err != nil {
		return named(err, config.Address)
	}
	return nil
}

// dial is with, under one deadline for the whole of it.
func dial(ctx context.Context, config Config, fn func(*smtp.Client) error) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", config.Address)
	if err != nil {
		return lost("smtp.Dial", err)
	}
	defer func() { _ = conn.Close() }() // after QUIT, or because there is no more to say
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return lost("smtp.Dial", err)
		}
	}
	c, err := smtp.NewClient(conn, config.ServerName)
	if err != nil {
		return answered("smtp.Dial", err, "")
	}
	if err := c.Hello(config.Name); err != nil {
		return answered("smtp.Hello", err, "")
	}
	if err := config.secure(c); err != nil {
		return err
	}
	if err := fn(c); err != nil {
		return err
	}
	_ = c.Quit() // what was asked has been answered
	return nil
}

// answered makes the error of an answer that is not the one that was hoped for.
func answered(op string, err error, hint string) error {
	var reply *textproto.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &reply):
		return lost(op, err)
	case reply.Code == 421: // it closes the connection, to everybody
		return &migrate.Error{Op: op, Reach: migrate.OneServer, Retry: migrate.Later, Err: reply}
	case reply.Code >= 400 && reply.Code < 500:
		return &migrate.Error{Op: op, Reach: migrate.OneMailbox, Retry: migrate.Later, Err: reply}
	}
	return &migrate.Error{Op: op, Reach: migrate.OneMailbox, Err: reply, Hint: hint}
}

// lost says that the server was not reached, or did not end what it began to say.
func lost(op string, err error) error {
	return &migrate.Error{Op: op, Reach: migrate.OneServer, Retry: migrate.Later, Err: err}
}

// named puts the server's address before what it said.
func named(err error, address string) error {
	if e := migrate.AsError(err); e != nil {
		told := *e
		told.Err = fmt.Errorf("%s: %w", address, e.Err)
		return &told
	}
	return err
}

// defaultTimeout is patient with a server that looks up who asks it.
const defaultTimeout = time.Minute
