package directorytest

import (
	"fmt"
	"slices"
	"testing"

	"reforest/directory"
)

// hostileNames are names that a careless DN or filter breaks on.
func hostileNames() []string {
	return []string{
		`Meier, Karl`, `Léa "La Belle" Ñandú`, `#first`, ` leading and trailing `, `back\slash`, `a=b+c`, `semi;colon`,
		`<angle>`, `star*`, `(paren)`, `東京タワー`, `mountain 🏔`, `*)(objectClass=*`, `O'Neill`, `a/b`, `\2c`,
	}
}

func testHostileNames(t *testing.T, b *bench) {
	for _, name := range hostileNames() {
		dn := b.mustAdd(t, "contact", name, mod(directory.AddValues, "displayName", name))
		entry := b.get(t, dn, "cn", "displayName")
		same(t, "cn of "+name, entry.First("cn"), name)
		same(t, "name in the DN of "+name, entry.DN.Name(), name)
		if !entry.DN.Equal(dn) {
			t.Errorf("got DN %q, want %q", entry.DN, dn)
		}
		b.mustModify(t, entry.DN, mod(directory.ReplaceValues, "title", "seen"))
	}
	found := b.find(t, directory.Eq("title", "seen"))
	want := hostileNames()
	slices.Sort(found)
	slices.Sort(want)
	same(t, "found", found, want)
}

func testHostileFilters(t *testing.T, b *bench) {
	for i, name := range hostileNames() {
		b.mustAdd(t, "contact", fmt.Sprint("contact ", i), mod(directory.AddValues, "displayName", name))
	}
	for i, name := range hostileNames() {
		want := []string{fmt.Sprint("contact ", i)}
		same(t, "displayName="+name, b.find(t, directory.Eq("displayName", name)), want)
	}
	same(t, "a value is no pattern", b.find(t, directory.Eq("displayName", "*")), []string(nil))
}

// testBinaryFilters gives two mailboxes GUIDs that differ in what would be a
// letter's case, were they text.
func testBinaryFilters(t *testing.T, b *bench) {
	upper := []byte{'A', 'B', 0, '*', '\\', 0xff, 0x80, 5, 6, 7, 8, 9, 10, 11, 12, b.tag[0]}
	lower := slices.Clone(upper)
	lower[0], lower[1] = 'a', 'b'
	for name, guid := range map[string][]byte{"upper": upper, "lower": lower} {
		b.mustAdd(t, "user", name, mod(directory.AddValues, "sAMAccountName", name+b.tag), mod(directory.AddValues, "msExchMailboxGuid", string(guid)))
	}
	same(t, "upper", b.find(t, directory.EqBytes("msExchMailboxGuid", upper)), []string{"upper"})
	same(t, "lower", b.find(t, directory.EqBytes("msExchMailboxGuid", lower)), []string{"lower"})
	entry := b.get(t, b.dn("upper"), "objectGUID", "objectSid")
	same(t, "objectGUID", b.find(t, directory.EqBytes("objectGUID", entry.Bytes("objectGUID")[0])), []string{"upper"})
	same(t, "objectSid", b.find(t, directory.EqBytes("objectSid", entry.Bytes("objectSid")[0])), []string{"upper"})
}

