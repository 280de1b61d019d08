package ldapd

import (
	"slices"
	"strconv"
	"strings"

	"reforest/directory"
)

// syntaxes are the attribute syntaxes by OID (MS-ADTS 3.1.1.2.2.2). DNs with something
// attached are kept as they are.
func syntaxes() map[string]syntax {
	return map[string]syntax{
		"2.5.5.1": name, "2.5.5.2": class, "2.5.5.3": text, "2.5.5.4": text, "2.5.5.5": text, "2.5.5.6": text,
		"2.5.5.7": octets, "2.5.5.8": boolean, "2.5.5.9": integer, "2.5.5.10": octets, "2.5.5.11": when,
		"2.5.5.12": text, "2.5.5.13": octets, "2.5.5.14": octets, "2.5.5.15": sd, "2.5.5.16": largeInt, "2.5.5.17": sid,
	}
}

const (
	indexFlag       = 1 // of searchFlags: fATTINDEX (MS-ADTS 2.2.9)
	constructedFlag = 4 // of systemFlags: FLAG_ATTR_IS_CONSTRUCTED (MS-ADTS 2.2.10)
	auxiliaryClass  = 3 // of objectClassCategory (MS-ADTS 3.1.1.2.4.1)
)

// schemaOf makes the schema that the records of a forest's schema describe. Where they say
// less than Active Directory's do, as a rehearsal server's, the rest is taken from ours.
func schemaOf(records []Record) *schema {
	s := &schema{attrs: map[string]*attribute{}, classes: map[string]*classRow{}, links: map[int]*attribute{}}
	classNames := map[string]string{} // by the key of the object's DN
	for _, r := range records {
		switch {
		case r.is("attributeSchema"):
			s.addAttribute(r)
		case r.is("classSchema"):
			classNames[r.DN.Key()] = r.first("ldapdisplayname")
		}
	}
	for _, r := range records {
		if r.is("classSchema") {
			s.addClass(r, classNames)
		}
	}
	s.pairLinks()
	slices.SortFunc(s.ordered, func(a, b *attribute) int { return strings.Compare(a.key, b.key) })
	slices.SortFunc(s.backs, func(a, b *attribute) int { return strings.Compare(a.key, b.key) })
	return s
}

func (s *schema) addAttribute(r Record) {
	number := func(attr string) int { n, _ := strconv.Atoi(r.first(attr)); return n }
	a := &attribute{name: r.first("ldapdisplayname"), link: number("linkid")}
	if a.name == "" {
		return
	}
	a.key = strings.ToLower(a.name)
	kind, known := syntaxes()[r.first("attributesyntax")]
	if !known {
		kind = octets
	}
	a.syntax, a.multi = kind, r.first("issinglevalued") != "TRUE"
	a.global = r.first("ismemberofpartialattributeset") == "TRUE"
	a.index = number("searchflags")&indexFlag != 0
	a.constructed = number("systemflags")&constructedFlag != 0
	if ours := theSchema().attrs[a.key]; ours != nil {
		a.on, a.index = ours.on, a.index || ours.index
	}
	a.index = a.index && a.syntax != name && a.syntax != sd
	s.attrs[a.key], s.ordered = a, append(s.ordered, a)
	if a.link != 0 {
		s.links[a.link] = a
	}
	if a.index {
		s.indexed = append(s.indexed, a)
	}
}

// pairLinks finds the forward link of each back link. One that has none stays empty.
func (s *schema) pairLinks() {
	for id, a := range s.links {
		if id%2 == 0 {
			continue
		}
		forward := s.links[id-1]
		if forward == nil {
			a.constructed, a.link = true, 0
			continue
		}
		a.back = forward.key
		s.backs = append(s.backs, a)
	}
}

func (s *schema) addClass(r Record, names map[string]string) {
	row := classRow{name: r.first("ldapdisplayname")}
	if row.name == "" {
		return
	}
	if ours := theSchema().classes[strings.ToLower(row.name)]; ours != nil {
		row = *ours
	}
	row.cn = r.DN.Name()
	if super := r.first("subclassof"); super != "" && !strings.EqualFold(super, row.name) {
		row.super = super // top is below itself
	}
	row.rdn = either(strings.ToUpper(r.first("rdnattid")), row.rdn)
	row.category = either(names[directory.DN(r.first("defaultobjectcategory")).Key()], row.category)
	row.aux = row.aux || r.first("objectclasscategory") == strconv.Itoa(auxiliaryClass)
	s.classes[strings.ToLower(row.name)] = &row
}
