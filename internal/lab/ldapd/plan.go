package ldapd

import (
	"strings"

	"reforest/migrate"
)

// candidates returns objects among which all that match are, from an index; false
// if no index helps.
func (s *store) candidates(f *filter) (set, bool) {
	switch f.choice {
	case filterAnd:
		return s.fewest(f.of)
	case filterOr:
		return s.united(f.of)
	case filterEqual:
		a := s.schema.attrs[strings.ToLower(f.attr)]
		if a != nil && a.syntax == name {
			return s.linked(a, f.value), true
		}
		if a == nil || !a.index {
			return set{}, false
		}
		key, known := s.assertion(a, f.value)
		if !known {
			return set{}, true
		}
		return s.index[a.key][key], true
	}
	return set{}, false
}

// linked returns the objects whose attribute of DN syntax names the object that is
// asked for: links are noted at both ends.
func (s *store) linked(a *attribute, raw []byte) set {
	key, known := s.assertion(a, raw)
	guid, err := migrate.GUIDFromBytes([]byte(key))
	if !known || err != nil || s.byGUID[guid] == nil {
		return set{}
	}
	target := s.byGUID[guid]
	if a.key == "distinguishedname" {
		return setOf(target)
	}
	if !a.isBack() {
		return target.back[a.key]
	}
	var refs set
	for _, v := range target.attrs[a.back] {
		refs = refs.with(v.ref)
	}
	return refs
}

func (s *store) fewest(of []*filter) (best set, found bool) {
	for _, f := range of {
		some, ok := s.candidates(f)
		if ok && (!found || some.len() < best.len()) {
			best, found = some, true
		}
	}
	return best, found
}

func (s *store) united(of []*filter) (set, bool) {
	var all set
	for _, f := range of {
		some, ok := s.candidates(f)
		if !ok {
			return set{}, false
		}
		for o := range some.all() {
			all = all.with(o)
		}
	}
	return all, true
}
