package migrate

import (
	"slices"
	"strings"
)

// Rights is a set of rights on a folder, one letter each (RFC 4314 2.1). Two spellings
// with the same letters are the same set. The obsolete letters c and d are never in it:
// an adapter puts what they stand for in their place (RFC 4314 2.1.1).
type Rights string

// rightsOrder is the order in which RFC 4314 2.1 lists the rights.
const rightsOrder = "lrswipkxtea"

// Has reports whether every right of r2 is among the rights.
func (r Rights) Has(r2 Rights) bool { return r2.Without(r) == "" }

// And returns the rights of both together.
func (r Rights) And(r2 Rights) Rights { return r + r2.Without(r) }

// Without returns the rights that are not among r2.
func (r Rights) Without(r2 Rights) Rights {
	return r.keep(func(c rune) bool { return !strings.ContainsRune(string(r2), c) })
}

// Common returns the rights that are among r2, too.
func (r Rights) Common(r2 Rights) Rights {
	return r.keep(func(c rune) bool { return strings.ContainsRune(string(r2), c) })
}

// Same reports whether both are the same set.
func (r Rights) Same(r2 Rights) bool { return r.Has(r2) && r2.Has(r) }

// Ordered returns the set, each right once, in the order of RFC 4314 and others after it.
func (r Rights) Ordered() Rights {
	letters := []rune(string(r))
	place := func(c rune) int {
		if i := strings.IndexRune(rightsOrder, c); i >= 0 {
			return i
		}
		return len(rightsOrder) + int(c)
	}
	slices.SortFunc(letters, func(a, b rune) int { return place(a) - place(b) })
	return Rights(slices.Compact(letters))
}

func (r Rights) keep(wanted func(rune) bool) Rights {
	return Rights(strings.Map(func(c rune) rune {
		if wanted(c) {
			return c
		}
		return -1
	}, string(r)))
}
