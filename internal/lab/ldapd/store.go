package ldapd

import (
	"cmp"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"

	"reforest/directory"
	"reforest/migrate"
)

// firstRID is the first relative identifier given to an object of ours; those
// below are the domain's own.
const firstRID = 1103

// An object is one entry.
type object struct {
	seq      int64 // order of creation; searches answer in it
	guid     migrate.GUID
	class    *classRow // the structural class
	rdn      rdn
	parent   *object            // nil for the head of the forest
	suffix   directory.DN       // of the head: the DN of what lies above
	children map[string]*object // by the key of their rdn
	head     bool               // of a naming context
	gone     bool               // deleted; a paged search may still hold it

	attrs    map[string][]value // by the attribute's key; no back links
	back     map[string]set     // by the forward attribute's key: who points here
	password *digest            // nil: none has been set
}

func newObject(row *classRow, name rdn, parent *object) *object {
	return &object{class: row, rdn: name, parent: parent, attrs: map[string][]value{}}
}

func (o *object) dn() directory.DN {
	if o.parent == nil {
		return o.suffix
	}
	return o.parent.dn().Child(o.rdn.attr, o.rdn.value)
}

// dnKey returns the object's key in store.byDN.
func (o *object) dnKey() string {
	if o.parent == nil {
		parts, _ := parseDN(string(o.suffix))
		return keyOf(parts)
	}
	return o.rdn.key() + "," + o.parent.dnKey()
}

// context returns the head of the naming context that holds the object.
func (o *object) context() *object {
	for !o.head {
		o = o.parent
	}
	return o
}

// under reports whether o is base or lies below it.
func (o *object) under(base *object) bool {
	for ; o != nil; o = o.parent {
		if o == base {
			return true
		}
	}
	return false
}

// adopt enters a child.
func (o *object) adopt(child *object) {
	if o.children == nil {
		o.children = map[string]*object{}
	}
	o.children[child.rdn.key()] = child
}

// pointedAt notes that source points to o by the attribute.
func (o *object) pointedAt(key string, source *object) {
	if o.back == nil {
		o.back = map[string]set{}
	}
	note(o.back, key, source)
}

// first returns the attribute's first value as text, "" if it has none.
func (o *object) first(key string) string {
	if values := o.attrs[key]; len(values) > 0 {
		return string(values[0].bytes())
	}
	return ""
}

// A store is the whole directory. Every method that does not say otherwise is
// called with mu held.
type store struct {
	schema   *schema
	domain   migrate.SID // the domain's objectSid
	standard *descriptor // of objects that are added without one
	shared   []value     // standard, as all those objects share it

	mu     sync.RWMutex
	byDN   map[string]*object
	byGUID map[migrate.GUID]*object
	index  map[string]map[string]set // attribute key, value key
	root   *object                   // head of the domain
	config *object                   // head of the configuration
	usn    int64
	seq    int64
	rid    uint32
	guids  *mathrand.ChaCha8
	grants map[migrate.GUID][]grant // by who has them
	graves []*object                // tombstones of what has been deleted, oldest first

	missing map[*object][]string // of a replica: the keys of DN values whose objects are not there

	generation int // raised when everything is replaced by a snapshot
	undo       undoLog
}

