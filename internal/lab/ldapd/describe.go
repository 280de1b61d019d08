package ldapd

import (
	"strconv"
	"strings"
)

// schemaEntryAttributes are those that the schema's own objects carry.
func schemaEntryAttributes() []attribute {
	return []attribute{
		{name: "attributeSyntax", syntax: class},
		{name: "isSingleValued", syntax: boolean},
		{name: "linkID", syntax: integer},
		{name: "rangeUpper", syntax: integer},
		{name: "defaultObjectCategory", syntax: name},
	}
}

// oids are the attributeSyntax of the syntaxes (MS-ADTS 3.1.1.2.2.2).
var oids = map[syntax]string{
	text: "2.5.5.12", octets: "2.5.5.10", integer: "2.5.5.9", largeInt: "2.5.5.16", boolean: "2.5.5.8", when: "2.5.5.11",
	name: "2.5.5.1", sid: "2.5.5.17", sd: "2.5.5.15", class: "2.5.5.2",
}

// describe gives the schema's objects what clients read there of attributes and classes.
func (b *builder) describe() {
	below := ",CN=Schema," + string(b.s.config.dn())
	for _, row := range classTable() {
		class, _ := b.s.find("CN=" + row.cn + below)
		if category := b.s.categoryOf(b.s.schema.classes[strings.ToLower(row.name)]); class != nil && category != nil {
			b.s.put(class, "defaultobjectcategory", []value{refTo(category)})
		}
	}
	for _, a := range attributeTable() {
		if o, _ := b.s.find("CN=" + a.name + below); o != nil {
			b.describeAttribute(o, a)
		}
	}
}

func (b *builder) describeAttribute(o *object, a attribute) {
	facts := map[string]string{"attributesyntax": oids[a.syntax], "issinglevalued": strings.ToUpper(strconv.FormatBool(!a.multi))}
	if a.link != 0 {
		facts["linkid"] = strconv.Itoa(a.link)
	}
	if a.upper != 0 {
		facts["rangeupper"] = strconv.Itoa(a.upper)
	}
	for key, fact := range facts {
		b.s.put(o, key, []value{{raw: []byte(fact), key: fact}})
	}
}
