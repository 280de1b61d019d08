package ldapd

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"reforest/migrate"
)

// A value is one value of an attribute. Two values are the same if their keys are.
type value struct {
	raw []byte  // as it was given, and is given back; nil for a ref
	key string  // what it is compared by
	ref *object // what a DN names
}

// bytes returns the value as it goes over the wire.
func (v value) bytes() []byte {
	if v.ref != nil {
		return []byte(v.ref.dn())
	}
	return v.raw
}

// timeForm is generalized time as Active Directory writes it (MS-ADTS 3.1.1.2.2.2).
const timeForm = "20060102150405.0Z"

// parse reads a value that someone wants to write. The lock is held.
func (s *store) parse(a *attribute, raw []byte) (value, *fault) {
	if len(raw) == 0 {
		return value{}, badSyntax(a, "empty value")
	}
	if a.syntax == name {
		return s.parseName(a, raw)
	}
	key, ok := keyFor(a, raw)
	if !ok {
		return value{}, badSyntax(a, "bad value")
	}
	if a.syntax == sid && raw[0] == 'S' {
		return value{}, badSyntax(a, "want the binary form")
	}
	if f := inRange(a, raw); f != nil {
		return value{}, f
	}
	if a.syntax == when {
		raw = []byte(key)
	}
	return value{raw: bytes.Clone(raw), key: key}, nil
}

// inRange holds a value to rangeLower and rangeUpper (MS-ADTS 3.1.1.2.3): the length of a
// text, the amount of a number.
func inRange(a *attribute, raw []byte) *fault {
	if a.upper == 0 {
		return nil
	}
	size := length(a, raw)
	if a.syntax == integer || a.syntax == largeInt {
		size, _ = strconv.Atoi(string(raw)) // keyFor has read it
	}
	if size < 0 || size > a.upper {
		return refuse(constraintViolation, "00002082: AtrErr: DSID-03151785, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, %s is not within 0 and %d", a.name, a.upper)
	}
	return nil
}

// parseName reads a DN whose object must exist.
func (s *store) parseName(a *attribute, raw []byte) (value, *fault) {
	o, f := s.find(string(raw))
	if f != nil {
		return value{}, f
	}
	if o == nil {
		return value{}, refuse(constraintViolation, "000020B5: AtrErr: DSID-03152395, problem 1005 (CONSTRAINT_ATT_TYPE), %s: %q names no object", a.name, raw)
	}
	return refTo(o), nil
}

func refTo(o *object) value { return value{ref: o, key: string(o.guid[:])} }

func badSyntax(a *attribute, what string) *fault {
	return refuse(invalidSyntax, "00000057: LdapErr: DSID-0C090FB1, comment: %s for %s, data 0", what, a.name)
}

// length counts as rangeUpper does: UTF-16 units of a text, octets of the rest.
func length(a *attribute, raw []byte) int {
	if a.syntax != text {
		return len(raw)
	}
	return len(utf16.Encode([]rune(string(raw))))
}

// keyFor returns what a value is compared by, of every syntax but name.
func keyFor(a *attribute, raw []byte) (string, bool) {
	switch a.syntax {
	case text:
		return fold(string(raw)), utf8.Valid(raw)
	case class:
		return strings.ToLower(string(raw)), true
	case octets:
		return string(raw), true
	case sd:
		_, f := parseSD(raw)
		return string(raw), f == nil
	case integer:
		return number(raw, 32)
	case largeInt:
		return number(raw, 64)
	case boolean:
		return string(raw), string(raw) == "TRUE" || string(raw) == "FALSE"
	case when:
		return moment(string(raw))
	case sid:
		b, ok := sidOf(raw)
		return string(b), ok
	case name:
		return "", false // store.parseName and store.assertion resolve names
	}
	return "", false
}

func number(raw []byte, bits int) (string, bool) {
	n, err := strconv.ParseInt(string(raw), 10, bits)
	if err != nil || raw[0] == '+' {
		return "", false
	}
	return strconv.FormatInt(n, 10), true
}

func moment(raw string) (string, bool) {
	for _, form := range []string{timeForm, "20060102150405Z"} {
		if at, err := time.Parse(form, raw); err == nil {
			return at.Format(timeForm), true
		}
	}
	return "", false
}

// sidOf reads a SID in binary or text form and returns its bytes.
func sidOf(raw []byte) ([]byte, bool) {
	if _, err := migrate.SIDFromBytes(raw); err == nil {
		return raw, true
	}
	parsed, err := migrate.ParseSID(string(raw))
	if err != nil {
		return nil, false
	}
	b, err := parsed.Bytes()
	return b, err == nil
}
