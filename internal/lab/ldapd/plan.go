package ldapd

import "strings"

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
