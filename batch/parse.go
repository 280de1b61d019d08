package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxFileSize bounds a batch file, in bytes: about a million mailboxes.
const maxFileSize = 64 << 20

// Unlimited is the BadItemLimit that stands for any number of skips.
const Unlimited int64 = -1

// ParseFile reads a batch file. All that is wrong with it is reported at once in a
// *FileError whose faults carry name, line and column; any other error is one of r.
// No rows are returned with an error.
//
// The text is UTF-8 with or without a byte order mark, or UTF-16 with one. Blank
// lines, and lines that begin with #, do not count. The first line that counts
// decides what the file is:
//
//   - If one of its fields is a column name (Identity, EmailAddress, TargetDatabase,
//     BadItemLimit) or names a password, the file is CSV and this is its header.
//     The separator is the one of TAB, semicolon and comma, in this order, that
//     yields the most column names; a line sep=; before it is Excel's. Names are compared without regard to case.
//   - If one of its fields is a column name but for two letters, and none of them holds
//     a character of an address, DN or DOMAIN\name (@ = / \), it is a misspelt header: a
//     fault that says what was meant, and nobody of that name.
//   - Otherwise the file is a list: one identity per line.
//
// A list line that holds a comma, a semicolon or a TAB must be a DN (it begins with
// an attribute type and =), a legacy DN (it begins with /) or stand between double
// quotes. So a CSV without a header is never taken for a list. The same holds for
// the lines of a CSV with only one column.
//
// In a CSV a field may stand between double quotes, which are doubled inside
// (RFC 4180), but ends on its line. White space around a field does not count,
// nor do empty fields after the last column.
func ParseFile(name string, r io.Reader) ([]Row, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read batch file %q: %w", name, err)
	}
	p := &parser{file: name, seen: map[string]int{}}
	p.parse(raw)
	if len(p.faults) > 0 {
		return nil, &FileError{Faults: p.faults}
	}
	return p.rows, nil
}

// Digest returns the SHA-256 of rows in hexadecimal. It depends on identities,
// databases, limits and their order, and not on line numbers, comments or the form
// of the file.
func Digest(rows []Row) string {
	sum := sha256.New()
	for _, row := range rows {
		limit := ""
		if row.BadItemLimit != nil {
			limit = strconv.FormatInt(*row.BadItemLimit, 10)
		}
		sum.Write(fmt.Appendf(nil, "%q %q %s\n", row.Identity, row.TargetDatabase, limit))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// A parser holds what has been found in one batch file.
type parser struct {
	file   string
	rows   []Row
	faults []Fault
	seen   map[string]int // line of an identity, by its lower case
}

func (p *parser) fault(line, column int, what, mend string) {
	p.faults = append(p.faults, Fault{File: p.file, Line: line, Column: column, What: what, Mend: mend})
}

func (p *parser) parse(raw []byte) {
	if len(raw) > maxFileSize {
		p.fault(1, 1, fmt.Sprintf("the file is larger than %d MB", maxFileSize>>20), "split it")
		return
	}
	lines, faults := decodeLines(raw)
	for _, f := range faults {
		p.fault(f.Line, f.Column, f.What, f.Mend)
	}
	if len(faults) > 0 { // what follows would be a guess
		return
	}
	lines = counting(lines)
	if len(lines) == 0 {
		p.fault(1, 1, "no mailbox in this file", "write one identity per line")
		return
	}
	if header := sniffHeader(lines[0]); header != nil {
		p.table(header, lines)
		return
	}
	p.list(lines)
}

// counting returns the lines that are neither blank nor comments. The line sep=;
// that Excel writes for itself before a header does not count either.
func counting(lines []line) []line {
	if first := lines[0].text; len(first) == len("sep=;") && strings.EqualFold(first[:4], "sep=") {
		lines = lines[1:]
	}
	var out []line
	for _, l := range lines {
		if !l.blank() {
			out = append(out, l)
		}
	}
	return out
}

func (p *parser) list(lines []line) {
	for _, l := range lines {
		if f, ok := p.single(l); ok {
			p.add(Row{Identity: f.text, Line: l.number}, f.column)
		}
	}
}

// single reads a line that holds one field only.
func (p *parser) single(l line) (field, bool) {
	whole := splitFields(l.text, noSeparator)[0]
	if whole.broken != "" {
		p.fault(l.number, whole.column, whole.broken, "")
		return field{}, false
	}
	if !whole.quoted && strings.ContainsAny(whole.text, separators) && !isDN(whole.text) {
		// The text is not repeated: a CSV without a header may hold passwords.
		p.fault(l.number, 1, "more than one field, and no header that names them",
			"begin a CSV with a header such as Identity,TargetDatabase; quote an identity that holds a separator")
		return field{}, false
	}
	return whole, true
}

// isDN reports whether text is a DN (RFC 4514) or a legacy DN by its beginning.
func isDN(text string) bool {
	if strings.HasPrefix(text, "/") {
		return true
	}
	kind, _, found := strings.Cut(text, "=")
	kind = strings.TrimSpace(kind)
	return found && kind != "" && !strings.ContainsFunc(kind, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// add appends the row unless its identity is empty or was there before.
func (p *parser) add(row Row, column int) {
	if row.Identity == "" {
		p.fault(row.Line, column, "the identity is empty", "")
		return
	}
	key := strings.ToLower(row.Identity)
	if first, again := p.seen[key]; again {
		p.fault(row.Line, column, fmt.Sprintf("identity %q is in line %d already", row.Identity, first), "keep one of them")
		return
	}
	p.seen[key] = row.Line
	p.rows = append(p.rows, row)
}
