package migrate

import "fmt"

// A Severity says what a Finding means for the run.
type Severity int

// The severities, from the mildest.
const (
	Note   Severity = iota // worth knowing
	Warn                   // someone should look, the run may go on
	Forbid                 // the move must not start or go on
)

func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warn:
		return "warning"
	case Forbid:
		return "forbidden"
	}
	return fmt.Sprintf("Severity(%d)", int(s))
}

// A Finding is one thing that preflight or verification noticed.
type Finding struct {
	Rule     string   // stable id: "match.several", "x500.missing"
	Severity Severity // what it means for the run
	Whom     string   // the identity or DN it is about
	What     string   // one sentence, in the operator's words
	Mend     string   // what to do about it; empty where there is nothing to do
}

func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s: %s [%s]", f.Severity, f.Whom, f.What, f.Rule)
	if f.Mend != "" {
		s += " " + f.Mend
	}
	return s
}
