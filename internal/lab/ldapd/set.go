package ldapd

import (
	"iter"
	"slices"
)

// maxFew is how many objects a set keeps in a slice. Most sets hold one: whoever has
// one address, or one telephone number.
const maxFew = 8

// A set is a set of objects; the zero set is empty.
type set struct {
	few  []*object
	many map[*object]bool // instead of few, once there are more than maxFew
}

func setOf(objects ...*object) set {
	var s set
	for _, o := range objects {
		s = s.with(o)
	}
	return s
}

// with returns the set with o in it; the receiver is used up.
func (s set) with(o *object) set {
	switch {
	case s.has(o):
	case s.many != nil:
		s.many[o] = true
	case len(s.few) < maxFew:
		s.few = append(s.few, o)
	default:
		s.many = make(map[*object]bool, 2*maxFew)
		for _, member := range s.few {
			s.many[member] = true
		}
		s.many[o], s.few = true, nil
	}
	return s
}

// without returns the set without o; the receiver is used up.
func (s set) without(o *object) set {
	if s.many != nil {
		delete(s.many, o)
		return s
	}
	if i := slices.Index(s.few, o); i >= 0 {
		s.few = slices.Delete(s.few, i, i+1)
	}
	return s
}

func (s set) has(o *object) bool { return s.many[o] || slices.Contains(s.few, o) }

func (s set) len() int { return len(s.few) + len(s.many) }

// all yields the members in no order. The set must not change meanwhile.
func (s set) all() iter.Seq[*object] {
	return func(yield func(*object) bool) {
		for _, o := range s.few {
			if !yield(o) {
				return
			}
		}
		for o := range s.many {
			if !yield(o) {
				return
			}
		}
	}
}

// sorted returns the members in the order of their creation.
func (s set) sorted() []*object { return slices.SortedFunc(s.all(), bySeq) }

func note(sets map[string]set, key string, o *object) { sets[key] = sets[key].with(o) }

func drop(sets map[string]set, key string, o *object) {
	left := sets[key].without(o)
	if left.len() == 0 {
		delete(sets, key)
		return
	}
	sets[key] = left
}
