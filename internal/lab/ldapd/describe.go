package ldapd

import "strings"

// classEntryAttributes are those that the schema's classes carry.
func classEntryAttributes() []attribute {
	return []attribute{{name: "defaultObjectCategory", syntax: name, on: "classSchema"}}
}

// describe gives the schema's classes the objectCategory of their objects, by which the
// short form of a filter is read (MS-ADTS 3.1.1.3.1.3.5).
func (b *builder) describe() {
	below := ",CN=Schema," + string(b.s.config.dn())
	for _, row := range classTable() {
		class, _ := b.s.find("CN=" + row.cn + below)
		category := b.s.categoryOf(b.s.schema.classes[strings.ToLower(row.name)])
		if class != nil && category != nil {
			b.s.put(class, "defaultobjectcategory", []value{refTo(category)})
		}
	}
}
