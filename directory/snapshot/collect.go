package snapshot

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"reforest/directory"
)

// A Config says what is collected, and what the file says of itself.
type Config struct {
	// Side is which of the two forests it is; required.
	Side directory.Side
	// Account is as whom the forest is read: a bind DN. The rights that the server
	// computes are this account's.
	Account string
	// At is when it is read. Zero means now.
	At time.Time
	// Attrs are attributes of the domain's objects that are read besides those that the
	// checks ask for. A secret among them is an error.
	Attrs []string
	// Progress is told of how many entries have been read, after each; nil is nobody.
	Progress func(entries int)
}

// A Summary is what was collected.
type Summary struct {
	Domain  string // DNS name of the server's own domain
	Entries int
}

// The objects of a domain that are collected. Classes that are not in every schema stand
// in disjunctions only: what is undefined there changes nothing.
const (
	containers directory.Filter = "(|(objectClass=domainDNS)(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain))"
	objects    directory.Filter = "(|(objectClass=person)(objectClass=group)(objectClass=msExchDynamicDistributionList)" +
		"(objectClass=publicFolder)(objectClass=foreignSecurityPrincipal)(objectClass=trustedDomain)(objectSid=*)" +
		"(sAMAccountName=*)(mail=*)(proxyAddresses=*)(legacyExchangeDN=*)(msExchMailboxGuid=*))"
	// settings leaves out the words that administrators' tools show, in forty languages.
	settings directory.Filter = "(!(objectClass=displaySpecifier))"
	schemas  directory.Filter = "(|(objectClass=attributeSchema)(objectClass=classSchema)(objectClass=dMD))"
)

var (
	errNoDomain = errors.New("the domain shows no object that could be a recipient; the account may not read it")
	errNoSchema = errors.New("the schema shows no attributes; the account may not read it")
)

// Collect reads the forest and writes it to w, as package snapshot describes. A file
// that an error has cut short has no trailer and is refused by Open.
func Collect(ctx context.Context, reader directory.Reader, w io.Writer, config Config) (Summary, error) {
	if err := config.check(); err != nil {
		return Summary{}, err
	}
	info, err := directory.Survey(ctx, reader)
	if err != nil {
		return Summary{}, fmt.Errorf("survey the forest: %w", err)
	}
	root, err := reader.Get(ctx, "")
	if err != nil {
		return Summary{}, fmt.Errorf("read rootDSE: %w", err)
	}
	c := newCollector(reader, w, config, info)
	c.head.Root = attributesOf(root)
	if err := c.run(ctx); err != nil {
		return Summary{}, err
	}
	return Summary{Domain: c.head.Domain, Entries: c.entries}, nil
}

func (c Config) check() error {
	if c.Side != directory.Source && c.Side != directory.Target {
		return fmt.Errorf("collect forest: side %q: want source or target", c.Side)
	}
	if i := slices.IndexFunc(c.Attrs, isSecret); i >= 0 {
		return fmt.Errorf("collect forest: %s is a secret, and is not written to a file", c.Attrs[i])
	}
	return nil
}

// A collector writes one file.
type collector struct {
	reader  directory.Reader
	config  Config
	head    header
	packed  *gzip.Writer
	buffer  *bufio.Writer
	lines   *json.Encoder
	seen    map[string]bool // keys of the entries that are written
	found   []int           // by part
	above   []child         // whose parents may not be written yet
	entries int
}

// A child is an entry that was found by a search, by its number.
type child struct {
	dn   directory.DN
	part int
}

func newCollector(reader directory.Reader, w io.Writer, config Config, info directory.Info) *collector {
	at := config.At
	if at.IsZero() {
		at = time.Now()
	}
	c := &collector{reader: reader, config: config, seen: map[string]bool{}, packed: gzip.NewWriter(w)}
	c.head = header{
		Format: format, Version: version, Side: config.Side, Domain: info.Domains[0].DNS, At: at.UTC().Truncate(time.Second),
		Account: config.Account, Server: serverOf(reader), Catalog: isCatalog(reader), Parts: partsOf(info, config.Attrs),
	}
	c.found = make([]int, len(c.head.Parts))
	c.buffer = bufio.NewWriterSize(c.packed, 1<<16)
	c.lines = json.NewEncoder(c.buffer)
	c.lines.SetEscapeHTML(false)
	return c
}

