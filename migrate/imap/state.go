package imap

import (
	"fmt"
	"math"
)

// A folderState is how a folder stands: equal only while nothing in it has changed. What
// arrives raises UIDNEXT, what goes lowers the count, and other flags raise HIGHESTMODSEQ
// (RFC 7162 3.1.2).
type folderState struct {
	uidValidity, uidNext uint32
	messages             uint64
	modSeq               uint64 // 0: the folder keeps none, and its state says nothing
}

// stateOf reads the answer to STATUS.
func stateOf(numbers map[string]uint64) folderState {
	s := folderState{messages: numbers["MESSAGES"], modSeq: numbers["HIGHESTMODSEQ"]}
	validity, next := numbers["UIDVALIDITY"], numbers["UIDNEXT"]
	if _, told := numbers["MESSAGES"]; !told || validity == 0 || next == 0 || max(validity, next) > math.MaxUint32 || s.modSeq == 0 {
		return folderState{}
	}
	s.uidValidity, s.uidNext = uint32(validity), uint32(next)
	return s
}

// String is what parseState reads; "" where the state says nothing.
func (s folderState) String() string {
	if s == (folderState{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d", s.uidValidity, s.uidNext, s.messages, s.modSeq)
}

// parseState reads a state. What is none says nothing.
func parseState(text string) folderState {
	var s folderState
	_, err := fmt.Sscanf(text, "%d.%d.%d.%d", &s.uidValidity, &s.uidNext, &s.messages, &s.modSeq)
	if err != nil || s.String() != text {
		return folderState{}
	}
	return s
}
