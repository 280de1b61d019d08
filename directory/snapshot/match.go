package snapshot

import (
	"cmp"
	"strconv"
	"strings"

	"reforest/directory"
)

// A truth is the outcome of a filter on one entry (RFC 4511 4.5.1.7).
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

// The matching rules of Active Directory (MS-ADTS 3.1.1.3.4.4).
const (
	ruleBitAnd = "1.2.840.113556.1.4.803"
	ruleBitOr  = "1.2.840.113556.1.4.804"
	ruleChain  = "1.2.840.113556.1.4.1941"
)

// A question is a filter made ready for many entries.
type question struct {
	*filter
	of     []*question
	number uint32 // of the attribute, in the table; -1 in effect if no entry has it
	held   bool   // some entry has the attribute
	known  bool   // the forest's schema has the attribute
	syntax syntax
	key    string // what the value is compared by
	sound  bool   // the value is one of the syntax
	bits   int64  // of the bit rules
}

// ask makes a filter ready.
func (r *Reader) ask(f *filter) *question {
	q := &question{filter: f}
	for _, inner := range f.of {
		q.of = append(q.of, r.ask(inner))
	}
	if len(f.of) > 0 || f.choice <= not {
		return q
	}
	q.syntax, q.known = r.schema[f.attr]
	q.number, q.held = r.number[f.attr]
	q.key, q.sound = q.syntax.key(r.expand(f))
	q.sound = q.sound && f.value != ""
	if n, err := strconv.ParseInt(f.value, 10, 64); err == nil {
		q.bits = n
	} else if f.rule == ruleBitAnd || f.rule == ruleBitOr {
		q.sound = false
	}
	return q
}

// expand returns the value, or the DN that the short form of objectCategory stands for:
// the name of a class for that class's default (MS-ADTS 3.1.1.3.1.3.5).
func (r *Reader) expand(f *filter) string {
	if f.attr != "objectcategory" || strings.Contains(f.value, "=") {
		return f.value
	}
	return r.categories[strings.ToLower(f.value)]
}

// match judges one entry.
func (r *Reader) match(q *question, rec *record) truth {
	switch q.choice {
	case and:
		return r.all(q.of, rec)
	case or:
		return r.any(q.of, rec)
	case not:
		return -r.match(q.of[0], rec)
	case equal, present, substrings, atLeast, atMost, extensible:
	}
	if !q.known {
		return undefined
	}
	if q.choice == extensible && q.rule == ruleChain {
		return r.chain(q, rec)
	}
	var values []uint32
	if q.held {
		values = r.of(rec, q.number)
	}
	return r.compare(q, values)
}

func (r *Reader) all(of []*question, rec *record) truth {
	worst := yes
	for _, q := range of {
		if worst = min(worst, r.match(q, rec)); worst == no {
			return no
		}
	}
	return worst
}

func (r *Reader) any(of []*question, rec *record) truth {
	best := no
	for _, q := range of {
		if best = max(best, r.match(q, rec)); best == yes {
			return yes
		}
	}
	return best
}

// compare judges the values of one attribute.
func (r *Reader) compare(q *question, values []uint32) truth {
	if q.choice == present {
		return truthOf(len(values) > 0)
	}
	if !q.defined() {
		return undefined
	}
	for _, v := range values {
		if key, ok := q.syntax.key(r.values[v]); ok && q.holds(key) {
			return yes
		}
	}
	return no
}

// defined reports whether the comparison means anything for the attribute's syntax.
func (q *question) defined() bool {
	switch q.choice {
	case equal:
		return q.sound
	case substrings:
		return q.syntax == text || q.syntax == octets || q.syntax == class
	case atLeast, atMost:
		return q.sound && (q.syntax == text || q.syntax == octets || q.syntax == integer || q.syntax == moment || q.syntax == sid)
	case extensible:
		return q.sound && q.syntax == integer && (q.rule == ruleBitAnd || q.rule == ruleBitOr)
	case and, or, not, present:
	}
	return false
}

// holds compares the key of one value.
func (q *question) holds(key string) bool {
	switch q.choice {
	case equal:
		return key == q.key
	case substrings:
		return q.inPieces(key)
	case atLeast:
		return q.order(key) >= 0
	case atMost:
		return q.order(key) <= 0
	case extensible:
		n, _ := strconv.ParseInt(key, 10, 64) // a key of integer is one
		return q.rule == ruleBitAnd && n&q.bits == q.bits || q.rule == ruleBitOr && n&q.bits != 0
	case and, or, not, present:
	}
	return false
}

func (q *question) order(key string) int {
	if q.syntax != integer {
		return strings.Compare(key, q.key)
	}
	have, _ := strconv.ParseInt(key, 10, 64) // keys of integer are integers
	want, _ := strconv.ParseInt(q.key, 10, 64)
	return cmp.Compare(have, want)
}

// inPieces reports whether the pieces stand in key, in their order.
func (q *question) inPieces(key string) bool {
	form := func(piece string) string { return piece }
	if q.syntax != octets {
		form = fold
	}
	last := len(q.pieces) - 1
	key, ok := strings.CutPrefix(key, form(q.pieces[0]))
	if !ok {
		return false
	}
	for _, piece := range q.pieces[1:last] {
		if _, key, ok = strings.Cut(key, form(piece)); !ok {
			return false
		}
	}
	return strings.HasSuffix(key, form(q.pieces[last]))
}

// chain follows the attribute from entry to entry (MS-ADTS 3.1.1.3.4.4.3).
func (r *Reader) chain(q *question, rec *record) truth {
	if !q.sound || q.syntax != name {
		return undefined
	}
	if !q.held {
		return no
	}
	seen := map[*record]bool{rec: true}
	for queue := []*record{rec}; len(queue) > 0; queue = queue[1:] {
		for _, v := range r.of(queue[0], q.number) {
			key := keyOf(directory.DN(r.values[v]))
			if key == q.key {
				return yes
			}
			if next := r.named(key); next != nil && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return no
}
