package ldapd

import (
	"fmt"
	mathrand "math/rand/v2"
	"slices"

	"reforest/migrate"
)

// A Snapshot is a forest's whole content at one moment: every entry with its GUID, SID,
// security descriptor and password, and what has been granted. It never changes.
type Snapshot struct {
	tree
	standard *descriptor
}

// A tree is the content of a store but for its indexes.
type tree struct {
	objects      map[string]*object // by the keys of their DNs
	root, config *object
	domain       migrate.SID
	usn, seq     int64
	rid          uint32
	guids        []byte // the state of the sequence that GUIDs come from
	grants       map[migrate.GUID][]grant
	graves       []*object
}

// Snapshot returns what the forest holds. It takes about 10 µs an entry.
func (s *Server) Snapshot() *Snapshot {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	guids, err := st.guids.MarshalBinary()
	if err != nil {
		panic("ldapd: the sequence of GUIDs cannot be written: " + err.Error())
	}
	now := tree{
		objects: st.byDN, root: st.root, config: st.config, domain: st.domain,
		usn: st.usn, seq: st.seq, rid: st.rid, guids: guids, grants: st.grants, graves: st.graves,
	}
	taken := &Snapshot{tree: now.clone(), standard: st.standard}
	st.undo.mark(taken)
	return taken
}

// Restore makes the forest what it was, also on a server other than the one that the
// snapshot is of, if that plays the same domain. What happens next happens as it did then:
// new entries get the same GUIDs and SIDs. Connections stay bound; their paged searches
// end. The hook stays. On the server that the snapshot is of, it takes as long as the
// writes since took; on another, as long as Snapshot.
func (s *Server) Restore(from *Snapshot) error {
	guids := new(mathrand.ChaCha8)
	if err := guids.UnmarshalBinary(from.guids); err != nil {
		return fmt.Errorf("restore the sequence of GUIDs: %w", err)
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if ours, theirs := st.root.suffix, from.root.suffix; !ours.Equal(theirs) {
		return fmt.Errorf("restore %q: this is a snapshot of %q", ours, theirs)
	}
	if !st.undo.back(from) {
		st.replace(from)
	}
	st.guids, st.grants = guids, cloneGrants(from.grants)
	st.usn, st.seq, st.rid = from.usn, from.seq, from.rid
	st.generation++
	return nil
}

// replace takes all entries from the snapshot.
func (s *store) replace(from *Snapshot) {
	again := from.clone()
	s.standard, s.shared, s.domain = from.standard, from.standard.values(), from.domain
	s.root, s.config, s.byDN, s.graves = again.root, again.config, again.objects, again.graves
	s.reindex()
	s.undo = undoLog{}
	s.undo.mark(from)
}

func cloneGrants(grants map[migrate.GUID][]grant) map[migrate.GUID][]grant {
	out := make(map[migrate.GUID][]grant, len(grants))
	for guid, list := range grants {
		out[guid] = slices.Clone(list)
	}
	return out
}

// clone copies every object. Values that point to nothing are shared: they never change.
func (t tree) clone() tree {
	twins := make(map[*object]*object, len(t.objects))
	objects := make(map[string]*object, len(t.objects))
	for key, o := range t.objects {
		twin := *o
		twin.children, twin.back = nil, nil
		objects[key], twins[o] = &twin, &twin
	}
	for o, twin := range twins {
		if o.parent != nil {
			twin.parent = twins[o.parent]
			twin.parent.adopt(twin)
		}
		twin.attrs = make(map[string][]value, len(o.attrs))
		for key, values := range o.attrs {
			twin.attrs[key] = twin.point(key, values, twins)
		}
	}
	out := t
	out.objects, out.root, out.config = objects, twins[t.root], twins[t.config]
	out.grants, out.graves = cloneGrants(t.grants), moveGraves(t.graves, twins)
	return out
}

// point returns the values with every object in them replaced by its twin.
func (o *object) point(key string, values []value, twins map[*object]*object) []value {
	if !slices.ContainsFunc(values, func(v value) bool { return v.ref != nil }) {
		return values
	}
	out := make([]value, len(values))
	for i, v := range values {
		twin := twins[v.ref]
		if twin == nil { // a replica's value whose object has not come yet
			out[i] = v
			continue
		}
		out[i] = refTo(twin)
		twin.pointedAt(key, o)
	}
	return out
}

// reindex computes all indexes from the objects.
func (s *store) reindex() {
	s.byGUID = make(map[migrate.GUID]*object, len(s.byDN))
	for key := range s.index {
		s.index[key] = map[string]set{}
	}
	for _, o := range s.byDN {
		s.byGUID[o.guid] = o
		for key, index := range s.index {
			for _, v := range o.attrs[key] {
				note(index, v.key, o)
			}
		}
	}
}
