package ldapd

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// Replicate makes the records true, all at the same instant. Their order does not matter,
// and to replicate them again changes nothing but update numbers. It returns those that cannot be placed,
// because what stands above them is not there: they are to be given again together with
// what comes next.
//
// As in Active Directory update numbers are the replica's own, and a link disappears with
// its target without notice.
func (s *Server) Replicate(records []Record) (left []Record) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	batch := replication{s: s.store, config: s.config.baseDN().Child("CN", "Configuration").Key(), base: s.config.baseDN().Key()}
	batch.read(records)
	batch.vacate()
	for i := range batch.moves {
		batch.place(&batch.moves[i])
	}
	for _, m := range batch.moves {
		switch {
		case m.object == nil || m.stuck:
			left = append(left, m.Record)
		default:
			s.store.copy(m.object, m.Record)
		}
	}
	batch.delete()
	s.store.relink()
	return left
}

// A replication is one batch of records on its way into the store.
type replication struct {
	s            *store
	base, config string // the keys of the heads of domain and configuration
	moves        []arrival
	gone         []migrate.GUID
}

// An arrival is one record that has to find its place.
type arrival struct {
	Record
	parts  []rdn
	object *object // nil: not there yet
	stuck  bool    // its parent is not there

	parent *object // where it stood, if it had to make room
	rdn    rdn
}

// read sorts the records: parents come before their children, whatever their names were.
// Of several of one entry the last counts.
func (b *replication) read(records []Record) {
	last := make(map[migrate.GUID]int, len(records))
	for i, r := range records {
		last[r.GUID] = i
	}
	for i, r := range records {
		if last[r.GUID] != i {
			continue
		}
		if r.Deleted {
			b.gone = append(b.gone, r.GUID)
			continue
		}
		parts, f := parseDN(string(r.DN))
		if f != nil || len(parts) == 0 {
			continue // the server that it was read from would not find it either
		}
		b.moves = append(b.moves, arrival{Record: r, parts: parts, object: b.s.byGUID[r.GUID]})
	}
	slices.SortStableFunc(b.moves, func(x, y arrival) int { return cmp.Compare(len(x.parts), len(y.parts)) })
}

// vacate frees the names of all that moves or goes, so that names can be exchanged.
func (b *replication) vacate() {
	for i := range b.moves {
		m := &b.moves[i]
		if o := m.object; o != nil && !o.head && o.dnKey() != keyOf(m.parts) {
			m.parent, m.rdn = o.parent, o.rdn
			b.s.evict(o, "CNF")
		}
	}
	for _, guid := range b.gone {
		if o := b.s.byGUID[guid]; o != nil && !o.head {
			b.s.evict(o, "DEL")
		}
	}
}

// evict gives an object a name that nobody else has (MS-ADTS 3.1.1.1.4.6 gives names in
// conflict this form).
func (s *store) evict(o *object, why string) {
	s.place(o, o.parent, rdn{o.rdn.attr, o.rdn.value + "\n" + why + ":" + o.guid.String()})
}

// place puts an object where its record says.
func (b *replication) place(m *arrival) {
	key := keyOf(m.parts)
	if key == b.base {
		b.domain(m)
		return
	}
	parent := b.s.byDN[keyOf(m.parts[1:])]
	if parent == nil {
		b.putBack(m)
		return
	}
	if other := b.s.byDN[key]; other != nil && other != m.object {
		if other.head {
			return // a head is never replaced: this is another forest's
		}
		b.s.evict(other, "CNF") // what became of it is not known yet
	}
	if m.object != nil {
		if !m.object.head && (m.object.parent != parent || m.object.rdn != m.parts[0]) {
			b.s.place(m.object, parent, m.parts[0])
		}
		return
	}
	m.object = newObject(b.s.classIn(m.Record), m.parts[0], parent)
	m.object.guid = m.GUID
	m.object.head = m.isHead()
	b.s.enter(m.object)
	if key == b.config {
		b.s.config = m.object
	}
}

