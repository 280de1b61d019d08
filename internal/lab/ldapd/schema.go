package ldapd

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A syntax is how an attribute's values are written and compared
// (MS-ADTS 3.1.1.2.2.2).
type syntax int

const (
	text     syntax = iota // 2.5.5.12, 2.5.5.5, 2.5.5.6: compared folded
	octets                 // 2.5.5.10: compared exactly
	integer                // 2.5.5.9: 32 bits
	largeInt               // 2.5.5.16: 64 bits
	boolean                // 2.5.5.8: TRUE or FALSE
	when                   // 2.5.5.11: generalized time
	name                   // 2.5.5.1: a DN, held as a pointer to its object
	sid                    // 2.5.5.17: binary, also written S-1-… in a filter
	sd                     // 2.5.5.15: a self-relative security descriptor
	class                  // 2.5.5.2: the name of a class
)

// An attribute is one row of the schema.
type attribute struct {
	name        string
	syntax      syntax
	multi       bool
	upper       int    // rangeUpper: UTF-16 units of a text, the greatest of an integer that begins at 0, octets else; 0 is no bound
	link        int    // linkID: even is a forward link, the next odd one its back link
	system      bool   // written by the server alone
	index       bool   // has an equality index
	global      bool   // is held by global catalogs; set by newSchema
	constructed bool   // computed when it is read, for who reads it
	on          string // the structural classes that may carry it; empty is all

	key  string // lower-case name; set by newSchema
	back string // of a back link: the key of its forward link; set by newSchema
}

// A classRow is one structural or auxiliary class.
type classRow struct {
	name     string
	super    string // "" for top
	cn       string // of its object in the schema
	category string // the class whose cn is the default objectCategory
	rdn      string
	parents  string // classes that may stand above it; empty is any
	must     string // attributes that an object of the class has to have, beyond what the server gives it
	aux      bool
	hidden   bool // cannot be added over LDAP
}

// A schema answers what attributes and classes there are.
type schema struct {
	attrs   map[string]*attribute
	classes map[string]*classRow
	links   map[int]*attribute
	backs   []*attribute // all back links
	indexed []*attribute
	ordered []*attribute // all, by name
}

// theSchema is the schema of every forest. It never changes.
var theSchema = sync.OnceValue(newSchema)

func newSchema() *schema {
	s := &schema{attrs: map[string]*attribute{}, classes: map[string]*classRow{}, links: map[int]*attribute{}}
	global := strings.Fields(strings.ToLower(globalAttributes))
	for _, a := range attributeTable() {
		a.key = strings.ToLower(a.name)
		a.global = isGlobal(a.name, global)
		s.attrs[a.key] = &a
		s.ordered = append(s.ordered, &a)
		if a.link != 0 {
			s.links[a.link] = &a
		}
		if a.index {
			s.indexed = append(s.indexed, &a)
		}
	}
	for id, a := range s.links {
		if id%2 == 1 {
			a.back = s.links[id-1].key
			s.backs = append(s.backs, a)
		}
	}
	slices.SortFunc(s.ordered, func(a, b *attribute) int { return strings.Compare(a.key, b.key) })
	slices.SortFunc(s.backs, func(a, b *attribute) int { return strings.Compare(a.key, b.key) })
	for _, c := range classTable() {
		s.classes[strings.ToLower(c.name)] = &c
	}
	return s
}

// attr returns the attribute, or the fault that there is none.
func (s *schema) attr(name string) (*attribute, *fault) {
	if a := s.attrs[strings.ToLower(name)]; a != nil {
		return a, nil
	}
	return nil, refuse(noSuchAttribute, "00000057: LdapErr: DSID-0C090D88, comment: attribute %q is not in the schema, data 0", name)
}

// chain returns the class and the classes it is made of, top first.
func (s *schema) chain(c *classRow) []string {
	var names []string
	for c != nil {
		names = append(names, c.name)
		c = s.classes[strings.ToLower(c.super)]
	}
	slices.Reverse(names)
	return names
}

// isBack reports whether the attribute is a back link, which is read off other
// objects.
func (a *attribute) isBack() bool { return a.link%2 == 1 }

// list reports whether the words of a list, separated by spaces, hold name.
func list(words, name string) bool {
	return slices.ContainsFunc(strings.Fields(words), func(w string) bool { return strings.EqualFold(w, name) })
}

// described returns the names and values of the attribute's object in the schema
// (MS-ADTS 3.1.1.2.3).
func (a *attribute) described() []string {
	oids := [...]string{
		text: "2.5.5.12", octets: "2.5.5.10", integer: "2.5.5.9", largeInt: "2.5.5.16", boolean: "2.5.5.8",
		when: "2.5.5.11", name: "2.5.5.1", sid: "2.5.5.17", sd: "2.5.5.15", class: "2.5.5.2",
	}
	out := []string{
		"lDAPDisplayName", a.name, "attributeSyntax", oids[a.syntax],
		"isSingleValued", strings.ToUpper(strconv.FormatBool(!a.multi)),
	}
	if a.upper > 0 {
		out = append(out, "rangeUpper", strconv.Itoa(a.upper))
	}
	if a.link > 0 {
		out = append(out, "linkID", strconv.Itoa(a.link))
	}
	if a.index {
		out = append(out, "searchFlags", "1")
	}
	if theSchema().attrs[strings.ToLower(a.name)].global {
		out = append(out, "isMemberOfPartialAttributeSet", "TRUE")
	}
	return out
}
