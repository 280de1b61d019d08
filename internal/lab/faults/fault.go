package faults

import "time"

// A Side is whose bytes are meant.
type Side int

// The sides.
const (
	Server Side = iota
	Client
)

func (s Side) String() string { return [...]string{"server", "client"}[s] }

// A Place is just before a byte that is passed on.
type Place string

// The places.
const (
	LineStart     Place = "at the start of a line"
	Greeting      Place = "in the greeting"
	TagStart      Place = "before the tag"        // of a command, or of its answer
	InTag         Place = "in the tag"            // behind its first byte
	InHeader      Place = "in a literal's header" // behind its {
	LiteralFirst  Place = "behind a literal's first byte"
	LiteralMiddle Place = "in the middle of a literal"
	LiteralLast   Place = "before a literal's last byte"
	AfterLiteral  Place = "behind a literal"
	BetweenCRLF   Place = "between CR and LF"
)

// A Fault is one thing that goes wrong, once.
type Fault struct {
	From    Side   // whose bytes the place lies in
	Command string // the verb in upper case, without UID; "" is any
	At      Place
	Skip    int // so many such places are passed by first
	Do      Action
}

// An Action is what happens. The zero Action is Reset.
type Action struct {
	kind   actionKind
	wait   time.Duration
	text   string
	number int // bytes at a time, or bytes left out
	most   int // bytes in all
}

type actionKind int

const (
	reset actionKind = iota
	halfOpen
	stall
	slow
	insert
	drop
)

// Reset resets the connection on both sides (RST).
func Reset() Action { return Action{kind: reset} }

// HalfOpen passes nothing on any more, in neither direction, and closes nothing until the
// client does.
func HalfOpen() Action { return Action{kind: halfOpen} }

// Stall passes nothing on in the fault's direction for so long.
func Stall(d time.Duration) Action { return Action{kind: stall, wait: d} }

// Slow passes on n bytes at a time, for the next most bytes.
func Slow(n, most int) Action { return Action{kind: slow, number: n, most: most} }

// Insert passes on text that nobody has said.
func Insert(text string) Action { return Action{kind: insert, text: text} }

// Drop leaves out the next n bytes.
func Drop(n int) Action { return Action{kind: drop, number: n} }
