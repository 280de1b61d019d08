package batch

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A line is one line of a batch file, without its end.
type line struct {
	number int // from 1
	text   string
}

// blank reports whether nothing but white space or a comment stands on l.
func (l line) blank() bool {
	text := strings.TrimSpace(l.text)
	return text == "" || text[0] == '#'
}

// decodeLines turns the bytes of a file into lines. It takes UTF-8 with or without
// a byte order mark and UTF-16 with one; CRLF, LF and CR each end a line. Faults
// carry line and column but no file name.
func decodeLines(raw []byte) ([]line, []Fault) {
	if bytes.HasPrefix(raw, []byte("PK\x03\x04")) {
		return nil, []Fault{{Line: 1, Column: 1, What: "this is a workbook or an archive, not text", Mend: "save it as CSV UTF-8"}}
	}
	text := toUTF8(raw)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	var lines []line
	var faults []Fault
	for i, s := range strings.Split(text, "\n") {
		lines = append(lines, line{number: i + 1, text: s})
		if column, what, mend := firstBadRune(s); what != "" {
			faults = append(faults, Fault{Line: i + 1, Column: column, What: what, Mend: mend})
		}
	}
	return lines, faults
}

// toUTF8 removes a byte order mark and decodes UTF-16. What cannot be decoded
// becomes an invalid byte, so that it is found with its place later on.
func toUTF8(raw []byte) string {
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return string(raw[3:])
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		return fromUTF16(raw[2:], func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 })
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return fromUTF16(raw[2:], func(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) })
	}
	return string(raw)
}

// fromUTF16 decodes RFC 2781; an unpaired surrogate and an odd last byte become 0xFF.
func fromUTF16(raw []byte, unit func([]byte) uint16) string {
	var out []byte
	for ; len(raw) >= 2; raw = raw[2:] {
		r := rune(unit(raw))
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if len(raw) >= 4 {
				low = rune(unit(raw[2:]))
			}
			if r = utf16.DecodeRune(r, low); r == unicode.ReplacementChar {
				out = append(out, 0xff)
				continue
			}
			raw = raw[2:]
		}
		out = utf8.AppendRune(out, r)
	}
	if len(raw) == 1 {
		out = append(out, 0xff)
	}
	return string(out)
}

// invisible holds characters that come along with text copied from Office and
// consoles, and make two names differ that look the same.
const invisible = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"

// firstBadRune returns the column, from 1, of the first character of s that may not
// stand in a batch file, and what it is; what is "" if there is none.
func firstBadRune(s string) (column int, what, mend string) {
	for i, r := range s {
		column++
		switch {
		case r == utf8.RuneError && strings.HasPrefix(s[i:], "\uFFFD"):
			return column, "a replacement character stands where a letter was lost", "export the list again, as UTF-8"
		case r == utf8.RuneError:
			return column, "not valid UTF-8", "save the file as UTF-8"
		case r == 0:
			return column, "a NUL character", "save the file as UTF-8; UTF-16 is read only with a byte order mark"
		case strings.ContainsRune(invisible, r):
			return column, fmt.Sprintf("an invisible character, %U", r), "remove it"
		case unicode.IsControl(r) && r != '\t':
			return column, fmt.Sprintf("a control character, %U", r), "remove it"
		}
	}
	return 0, "", ""
}
