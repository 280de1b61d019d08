package ldapd

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// labAttribute is one row of the table from which the Samba lab's schema is made.
type labAttribute struct {
	name, syntax, count string
	options             map[string]string
}

func labAttributes(t *testing.T) []labAttribute {
	t.Helper()
	file, err := os.Open("../../../scripts/lab/schema/attributes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var rows []labAttribute
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) != 7 {
			t.Fatalf("%q has %d cells, want 7", lines.Text(), len(cells))
		}
		row := labAttribute{name: cells[0], syntax: cells[3], count: cells[4], options: map[string]string{}}
		for _, option := range strings.Fields(cells[6]) {
			key, value, _ := strings.Cut(option, "=")
			row.options[key] = value
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestSchemaIsTheLabs holds the rehearsal server's schema to the Samba lab's: what passes
// at one must mean the same at the other. Bounds may be tighter here.
func TestSchemaIsTheLabs(t *testing.T) {
	t.Parallel()
	schema := newSchema()
	words := map[string]syntax{
		"text": text, "octets": octets, "integer": integer, "large": largeInt, "boolean": boolean,
		"time": when, "dn": name, "sid": sid, "sd": sd,
	}
	rows := labAttributes(t)
	if len(rows) < 190 {
		t.Fatalf("got %d attributes, want the whole table", len(rows))
	}
	for _, row := range rows {
		a := schema.attrs[strings.ToLower(row.name)]
		want, known := words[row.syntax]
		switch {
		case !known:
			t.Errorf("%s: unknown syntax %q", row.name, row.syntax)
		case a == nil:
			t.Errorf("%s is in the lab alone", row.name)
		case a.name != row.name || a.syntax != want || a.multi != (row.count == "many"):
			t.Errorf("got %+v, want %+v", a, row)
		case row.options["link"] != "" && strconv.Itoa(a.link) != row.options["link"] || row.options["link"] == "" && a.link != 0:
			t.Errorf("%s: got linkID %d, want %q", row.name, a.link, row.options["link"])
		case row.options["upper"] != "" && strconv.Itoa(a.upper) != row.options["upper"]:
			t.Errorf("%s: got rangeUpper %d, want %q", row.name, a.upper, row.options["upper"])
		}
	}
}

// TestUpperBounds writes to every text with a bound one that fits and one that is a
// character longer (MS-ADTS 3.1.1.2.3, rangeUpper). A character beyond the first plane of
// Unicode counts twice.
func TestUpperBounds(t *testing.T) {
	t.Parallel()
	s := &store{schema: theSchema()}
	bounded := 0
	for _, a := range s.schema.ordered {
		if a.upper == 0 || a.syntax != text && a.syntax != octets {
			continue
		}
		bounded++
		if _, f := s.parse(a, []byte(strings.Repeat("x", a.upper))); f != nil {
			t.Errorf("%s of %d: %v", a.name, a.upper, f)
		}
		if _, f := s.parse(a, []byte(strings.Repeat("x", a.upper+1))); f == nil || f.code != constraintViolation {
			t.Errorf("%s of %d: got %v, want result code %d", a.name, a.upper+1, f, constraintViolation)
		}
		if a.syntax != text {
			continue
		}
		if _, f := s.parse(a, []byte(strings.Repeat("ü", a.upper))); f != nil {
			t.Errorf("%s of %d characters of two octets: %v", a.name, a.upper, f)
		}
		if _, f := s.parse(a, []byte(strings.Repeat("𝄞", a.upper/2+1))); f == nil {
			t.Errorf("%s of %d pairs of units is accepted", a.name, a.upper/2+1)
		}
	}
	if bounded < 130 {
		t.Errorf("got %d bounds, want those of the schema", bounded)
	}
}