func testFilters(t *testing.T, b *bench) {
	b.mustAdd(t, "contact", "Karl", mod(directory.AddValues, "title", "Smith"), mod(directory.AddValues, "proxyAddresses", "SMTP:karl@x.test", "smtp:kk@x.test"),
		mod(directory.AddValues, "msExchRecipientDisplayType", "6"))
	b.mustAdd(t, "contact", "Lena", mod(directory.AddValues, "title", "reeve"), mod(directory.AddValues, "proxyAddresses", "SMTP:lena@x.test"),
		mod(directory.AddValues, "msExchRecipientDisplayType", "7"))
	b.mustAdd(t, "contact", "Moritz")
	contact := directory.Eq("objectClass", "contact")
	for _, test := range []struct {
		name   string
		filter directory.Filter
		want   []string
	}{
		{"without regard to case", directory.Eq("title", "sMITH"), []string{"Karl"}},
		{"one of several values", directory.Eq("proxyAddresses", "SMTP:KK@x.test"), []string{"Karl"}},
		{"or", directory.Or(directory.Eq("title", "smith"), directory.Eq("proxyAddresses", "smtp:lena@x.test")), []string{"Karl", "Lena"}},
		{"and", directory.And(directory.Eq("title", "smith"), directory.Eq("proxyAddresses", "smtp:lena@x.test")), nil},
		{"not", directory.And(contact, directory.Not(directory.Eq("title", "smith"))), []string{"Lena", "Moritz"}},
		{"presence", "(&(objectClass=contact)(title=*))", []string{"Karl", "Lena"}},
		{"substrings", "(title=*M*h)", []string{"Karl"}},
		{"initial", "(proxyAddresses=smtp:le*)", []string{"Lena"}},
		{"greater or equal", "(msExchRecipientDisplayType>=7)", []string{"Lena"}},
		{"less or equal", "(msExchRecipientDisplayType<=6)", []string{"Karl"}},
		{"all bits", "(msExchRecipientDisplayType:1.2.840.113556.1.4.803:=3)", []string{"Lena"}},
		{"some bits", "(msExchRecipientDisplayType:1.2.840.113556.1.4.804:=3)", []string{"Karl", "Lena"}},
		{"short category", directory.And(directory.Eq("objectCategory", "person"), directory.Eq("cn", "karl")), []string{"Karl"}},
		{"DN in another spelling", directory.Eq("distinguishedName", "cn=KARL,"+string(b.Base)), []string{"Karl"}},
	} {
		got := b.find(t, test.filter)
		slices.Sort(got)
		same(t, test.name, got, test.want)
	}
}

func testScopes(t *testing.T, b *bench) {
	box := b.mustAdd(t, "container", "box")
	deep := directory.Change{
		Op: directory.Add, DN: box.Child("CN", "deep"), Why: "test",
		Mods: []directory.Mod{mod(directory.AddValues, "objectClass", "contact")},
	}
	if err := b.Directory.Write(t.Context(), deep); err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[directory.Scope][]string{
		directory.Base:     {b.Base.Name()},
		directory.OneLevel: {"box"},
		directory.Subtree:  {b.Base.Name(), "box", "deep"},
	} {
		query := directory.Query{Base: b.Base, Scope: scope, Filter: directory.Any, Attrs: []string{"cn"}}
		got := names(t, b.Directory.Find(t.Context(), query))
		slices.Sort(got)
		slices.Sort(want)
		same(t, fmt.Sprint("scope ", scope), got, want)
	}
	// Without a base the whole domain is searched.
	guid := b.get(t, deep.DN, "objectGUID").Bytes("objectGUID")[0]
	query := directory.Query{Filter: directory.EqBytes("objectGUID", guid), Attrs: []string{"cn"}}
	same(t, "default base", names(t, b.Directory.Find(t.Context(), query)), []string{"deep"})
}

func (b *bench) fill(t *testing.T, count int) []string {
	t.Helper()
	var want []string
	for i := range count {
		name := fmt.Sprintf("contact %04d", i)
		b.mustAdd(t, "contact", name)
		want = append(want, name)
	}
	return want
}

func testStopEarly(t *testing.T, b *bench) {
	b.fill(t, 12)
	query := directory.Query{Base: b.Base, Filter: directory.Eq("objectClass", "contact"), Attrs: []string{"cn"}}
	for range 40 { // more often than a server keeps cookies
		seen := 0
		for _, err := range b.Directory.Find(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == 3 {
				break
			}
		}
	}
	if got := len(b.find(t, query.Filter)); got != 12 {
		t.Errorf("got %d entries after searches that were given up, want 12", got)
	}
}

// testWriteWhileFinding changes what it is just reading, as callers do.
func testWriteWhileFinding(t *testing.T, b *bench) {
	b.fill(t, 25)
	query := directory.Query{Base: b.Base, Filter: directory.And(directory.Eq("objectClass", "contact"), directory.Not(directory.Eq("title", "seen"))), Attrs: []string{"cn"}}
	var seen []string
	for entry, err := range b.Directory.Find(t.Context(), query) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, entry.DN.Name())
		b.mustModify(t, entry.DN, mod(directory.ReplaceValues, "title", "seen"))
	}
	if len(seen) != 25 {
		t.Errorf("saw %d entries, want 25: %q", len(seen), seen)
	}
	same(t, "left", b.find(t, query.Filter), []string(nil))
}
