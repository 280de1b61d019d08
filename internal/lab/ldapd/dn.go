package ldapd

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"reforest/directory"
	"reforest/migrate"
)

// fold returns the form under which Active Directory holds two texts to be the
// same: without regard to case, accents and width (MS-ADTS 3.1.1.2.2.4 and the
// comparison flags of its String(Unicode) syntax).
func fold(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	bare := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	return strings.ToLower(bare)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// An rdn is one component of a DN.
type rdn struct {
	attr  string // as written
	value string // unescaped
}

func (r rdn) key() string {
	return strings.ToLower(r.attr) + "=" + keyEscaper.Replace(fold(r.value))
}

var keyEscaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`)

// parseDN reads a DN of single-valued components (RFC 4514 3); nil is the empty DN.
func parseDN(text string) ([]rdn, *fault) {
	if text == "" {
		return nil, nil
	}
	var parts []rdn
	for {
		part, rest, more, ok := cutRDN(text)
		if !ok {
			return nil, refuse(invalidDNSyntax, "0000208F: NameErr: DSID-03100225, problem 2006 (BAD_NAME), best match of: '%s'", text)
		}
		parts = append(parts, part)
		if !more {
			return parts, nil
		}
		text = rest
	}
}

// cutRDN reads the first component and returns what follows its comma.
func cutRDN(text string) (part rdn, rest string, more, ok bool) {
	attr, after, found := strings.Cut(text, "=")
	part.attr = strings.TrimSpace(attr)
	if !found || !isName(part.attr) {
		return rdn{}, "", false, false
	}
	end := separator(after)
	raw := after
	if end >= 0 {
		raw, rest, more = after[:end], after[end+1:], true
	}
	part.value, ok = unescape(strings.TrimLeft(raw, " "))
	return part, rest, more, ok && part.value != ""
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

func separator(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			return i
		}
	}
	return -1
}

// unescape refuses what must not stand unescaped; "=" as well, for Samba does.
func unescape(raw string) (string, bool) {
	if strings.HasPrefix(raw, "#") {
		return "", false
	}
	var b []byte
	kept := 0 // trailing spaces are cut unless escaped
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			if strings.IndexByte(`+"<>;=`, c) >= 0 {
				return "", false
			}
			b = append(b, c)
			if c != ' ' {
				kept = len(b)
			}
			continue
		}
		octet, width := escaped(raw[i+1:])
		if width == 0 {
			return "", false
		}
		b = append(b, octet)
		kept, i = len(b), i+width
	}
	return string(b[:kept]), utf8.Valid(b[:kept])
}

// escaped reads what follows a backslash: two hexadecimal digits or one character.
func escaped(text string) (octet byte, width int) {
	if len(text) >= 2 {
		if b, err := hex.DecodeString(text[:2]); err == nil {
			return b[0], 2
		}
	}
	if len(text) >= 1 && strings.IndexByte(`,+"\<>;=# `, text[0]) >= 0 {
		return text[0], 1
	}
	return 0, 0
}

func keyOf(parts []rdn) string {
	keys := make([]string, len(parts))
	for i, part := range parts {
		keys[i] = part.key()
	}
	return strings.Join(keys, ",")
}

// find returns the object that a DN names, also <GUID=…> and <SID=…>
// (MS-ADTS 3.1.1.3.1.2.4), or nil. The lock is held.
func (s *store) find(dn string) (*object, *fault) {
	if inner, ok := strings.CutPrefix(dn, "<"); ok {
		return s.findAlias(strings.TrimSuffix(inner, ">"))
	}
	parts, f := parseDN(dn)
	if f != nil {
		return nil, f
	}
	return s.byDN[keyOf(parts)], nil
}

func (s *store) findAlias(inner string) (*object, *fault) {
	kind, text, _ := strings.Cut(inner, "=")
	switch strings.ToUpper(kind) {
	case "GUID":
		if guid, ok := guidOf(text); ok {
			return s.byGUID[guid], nil
		}
	case "SID":
		if sid, ok := sidOf([]byte(text)); ok {
			return s.first("objectsid", string(sid)), nil
		}
		if raw, err := hex.DecodeString(text); err == nil {
			return s.first("objectsid", string(raw)), nil
		}
	}
	return nil, refuse(invalidDNSyntax, "0000208F: NameErr: problem 2006 (BAD_NAME), '<%s>'", inner)
}

// guidOf reads a GUID in its text form or as 32 hexadecimal digits in wire order.
func guidOf(text string) (migrate.GUID, bool) {
	if guid, err := migrate.ParseGUID(text); err == nil {
		return guid, true
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(migrate.GUID{}) {
		return migrate.GUID{}, false
	}
	return migrate.GUID(raw), true
}

// must returns the object that dn names, or the fault that there is none.
func (s *store) must(dn string) (*object, *fault) {
	o, f := s.find(dn)
	if f == nil && o == nil {
		f = refuse(noSuchObject, "0000208D: NameErr: DSID-0310028D, problem 2001 (NO_OBJECT), data 0, best match of: '%s'", s.nearest(dn))
	}
	return o, f
}

// parentOf returns the object above what dn names, nil if there is none.
func (s *store) parentOf(dn string) *object {
	parts, _ := parseDN(dn)
	if len(parts) < 2 {
		return nil
	}
	return s.byDN[keyOf(parts[1:])]
}

// nearest returns the DN of the lowest ancestor that exists.
func (s *store) nearest(dn string) directory.DN {
	parts, _ := parseDN(dn)
	for i := range parts {
		if o := s.byDN[keyOf(parts[i:])]; o != nil {
			return o.dn()
		}
	}
	return ""
}
