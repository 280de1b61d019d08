package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"reforest/directory"
)

// A table holds the entries of a file. Equal values are held once, and an entry is a row
// of numbers: forests are large, and most of their values are alike.
type table struct {
	names   []string          // of attributes, as the server spells them
	number  map[string]uint32 // of an attribute, by its name in lower case
	values  []string          // each once
	cells   []uint32          // of all records: attribute, count, values; and so on
	records []record
}

// A record is one entry.
type record struct {
	dn         directory.DN
	key        string // keyOf(dn)
	part       int
	begin, end int // in table.cells
}

// A builder makes a table of a file.
type builder struct {
	table
	known map[string]uint32 // indexes of table.values
}

func newBuilder() *builder {
	return &builder{table: table{number: map[string]uint32{}}, known: map[string]uint32{}}
}

// read reads entries up to the trailer, which must be the last line and count them all.
func (b *builder) read(lines *json.Decoder, parts int) error {
	for {
		var l line
		if err := lines.Decode(&l); err != nil {
			return torn(err)
		}
		switch {
		case l.End && l.Entries == len(b.records):
			return ended(lines)
		case l.End:
			return fmt.Errorf("the file is damaged: it holds %d entries and should hold %d; collect again", len(b.records), l.Entries)
		case l.DN == "" || l.Part < 0 || l.Part >= parts:
			return fmt.Errorf("the file is damaged: entry %d has no name or place; collect again", len(b.records)+1)
		}
		b.add(l)
	}
}

// ended makes sure that nothing follows. What gzip has counted is compared only there.
func ended(lines *json.Decoder) error {
	var more json.RawMessage
	switch err := lines.Decode(&more); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errors.New("the file is damaged: something follows its end; collect again")
	default:
		return torn(err)
	}
}

func (b *builder) add(l line) {
	r := record{dn: directory.DN(b.values[b.value(string(l.DN))]), key: keyOf(l.DN), part: l.Part, begin: len(b.cells)}
	for attr, texts := range l.Text {
		b.cells = append(b.cells, b.attribute(attr), uint32(len(texts)))
		for _, text := range texts {
			b.cells = append(b.cells, b.value(text))
		}
	}
	for attr, values := range l.Octets {
		b.cells = append(b.cells, b.attribute(attr), uint32(len(values)))
		for _, value := range values {
			b.cells = append(b.cells, b.value(string(value)))
		}
	}
	r.end = len(b.cells)
	b.records = append(b.records, r)
}

// attribute returns the number of an attribute.
func (b *builder) attribute(attr string) uint32 {
	key := strings.ToLower(attr)
	n, ok := b.number[key]
	if !ok {
		n = uint32(len(b.names))
		b.names = append(b.names, attr)
		b.number[key] = n
	}
	return n
}

// value returns the number of a value.
func (b *builder) value(value string) uint32 {
	n, ok := b.known[value]
	if !ok {
		n = uint32(len(b.values))
		b.values = append(b.values, value)
		b.known[value] = n
	}
	return n
}

// each yields the attributes of the record with the numbers of their values.
func (t *table) each(r *record) iter.Seq2[uint32, []uint32] {
	return func(yield func(uint32, []uint32) bool) {
		for at := r.begin; at < r.end; {
			last := at + 2 + int(t.cells[at+1])
			if !yield(t.cells[at], t.cells[at+2:last]) {
				return
			}
			at = last
		}
	}
}

// of returns the numbers of the values that the record has of the attribute.
func (t *table) of(r *record, attr uint32) []uint32 {
	for a, values := range t.each(r) {
		if a == attr {
			return values
		}
	}
	return nil
}

// entry returns what is wanted of the record: the attributes for which wanted is true.
func (t *table) entry(r *record, wanted func(attr uint32) bool) *directory.Entry {
	attrs := map[string][][]byte{}
	for attr, values := range t.each(r) {
		if wanted(attr) {
			attrs[t.names[attr]] = t.bytes(values)
		}
	}
	return directory.NewEntry(r.dn, attrs)
}

// bytes returns copies of the values.
func (t *table) bytes(numbers []uint32) [][]byte {
	values := make([][]byte, len(numbers))
	for i, n := range numbers {
		values[i] = []byte(t.values[n])
	}
	return values
}
