package imap

import (
	"fmt"
	"math"
	"strings"
)

// A folderState is how a folder stands: equal only while nothing in it has changed, nor
// whether its owner sees it. What arrives raises UIDNEXT, what goes lowers the count, and
// other flags raise HIGHESTMODSEQ (RFC 7162 3.1.2).
type folderState struct {
	uidValidity, uidNext uint32
	messages             uint64
	modSeq               uint64 // 0: the folder keeps none, and its state says nothing
	subscribed           bool
}

// subscribedMark ends the state of a folder that is subscribed.
const subscribedMark = ".s"

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
	text := fmt.Sprintf("%d.%d.%d.%d", s.uidValidity, s.uidNext, s.messages, s.modSeq)
	if s.subscribed {
		text += subscribedMark
	}
	return text
}

// parseState reads a state. What is none says nothing.
func parseState(text string) folderState {
	var s folderState
	numbers, subscribed := strings.CutSuffix(text, subscribedMark)
	s.subscribed = subscribed
	_, err := fmt.Sscanf(numbers, "%d.%d.%d.%d", &s.uidValidity, &s.uidNext, &s.messages, &s.modSeq)
	if err != nil || s.String() != text {
		return folderState{}
	}
	return s
}
