package directory

import (
	"maps"
	"slices"
	"strings"
)

// An Entry is one directory object as it was read. Attribute names are compared
// without regard to case.
type Entry struct {
	DN    DN
	attrs map[string]attribute // by lower-case name
}

type attribute struct {
	name   string
	values [][]byte
}

// NewEntry makes an entry of the attributes given by name.
func NewEntry(dn DN, attrs map[string][][]byte) *Entry {
	e := &Entry{DN: dn, attrs: make(map[string]attribute, len(attrs))}
	for name, values := range attrs {
		if len(values) > 0 {
			e.attrs[strings.ToLower(name)] = attribute{name, values}
		}
	}
	return e
}

// Bytes returns the attribute's values, nil if it has none.
func (e *Entry) Bytes(attr string) [][]byte { return e.attrs[strings.ToLower(attr)].values }

// Values returns the attribute's values as text.
func (e *Entry) Values(attr string) []string {
	values := e.Bytes(attr)
	if len(values) == 0 {
		return nil
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return texts
}

// First returns the attribute's first value as text, "" if it has none.
func (e *Entry) First(attr string) string {
	if values := e.Bytes(attr); len(values) > 0 {
		return string(values[0])
	}
	return ""
}

// Has reports whether the attribute has a value.
func (e *Entry) Has(attr string) bool { return len(e.Bytes(attr)) > 0 }

// Attrs returns the names of the attributes that have values, sorted.
func (e *Entry) Attrs() []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(e.attrs)) {
		names = append(names, e.attrs[key].name)
	}
	return names
}
