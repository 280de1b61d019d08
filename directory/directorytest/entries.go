package directorytest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

func testRoot(t *testing.T, b *bench) {
	root := b.get(t, "")
	for _, attr := range []string{"defaultNamingContext", "configurationNamingContext", "schemaNamingContext", "rootDomainNamingContext", "dnsHostName"} {
		if !root.Has(attr) {
			t.Errorf("the rootDSE has no %s", attr)
		}
	}
	if !b.Base.Under(directory.DN(root.First("defaultNamingContext"))) {
		t.Errorf("base %q is not below the default naming context %q", b.Base, root.First("defaultNamingContext"))
	}
	before := usn(t, b.get(t, "", "highestCommittedUSN"), "highestCommittedUSN")
	b.mustAdd(t, "container", "one")
	if after := usn(t, b.get(t, "", "highestCommittedUSN"), "highestCommittedUSN"); after <= before {
		t.Errorf("highestCommittedUSN was %d before a write and is %d after it", before, after)
	}
	if !slices.Contains(root.Values("supportedControl"), "1.2.840.113556.1.4.319") {
		t.Error("the rootDSE does not list the paging control")
	}
}

func usn(t *testing.T, e *directory.Entry, attr string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(e.First(attr), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", attr, err)
	}
	return n
}

func testAddAndGet(t *testing.T, b *bench) {
	sam := "ada" + b.tag
	dn := b.mustAdd(t, "user", "Ada Bergström",
		mod(directory.AddValues, "sAMAccountName", sam),
		mod(directory.AddValues, "userPrincipalName", sam+"@example.test"),
		mod(directory.AddValues, "givenName", "Ada"),
		mod(directory.AddValues, "description", "bricklayer"),
		mod(directory.AddValues, "proxyAddresses", "SMTP:"+sam+"@example.test", "smtp:"+sam+"@old.example.test"),
	)
	entry := b.get(t, dn, "sAMAccountName", "givenName", "proxyAddresses", "cn", "title")
	same(t, "sAMAccountName", entry.Values("samaccountname"), []string{sam})
	same(t, "givenName", entry.First("givenName"), "Ada")
	same(t, "cn", entry.First("cn"), "Ada Bergström")
	got := entry.Values("proxyAddresses")
	slices.Sort(got)
	same(t, "proxyAddresses", got, []string{"SMTP:" + sam + "@example.test", "smtp:" + sam + "@old.example.test"})
	if entry.Has("title") || entry.Has("description") {
		t.Errorf("got attributes %q, which have no value or were not asked for", entry.Attrs())
	}
	if !entry.DN.Equal(dn) {
		t.Errorf("got DN %q, want %q", entry.DN, dn)
	}
	all := b.get(t, dn)
	if !all.Has("description") || all.Has("nTSecurityDescriptor") {
		t.Errorf("got attributes %q, want all but the security descriptor", all.Attrs())
	}
}

func testAddGenerates(t *testing.T, b *bench) {
	dn := b.mustAdd(t, "user", "Bea", mod(directory.AddValues, "sAMAccountName", "bea"+b.tag))
	entry := b.get(t, dn)
	for _, attr := range []string{"objectGUID", "objectSid", "uSNCreated", "uSNChanged", "whenCreated", "whenChanged", "distinguishedName", "objectCategory", "userAccountControl", "sAMAccountType"} {
		if !entry.Has(attr) {
			t.Errorf("%s was not generated", attr)
		}
	}
	same(t, "name", entry.First("name"), "Bea")
	same(t, "objectClass", entry.Values("objectClass"), []string{"top", "person", "organizationalPerson", "user"})
	if sid, err := migrate.SIDFromBytes(entry.Bytes("objectSid")[0]); err != nil || sid.Domain() == sid {
		t.Errorf("objectSid: %q, %v", sid, err)
	}
	other := b.get(t, b.mustAdd(t, "contact", "Cem"))
	if other.First("objectGUID") == entry.First("objectGUID") {
		t.Error("two objects have one objectGUID")
	}
	if other.Has("objectSid") || other.Has("sAMAccountName") {
		t.Error("a contact is no security principal")
	}
	before := usn(t, entry, "uSNChanged")
	b.mustModify(t, dn, mod(directory.ReplaceValues, "title", "reeve"))
	if after := usn(t, b.get(t, dn, "uSNChanged"), "uSNChanged"); after <= before {
		t.Errorf("uSNChanged was %d before a write and is %d after it", before, after)
	}
}

