package ldapd

import (
	"slices"
	"strconv"
	"strings"

	"reforest/directory"
)

// Limits of Active Directory's default query policy (MS-ADTS 3.1.1.3.4.6).
const (
	maxPageSize = 1000 // entries in one answer
	maxValRange = 1500 // values of one attribute in one answer
)

// The scopes of a search (RFC 4511 4.5.1.2).
const (
	scopeBase = iota
	scopeOne
	scopeSub
)

// A search is a request for entries.
type search struct {
	base      string
	scope     int64
	sizeLimit int64 // 0 is none
	typesOnly bool
	filter    *filter
	attrs     []string
	sdParts   int  // the parts of security descriptors that are returned
	domain    bool // no references to other naming contexts
	who       identity
	global    bool // asks the global catalog: all domains, some attributes
	deleted   bool // tombstones too
}

// A found is one entry of an answer.
type found struct {
	dn    directory.DN
	attrs []foundAttr
}

type foundAttr struct {
	name   string
	values [][]byte
}

// matches returns all objects that the request means, in order of creation. The
// lock is held.
func (s *store) matches(req search) ([]*object, *fault) {
	base, f := s.baseOf(req)
	if f != nil {
		return nil, f
	}
	if req.global {
		s.forGlobal(req.filter)
	}
	var result []*object
	for _, o := range s.scan(base, req) {
		if s.match(req.filter, o) == yes {
			result = append(result, o)
		}
	}
	if req.deleted {
		result = append(result, s.buried(base, req)...)
	}
	slices.SortFunc(result, bySeq)
	return result, nil
}

// baseOf returns where a search begins. A global catalog takes the empty DN for the whole
// forest.
func (s *store) baseOf(req search) (*object, *fault) {
	if req.global {
		return s.must(either(req.base, string(s.root.dn())))
	}
	if f := s.elsewhere(req.base); f != nil {
		return nil, f
	}
	return s.must(req.base)
}

// forGlobal makes conditions on attributes that a global catalog does not hold undefined.
func (s *store) forGlobal(f *filter) {
	for _, inner := range f.of {
		s.forGlobal(inner)
	}
	if a := s.schema.attrs[strings.ToLower(f.attr)]; a != nil && !a.global {
		f.attr = ""
	}
}

// scan returns the objects in scope, fewer where an index knows which can match.
func (s *store) scan(base *object, req search) []*object {
	some, indexed := s.candidates(req.filter)
	if !indexed || req.scope == scopeBase {
		return walk(base, req.scope, req.global)
	}
	var result []*object
	for o := range some.all() {
		if inScope(o, base, req) {
			result = append(result, o)
		}
	}
	return result
}

func inScope(o, base *object, req search) bool {
	if req.scope == scopeOne {
		return o.parent == base && (req.global || !o.head)
	}
	return o.under(base) && (req.global || o.context() == base.context())
}

// walk lists what is in scope. Another naming context below is not, unless all are asked.
func walk(base *object, scope int64, all bool) []*object {
	if scope == scopeBase {
		return []*object{base}
	}
	var result []*object
	if scope == scopeSub {
		result = append(result, base)
	}
	for _, child := range base.children {
		switch {
		case child.head && !all:
		case scope == scopeOne:
			result = append(result, child)
		default:
			result = append(result, walk(child, scopeSub, all)...)
		}
	}
	return result
}

// references lists the naming contexts below the base of a search, which a client
// has to ask for by themselves (MS-ADTS 3.1.1.3.4.1.2).
func (s *store) references(req search) []directory.DN {
	base, f := s.find(req.base)
	if f != nil || base == nil || !base.head || req.domain || req.global || req.scope == scopeBase {
		return nil
	}
	var heads []directory.DN
	for _, child := range base.children {
		if child.head {
			heads = append(heads, child.dn())
		}
	}
	slices.Sort(heads)
	return heads
}

// show returns what a search asks for of one object.
func (s *store) show(o *object, req search) found {
	entry := found{dn: o.dn()}
	for _, description := range s.wanted(o, req.attrs) {
		attr, r, ok := s.description(description)
		if !ok || req.global && !attr.global {
			continue
		}
		got, ok := s.shown(o, attr, r, req)
		if ok && !r.asked && got.name != attr.name {
			// Asked for all values, Active Directory answers with none under the plain name,
			// and with the first range beside it.
			entry.attrs = append(entry.attrs, foundAttr{name: attr.name})
		}
		if ok {
			entry.attrs = append(entry.attrs, got)
		}
	}
	return entry
}

// wanted replaces "all" by the names of all attributes that are shown unasked:
// security descriptors come only by name.
func (s *store) wanted(o *object, attrs []string) []string {
	if len(attrs) > 0 && !slices.Contains(attrs, "*") {
		return attrs
	}
	names := slices.DeleteFunc(slices.Clone(attrs), func(attr string) bool { return attr == "*" })
	for key := range o.attrs {
		if key != "ntsecuritydescriptor" && !containsFold(names, key) {
			names = append(names, key)
		}
	}
	for _, a := range s.schema.backs {
		if o.back[a.back].len() > 0 && !containsFold(names, a.name) {
			names = append(names, a.name)
		}
	}
	if !containsFold(names, "distinguishedName") {
		names = append(names, "distinguishedName")
	}
	slices.Sort(names)
	return names
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// A span is the range of values that a description asks for.
type span struct {
	asked     bool
	low, high int // high -1 is the end
}

// description reads an attribute description with an optional range
// (MS-ADTS 3.1.1.3.1.3.3).
func (s *store) description(description string) (*attribute, span, bool) {
	attr, option, optioned := strings.Cut(description, ";")
	a := s.schema.attrs[strings.ToLower(attr)]
	if a == nil || !optioned {
		return a, span{high: -1}, a != nil
	}
	const prefix = "range="
	if len(option) < len(prefix) || !strings.EqualFold(option[:len(prefix)], prefix) {
		return nil, span{}, false
	}
	low, high, found := strings.Cut(option[len(prefix):], "-")
	r := span{asked: true, high: -1}
	var err, err2 error
	r.low, err = strconv.Atoi(low)
	if high != "*" {
		r.high, err2 = strconv.Atoi(high)
	}
	return a, r, found && err == nil && err2 == nil && r.low >= 0
}

func (s *store) shown(o *object, a *attribute, r span, req search) (foundAttr, bool) {
	values, computed := s.constructed(o, a, req.who)
	if !computed {
		values = s.values(o, a)
	}
	if len(values) == 0 || r.low >= len(values) {
		return foundAttr{}, false
	}
	got := foundAttr{name: a.name}
	last := len(values) - 1
	if r.high >= 0 {
		last = min(last, r.high)
	}
	last = min(last, r.low+maxValRange-1)
	if r.asked || last < len(values)-1 {
		got.name += ";range=" + strconv.Itoa(r.low) + "-" + rangeEnd(last, len(values))
	}
	if req.typesOnly || last < r.low {
		return got, true
	}
	for _, v := range values[r.low : last+1] {
		got.values = append(got.values, shownBytes(a, v, req.sdParts))
	}
	return got, true
}

func rangeEnd(last, count int) string {
	if last == count-1 {
		return "*"
	}
	return strconv.Itoa(last)
}

func shownBytes(a *attribute, v value, sdParts int) []byte {
	if a.key != "ntsecuritydescriptor" {
		return v.bytes()
	}
	d, f := parseSD(v.raw)
	if f != nil {
		return v.raw
	}
	return d.only(sdParts).bytes()
}
