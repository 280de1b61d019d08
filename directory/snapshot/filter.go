package snapshot

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"reforest/directory"
)

// A choice is the kind of a filter (RFC 4511 4.5.1.7).
type choice int

const (
	and choice = iota
	or
	not
	equal
	present
	substrings
	atLeast
	atMost
	extensible
)

// A filter is one node of a search filter.
type filter struct {
	choice choice
	of     []*filter // of and, or, not
	attr   string    // in lower case
	rule   string    // of extensible: the OID of the matching rule
	value  string
	pieces []string // of substrings: initial, any …, final; initial and final may be empty
}

// deepest bounds how filters are nested: whoever builds deeper ones is in a loop.
const deepest = 100

var errTooDeep = fmt.Errorf("more than %d levels", deepest)

// parseFilter reads the text form (RFC 4515 3). No filter at all matches everything, as
// it does for the adapter of servers.
func parseFilter(text directory.Filter) (*filter, error) {
	if text == "" {
		text = directory.Any
	}
	p := parser{rest: string(text)}
	f, err := p.filter(0)
	if err == nil && p.rest != "" {
		err = fmt.Errorf("%q follows its end", p.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("parse filter %q: %w", text, err)
	}
	return f, nil
}

// A parser reads what is left of a filter.
type parser struct{ rest string }

// take cuts the octet, if it comes next.
func (p *parser) take(octet byte) bool {
	if p.rest == "" || p.rest[0] != octet {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) filter(depth int) (f *filter, err error) {
	if depth > deepest {
		return nil, errTooDeep
	}
	if !p.take('(') {
		return nil, fmt.Errorf("want ( before %q", p.rest)
	}
	switch {
	case p.take('&'):
		f, err = p.set(and, depth)
	case p.take('|'):
		f, err = p.set(or, depth)
	case p.take('!'):
		f, err = p.set(not, depth)
	default:
		f, err = p.item()
	}
	if err == nil && !p.take(')') {
		err = fmt.Errorf("want ) before %q", p.rest)
	}
	return f, err
}

func (p *parser) set(kind choice, depth int) (*filter, error) {
	f := &filter{choice: kind}
	for strings.HasPrefix(p.rest, "(") {
		inner, err := p.filter(depth + 1)
		if err != nil {
			return nil, err
		}
		f.of = append(f.of, inner)
	}
	if kind == not && len(f.of) != 1 {
		return nil, fmt.Errorf("! stands before %d filters", len(f.of))
	}
	return f, nil
}

// item reads one comparison. A bracket in a value must be escaped, so the next one ends
// the value.
func (p *parser) item() (*filter, error) {
	end := strings.IndexAny(p.rest, "()")
	if end < 0 {
		end = len(p.rest)
	}
	attr, value, found := strings.Cut(p.rest[:end], "=")
	if !found {
		return nil, fmt.Errorf("no comparison in %q", p.rest[:end])
	}
	p.rest = p.rest[end:]
	f := &filter{choice: equal}
	if attr = f.kind(attr); !isName(attr) {
		return nil, fmt.Errorf("%q is no attribute", attr)
	}
	f.attr = strings.ToLower(attr)
	return f, f.assert(value)
}

// kind cuts from the left side of a comparison what says which one it is.
func (f *filter) kind(left string) (attr string) {
	if attr, rule, found := strings.Cut(left, ":"); found {
		f.choice, f.rule = extensible, strings.TrimSuffix(rule, ":")
		return attr
	}
	switch {
	case strings.HasSuffix(left, ">"):
		f.choice = atLeast
	case strings.HasSuffix(left, "<"):
		f.choice = atMost
	case strings.HasSuffix(left, "~"): // MS-ADTS 3.1.1.3.1.3.1: the same as equality
	default:
		return left
	}
	return left[:len(left)-1]
}

// assert reads the right side.
func (f *filter) assert(value string) (err error) {
	switch {
	case f.choice == equal && value == "*":
		f.choice = present
		return nil
	case f.choice == equal && strings.Contains(value, "*"):
		f.choice = substrings
		for piece := range strings.SplitSeq(value, "*") {
			if piece, err = unescape(piece); err != nil {
				return err
			}
			f.pieces = append(f.pieces, piece)
		}
		return nil
	}
	f.value, err = unescape(value)
	return err
}

// isName reports whether text may be the name of an attribute (RFC 4512 1.4).
func isName(text string) bool {
	for i := range len(text) {
		c := text[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || text[i] != '-' && (text[i] < '0' || text[i] > '9')) {
			return false
		}
	}
	return text != ""
}

var errEscape = errors.New(`\ stands without two hexadecimal digits`)

// unescape replaces \ and two hexadecimal digits by the octet.
func unescape(value string) (string, error) {
	if !strings.Contains(value, `\`) {
		return value, nil
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			b.WriteByte(value[i])
			continue
		}
		if i+3 > len(value) {
			return "", errEscape
		}
		octet, err := hex.DecodeString(value[i+1 : i+3])
		if err != nil {
			return "", errEscape
		}
		b.WriteByte(octet[0])
		i += 2
	}
	return b.String(), nil
}
