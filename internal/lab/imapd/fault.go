package imapd

import (
	"bytes"
	"errors"

	"github.com/emersion/go-imap/v2"
)

// An Op is what a Fault befalls.
type Op string

// The operations that can be made to fail.
const (
	Login   Op = "login"
	Append  Op = "append"
	Deliver Op = "deliver" // of mail that arrives, by LMTP or Deliver
	Fetch   Op = "fetch"   // of message bodies; flags, dates and sizes are always told
)

// A Drop says whether and when the connection breaks.
type Drop string

// The moments at which a connection can break.
const (
	NoDrop     Drop = ""       // it holds; the client gets a NO
	DropBefore Drop = "before" // nothing has happened
	DropAfter  Drop = "after"  // it has happened, and the client is not told
)

// A Fault is one planned failure.
type Fault struct {
	User   string // whose mailbox; "" is anyone's
	Op     Op
	Marker string // befalls only messages that hold this text; "" is any
	Pass   int    // how many operations succeed first
	Times  int    // how often it happens; 0 is always
	Code   string // the NO's response code, such as UNAVAILABLE; "" is none
	Text   string // the NO's words
	Drop   Drop
}

// Plan adds a fault. Of several that fit, the first planned happens.
func (s *Server) Plan(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// errDropped ends a session whose connection a fault has broken.
var errDropped = errors.New("connection dropped by plan")

// strike returns the fault that befalls an operation, or nil. The caller holds the
// mutex.
func (s *Server) strike(user string, op Op, body []byte) *Fault {
	for i, f := range s.faults {
		if f.Op != op || f.User != "" && f.User != user || !bytes.Contains(body, []byte(f.Marker)) {
			continue
		}
		if f.Pass > 0 {
			f.Pass--
			continue
		}
		struck := *f
		if f.Times == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		if f.Times > 1 {
			f.Times--
		}
		return &struck
	}
	return nil
}

// refusal is the fault's NO.
func (f *Fault) refusal() error {
	text := f.Text
	if text == "" {
		text = "Refused by plan"
	}
	return refusal(imap.ResponseCode(f.Code), text)
}
