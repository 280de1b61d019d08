package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// Origin returns where the content of the file comes from.
func (r *Reader) Origin() Origin { return r.origin }

// Server names the file, where the adapter of servers names its server.
func (r *Reader) Server() string { return r.origin.Path }

// ErrNotHeld is the answer to a question about something that the forest may have and
// the file does not hold.
var ErrNotHeld = errors.New("the file does not hold this")

// Get returns the entry with the given attributes, or all that the file holds but the
// security descriptor; DN "" is the rootDSE. It returns directory.ErrNotFound if there
// is no such entry, and ErrNotHeld if an attribute was not collected.
func (r *Reader) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if dn == "" {
		return r.rootDSE(attrs), nil
	}
	rec := r.named(keyOf(dn))
	if rec == nil {
		return nil, notFound("snapshot.Get", dn)
	}
	return r.show(rec, attrs)
}

func (r *Reader) rootDSE(attrs []string) *directory.Entry {
	if len(attrs) == 0 {
		attrs = r.root.Attrs()
	}
	values := map[string][][]byte{}
	for _, attr := range attrs {
		values[attr] = r.root.Bytes(attr)
	}
	return directory.NewEntry("", values)
}

// Find yields what matches, in the order in which it was collected. It yields
// directory.ErrNotFound if there is no such base, and ErrNotHeld if the filter or the
// query names an attribute that was not collected.
func (r *Reader) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	if query.Base == "" {
		query.Base = r.naming
	}
	return func(yield func(*directory.Entry, error) bool) {
		s, err := r.search(ctx, query)
		if err != nil {
			yield(nil, err)
			return
		}
		for rec := range s.scan(r) {
			entry, err := r.answer(ctx, s, rec)
			if err == nil && entry == nil {
				continue
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

// answer returns what a search shows of the record; nil if it does not match.
func (r *Reader) answer(ctx context.Context, s *search, rec *record) (*directory.Entry, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if !s.covers(r, rec) || r.match(s.question, rec) != yes {
		return nil, nil //nolint:nilnil // not matching is no error
	}
	return r.show(rec, s.attrs)
}

// A search is a query made ready.
type search struct {
	base     string // key
	scope    directory.Scope
	context  string // key of the naming context that the base lies in
	filter   *filter
	question *question
	attrs    []string
}

func (r *Reader) search(ctx context.Context, query directory.Query) (*search, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	f, err := parseFilter(query.Filter)
	if err != nil {
		return nil, refusal("snapshot.Find", err)
	}
	base := r.named(keyOf(query.Base))
	if base == nil {
		return nil, notFound("snapshot.Find", query.Base)
	}
	if err := r.mayAsk(f, base); err != nil {
		return nil, err
	}
	return &search{
		base: base.key, scope: query.Scope, context: r.context(base.key),
		filter: f, question: r.ask(f), attrs: query.Attrs,
	}, nil
}

// scan yields the records among which all that match are.
func (s *search) scan(r *Reader) iter.Seq[*record] {
	set, narrow := r.candidates(s.filter)
	if s.scope == directory.Base {
		set, narrow = r.byName.find(s.base), true
	}
	return func(yield func(*record) bool) {
		if narrow {
			for _, n := range set {
				if !yield(&r.records[n]) {
					return
				}
			}
			return
		}
		for n := range r.records {
			if !yield(&r.records[n]) {
				return
			}
		}
	}
}

// covers reports whether the record is in scope.
func (s *search) covers(r *Reader, rec *record) bool {
	if s.scope == directory.Base {
		return rec.key == s.base
	}
	if !under(rec.key, s.base) || !r.spans(s.context, r.context(rec.key)) {
		return false
	}
	if s.scope == directory.OneLevel {
		return string(directory.DN(rec.key).Parent()) == s.base
	}
	return true
}

// context returns the key of the innermost naming context that an entry lies in.
func (r *Reader) context(key string) string {
	inner := ""
	for _, c := range r.contexts {
		if len(c) > len(inner) && under(key, c) {
			inner = c
		}
	}
	return inner
}

// spans reports whether a search in one naming context covers another, both given by
// their keys: a global catalog is searched through all of its domains, any other server
// through one naming context.
func (r *Reader) spans(from, to string) bool {
	return from == to || r.catalog && !slices.Contains(r.settings, from) && !slices.Contains(r.settings, to)
}

// named returns the entry with the key, nil if there is none.
func (r *Reader) named(key string) *record {
	for _, n := range r.byName.find(key) {
		if r.records[n].key == key {
			return &r.records[n]
		}
	}
	return nil
}

// show returns what is asked for of the record.
func (r *Reader) show(rec *record, attrs []string) (*directory.Entry, error) {
	if len(attrs) == 0 {
		return r.entry(rec, r.isPlain), nil
	}
	wanted := make(map[uint32]bool, len(attrs))
	for _, attr := range attrs {
		key := strings.ToLower(attr)
		if err := r.holds(rec.part, key); err != nil {
			return nil, err
		}
		if number, ok := r.number[key]; ok {
			wanted[number] = true
		}
	}
	return r.entry(rec, func(attr uint32) bool { return wanted[attr] }), nil
}

// isPlain reports whether an attribute comes unasked: neither a security descriptor nor
// what is computed for the account that asks does.
func (r *Reader) isPlain(attr uint32) bool {
	if strings.EqualFold(r.names[attr], sdAttr) {
		return false
	}
	for _, computed := range effectiveAttrs {
		if strings.EqualFold(r.names[attr], computed) {
			return false
		}
	}
	return true
}

// mayAsk returns an error if the filter is about an attribute that was not collected of
// every entry that a search from base covers.
func (r *Reader) mayAsk(f *filter, base *record) error {
	for _, inner := range f.of {
		if err := r.mayAsk(inner, base); err != nil {
			return err
		}
	}
	if f.attr == "" {
		return nil
	}
	for i, p := range r.parts {
		if r.spans(r.context(base.key), keyOf(p.Base)) {
			if err := r.holds(i, f.attr); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds returns an error if the attribute, whose name is given in lower case, was not
// collected by the search although the forest has it.
func (r *Reader) holds(part int, attr string) error {
	if _, known := r.schema[attr]; !known || r.held[part][attr] {
		return nil
	}
	return &migrate.Error{
		Op: "snapshot.Read", Reach: migrate.WholeRun, Retry: migrate.Never,
		Err:  fmt.Errorf("%s of %q in %s: %w", attr, r.parts[part].Base, r.origin.Path, ErrNotHeld),
		Hint: "collect the forest again with this program: reforest check --collect",
	}
}

func refusal(op string, err error) error {
	return &migrate.Error{Op: op, Reach: migrate.WholeRun, Retry: migrate.Never, Err: err}
}

func notFound(op string, dn directory.DN) error {
	return &migrate.Error{
		Op: op, Reach: migrate.OneMailbox, Retry: migrate.Never,
		Err: fmt.Errorf("%w: %q", directory.ErrNotFound, dn),
	}
}
