package directory

import (
	"fmt"
	"strings"
)

// A Filter is an LDAP search filter in text form (RFC 4515). It is built by the
// functions below, which escape every value.
type Filter string

// Any matches every entry.
const Any Filter = "(objectClass=*)"

// Eq matches entries whose attribute has the text value.
func Eq(attr, value string) Filter {
	return Filter("(" + attr + "=" + escapeFilter(value) + ")")
}

// EqBytes matches entries whose attribute has the binary value.
func EqBytes(attr string, value []byte) Filter {
	var b strings.Builder
	for _, c := range value {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return Filter("(" + attr + "=" + b.String() + ")")
}

// And matches entries that match all of the filters.
func And(filters ...Filter) Filter { return join("&", filters) }

// Or matches entries that match one of the filters.
func Or(filters ...Filter) Filter { return join("|", filters) }

// Not matches entries that do not match the filter.
func Not(f Filter) Filter { return "(!" + f + ")" }

func join(op string, filters []Filter) Filter {
	if len(filters) == 1 {
		return filters[0]
	}
	var b strings.Builder
	b.WriteString("(" + op)
	for _, f := range filters {
		b.WriteString(string(f))
	}
	return Filter(b.String() + ")")
}

// escapeFilter writes the octets that RFC 4515 3 reserves, and every octet
// outside printable ASCII, as backslash and two hexadecimal digits.
func escapeFilter(value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c < 0x20, c >= 0x7f, c == '*', c == '(', c == ')', c == '\\':
			fmt.Fprintf(&b, `\%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
