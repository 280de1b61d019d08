package ldapd

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// volatile are the attributes that change with every write, or with the hour of it.
var volatile = []string{"uSNCreated", "uSNChanged", "whenCreated", "whenChanged"}

// Dump returns every entry of the forest as text, for comparing two states: sorted by DN,
// attributes and values sorted, in the manner of LDIF (RFC 2849). Update numbers and the
// times of changes are left out, and so are the attributes named, such as objectGUID. Of
// passwords it tells only that there is one, and of pwdLastSet only whether it is zero.
func (s *Server) Dump(without ...string) string {
	skip := map[string]bool{}
	for _, attr := range slices.Concat(volatile, without) {
		skip[strings.ToLower(attr)] = true
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.store.byDN)) {
		s.store.dump(&out, s.store.byDN[key], skip)
	}
	return out.String()
}

func (s *store) dump(out *strings.Builder, o *object, skip map[string]bool) {
	line(out, "dn", string(o.dn()))
	for _, key := range slices.Sorted(maps.Keys(o.attrs)) {
		if skip[key] {
			continue
		}
		var texts []string
		for _, v := range o.attrs[key] {
			text := string(v.bytes())
			if key == "pwdlastset" && text != "0" {
				text = "set"
			}
			texts = append(texts, text)
		}
		slices.Sort(texts)
		for _, text := range texts {
			line(out, s.schema.attrs[key].name, text)
		}
	}
	if o.password != nil {
		line(out, "unicodePwd", "set")
	}
	out.WriteByte('\n')
}

func line(out *strings.Builder, name, text string) {
	out.WriteString(name)
	if safe(text) {
		out.WriteString(": " + text + "\n")
		return
	}
	out.WriteString(":: " + base64.StdEncoding.EncodeToString([]byte(text)) + "\n")
}

// safe reports whether a text can stand in a line as it is.
func safe(text string) bool {
	return utf8.ValidString(text) && strings.TrimSpace(text) == text && !strings.HasPrefix(text, ":") &&
		!strings.HasPrefix(text, "<") && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
