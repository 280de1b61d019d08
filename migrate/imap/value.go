package imap

import (
	"fmt"
	"strconv"
	"strings"
)

// A kind tells the values of a response apart.
type kind int

const (
	atomKind   kind = iota // atom, number, flag; NIL is an atom
	stringKind             // quoted string or literal
	listKind
)

// A value is one value of a response (RFC 9051 4).
type value struct {
	kind kind
	text string
	list []value
}

func (v value) isNil() bool { return v.kind == atomKind && strings.EqualFold(v.text, "NIL") }

// value reads the next value, literals included.
func (x *lexer) value() (value, error) { return x.nested(0) }

func (x *lexer) nested(depth int) (value, error) {
	x.spaces()
	switch {
	case depth > maxDepth:
		return value{}, fmt.Errorf("%w: lists nested deeper than %d", errSyntax, maxDepth)
	case x.pos == x.end && x.literal >= 0:
		s, err := x.memoryLiteral()
		return value{kind: stringKind, text: s}, err
	case x.pos == x.end:
		return value{}, fmt.Errorf("%w: it ends where a value belongs", errSyntax)
	case x.accept('('):
		return x.list(depth)
	case x.accept('"'):
		return x.quoted()
	}
	return x.atom()
}

func (x *lexer) list(depth int) (value, error) {
	v := value{kind: listKind}
	for {
		x.spaces()
		if x.accept(')') {
			return v, nil
		}
		item, err := x.nested(depth + 1)
		if err != nil {
			return v, err
		}
		// A value takes more memory than the byte that may stand for it.
		if x.budget -= 64; x.budget < 0 {
			return v, fmt.Errorf("%w: too many values in a list", errSyntax)
		}
		v.list = append(v.list, item)
	}
}

func (x *lexer) quoted() (value, error) {
	var s strings.Builder
	for x.pos < x.end {
		c := x.line[x.pos]
		x.pos++
		if c == '"' {
			return value{kind: stringKind, text: s.String()}, nil
		}
		if c == '\\' && x.pos < x.end {
			c = x.line[x.pos]
			x.pos++
		}
		s.WriteByte(c)
	}
	return value{}, fmt.Errorf("%w: quoted string without an end", errSyntax)
}

func (x *lexer) atom() (value, error) {
	from := x.pos
	for x.pos < x.end && !strings.ContainsRune(" ()\"", rune(x.line[x.pos])) {
		x.pos++
	}
	if x.pos == from {
		return value{}, fmt.Errorf("%w: unexpected %q", errSyntax, x.line[x.pos])
	}
	return value{kind: atomKind, text: string(x.line[from:x.pos])}, nil
}

// number reads an unsigned number.
func (x *lexer) number() (uint64, error) {
	v, err := x.value()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(v.text, 10, 63)
	if err != nil || v.kind == listKind {
		return 0, fmt.Errorf("%w: %.40q is not a number", errSyntax, v.text)
	}
	return n, nil
}

// uid reads a number of 32 bits.
func (x *lexer) uid() (uint32, error) {
	n, err := x.number()
	if err == nil && n > 1<<32-1 {
		err = fmt.Errorf("%w: %d is beyond 32 bits", errSyntax, n)
	}
	return uint32(n), err
}

// texts returns the texts of a list's members.
func (v value) texts() []string {
	var all []string
	for _, item := range v.list {
		if item.kind != listKind {
			all = append(all, item.text)
		}
	}
	return all
}
