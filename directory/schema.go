package directory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"reforest/migrate"
)

// The attribute syntaxes that values are held against (MS-ADTS 3.1.1.2.2.2).
const (
	syntaxBoolean    = "2.5.5.8"
	syntaxInteger    = "2.5.5.9"
	syntaxOctets     = "2.5.5.10"
	syntaxUnicode    = "2.5.5.12"
	syntaxDescriptor = "2.5.5.15"
	syntaxLarge      = "2.5.5.16"
	syntaxSID        = "2.5.5.17"
)

// A SchemaAttribute is what a forest's schema says of one attribute (MS-ADTS 3.1.1.2.3).
type SchemaAttribute struct {
	Name   string // lDAPDisplayName
	Syntax string // attributeSyntax
	Single bool   // it has one value at most
	// Lower and Upper bound a number, or the length of anything else: of a text in UTF-16
	// units, else in octets.
	Lower, Upper int64
}

// readSchema reads which attributes there are, in one search. A server that shows no
// schema leaves it unknown.
func (i *Info) readSchema(ctx context.Context, reader Reader) error {
	query := Query{
		Base: i.SchemaNC, Scope: OneLevel, Filter: Eq("objectClass", "attributeSchema"),
		Attrs: []string{"lDAPDisplayName", "attributeSyntax", "isSingleValued", "rangeLower", "rangeUpper"},
	}
	if i.SchemaNC == "" {
		return nil
	}
	schema := map[string]SchemaAttribute{}
	for entry, err := range reader.Find(ctx, query) {
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the schema: %w", err)
		}
		a := SchemaAttribute{
			Name: entry.First("lDAPDisplayName"), Syntax: entry.First("attributeSyntax"),
			Single: strings.EqualFold(entry.First("isSingleValued"), "TRUE"),
			Lower:  bound(entry.First("rangeLower"), math.MinInt64), Upper: bound(entry.First("rangeUpper"), math.MaxInt64),
		}
		schema[strings.ToLower(a.Name)] = a
	}
	i.Schema = schema
	return nil
}

// bound reads rangeLower or rangeUpper. One that is absent, or too great for the 32 bits
// that it is kept in, bounds nothing.
func bound(text string, none int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 && none > 0 {
		return none
	}
	return n
}

// attribute returns what the schema says of the attribute. Of a schema that is not known
// every attribute is taken to be there, and to take any value.
func (i *Info) attribute(name string) (SchemaAttribute, bool) {
	if len(i.Schema) == 0 {
		return SchemaAttribute{Name: name, Lower: math.MinInt64, Upper: math.MaxInt64}, true
	}
	a, known := i.Schema[strings.ToLower(name)]
	return a, known
}

// refuses returns why the server would not take the value; "" if it would.
func (a SchemaAttribute) refuses(value []byte) string {
	switch a.Syntax {
	case syntaxInteger, syntaxLarge:
		return a.refusesNumber(string(value))
	case syntaxBoolean:
		if text := string(value); text != "TRUE" && text != "FALSE" {
			return fmt.Sprintf("%q is neither TRUE nor FALSE", text)
		}
		return ""
	case syntaxUnicode:
		if !utf8.Valid(value) {
			return "it is no text in UTF-8"
		}
	}
	size, unit := int64(len(value)), "octets"
	if !a.binary() {
		size, unit = int64(len(utf16.Encode([]rune(string(value))))), "characters"
	}
	switch {
	case size > a.Upper:
		return fmt.Sprintf("it has %d %s and the target takes %d at most", size, unit, a.Upper)
	case size < a.Lower:
		return fmt.Sprintf("it has %d %s and the target takes no fewer than %d", size, unit, a.Lower)
	}
	return ""
}

func (a SchemaAttribute) refusesNumber(text string) string {
	bits := 64
	if a.Syntax == syntaxInteger {
		bits = 32
	}
	n, err := strconv.ParseInt(text, 10, bits)
	switch {
	case err != nil:
		return fmt.Sprintf("%q is no number of %d bits", text, bits)
	case n < a.Lower || n > a.Upper:
		return fmt.Sprintf("%d is not among the numbers that the target takes", n)
	}
	return ""
}

func (a SchemaAttribute) binary() bool {
	return a.Syntax == syntaxOctets || a.Syntax == syntaxDescriptor || a.Syntax == syntaxSID
}

// unknownAttributes returns what cannot be copied for anybody: attributes that the source
// knows and the target does not. What keeps companies apart must not be missing.
func (d *Directories) unknownAttributes() []migrate.Finding {
	if len(d.Target.Info.Schema) == 0 {
		return nil
	}
	var findings []migrate.Finding
	if lost := d.lostAttributes(); len(lost) > 0 {
		findings = append(findings, warn("schema.attributes", string(Target),
			"The target's schema lacks attributes that the source has, and they are not copied: "+strings.Join(lost, ", ")+".",
			"Extend the target's schema, or leave them behind."))
	}
	var needed []string
	for _, attr := range d.Rules.tenantWrites() {
		if _, known := d.Target.Info.attribute(attr); !known {
			needed = append(needed, attr)
		}
	}
	if len(needed) > 0 {
		findings = append(findings, forbid("schema.tenants", string(Target),
			"The target's schema lacks what keeps the companies apart: "+strings.Join(needed, ", ")+".",
			"Extend it with Exchange's setup: Setup.exe /PrepareSchema."))
	}
	return findings
}

// lostAttributes returns which of the copied attributes the source's schema has and the
// target's has not.
func (d *Directories) lostAttributes() []string {
	var lost []string
	for _, a := range copied {
		if identityAttrs[strings.ToLower(a.Name)] && !d.Rules.ExchangeMoves || d.Rules.Attributes[strings.ToLower(a.Name)] == Omit {
			continue
		}
		_, atSource := d.Source.Info.attribute(a.Name)
		_, atTarget := d.Target.Info.attribute(a.Name)
		if atSource && !atTarget {
			lost = append(lost, a.Name)
		}
	}
	return lost
}