func testModify(t *testing.T, b *bench) {
	dn := b.mustAdd(t, "contact", "Dora", mod(directory.AddValues, "proxyAddresses", "smtp:a@x.test", "smtp:b@x.test"))
	b.mustModify(t, dn,
		mod(directory.AddValues, "proxyAddresses", "X500:/o=Alpine/ou=First/cn=Recipients/cn=dora"),
		mod(directory.DeleteValues, "proxyAddresses", "smtp:b@x.test"),
		mod(directory.ReplaceValues, "title", "smith"),
		mod(directory.ReplaceValues, "company", "Alpine"))
	entry := b.get(t, dn)
	got := entry.Values("proxyAddresses")
	slices.Sort(got)
	same(t, "proxyAddresses", got, []string{"X500:/o=Alpine/ou=First/cn=Recipients/cn=dora", "smtp:a@x.test"})
	same(t, "title", entry.First("title"), "smith")

	b.mustModify(t, dn, mod(directory.DeleteValues, "proxyAddresses"), mod(directory.ReplaceValues, "title"))
	entry = b.get(t, dn)
	if entry.Has("proxyAddresses") || entry.Has("title") || !entry.Has("company") {
		t.Errorf("got attributes %q, want proxyAddresses and title gone", entry.Attrs())
	}
	refused(t, "delete what is not there", b.modify(t, dn, mod(directory.DeleteValues, "title")), 16)
	b.mustModify(t, dn, mod(directory.AddValues, "title", "smith"))
	refused(t, "delete another value", b.modify(t, dn, mod(directory.DeleteValues, "title", "reeve")), 16)
	refused(t, "add the same value", b.modify(t, dn, mod(directory.AddValues, "title", "smith")), 20)
	refused(t, "add a second value to a single-valued attribute", b.modify(t, dn, mod(directory.AddValues, "title", "reeve")), 19, 20)
}

func testModifyAtomic(t *testing.T, b *bench) {
	dn := b.mustAdd(t, "contact", "Emil", mod(directory.AddValues, "title", "smith"))
	err := b.modify(t, dn,
		mod(directory.ReplaceValues, "title", "reeve"),
		mod(directory.ReplaceValues, "company", "Alpine"),
		mod(directory.ReplaceValues, "manager", "CN=nobody,"+string(b.Base)))
	refused(t, "link to nobody", err, 19)
	entry := b.get(t, dn)
	if entry.First("title") != "smith" || entry.Has("company") {
		t.Errorf("a refused modification left traces: title %q, company %q", entry.First("title"), entry.First("company"))
	}
}

// testValues writes values that are easily mangled on the way.
func testValues(t *testing.T, b *bench) {
	photo := make([]byte, 70000)
	for i := range photo {
		photo[i] = byte(i)
	}
	guid := []byte{0, '*', '(', ')', '\\', 0xff, 'a', 'A', 0x80, 0, 1, 2, 3, 4, 5, 6}
	large := "Grüße, 東京 🏔 \\ * ( ) = + ; \" <> #\r\nline two "
	dn := b.mustAdd(t, "user", "Fritz",
		mod(directory.AddValues, "sAMAccountName", "fritz"+b.tag),
		mod(directory.AddValues, "thumbnailPhoto", string(photo)),
		mod(directory.AddValues, "msExchMailboxGuid", string(guid)),
		mod(directory.AddValues, "info", large),
		mod(directory.AddValues, "msExchVersion", "44220983382016"),
		mod(directory.AddValues, "msExchRecipientDisplayType", "-2147483642"),
		mod(directory.AddValues, "msExchHideFromAddressLists", "TRUE"))
	entry := b.get(t, dn)
	same(t, "thumbnailPhoto", entry.Bytes("thumbnailPhoto"), [][]byte{photo})
	same(t, "msExchMailboxGuid", entry.Bytes("msExchMailboxGuid"), [][]byte{guid})
	same(t, "info", entry.First("info"), large)
	same(t, "msExchVersion", entry.First("msExchVersion"), "44220983382016")
	same(t, "msExchRecipientDisplayType", entry.First("msExchRecipientDisplayType"), "-2147483642")
	same(t, "msExchHideFromAddressLists", entry.First("msExchHideFromAddressLists"), "TRUE")
}

