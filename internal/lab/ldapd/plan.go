package ldapd

import (
	"strings"

	"reforest/migrate"
)

// candidates returns objects among which all that match are, from an index; false
// if no index helps.
func (s *store) candidates(f *filter) (map[*object]bool, bool) {
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
			return nil, false
		}
		key, known := s.assertion(a, f.value)
		if !known {
			return nil, true
		}
		return s.index[a.key][key], true
	}
	return nil, false
}

// linked returns the objects whose attribute of DN syntax names the object that is
// asked for: links are noted at both ends.
func (s *store) linked(a *attribute, raw []byte) map[*object]bool {
	key, known := s.assertion(a, raw)
	guid, err := migrate.GUIDFromBytes([]byte(key))
	if !known || err != nil || s.byGUID[guid] == nil {
		return nil
	}
	target := s.byGUID[guid]
	if a.key == "distinguishedname" {
		return map[*object]bool{target: true}
	}
	if !a.isBack() {
		return target.back[a.key]
	}
	set := map[*object]bool{}
	for _, v := range target.attrs[a.back] {
		set[v.ref] = true
	}
	return set
}

func (s *store) fewest(of []*filter) (best map[*object]bool, found bool) {
	for _, f := range of {
		set, ok := s.candidates(f)
		if ok && (!found || len(set) < len(best)) {
			best, found = set, true
		}
	}
	return best, found
}

func (s *store) united(of []*filter) (map[*object]bool, bool) {
	all := map[*object]bool{}
	for _, f := range of {
		set, ok := s.candidates(f)
		if !ok {
			return nil, false
		}
		for o := range set {
			all[o] = true
		}
	}
	return all, true
}
