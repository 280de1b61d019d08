package migrate

import (
	"errors"
	"fmt"
	"time"
)

// A Reach says how much of the work a failure stops.
type Reach int

// The reaches, from the narrowest to the widest.
const (
	OneItem    Reach = iota // only this item; it becomes a Skip
	OneMailbox              // only this move
	OneServer               // every move on this server
	WholeRun                // nothing more can be done in this run
)

func (r Reach) String() string {
	switch r {
	case OneItem:
		return "one item"
	case OneMailbox:
		return "one mailbox"
	case OneServer:
		return "one server"
	case WholeRun:
		return "the whole run"
	}
	return fmt.Sprintf("Reach(%d)", int(r))
}

// A Retry says whether and when to try again.
type Retry int

// The answers to "try again?".
const (
	Never Retry = iota // a person is needed
	Later              // after Error.After, or the configured interval
	Now                // once, at once
)

func (r Retry) String() string {
	switch r {
	case Never:
		return "never"
	case Later:
		return "later"
	case Now:
		return "now"
	}
	return fmt.Sprintf("Retry(%d)", int(r))
}

// An Error says how far a failure reaches and whether to try again. Adapters
// make it once, at the wire; nothing above parses text.
type Error struct {
	Op    string        // what was attempted: "imap.Append", "ldap.Modify"
	Reach Reach         // how much of the work it stops
	Retry Retry         // whether to try again
	After time.Duration // the server's own advice, when Retry is Later; 0 means none
	Hint  string        // what the operator can do, if known
	Auth  bool          // the server refused the credentials
	Busy  bool          // the server is there and takes no more now: waiting for it is no failed attempt
	Err   error         // the cause, with the server's own words
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Op
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the *Error in err's chain, or nil if there is none.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// ErrGone is yielded by Source.Read for an item that was there when its delta
// was found and has been deleted since.
var ErrGone = errors.New("item is no longer there")
