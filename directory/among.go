package directory

import (
	"slices"
	"strings"
	"unicode"
)

// fewValues is up to which length a list is searched from its beginning. Of longer ones
// keys are kept: a group may have tens of thousands of members, and each is looked for.
const fewValues = 16

// among returns what tells whether the attribute takes a value for one of values, as
// contains does.
func among(attr string, values [][]byte) func(value []byte) bool {
	if len(values) <= fewValues {
		return func(v []byte) bool { return contains(attr, values, v) }
	}
	return keyed(attr, values, valueKey)
}

// amongExactly is among for values over which nothing would change if they were written.
func amongExactly(attr string, values [][]byte) func(value []byte) bool {
	if len(values) <= fewValues {
		return func(v []byte) bool {
			return slices.ContainsFunc(values, func(have []byte) bool { return exactValue(attr, have, v) })
		}
	}
	return keyed(attr, values, exactKey)
}

func keyed(attr string, values [][]byte, key func(attr string, value []byte) string) func(value []byte) bool {
	keys := make(map[string]bool, len(values))
	for _, v := range values {
		keys[key(attr, v)] = true
	}
	return func(v []byte) bool { return keys[key(attr, v)] }
}

// distinctValues returns the values that the attribute takes for different ones, each once.
func distinctValues(attr string, values [][]byte) [][]byte {
	var out [][]byte
	if len(values) <= fewValues {
		for _, v := range values {
			if !contains(attr, out, v) {
				out = append(out, v)
			}
		}
		return out
	}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		if key := valueKey(attr, v); !seen[key] {
			seen[key] = true
			out = append(out, v)
		}
	}
	return out
}

// valueKey returns the same for what sameValue takes for the same.
func valueKey(attr string, value []byte) string {
	switch key := strings.ToLower(attr); {
	case binaryAttrs[key]:
		return string(value)
	case dnAttrs[key]:
		return DN(value).Key()
	}
	return foldKey(string(value))
}

// exactKey returns the same for what exactValue takes for the same.
func exactKey(attr string, value []byte) string {
	if dnAttrs[strings.ToLower(attr)] {
		return DN(value).Key()
	}
	return string(value)
}

// foldKey returns the same for texts that strings.EqualFold takes for equal.
func foldKey(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, text)
}
