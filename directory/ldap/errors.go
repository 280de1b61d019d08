package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/migrate"
)

// refusal is the error for what cannot work as it is configured or asked for.
func refusal(op string, err error) error {
	return &migrate.Error{Op: op, Reach: migrate.WholeRun, Retry: migrate.Never, Err: err}
}

// failure makes the one *migrate.Error of a failed operation. Where the context
// has ended, that is the reason, whatever go-ldap makes of it.
func failure(ctx context.Context, op string, err error) error {
	if err == nil || migrate.AsError(err) != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return &migrate.Error{
			Op: op, Reach: migrate.WholeRun, Retry: migrate.Never, Err: err,
			Hint: "name the file of the authority that signed the server's certificate, and the host as the certificate has it",
		}
	}
	var answer *goldap.Error
	if !errors.As(err, &answer) || answer.ResultCode == goldap.ErrorNetwork {
		return &migrate.Error{Op: op, Reach: migrate.OneServer, Retry: migrate.Later, Err: lostError{err}}
	}
	return refused(op, answer)
}

// refused is the error for a result code of the server.
func refused(op string, answer *goldap.Error) error {
	e := &migrate.Error{Op: op, Reach: migrate.OneMailbox, Retry: migrate.Never, Err: answer}
	switch answer.ResultCode {
	case goldap.LDAPResultInvalidCredentials:
		e.Reach, e.Auth, e.Hint = migrate.WholeRun, true, credentialsHint(answer.Err)
	case goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired, goldap.LDAPResultAuthMethodNotSupported:
		e.Reach, e.Hint = migrate.WholeRun, "connect with ldaps:// or StartTLS"
	case goldap.LDAPResultBusy, goldap.LDAPResultUnavailable, goldap.LDAPResultTimeLimitExceeded:
		e.Reach, e.Retry = migrate.OneServer, migrate.Later
	case goldap.LDAPResultAdminLimitExceeded:
		e.Hint = "the object would have more values than Active Directory can hold, about 1200 of an attribute that is no link"
	case goldap.LDAPResultNoSuchObject:
		e.Err = fmt.Errorf("%w: %w", directory.ErrNotFound, answer)
	case goldap.LDAPResultEntryAlreadyExists:
		e.Err = fmt.Errorf("%w: %w", directory.ErrExists, answer)
	case goldap.LDAPResultConstraintViolation:
		if notUnique(answer.Err) {
			e.Err = fmt.Errorf("%w: %w", directory.ErrExists, answer)
		}
	case goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultAttributeOrValueExists:
		echo(e)
	case goldap.LDAPResultReferral:
		e.Hint = "this server does not hold the object: name a domain controller of its domain"
	case goldap.LDAPResultInsufficientAccessRights:
		e.Hint = "grant the account Read Property on the objects"
	}
	return e
}

// echo tells what it means that a value is there, or gone, already. An earlier write of
// ours may have been carried out although its answer was lost, and whoever looks again
// will find that nothing is left to do.
func echo(e *migrate.Error) {
	if e.Op == "ldap.Modify" {
		e.Retry = migrate.Now
	}
	e.Hint = "read the object again: the value is there, or gone, already; " +
		"if it is not, two of the values are one to Active Directory, which does not tell accents apart"
}

// notUnique reports whether a constraint violation means that another object has the
// userPrincipalName or servicePrincipalName already. Active Directory says so with
// its own error code in the text (MS-ERREF 2.2), Samba in words.
func notUnique(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "000021C8") || strings.HasPrefix(text, "000021C7") ||
		strings.HasPrefix(text, "0000202F") && strings.Contains(text, "already in use")
}

// explain adds to a failure what only a write knows.
func (c *Conn) explain(err error, change directory.Change) error {
	e := migrate.AsError(err)
	if e == nil {
		return err
	}
	if lost(e) {
		e.Retry, e.Hint = migrate.Now, "the outcome is unknown: read the object before writing again"
	}
	if goldap.IsErrorWithCode(e.Err, goldap.LDAPResultInsufficientAccessRights) {
		e.Hint = c.rightHint(change)
	}
	e.Err = fmt.Errorf("%s %q: %w", change.Op, change.DN, e.Err)
	return e
}

// rightHint names the right that a refused write needs.
func (c *Conn) rightHint(change directory.Change) string {
	right := "Write Property of " + strings.Join(attrsOf(change), ", ") + " on " + string(change.DN)
	if change.Op == directory.Add {
		right = "Create Child on " + string(change.DN.Parent())
	}
	if names(attrsOf(change), sdAttr) {
		right += ", and Modify Permissions (WRITE_DAC)"
	}
	if names(attrsOf(change), passwordAttr) {
		right += ", and Reset Password"
	}
	return "grant " + c.pool.endpoint.BindDN + " the right " + right
}

// A lostError is the failure of a connection, in contrast to a server's answer.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

func lost(err error) bool {
	var network lostError
	return errors.As(err, &network)
}

// credentialsHint reads the reason that Active Directory adds as "data 52e"
// (MS-ERREF 2.2).
func credentialsHint(err error) string {
	for _, known := range []struct{ data, hint string }{
		{"data 52e", "check the account's name and password"},
		{"data 530", "the account may not log on at this hour"},
		{"data 532", "the account's password has expired"},
		{"data 533", "the account is disabled"},
		{"data 701", "the account has expired"},
		{"data 773", "the account must change its password first"},
		{"data 775", "the account is locked out"},
	} {
		if err != nil && strings.Contains(err.Error(), known.data) {
			return known.hint
		}
	}
	return "check the account's name and password"
}
