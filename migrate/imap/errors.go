package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"

	"reforest/migrate"
)

var errNoTLS = errors.New("the server does not offer TLS")

// lost says that the connection is of no more use. Once ctx is done its cause
// takes the place of what the closed connection said.
func lost(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	return &migrate.Error{Op: op, Reach: migrate.OneServer, Retry: migrate.Later, Err: hungUp(err)}
}

func hungUp(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// refused makes the error of a NO or BAD. reach and retry hold where the response
// code says nothing else (RFC 5530).
func refused(op string, s status, reach migrate.Reach, retry migrate.Retry) *migrate.Error {
	e := &migrate.Error{Op: op, Reach: reach, Retry: retry, Err: s}
	switch s.code {
	case "UNAVAILABLE", "INUSE", "LIMIT":
		e.Reach, e.Retry = migrate.OneServer, migrate.Later
	case "OVERQUOTA":
		e.Reach, e.Retry = migrate.OneMailbox, migrate.Later
		e.Hint = "raise the mailbox's quota at the target"
	case "TRYCREATE", "NONEXISTENT", "SERVERBUG":
		e.Reach, e.Retry = max(reach, migrate.OneMailbox), migrate.Later
	case "NOPERM", "READ-ONLY", "CONTACTADMIN", "CORRUPTION":
		e.Reach, e.Retry = max(reach, migrate.OneMailbox), migrate.Never
	}
	return heed(e, s)
}

// refusedLogin makes the error of a login that was answered with NO or BAD.
func refusedLogin(s status) *migrate.Error {
	e := refused("imap.Login", s, migrate.WholeRun, migrate.Never)
	switch {
	case e.Busy:
	case isOutOfService(s):
		e.Reach, e.Retry = migrate.OneServer, migrate.Later
	case s.code == "AUTHORIZATIONFAILED":
		e.Auth, e.Reach = true, migrate.OneMailbox
		e.Hint = "the administrator may not open this mailbox, or it does not exist"
	default:
		e.Auth, e.Reach, e.Retry = true, migrate.WholeRun, migrate.Never
		e.Hint = "check the user name, the password and the login style"
	}
	return e
}

// isOutOfService reports whether a login was refused for something that passes by itself
// (RFC 5530 3).
func isOutOfService(s status) bool {
	switch s.code {
	case "UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG":
		return true
	}
	return false
}

// notUnderstood is what becomes of a command whose answer could not be read.
func notUnderstood(op string, err error) error {
	return &migrate.Error{Op: op, Reach: migrate.OneMailbox, Retry: migrate.Later, Err: err}
}

// handshakeError tells a certificate that is not trusted, which a person must
// mend, from a network that failed.
func handshakeError(ctx context.Context, err error) error {
	var untrusted *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	if ctx.Err() != nil || !errors.As(err, &untrusted) && !errors.As(err, &authority) {
		return lost(ctx, "imap.Dial", err)
	}
	return &migrate.Error{
		Op: "imap.Dial", Reach: migrate.OneServer, Err: err,
		Hint: "name the authority that issued the server's certificate as the CA file",
	}
}

// staleError says that UIDVALIDITY is not what it was (RFC 9051 2.3.1.1).
func staleError(op, mailbox string, want, have uint32) error {
	return &migrate.Error{
		Op: op, Reach: migrate.OneMailbox,
		Err:  fmt.Errorf("folder %q: UIDVALIDITY was %d and is %d", mailbox, want, have),
		Hint: "the folder was made anew or the server renumbered it; compare both sides before you start this folder over",
	}
}

// aboutKeywords reports whether an APPEND may have been refused for its keywords.
// LIMIT alone also means "too many connections", so there the words must say it.
func aboutKeywords(s status) bool {
	words := strings.ToLower(s.text)
	named := strings.Contains(words, "keyword") || strings.Contains(words, "flag")
	return s.code == "CANNOT" || named
}