// domain makes the head of the domain, above which there is nothing.
func (b *replication) domain(m *arrival) {
	if m.object != nil || b.s.root != nil {
		return
	}
	m.object = newObject(b.s.classIn(m.Record), m.parts[0], nil)
	m.object.guid, m.object.head, m.object.suffix = m.GUID, true, m.DN
	b.s.root = m.object
	b.s.enter(m.object)
}

// putBack leaves an object where it was.
func (b *replication) putBack(m *arrival) {
	m.stuck = true
	if m.parent != nil && !m.parent.gone && m.parent.children[m.rdn.key()] == nil {
		b.s.place(m.object, m.parent, m.rdn)
	}
}

func (b *replication) delete() {
	for _, guid := range b.gone {
		if o := b.s.byGUID[guid]; o != nil && !o.head {
			b.s.removeTree(o)
		}
	}
}

// classIn returns the most special class of the record that the schema knows: Active
// Directory lists it last (MS-ADTS 3.1.1.2.4.3).
func (s *store) classIn(r Record) *classRow {
	for _, name := range slices.Backward(r.Attrs["objectclass"]) {
		if row := s.schema.classes[strings.ToLower(string(name))]; row != nil && !row.aux {
			return row
		}
	}
	return &classRow{name: "top"}
}

// copy gives the object the record's attributes and no others.
func (s *store) copy(o *object, r Record) {
	o.class = s.classIn(r)
	s.setAttr(o, s.attributeNamed("uSNChanged"), [][]byte{[]byte(strconv.FormatInt(s.nextUSN(), 10))})
	for key := range o.attrs {
		if _, kept := r.Attrs[key]; !kept {
			s.put(o, key, nil)
		}
	}
	delete(s.missing, o)
	for key, raws := range r.Attrs {
		a := s.attributeNamed(key)
		if a.isBack() || a.constructed || a.key == "distinguishedname" || a.key == "usnchanged" {
			continue
		}
		s.setAttr(o, a, raws)
	}
}

// attributeNamed returns the attribute, and learns of one that the schema did not have
// when the replica began.
func (s *store) attributeNamed(name string) *attribute {
	key := strings.ToLower(name)
	if s.schema.attrs[key] == nil {
		s.schema.attrs[key] = &attribute{name: name, key: key, syntax: octets, multi: true}
	}
	return s.schema.attrs[key]
}

func (s *store) setAttr(o *object, a *attribute, raws [][]byte) {
	values := make([]value, len(raws))
	waits := false
	for i, raw := range raws {
		values[i] = s.copied(a, raw)
		waits = waits || a.syntax == name && values[i].ref == nil
	}
	if waits {
		s.awaits(o, a.key)
	}
	if !slices.EqualFunc(values, o.attrs[a.key], sameValue) {
		s.put(o, a.key, values)
	}
}

func sameValue(x, y value) bool {
	return x.ref == y.ref && (x.ref != nil || bytes.Equal(x.raw, y.raw))
}

// copied reads a value as another server shows it, which is believed.
func (s *store) copied(a *attribute, raw []byte) value {
	if a.syntax == name {
		if o, _ := s.find(string(raw)); o != nil {
			return refTo(o)
		}
		return value{raw: raw, key: "\x00" + directory.DN(raw).Key()}
	}
	key, ok := keyFor(a, raw)
	if !ok {
		key = string(raw)
	}
	return value{raw: raw, key: key}
}

// awaits notes that a value names an object that is not there.
func (s *store) awaits(o *object, key string) {
	if s.missing == nil {
		s.missing = map[*object][]string{}
	}
	s.missing[o] = append(s.missing[o], key)
}

// relink turns values that waited for their objects into links, for those have come.
func (s *store) relink() {
	waiting := s.missing
	s.missing = nil
	for o, keys := range waiting {
		for _, key := range keys {
			if o.gone {
				continue
			}
			var raws [][]byte
			for _, v := range o.attrs[key] {
				raws = append(raws, v.bytes())
			}
			s.setAttr(o, s.schema.attrs[key], raws)
		}
	}
}
