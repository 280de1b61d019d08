package snapshot

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"reforest/directory"
	"reforest/migrate"
)

// A syntax is how the values of an attribute are compared (MS-ADTS 3.1.1.2.2.2).
type syntax int

const (
	text       syntax = iota // without regard to case, accents and width
	octets                   // exactly
	integer                  // by number, of up to 64 bits
	boolean                  // TRUE or FALSE
	moment                   // by time
	name                     // a DN
	sid                      // binary; a filter may write S-1-…
	descriptor               // a security descriptor; not compared
	class                    // the name of a class
)

// syntaxes are the values of attributeSyntax. Those that are left out are texts.
var syntaxes = map[string]syntax{
	"2.5.5.1": name, "2.5.5.2": class, "2.5.5.3": octets, "2.5.5.7": name, "2.5.5.8": boolean, "2.5.5.9": integer,
	"2.5.5.10": octets, "2.5.5.11": moment, "2.5.5.14": name, "2.5.5.15": descriptor, "2.5.5.16": integer, "2.5.5.17": sid,
}

// key returns what a value is compared by. The second result is false if it is no value
// of the syntax.
func (s syntax) key(value string) (string, bool) {
	switch s {
	case text:
		return fold(value), utf8.ValidString(value)
	case class:
		return strings.ToLower(value), true
	case octets:
		return value, true
	case integer:
		n, err := strconv.ParseInt(value, 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	case boolean:
		return value, value == "TRUE" || value == "FALSE"
	case moment:
		return momentKey(value)
	case name:
		return keyOf(directory.DN(value)), strings.Contains(value, "=")
	case sid:
		return sidKey(value)
	case descriptor:
		return "", false
	}
	return "", false
}

// timeForm is generalized time as Active Directory writes it.
const timeForm = "20060102150405.0Z"

func momentKey(value string) (string, bool) {
	for _, form := range []string{timeForm, "20060102150405Z"} {
		if at, err := time.Parse(form, value); err == nil {
			return at.Format(timeForm), true
		}
	}
	return "", false
}

func sidKey(value string) (string, bool) {
	if _, err := migrate.SIDFromBytes([]byte(value)); err == nil {
		return value, true
	}
	parsed, err := migrate.ParseSID(value)
	if err != nil {
		return "", false
	}
	b, err := parsed.Bytes()
	return string(b), err == nil
}

// fold returns the form under which Active Directory holds two texts to be the same:
// without regard to case, accents and width (MS-ADTS 3.1.1.2.2.4).
func fold(value string) string {
	if isASCII(value) {
		return strings.ToLower(value)
	}
	bare := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(value))
	return strings.ToLower(bare)
}

func isASCII(value string) bool {
	for i := range len(value) {
		if value[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// keyOf returns the form under which two DNs name the same entry: that of DN.Key, with
// its values folded.
func keyOf(dn directory.DN) string {
	if key := dn.Key(); isASCII(key) {
		return key // an octet that was escaped in dn is not in its key
	}
	var key strings.Builder
	for ; dn != ""; dn = dn.Parent() {
		if key.Len() > 0 {
			key.WriteByte(',')
		}
		attr, _, _ := strings.Cut(string(dn), "=")
		rdn := directory.DN("").Child(strings.ToLower(strings.TrimSpace(attr)), fold(dn.Name()))
		key.WriteString(string(rdn))
	}
	return key.String()
}

// under reports whether the entry with the key is base or lies below it.
func under(key, base string) bool {
	return key == base || base == "" || strings.HasSuffix(key, ","+base)
}
