package imap

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// utf7Base64 is the alphabet of RFC 3501 5.1.3: a comma in the slash's place.
var utf7Base64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

var errUTF7 = errors.New("not valid modified UTF-7")

// encodeUTF7 writes a mailbox name in modified UTF-7 (RFC 3501 5.1.3). Bytes that
// are not UTF-8 become U+FFFD.
func encodeUTF7(name string) string {
	var out strings.Builder
	for name != "" {
		n := strings.IndexFunc(name, func(r rune) bool { return !direct(r) || r == '&' })
		switch {
		case n < 0:
			out.WriteString(name)
			return out.String()
		case n > 0:
			out.WriteString(name[:n])
		case name[0] == '&':
			out.WriteString("&-")
			n = 1
		default:
			n = strings.IndexFunc(name, direct)
			if n < 0 {
				n = len(name)
			}
			out.WriteString("&" + encodeShift(name[:n]) + "-")
		}
		name = name[n:]
	}
	return out.String()
}

// direct reports whether r stands for itself.
func direct(r rune) bool { return r >= 0x20 && r <= 0x7e }

func encodeShift(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return utf7Base64.EncodeToString(b)
}

// decodeUTF7 reads modified UTF-7 and refuses every spelling that encodeUTF7
// would not write, so that two names never become one.
func decodeUTF7(name string) (string, error) {
	var out strings.Builder
	for rest := name; rest != ""; {
		before, after, shifted := strings.Cut(rest, "&")
		out.WriteString(before)
		if !shifted {
			break
		}
		code, tail, closed := strings.Cut(after, "-")
		if !closed {
			return "", errUTF7
		}
		text, err := decodeShift(code)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		rest = tail
	}
	text := out.String()
	if !utf8.ValidString(text) || encodeUTF7(text) != name {
		return "", errUTF7
	}
	return text, nil
}

func decodeShift(code string) (string, error) {
	if code == "" {
		return "&", nil
	}
	b, err := utf7Base64.DecodeString(code)
	if err != nil || len(b)%2 != 0 {
		return "", errUTF7
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units)), nil
}
