package directory

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// A DN is a distinguished name in text form (RFC 4514). Servers spell the same
// name differently (Samba writes ";" as "\3B"), so DNs are compared by Equal.
type DN string

// Child returns the DN of an entry named attr=value directly below d.
func (d DN) Child(attr, value string) DN {
	rdn := attr + "=" + escapeRDN(value)
	if d == "" {
		return DN(rdn)
	}
	return DN(rdn) + "," + d
}

// Parent returns the DN above d, "" for the topmost.
func (d DN) Parent() DN {
	if i := firstComma(string(d)); i >= 0 {
		return DN(strings.TrimLeft(string(d[i+1:]), " "))
	}
	return ""
}

// Name returns the unescaped value of the first component.
func (d DN) Name() string {
	first := string(d)
	if i := firstComma(first); i >= 0 {
		first = first[:i]
	}
	_, value, _ := strings.Cut(first, "=")
	return unescapeRDN(value)
}

// Equal reports whether both name the same entry.
func (d DN) Equal(other DN) bool { return d.Key() == other.Key() }

// Under reports whether d lies below base or is base.
func (d DN) Under(base DN) bool {
	key, baseKey := d.Key(), base.Key()
	return key == baseKey || strings.HasSuffix(key, ","+baseKey)
}

// Key returns the form under which two DNs are the same: lower case, without
// spaces around separators, every special octet escaped in one way.
func (d DN) Key() string {
	var parts []string
	for rest := string(d); rest != ""; {
		part := rest
		if i := firstComma(rest); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		attr, value, _ := strings.Cut(part, "=")
		parts = append(parts, strings.ToLower(strings.TrimSpace(attr)+"="+escapeRDN(unescapeRDN(value))))
	}
	return strings.Join(parts, ",")
}

// firstComma returns the index of the first comma that separates components.
func firstComma(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',':
			return i
		}
	}
	return -1
}

// escapeRDN escapes a value for use in a DN (RFC 4514 2.4). "=" is escaped as
// well: Samba refuses it bare.
func escapeRDN(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		edge := i == 0 && (c == ' ' || c == '#') || i == len(value)-1 && c == ' '
		switch {
		case edge, strings.IndexByte(`,+"\<>;=`, c) >= 0:
			b.WriteString(`\` + string(c))
		case c < 0x20, c == 0x7f:
			fmt.Fprintf(&b, `\%02X`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unescapeRDN(value string) string {
	value = strings.TrimLeft(value, " ")
	var b []byte
	kept := 0 // trailing spaces are cut unless they were escaped
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' || i+1 == len(value) {
			b = append(b, value[i])
			if value[i] != ' ' {
				kept = len(b)
			}
			continue
		}
		if octet, err := hex.DecodeString(value[i+1 : min(i+3, len(value))]); err == nil && len(octet) == 1 {
			b = append(b, octet[0])
			i += 2
		} else {
			b = append(b, value[i+1])
			i++
		}
		kept = len(b)
	}
	return string(b[:kept])
}
