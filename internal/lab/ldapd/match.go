package ldapd

import (
	"bytes"
	"strconv"
	"strings"
)

// A truth is the outcome of a filter on one object (RFC 4511 4.5.1.7).
type truth int

const (
	no truth = iota - 1
	undefined
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// match judges one object. The lock is held.
func (s *store) match(f *filter, o *object) truth {
	switch f.choice {
	case filterAnd:
		return s.matchAll(f.of, o)
	case filterOr:
		return s.matchAny(f.of, o)
	case filterNot:
		return -s.match(f.of[0], o)
	}
	if strings.EqualFold(f.attr, "anr") {
		return s.matchANR(f, o)
	}
	a := s.schema.attrs[strings.ToLower(f.attr)]
	if a == nil {
		return undefined
	}
	switch f.choice {
	case filterPresent:
		return truthOf(len(s.values(o, a)) > 0)
	case filterSubstrings:
		return s.matchSubstrings(f, a, o)
	case filterGreaterOrEqual, filterLessOrEqual:
		return s.matchOrder(f, a, o)
	case filterExtensible:
		return s.matchRule(f, a, o)
	}
	return s.matchEqual(f, a, o)
}

func (s *store) matchAll(of []*filter, o *object) truth {
	worst := yes
	for _, f := range of {
		worst = min(worst, s.match(f, o))
		if worst == no {
			return no
		}
	}
	return worst
}

func (s *store) matchAny(of []*filter, o *object) truth {
	best := no
	for _, f := range of {
		best = max(best, s.match(f, o))
		if best == yes {
			return yes
		}
	}
	return best
}

// assertion returns the key that a value asked for is compared by. known is false
// if the value cannot be one of the attribute's syntax.
func (s *store) assertion(a *attribute, raw []byte) (key string, known bool) {
	if len(raw) == 0 {
		return "", false
	}
	if a.syntax != name {
		return keyFor(a, raw)
	}
	if a.key == "objectcategory" && !bytes.ContainsRune(raw, '=') {
		return s.categoryKey(string(raw))
	}
	o, f := s.find(string(raw))
	if f != nil {
		return "", false
	}
	if o == nil {
		return "", true // no object has that name, so none points to it
	}
	return string(o.guid[:]), true
}

// categoryKey reads the short form of objectCategory, the name of a class
// (MS-ADTS 3.1.1.3.1.3.5).
func (s *store) categoryKey(className string) (string, bool) {
	row := s.schema.classes[strings.ToLower(className)]
	if row == nil {
		return "", false
	}
	if o := s.categoryOf(row); o != nil {
		return string(o.guid[:]), true
	}
	return "", true
}

// A sought is an assertion value in the form that values are compared by.
type sought struct {
	key   string
	known bool
}

// sought returns assertion's answer for the filter. It is computed once: a filter serves
// one search, and that holds the lock.
func (s *store) sought(f *filter, a *attribute) (key string, known bool) {
	if f.sought == nil {
		f.sought = new(sought)
		f.sought.key, f.sought.known = s.assertion(a, f.value)
	}
	return f.sought.key, f.sought.known
}

func (s *store) matchEqual(f *filter, a *attribute, o *object) truth {
	key, known := s.sought(f, a)
	if !known || a.syntax == sd {
		return undefined
	}
	for _, v := range s.values(o, a) {
		if v.key == key {
			return yes
		}
	}
	return no
}

func (s *store) matchSubstrings(f *filter, a *attribute, o *object) truth {
	if a.syntax != text && a.syntax != octets && a.syntax != class {
		return undefined
	}
	for _, v := range s.values(o, a) {
		if f.inPieces(v.key, a.syntax != octets) {
			return yes
		}
	}
	return no
}

// inPieces reports whether the pieces stand in key, in their order.
func (f *filter) inPieces(key string, folded bool) bool {
	form := func(piece string) string {
		if folded {
			return fold(piece)
		}
		return piece
	}
	for _, piece := range f.pieces[0] {
		rest, ok := strings.CutPrefix(key, form(piece))
		if !ok {
			return false
		}
		key = rest
	}
	for _, piece := range f.pieces[1] {
		_, rest, ok := strings.Cut(key, form(piece))
		if !ok {
			return false
		}
		key = rest
	}
	for _, piece := range f.pieces[2] {
		if !strings.HasSuffix(key, form(piece)) {
			return false
		}
	}
	return true
}

func (s *store) matchOrder(f *filter, a *attribute, o *object) truth {
	if a.syntax == name || a.syntax == sd || a.syntax == boolean || a.syntax == class {
		return undefined
	}
	key, known := s.assertion(a, f.value)
	if !known {
		return undefined
	}
	for _, v := range s.values(o, a) {
		order := compareKeys(a, v.key, key)
		if f.choice == filterGreaterOrEqual && order >= 0 || f.choice == filterLessOrEqual && order <= 0 {
			return yes
		}
	}
	return no
}

func compareKeys(a *attribute, x, y string) int {
	if a.syntax != integer && a.syntax != largeInt {
		return strings.Compare(x, y)
	}
	m, _ := strconv.ParseInt(x, 10, 64)
	n, _ := strconv.ParseInt(y, 10, 64)
	switch {
	case m < n:
		return -1
	case m > n:
		return 1
	}
	return 0
}

func (s *store) matchRule(f *filter, a *attribute, o *object) truth {
	switch f.rule {
	case ruleBitAnd, ruleBitOr:
		return s.matchBits(f, a, o)
	case ruleChain:
		return s.matchChain(f, a, o)
	}
	return undefined
}

func (s *store) matchBits(f *filter, a *attribute, o *object) truth {
	bits, err := strconv.ParseInt(string(f.value), 10, 64)
	if err != nil || a.syntax != integer && a.syntax != largeInt {
		return undefined
	}
	for _, v := range s.values(o, a) {
		n, _ := strconv.ParseInt(v.key, 10, 64)
		if f.rule == ruleBitAnd && n&bits == bits || f.rule == ruleBitOr && n&bits != 0 {
			return yes
		}
	}
	return no
}

// matchChain follows the attribute from object to object (MS-ADTS 3.1.1.3.4.4.3).
func (s *store) matchChain(f *filter, a *attribute, o *object) truth {
	key, known := s.assertion(a, f.value)
	if !known || a.syntax != name {
		return undefined
	}
	seen := map[*object]bool{o: true}
	queue := []*object{o}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, v := range s.values(at, a) {
			if v.key == key {
				return yes
			}
			if v.ref != nil && !seen[v.ref] {
				seen[v.ref] = true
				queue = append(queue, v.ref)
			}
		}
	}
	return no
}

// anrAttributes are those of ambiguous name resolution (MS-ADTS 3.1.1.3.1.3.3).
const anrAttributes = "displayname givenname sn physicaldeliveryofficename proxyaddresses name samaccountname mail mailnickname"

// matchANR resolves an ambiguous name: a prefix of one of the attributes, or of
// first and last name together.
func (s *store) matchANR(f *filter, o *object) truth {
	asked := fold(string(f.value))
	if f.choice != filterEqual && f.choice != filterApprox || asked == "" {
		return undefined
	}
	starts := func(attr, prefix string) bool {
		for _, v := range o.attrs[attr] {
			if strings.HasPrefix(v.key, prefix) {
				return true
			}
		}
		return false
	}
	for _, attr := range strings.Fields(anrAttributes) {
		if starts(attr, asked) {
			return yes
		}
	}
	first, last, two := strings.Cut(asked, " ")
	both := two && (starts("givenname", first) && starts("sn", last) || starts("givenname", last) && starts("sn", first))
	return truthOf(both || o.first("legacyexchangedn") != "" && fold(o.first("legacyexchangedn")) == asked)
}
