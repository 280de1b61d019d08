package directory

import (
	"slices"
	"strings"
)

// A compactor makes recipients small enough that an Index of a whole forest fits into
// memory: what many have in common is kept once, and the rest of a recipient's texts are
// parts of one, in which most of them occur anyway: an address holds the alias, a proxy
// address the address.
type compactor struct {
	texts map[string]string
	attrs map[string]map[string]attribute // what is kept of an Entry, by its content
}

func newCompactor() *compactor {
	return &compactor{texts: map[string]string{}, attrs: map[string]map[string]attribute{}}
}

// compact replaces everything in r by copies that take little memory. Proxies that no
// index key is made of are left out, and so is the display name.
func (c *compactor) compact(r *Recipient) {
	r.DisplayName = ""
	r.Proxies = slices.DeleteFunc(r.Proxies, func(v string) bool {
		kind, _ := splitProxy(v)
		return kind != "smtp" && kind != "x500" && len(r.Proxies) > 1
	})
	c.share((*string)(&r.HomeMDB))
	c.share((*string)(&r.MasterSID))
	c.share(&r.Class)
	fields := []*string{
		(*string)(&r.DN), (*string)(&r.SID), &r.Sam, &r.UPN, &r.Alias, (*string)(&r.Mail), (*string)(&r.Legacy),
		&r.TargetAddress, &r.EmployeeID, &r.Mark,
	}
	for i := range r.Proxies {
		fields = append(fields, &r.Proxies[i])
	}
	pack(fields)
	r.Proxies = exact(r.Proxies)
	r.Entry.DN = r.DN
}

// share makes equal texts one.
func (c *compactor) share(text *string) {
	same, known := c.texts[*text]
	if !known {
		same = strings.Clone(*text)
		c.texts[same] = same
	}
	*text = same
}

// pack makes the texts parts of one, in which those that occur in others are not
// repeated.
func pack(texts []*string) {
	byLength := slices.SortedFunc(slices.Values(texts), func(a, b *string) int { return len(*b) - len(*a) })
	var all strings.Builder
	for _, text := range byLength {
		if !strings.Contains(all.String(), *text) {
			all.WriteString(*text)
		}
	}
	whole := strings.Clone(all.String())
	for _, text := range texts {
		at := strings.Index(whole, *text)
		*text = whole[at : at+len(*text)]
	}
}

// entry returns an Entry with the named attributes of another. Entries in which these are
// alike have them in common.
func (c *compactor) entry(whole *Entry, names []string) *Entry {
	var content strings.Builder
	kept := map[string][][]byte{}
	for _, name := range names {
		values := whole.Bytes(name)
		if len(values) == 0 {
			continue
		}
		kept[name] = values
		content.WriteString(name)
		for _, v := range values {
			content.WriteByte(0)
			content.Write(v)
		}
		content.WriteByte(1)
	}
	attrs, known := c.attrs[content.String()]
	if !known {
		attrs = NewEntry("", kept).attrs
		c.attrs[content.String()] = attrs
	}
	return &Entry{DN: whole.DN, attrs: attrs}
}