// newStore makes an empty store of a domain that has the schema.
func newStore(schema *schema, domain migrate.SID) (*store, error) {
	s := &store{
		schema: schema, domain: domain,
		byDN:   map[string]*object{},
		byGUID: map[migrate.GUID]*object{},
		index:  map[string]map[string]set{},
		usn:    12000,
		rid:    firstRID,
		grants: map[migrate.GUID][]grant{},
	}
	for _, a := range s.schema.indexed {
		s.index[a.key] = map[string]set{}
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // crypto/rand.Read never fails: it ends the program instead
	s.guids = mathrand.NewChaCha8(seed)
	var err error
	if s.standard, err = standardSD(s.domain); err != nil {
		return nil, err
	}
	s.shared = s.standard.values()
	return s, nil
}

func newDomainSID() (migrate.SID, error) {
	raw := []byte{1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}
	raw = append(raw, make([]byte, 12)...)
	if _, err := rand.Read(raw[12:]); err != nil {
		return "", fmt.Errorf("choose domain SID: %w", err)
	}
	return migrate.SIDFromBytes(raw)
}

// newGUID makes the next GUID. They come from a sequence that a snapshot keeps, so that
// what is done again after a restore gives the same objects.
func (s *store) newGUID() migrate.GUID {
	var guid migrate.GUID
	_, _ = s.guids.Read(guid[:]) // ChaCha8.Read never fails
	guid[7] = guid[7]&0x0f | 0x40
	guid[8] = guid[8]&0x3f | 0x80
	return guid
}

func (s *store) nextUSN() int64 {
	s.usn++
	return s.usn
}

// enter makes a new object known.
func (s *store) enter(o *object) {
	s.seq++
	o.seq = s.seq
	s.list(o)
	s.undo.did(func() { s.unlist(o) })
}

func (s *store) list(o *object) {
	o.gone = false
	s.byGUID[o.guid] = o
	s.byDN[o.dnKey()] = o
	if o.parent != nil {
		o.parent.adopt(o)
	}
}

func (s *store) unlist(o *object) {
	delete(s.byGUID, o.guid)
	delete(s.byDN, o.dnKey())
	delete(o.parent.children, o.rdn.key())
	o.gone = true
}

// forget takes the object out, with all links to it and from it.
func (s *store) forget(o *object) {
	for key := range o.attrs {
		s.put(o, key, nil)
	}
	for forward, sources := range o.back {
		for _, source := range sources.sorted() {
			s.put(source, forward, without(source.attrs[forward], o))
		}
	}
	s.unlist(o)
	s.undo.did(func() { s.list(o) })
}

func without(values []value, o *object) []value {
	return slices.DeleteFunc(slices.Clone(values), func(v value) bool { return v.ref == o })
}

// put replaces the values of an attribute and keeps indexes and back links true.
func (s *store) put(o *object, key string, values []value) {
	index, before := s.index[key], o.attrs[key]
	s.undo.did(func() { s.put(o, key, before) })
	for _, v := range before {
		if index != nil {
			drop(index, v.key, o)
		}
		if v.ref != nil {
			drop(v.ref.back, key, o)
		}
	}
	for _, v := range values {
		if index != nil {
			note(index, v.key, o)
		}
		if v.ref != nil {
			v.ref.pointedAt(key, o)
		}
	}
	if len(values) == 0 {
		delete(o.attrs, key)
		return
	}
	o.attrs[key] = values
}

// first returns an object that has the value in an indexed attribute, or nil.
func (s *store) first(attr, key string) *object {
	for o := range s.index[attr][key].all() {
		return o
	}
	return nil
}

// values returns what an attribute of the object holds, back links included.
func (s *store) values(o *object, a *attribute) []value {
	switch {
	case a.isBack():
		sources := o.back[a.back].sorted()
		refs := make([]value, len(sources))
		for i, source := range sources {
			refs[i] = refTo(source)
		}
		return refs
	case a.key == "distinguishedname":
		return []value{refTo(o)}
	case a.key == "unicodepwd":
		return nil
	}
	return o.attrs[a.key]
}

func bySeq(a, b *object) int { return cmp.Compare(a.seq, b.seq) }

// isMember reports whether o belongs to the group, through other groups as well.
func (s *store) isMember(o, group *object) bool {
	seen := map[*object]bool{}
	queue := []*object{o}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for above := range at.back["member"].all() {
			if above == group {
				return true
			}
			if !seen[above] {
				seen[above] = true
				queue = append(queue, above)
			}
		}
	}
	return false
}

// classNames returns the objectClass values of a structural class with the
// auxiliary ones given.
func (s *store) classNames(c *classRow, aux []string) []value {
	var values []value
	for _, name := range append(s.schema.chain(c), aux...) {
		values = append(values, value{raw: []byte(name), key: strings.ToLower(name)})
	}
	return values
}
