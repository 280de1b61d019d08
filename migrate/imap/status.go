package imap

import (
	"strconv"
	"strings"
)

// A status is a status response: OK, NO, BAD, BYE or PREAUTH with its response
// code and its words (RFC 9051 7.1).
type status struct {
	kind string // upper case
	code string // upper case; "" if none
	arg  string // what follows the code within the brackets
	text string // for people
}

func (s status) ok() bool { return s.kind == "OK" }

// Error returns the server's own words.
func (s status) Error() string {
	words := s.kind
	if s.code != "" {
		words += " [" + s.code + "]"
	}
	return strings.TrimSpace(words + " " + printable(s.text))
}

// words returns the server's words without the kind, for a skip list.
func (s status) words() string {
	return strings.TrimPrefix(s.Error(), s.kind+" ")
}

func isStatus(name string) bool {
	switch name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

// parseStatus reads what follows the kind.
func parseStatus(kind, rest string) status {
	s := status{kind: kind, text: rest}
	if !strings.HasPrefix(rest, "[") {
		return s
	}
	end := closingBracket(rest)
	if end < 0 {
		return s
	}
	code, arg, _ := strings.Cut(rest[1:end], " ")
	s.code, s.arg, s.text = strings.ToUpper(code), arg, strings.TrimSpace(rest[end+1:])
	return s
}

// closingBracket finds the ] that ends the code, past those in quoted strings.
func closingBracket(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

// number returns the n-th word of the code's argument as a number, or 0.
func (s status) number(n int) uint32 {
	words := strings.Fields(s.arg)
	if n >= len(words) {
		return 0
	}
	v, err := strconv.ParseUint(words[n], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(v)
}

// printable replaces control characters, so that a server cannot paint the
// operator's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