func testNotFound(t *testing.T, b *bench) {
	_, err := b.Directory.Get(t.Context(), b.dn("nobody"))
	wantIs(t, "get", err, directory.ErrNotFound)
	wantIs(t, "modify", b.modify(t, b.dn("nobody"), mod(directory.ReplaceValues, "title", "x")), directory.ErrNotFound)
	below := directory.Change{
		Op: directory.Add, DN: b.dn("nobody").Child("CN", "below"), Why: "test",
		Mods: []directory.Mod{mod(directory.AddValues, "objectClass", "contact")},
	}
	wantIs(t, "add below nothing", b.Directory.Write(t.Context(), below), directory.ErrNotFound)
	for _, err := range b.Directory.Find(t.Context(), directory.Query{Base: b.dn("nobody"), Filter: directory.Any}) {
		wantIs(t, "find", err, directory.ErrNotFound)
	}
	same(t, "find without a match", b.find(t, directory.Eq("cn", "nobody")), []string(nil))
}

func testExists(t *testing.T, b *bench) {
	sam, upn := "gerd"+b.tag, "gerd"+b.tag+"@example.test"
	dn := b.mustAdd(t, "user", "Gerd", mod(directory.AddValues, "sAMAccountName", sam), mod(directory.AddValues, "userPrincipalName", upn))
	wantIs(t, "same DN", b.add(t, "user", "Gerd", mod(directory.AddValues, "sAMAccountName", "other"+b.tag)), directory.ErrExists)
	wantIs(t, "same DN in other case", b.add(t, "contact", "GERD"), directory.ErrExists)
	wantIs(t, "same sAMAccountName", b.add(t, "user", "Gerd 2", mod(directory.AddValues, "sAMAccountName", sam)), directory.ErrExists)
	wantIs(t, "same userPrincipalName", b.add(t, "user", "Gerd 3",
		mod(directory.AddValues, "sAMAccountName", "third"+b.tag), mod(directory.AddValues, "userPrincipalName", upn)), directory.ErrExists)
	// Writing an object's own names anew is no conflict.
	b.mustModify(t, dn, mod(directory.ReplaceValues, "userPrincipalName", upn), mod(directory.ReplaceValues, "sAMAccountName", sam))
	// proxyAddresses are not held unique (MS-ADA3 2.169).
	for _, cn := range []string{"Hans", "Hilde"} {
		b.mustAdd(t, "contact", cn, mod(directory.AddValues, "proxyAddresses", "smtp:shared@x.test"))
	}
}

// testRefusals writes what must not come to be, and finds that it has not.
func testRefusals(t *testing.T, b *bench) {
	for _, test := range []struct {
		attr, value string
		codes       []uint16
	}{
		{"noSuchAttribute", "x", []uint16{16}},
		{"msExchVersion", "much", []uint16{21}},
		{"msExchHideFromAddressLists", "true", []uint16{21}},
		{"title", "", []uint16{21}},
		{"manager", "CN=nobody,DC=elsewhere,DC=test", []uint16{19}},
		{"sAMAccountName", "a[b" + b.tag, []uint16{19}},
		{"objectSid", "\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00", []uint16{53}},
		{"unicodePwd", "plain", []uint16{53}},
		{"mailNickname", strings.Repeat("x", 65), []uint16{19, 21}},
	} {
		err := b.add(t, "user", "Ida", mod(directory.AddValues, test.attr, test.value))
		refused(t, "add "+test.attr, err, test.codes...)
	}
	refused(t, "two values in a single-valued attribute", b.add(t, "contact", "Ida", mod(directory.AddValues, "title", "one", "two")), 19)
	same(t, "traces of refused adds", b.find(t, directory.Eq("cn", "Ida")), []string(nil))
}

var errStop = errors.New("the operator stops")

// testCancelled ends the context and wants its cause, from every method.
func testCancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	_, err := b.Directory.Get(ctx, b.Base)
	wantIs(t, "get", err, errStop)
	change := directory.Change{
		Op: directory.Add, DN: b.dn("Jan"), Why: "test",
		Mods: []directory.Mod{mod(directory.AddValues, "objectClass", "contact")},
	}
	wantIs(t, "write", b.Directory.Write(ctx, change), errStop)
	for _, err := range b.Directory.Find(ctx, directory.Query{Base: b.Base, Filter: directory.Any}) {
		wantIs(t, "find", err, errStop)
	}
	same(t, "traces of a cancelled add", b.find(t, directory.Eq("cn", "Jan")), []string(nil))
}
