package faults

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// A talk is what both directions of one connection know of each other.
type talk struct {
	mu       sync.Mutex
	awaiting []command // that have begun and are not answered yet, oldest first
}

type command struct{ tag, verb string }

func (t *talk) begin(c command) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.awaiting = append(t.awaiting, c)
}

func (t *talk) end(tag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, c := range t.awaiting {
		if c.tag == tag {
			t.awaiting = append(t.awaiting[:i:i], t.awaiting[i+1:]...)
			return
		}
	}
}

// current is the command that is being answered, or that was begun last.
func (t *talk) current(from Side) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.awaiting) == 0:
		return ""
	case from == Server:
		return t.awaiting[0].verb
	}
	return t.awaiting[len(t.awaiting)-1].verb
}

// A scanner follows one direction byte by byte.
type scanner struct {
	from    Side
	talk    *talk
	line    []byte // of the line so far, without literals before it
	first   bool   // the line begins a command or response
	greeted bool   // the first line has been read
	size    int64  // of the literal that is being passed; 0: none
	left    int64  // of it
	ended   bool   // the byte to come is the first behind a literal
}

func newScanner(from Side, t *talk) *scanner { return &scanner{from: from, talk: t, first: true} }

// maxKept bounds what is kept of a line.
const maxKept = 64 << 10

// before returns the places that b is about to pass.
func (s *scanner) before(b byte) []Place {
	if s.left > 0 {
		return s.inLiteral()
	}
	var places []Place
	if s.ended {
		places = append(places, AfterLiteral)
	}
	n := len(s.line)
	tagged := s.first && (s.from == Client || n == 0 && b != '*' && b != '+' || n > 0 && s.line[0] != '*' && s.line[0] != '+')
	switch {
	case s.first && n == 0 && tagged:
		places = append(places, LineStart, TagStart)
	case s.first && n == 0:
		places = append(places, LineStart)
	case tagged && n == 1:
		places = append(places, InTag)
	}
	if !s.greeted && s.from == Server && n == 5 {
		places = append(places, Greeting)
	}
	if b == '\n' && n > 0 && s.line[n-1] == '\r' {
		places = append(places, BetweenCRLF)
	}
	if '0' <= b && b <= '9' && n > 0 && s.line[n-1] == '{' {
		places = append(places, InHeader)
	}
	return places
}

func (s *scanner) inLiteral() []Place {
	var places []Place
	if s.left == s.size-1 {
		places = append(places, LiteralFirst)
	}
	if s.left == s.size/2 {
		places = append(places, LiteralMiddle)
	}
	if s.left == 1 {
		places = append(places, LiteralLast)
	}
	return places
}

// pass takes b over as passed on.
func (s *scanner) pass(b byte) {
	if s.left > 0 {
		s.left--
		s.ended = s.left == 0
		return
	}
	s.ended = false
	if len(s.line) < maxKept || b == '\n' {
		s.line = append(s.line, b)
	}
	if s.first && b == ' ' || b == '\n' {
		s.word()
	}
	if b == '\n' {
		s.endLine()
	}
}

// word looks whether a command's verb is known now.
func (s *scanner) word() {
	words := strings.Fields(string(s.line))
	if s.from != Client || !s.first || len(words) < 2 || s.line[len(s.line)-1] == ' ' && len(words) > 3 {
		return
	}
	verb := strings.ToUpper(words[1])
	switch {
	case verb == "UID" && len(words) == 2:
		return
	case verb == "UID":
		verb = strings.ToUpper(words[2])
	}
	s.talk.end(words[0]) // at most one entry each
	s.talk.begin(command{words[0], verb})
}

func (s *scanner) endLine() {
	line := bytes.TrimRight(s.line, "\r\n")
	s.size = literalSize(line)
	s.left = s.size
	if s.from == Server && s.first && s.size == 0 && len(line) > 0 && line[0] != '*' && line[0] != '+' {
		tag, _, _ := strings.Cut(string(line), " ")
		s.talk.end(tag)
	}
	s.first, s.greeted, s.line = s.size == 0, true, s.line[:0]
}

// literalSize reads {n} or {n+} at a line's end; 0 is none.
func literalSize(line []byte) int64 {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(string(line[open+1:len(line)-1]), "+"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