// partsOf returns the searches, schema first. A server answers for its own domain, a
// global catalog for every domain of the forest.
func partsOf(info directory.Info, further []string) []part {
	attrs := objectAttrs(further)
	parts := []part{{info.SchemaNC, schemas, distinct(schemaAttrs)}, {info.ConfigNC, settings, distinct(configAttrs)}}
	for _, domain := range info.Domains {
		own := domain.DN.Equal(info.DefaultNC)
		if own || slices.ContainsFunc(info.Holds, domain.DN.Equal) {
			parts = append(parts,
				part{domain.DN, containers, slices.Concat(attrs, effectiveAttrs)},
				part{domain.DN, objects, attrs})
		}
	}
	return parts
}

func serverOf(reader directory.Reader) string {
	if named, ok := reader.(interface{ Server() string }); ok {
		return named.Server()
	}
	return ""
}

func isCatalog(reader directory.Reader) bool {
	catalog, ok := reader.(interface{ GlobalCatalog() bool })
	return ok && catalog.GlobalCatalog()
}

func (c *collector) run(ctx context.Context) error {
	if err := c.lines.Encode(c.head); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	for i, p := range c.head.Parts {
		if err := c.part(ctx, i, p); err != nil {
			return fmt.Errorf("collect %q: %w", p.Base, err)
		}
	}
	if err := c.parents(ctx); err != nil {
		return fmt.Errorf("collect what is above: %w", err)
	}
	if err := c.lines.Encode(line{End: true, Entries: c.entries}); err != nil {
		return fmt.Errorf("write trailer: %w", err)
	}
	if err := errors.Join(c.buffer.Flush(), c.packed.Close()); err != nil {
		return fmt.Errorf("write the rest: %w", err)
	}
	return nil
}

// part writes what one search finds and no earlier one has found.
func (c *collector) part(ctx context.Context, number int, p part) error {
	query := directory.Query{Base: p.Base, Scope: directory.Subtree, Filter: p.Filter, Attrs: p.Attrs}
	for entry, err := range c.reader.Find(ctx, query) {
		if err != nil {
			return err
		}
		if err := c.entry(number, entry); err != nil {
			return err
		}
	}
	switch {
	case c.found[number] == 0 && p.Filter == schemas:
		return errNoSchema
	case c.found[number] == 0 && p.Filter == objects:
		return errNoDomain
	}
	return nil
}

func (c *collector) entry(number int, entry *directory.Entry) error {
	key := keyOf(entry.DN)
	if c.seen[key] {
		return nil
	}
	c.seen[key] = true
	if err := c.lines.Encode(line{DN: entry.DN, Part: number, attributes: attributesOf(entry)}); err != nil {
		return fmt.Errorf("write %q: %w", entry.DN, err)
	}
	c.found[number]++
	c.entries++
	if !c.seen[keyOf(entry.DN.Parent())] {
		c.above = append(c.above, child{entry.DN, number})
	}
	if c.config.Progress != nil {
		c.config.Progress(c.entries)
	}
	return nil
}

// parents writes what is above the entries found and was not found itself: an object of
// whatever class may hold others, and hand down permissions to them. What the account
// may not see is left out.
func (c *collector) parents(ctx context.Context) error {
	for at := 0; at < len(c.above); at++ { // it grows
		below := c.above[at]
		dn, p := below.dn.Parent(), c.head.Parts[below.part]
		if c.seen[keyOf(dn)] || !dn.Under(p.Base) {
			continue
		}
		entry, err := c.reader.Get(ctx, dn, p.Attrs...)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.entry(below.part, entry); err != nil {
			return err
		}
	}
	return nil
}
