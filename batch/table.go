package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	columnIdentity = "Identity"
	columnEmail    = "EmailAddress"
	columnDatabase = "TargetDatabase"
	columnLimit    = "BadItemLimit"

	separators  = "\t;,"
	noSeparator = rune(-1) // equals no character
)

func columnNames() []string {
	return []string{columnIdentity, columnEmail, columnDatabase, columnLimit}
}

// secretWords are parts of column names that announce a password, in lower case.
func secretWords() []string {
	return []string{"passw", "pwd", "kennwort", "mot de passe", "motdepasse", "contrase"}
}

// A field is one field of a line.
type field struct {
	text   string // trimmed and unquoted
	column int    // in runes, from 1
	quoted bool
	broken string // what is wrong with its quotes; "" if nothing
}

// A header says what the fields of a CSV mean.
type header struct {
	separator rune
	fields    []field
}

// sniffHeader returns the header that l is, or nil if no field of l is a column
// name, names a password or is a misspelt column name.
func sniffHeader(l line) *header {
	if isDN(strings.TrimSpace(l.text)) {
		return nil
	}
	if h := bestHeader(l, (*header).names); h != nil {
		return h
	}
	return bestHeader(l, (*header).misspelt)
}

// bestHeader splits l at the separator that counts most, nil if none counts anything.
func bestHeader(l line, count func(*header) int) *header {
	var best *header
	most := 0
	for _, separator := range separators {
		h := &header{separator: separator, fields: splitFields(l.text, separator)}
		if len(h.fields) == 1 {
			h.separator = noSeparator
		}
		if n := count(h); n > most {
			best, most = h, n
		}
	}
	return best
}

// names counts the fields that are column names or name a password.
func (h *header) names() int {
	n := 0
	for _, f := range h.fields {
		// Alone on its line a name like pwdavis is someone's, not a column's.
		if knownColumn(f.text) != "" || namesSecret(f.text) && (len(h.fields) > 1 || isSecretName(f.text)) {
			n++
		}
	}
	return n
}

// misspelt counts the fields that are nearly column names. Where one is what only a
// person is called, there are none: the first line of a list is no header.
func (h *header) misspelt() int {
	n := 0
	for _, f := range h.fields {
		if namesPerson(f.text) {
			return 0
		}
		if meantColumn(f.text) != "" {
			n++
		}
	}
	return n
}

