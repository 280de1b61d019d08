package batch

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var trueNumber = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]+)?$`)

// innerCell finds what would begin a cell where the separator is a semicolon, as in
// half of Europe: encoding/csv quotes for commas alone.
var innerCell = regexp.MustCompile(`([;\n\r] *)([=+\-@＝＋－＠])`)

// Cell puts a ' before text that a spreadsheet would take for a formula: one that
// begins, after spaces, with = + - @, a full-width form of them, a tab or a carriage
// return, and is not a number. Control characters, which Excel refuses or takes for
// the end of a cell, become U+FFFD; line breaks stay.
func Cell(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return utf8.RuneError
		}
		return c
	}, text)
	text = innerCell.ReplaceAllString(text, "$1'$2")
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " "))
	if strings.ContainsRune("=+-@\t\r＝＋－＠", first) && !trueNumber.MatchString(text) {
		return "'" + text
	}
	return text
}
