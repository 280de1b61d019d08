package snapshot

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"reforest/directory"
)

// An Origin is where the content of a file comes from.
type Origin struct {
	Path    string
	Side    directory.Side
	Domain  string    // DNS name
	At      time.Time // when collecting began, UTC
	Account string    // as whom the forest was read
	Server  string    // where; "" if that is not known
}

// A Reader reads a forest from a file. It is a directory.Reader, and safe for use by
// many goroutines.
type Reader struct {
	table
	origin     Origin
	catalog    bool
	root       *directory.Entry
	parts      []part
	held       []map[string]bool // by part: the attributes that were asked for, in lower case
	contexts   []string          // keys of the naming contexts
	settings   []string          // those of them that are no domains: configuration and schema
	naming     directory.DN      // the default naming context
	byName     index
	byValue    map[uint32]index
	syntax     []syntax          // by the number of the attribute
	schema     map[string]syntax // by the name of the attribute in lower case
	categories map[string]string // the default objectCategory of classes, by name in lower case
}

var _ directory.Reader = (*Reader)(nil)

// Open reads the whole file into memory. A file that is not whole, not ours, or of a
// newer version is an error that says so.
func Open(path string) (*Reader, error) {
	r := &Reader{}
	err := reading(path, func(lines *json.Decoder, h header) error { return r.load(lines, h) })
	if err != nil {
		return nil, fmt.Errorf("open forest file %q: %w", path, err)
	}
	r.origin.Path = path
	return r, nil
}

// OriginOf reads where the file comes from, and no more of it.
func OriginOf(path string) (Origin, error) {
	var origin Origin
	err := reading(path, func(_ *json.Decoder, h header) error {
		origin = h.origin()
		return nil
	})
	if err != nil {
		return origin, fmt.Errorf("open forest file %q: %w", path, err)
	}
	origin.Path = path
	return origin, nil
}

// reading opens the file, reads its header, and hands the rest to fn.
func reading(path string, fn func(*json.Decoder, header) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // read only: nothing can be lost
	unpacked, err := gzip.NewReader(bufio.NewReaderSize(file, 1<<16))
	if err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	lines := json.NewDecoder(unpacked)
	h, err := readHeader(lines)
	if err != nil {
		return err
	}
	return fn(lines, h)
}

func (h header) origin() Origin {
	return Origin{Side: h.Side, Domain: h.Domain, At: h.At, Account: h.Account, Server: h.Server}
}

func (r *Reader) load(lines *json.Decoder, h header) error {
	r.origin, r.catalog, r.parts, r.root = h.origin(), h.Catalog, h.Parts, h.Root.entry("")
	b := newBuilder()
	if err := b.read(lines, len(h.Parts)); err != nil {
		return err
	}
	r.table = b.table
	r.readRoot()
	r.readParts()
	r.byName = r.indexNames()
	r.readSchema()
	r.byValue = r.indexValues()
	return nil
}

// readRoot notes the naming contexts.
func (r *Reader) readRoot() {
	r.naming = directory.DN(r.root.First("defaultNamingContext"))
	names := r.root.Values("namingContexts")
	for _, attr := range []string{"defaultNamingContext", "configurationNamingContext", "schemaNamingContext"} {
		names = append(names, r.root.First(attr))
	}
	for _, dn := range names {
		r.contexts = append(r.contexts, keyOf(directory.DN(dn)))
	}
	r.settings = r.contexts[len(r.contexts)-2:]
}

func (r *Reader) readParts() {
	r.held = make([]map[string]bool, len(r.parts))
	for i, p := range r.parts {
		r.held[i] = make(map[string]bool, len(p.Attrs))
		for _, attr := range p.Attrs {
			r.held[i][strings.ToLower(attr)] = true
		}
	}
}

// readSchema notes the syntaxes of attributes and the categories of classes.
func (r *Reader) readSchema() {
	r.schema, r.categories = map[string]syntax{}, map[string]string{}
	top := keyOf(directory.DN(r.root.First("schemaNamingContext")))
	for i := range r.records {
		rec := &r.records[i]
		called := strings.ToLower(r.first(rec, "ldapdisplayname"))
		if called == "" || !under(rec.key, top) {
			continue
		}
		if category := r.first(rec, "defaultobjectcategory"); category != "" {
			r.categories[called] = category
			continue
		}
		r.schema[called] = syntaxes[r.first(rec, "attributesyntax")]
	}
	r.syntax = make([]syntax, len(r.names))
	for key, number := range r.number {
		r.syntax[number] = r.schema[key]
	}
}

// first returns the first value of the attribute, "" if there is none.
func (r *Reader) first(rec *record, attr string) string {
	number, held := r.number[attr]
	if !held {
		return ""
	}
	if values := r.of(rec, number); len(values) > 0 {
		return r.values[values[0]]
	}
	return ""
}