// namesPerson reports whether text is an address, DOMAIN\name, DN or legacy DN.
func namesPerson(text string) bool { return strings.ContainsAny(text, `@=/\`) }

// meantDistance is how many letters of a column name may be wrong.
const meantDistance = 2

// meantColumn returns the known column that text is nearly the name of, "" if none.
func meantColumn(text string) string {
	nearest := nearestColumn(text)
	if editDistance(strings.ToLower(text), strings.ToLower(nearest)) > meantDistance {
		return ""
	}
	return nearest
}

// knownColumn returns the spelling of the column in this package, "" if unknown.
func knownColumn(text string) string {
	for _, name := range columnNames() {
		if strings.EqualFold(name, text) {
			return name
		}
	}
	return ""
}

// namesSecret reports whether a column of this name holds passwords. A DN or an
// address is no column name, whatever it contains.
func namesSecret(text string) bool {
	if namesPerson(text) {
		return false
	}
	lower := strings.ToLower(text)
	for _, word := range secretWords() {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// isSecretName reports whether text is the very name of a password column.
func isSecretName(text string) bool {
	return slices.Contains([]string{"password", "passwort", "kennwort", "pwd"}, strings.ToLower(text))
}

// table reads a CSV whose header is lines[0].
func (p *parser) table(h *header, lines []line) {
	columns, ok := p.columns(h, lines[0].number)
	if !ok {
		return // rows are not looked at: they may hold passwords, or mean something else
	}
	if len(lines) == 1 {
		p.fault(lines[0].number, 1, "a header and no mailbox", "write one line per mailbox under it")
	}
	for _, l := range lines[1:] {
		p.record(h, columns, l)
	}
}

// columns maps each field of the header to its column; "" for one without a name.
func (p *parser) columns(h *header, number int) (columns []string, ok bool) {
	before := len(p.faults)
	at := map[string]int{}
	for _, f := range h.fields {
		name := knownColumn(f.text)
		columns = append(columns, name)
		what, mend := headerFault(f, name, at)
		if what != "" {
			p.fault(number, f.column, what, mend)
		}
		at[cmp.Or(name, meantColumn(f.text))] = f.column
	}
	_, identity := at[columnIdentity]
	column, email := at[columnEmail]
	if identity && email {
		p.fault(number, column, "both Identity and EmailAddress", "keep the one that is to count")
	}
	if !identity && !email {
		p.fault(number, 1, "neither Identity nor EmailAddress", "name the column that says who moves")
	}
	return columns, len(p.faults) == before
}

// headerFault says what is wrong with one field of a header; "" if nothing.
func headerFault(f field, name string, at map[string]int) (what, mend string) {
	_, again := at[name]
	switch {
	case f.broken != "":
		return f.broken, ""
	case f.text == "":
		return "", ""
	case namesSecret(f.text):
		return fmt.Sprintf("column %q holds passwords", f.text), "remove the column: a batch file needs none"
	case name == "":
		return fmt.Sprintf("unknown column %q", f.text), rename(f.text)
	case again:
		return fmt.Sprintf("column %s is there twice", name), "remove one of them"
	}
	return "", ""
}

// rename says what to do about an unknown column.
func rename(text string) string {
	if meant := meantColumn(text); meant != "" {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return fmt.Sprintf("the nearest known one is %s; remove or rename it", nearestColumn(text))
}

// record reads one line under the header.
func (p *parser) record(h *header, columns []string, l line) {
	fields, ok := p.recordFields(h, l)
	if !ok || allBlank(fields) {
		return
	}
	if len(fields) != len(columns) {
		p.fault(l.number, fields[len(fields)-1].column, fmt.Sprintf("%d fields under a header of %d", len(fields), len(columns)), "quote a field that holds a separator")
		return
	}
	before := len(p.faults)
	row := Row{Line: l.number}
	who := field{column: 1}
	for i, f := range fields {
		switch columns[i] {
		case columnIdentity, columnEmail:
			row.Identity, who = f.text, f
		case columnDatabase:
			row.TargetDatabase = f.text
		case columnLimit:
			row.BadItemLimit = p.limit(l.number, f)
		case "":
			if f.text != "" {
				p.fault(l.number, f.column, "a value under a column without a name", "name the column or remove the value")
			}
		}
	}
	p.add(row, who.column)
	if len(p.faults) > before && len(p.rows) > 0 && p.rows[len(p.rows)-1].Line == l.number {
		p.rows = p.rows[:len(p.rows)-1]
	}
}

// recordFields splits l, reports broken quotes and drops empty fields after the
// last column.
func (p *parser) recordFields(h *header, l line) ([]field, bool) {
	if h.separator == noSeparator {
		f, ok := p.single(l)
		return []field{f}, ok
	}
	fields := splitFields(l.text, h.separator)
	for _, f := range fields {
		if f.broken != "" {
			p.fault(l.number, f.column, f.broken, "")
			return nil, false
		}
	}
	for len(fields) > len(h.fields) && fields[len(fields)-1].text == "" {
		fields = fields[:len(fields)-1]
	}
	return fields, true
}

func allBlank(fields []field) bool {
	for _, f := range fields {
		if f.text != "" || f.quoted {
			return false
		}
	}
	return true
}

// limit reads a BadItemLimit: a number, unlimited or -1, which is how it is shown in
// reports, or nothing.
func (p *parser) limit(number int, f field) *int64 {
	if f.text == "" {
		return nil
	}
	if strings.EqualFold(f.text, "unlimited") || f.text == "-1" {
		n := Unlimited
		return &n
	}
	n, err := strconv.ParseUint(f.text, 10, 63)
	if err != nil {
		p.fault(number, f.column, fmt.Sprintf("BadItemLimit %q is no number", f.text), "write 0, a larger whole number, or unlimited, for which -1 also stands")
		return nil
	}
	limit := int64(n)
	return &limit
}

// splitFields splits text at separator outside quotes; there is at least one field.
// White space around a field, NBSP too, is dropped.
func splitFields(text string, separator rune) []field {
	var fields []field
	column := 1
	for {
		f, size, more := cutField(text, separator)
		f.column += column
		fields = append(fields, f)
		if !more {
			return fields
		}
		column += utf8.RuneCountInString(text[:size])
		text = text[size:]
	}
}

// cutField takes the first field off text. size is how many bytes it has with its
// separator; f.column counts from 0 at the beginning of text.
func cutField(text string, separator rune) (f field, size int, more bool) {
	body := strings.TrimLeftFunc(text, func(r rune) bool { return r != separator && unicode.IsSpace(r) })
	f.column = utf8.RuneCountInString(text[:len(text)-len(body)])
	if strings.HasPrefix(body, `"`) {
		return cutQuoted(f, text, body, separator)
	}
	end := strings.IndexRune(body, separator)
	if separator == noSeparator || end < 0 {
		f.text = strings.TrimSpace(body)
		return f, len(text), false
	}
	f.text = strings.TrimSpace(body[:end])
	return f, len(text) - len(body) + end + 1, true
}

// cutQuoted is cutField where body, the end of text, begins with a quote (RFC 4180
// section 2, rules 5 to 7).
func cutQuoted(f field, text, body string, separator rune) (field, int, bool) {
	f.quoted = true
	var value strings.Builder
	rest := body[1:]
	for {
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			f.broken = "a quote that is not closed on its line"
			return f, len(text), false
		}
		value.WriteString(rest[:end])
		rest = rest[end+1:]
		if !strings.HasPrefix(rest, `"`) {
			break
		}
		value.WriteByte('"')
		rest = rest[1:]
	}
	f.text = strings.TrimSpace(value.String())
	after := strings.TrimLeftFunc(rest, func(r rune) bool { return r != separator && unicode.IsSpace(r) })
	switch {
	case after == "":
		return f, len(text), false
	case separator != noSeparator && strings.HasPrefix(after, string(separator)):
		return f, len(text) - len(after) + 1, true
	}
	f.broken = "text after a closing quote"
	return f, len(text), false
}

// nearestColumn returns the known column with the least edit distance to text; of
// several the first in the order of columnNames.
func nearestColumn(text string) string { return Nearest(text, columnNames()) }

// Nearest returns the known name with the least edit distance to text, without regard
// to case; of several the first; "" if none is known.
func Nearest(text string, known []string) string {
	best, least := "", -1
	for _, name := range known {
		if d := editDistance(strings.ToLower(text), strings.ToLower(name)); least < 0 || d < least {
			best, least = name, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance in runes.
func editDistance(a, b string) int {
	other := []rune(b)
	costs := make([]int, len(other)+1)
	for j := range costs {
		costs[j] = j
	}
	for i, r := range []rune(a) {
		diagonal := costs[0]
		costs[0] = i + 1
		for j, s := range other {
			change := diagonal
			if r != s {
				change++
			}
			diagonal = costs[j+1]
			costs[j+1] = min(change, costs[j]+1, costs[j+1]+1)
		}
	}
	return costs[len(other)]
}
