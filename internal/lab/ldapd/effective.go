package ldapd

import (
	"strconv"
	"strings"
)

// constructed computes attributes that depend on who reads them (MS-ADTS 3.1.1.4.5). known
// is false for all others. The lock is held.
func (s *store) constructed(o *object, a *attribute, who identity) (values []value, known bool) {
	switch a.key {
	case "allowedchildclasses":
		return s.childClasses(o, access{admin: true}), true
	case "allowedchildclasseseffective":
		return s.childClasses(o, s.accessTo(who, o)), true
	case "allowedattributes":
		return s.attributesOf(o, func(*attribute) bool { return true }), true
	case "allowedattributeseffective":
		return s.attributesOf(o, writableBy(s.accessTo(who, o))), true
	case "sdrightseffective":
		return wordsOf(strconv.Itoa(s.accessTo(who, o).descriptor)), true
	}
	return nil, false
}

func wordsOf(words ...string) []value {
	values := make([]value, len(words))
	for i, word := range words {
		values[i] = value{raw: []byte(word), key: strings.ToLower(word)}
	}
	return values
}

// childClasses lists the classes that may stand below o (MS-ADTS 3.1.1.4.5.3) and that can
// be created there (3.1.1.4.5.5).
func (s *store) childClasses(o *object, can access) []value {
	var names []string
	for _, row := range classTable() {
		if !row.aux && !row.hidden && (row.parents == "" || list(row.parents, o.class.name)) && can.mayCreate(row.name) {
			names = append(names, row.name)
		}
	}
	return wordsOf(names...)
}

// attributesOf lists what an object of the class may carry (MS-ADTS 3.1.1.4.5.6) and keep
// lets pass.
func (s *store) attributesOf(o *object, keep func(*attribute) bool) []value {
	var names []string
	for _, a := range s.schema.ordered {
		if (a.on == "" || list(a.on, o.class.name)) && keep(a) {
			names = append(names, a.name)
		}
	}
	return wordsOf(names...)
}

// writableBy lets pass what can be written: not back links, nor what the server computes
// (MS-ADTS 3.1.1.4.5.7). Who may write the DACL may not therefore write the attribute.
func writableBy(can access) func(*attribute) bool {
	return func(a *attribute) bool {
		if a.isBack() || a.constructed {
			return false
		}
		return can.mayWrite(a.name)
	}
}
