package transport

import (
	"errors"
	"fmt"

	"github.com/emersion/go-smtp"
)

// A RefusalError is a definite answer, in SMTP's terms: the message was not taken. An error
// of another type leaves open whether it was.
type RefusalError struct {
	Code   int    // 4xx: it may be tried again; 5xx: it bounces
	Status string // enhanced status code (RFC 3463), such as 5.1.1
	Text   string
}

// Error is the answer as a bounce shows it.
func (r *RefusalError) Error() string { return fmt.Sprintf("%d %s %s", r.Code, r.Status, r.Text) }

// Temporary reports whether it may be tried again.
func (r *RefusalError) Temporary() bool { return r.Code < 500 }

// What Exchange's categorizer and its listener answer.
var (
	errNotFound     = &RefusalError{550, "5.1.1", "RESOLVER.ADR.RecipNotFound; not found"}
	errX500NotFound = &RefusalError{550, "5.1.1", "RESOLVER.ADR.ExRecipNotFound; not found"}
	errAmbiguous    = &RefusalError{550, "5.1.4", "RESOLVER.ADR.Ambiguous; ambiguous address"}
	errNoPrimary    = &RefusalError{550, "5.2.0", "RESOLVER.ADR.BadPrimary; recipient primary SMTP address is missing or invalid"}
	errBadTarget    = &RefusalError{550, "5.2.0", "RESOLVER.CON.InvalidTarget; contact's target address is invalid"}
	errNoAlternate  = &RefusalError{550, "5.2.0", "RESOLVER.FWD.NotFound; misconfigured forwarding address"}
	errForwardLoop  = &RefusalError{550, "5.4.6", "RESOLVER.FWD.Loop; there is a forwarding loop configured in the directory"}
	errNoRelay      = &RefusalError{550, "5.7.54", "SMTP; Unable to relay recipient in non-accepted domain"}
	errTooManyHops  = &RefusalError{554, "5.4.14", "Hop count exceeded - possible mail loop ATTR34"}
)

// notReached is the refusal for what happened before a message was handed over.
func notReached(err error) *RefusalError {
	return &RefusalError{451, "4.4.0", "not handed over: " + err.Error()}
}

// asRefusal returns what a server answered, if it did.
func asRefusal(err error) (*RefusalError, bool) {
	var refusal *RefusalError
	if errors.As(err, &refusal) {
		return refusal, true
	}
	var answer *smtp.SMTPError
	if !errors.As(err, &answer) {
		return nil, false
	}
	code := answer.EnhancedCode
	if code == smtp.EnhancedCodeNotSet || code == smtp.NoEnhancedCode {
		code = smtp.EnhancedCode{answer.Code / 100, 0, 0}
	}
	return &RefusalError{answer.Code, fmt.Sprintf("%d.%d.%d", code[0], code[1], code[2]), answer.Message}, true
}

// smtp returns the refusal as the listener answers it.
func (r *RefusalError) smtp() *smtp.SMTPError {
	var code smtp.EnhancedCode
	if _, err := fmt.Sscanf(r.Status, "%d.%d.%d", &code[0], &code[1], &code[2]); err != nil {
		code = smtp.EnhancedCodeNotSet
	}
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: code, Message: r.Text}
}
