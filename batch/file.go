package batch

import (
	"fmt"
	"strings"
)

// A Row is one mailbox of a batch file.
type Row struct {
	Identity       string
	TargetDatabase string // "" where the file does not say
	BadItemLimit   *int64 // nil where the file does not say
	Line           int    // from 1
}

// A Fault is one thing that is wrong with a batch file.
type Fault struct {
	File   string
	Line   int // from 1
	Column int // in runes, from 1
	What   string
	Mend   string // how to mend it; may be empty
}

func (f Fault) String() string {
	text := fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.What)
	if f.Mend != "" {
		text += "; " + f.Mend
	}
	return text
}

// A FileError holds all that is wrong with a batch file, in the order of the file.
type FileError struct{ Faults []Fault }

func (e *FileError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}
