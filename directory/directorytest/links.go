package directorytest

import (
	"slices"
	"testing"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

func testLinks(t *testing.T, b *bench) {
	boss := b.mustAdd(t, "contact", "Nora")
	staff := b.mustAdd(t, "contact", "Otto", mod(directory.AddValues, "manager", string(boss)))
	inner := b.mustAdd(t, "group", "inner", mod(directory.AddValues, "sAMAccountName", "inner"+b.tag), mod(directory.AddValues, "member", string(staff)))
	outer := b.mustAdd(t, "group", "outer", mod(directory.AddValues, "sAMAccountName", "outer"+b.tag), mod(directory.AddValues, "member", string(inner)))
	sameNames(t, "manager", b.get(t, staff, "manager").Values("manager"), boss)
	sameNames(t, "directReports", b.get(t, boss, "directReports").Values("directReports"), staff)
	sameNames(t, "memberOf", b.get(t, staff, "memberOf").Values("memberOf"), inner)
	same(t, "members of a group", b.find(t, directory.Eq("memberOf", string(inner))), []string{"Otto"})
	got := b.find(t, directory.Filter("(memberOf:1.2.840.113556.1.4.1941:="+string(outer)+")"))
	slices.Sort(got)
	same(t, "members through groups", got, []string{"Otto", "inner"})

	b.mustModify(t, inner, mod(directory.AddValues, "member", string(boss)))
	b.mustModify(t, inner, mod(directory.DeleteValues, "member", string(staff)))
	sameNames(t, "member", b.get(t, inner, "member").Values("member"), boss)
	if b.get(t, staff, "memberOf").Has("memberOf") {
		t.Error("memberOf is still there after the member has been taken out")
	}
	refused(t, "add a member twice", b.modify(t, inner, mod(directory.AddValues, "member", string(boss))), 20, 68)
	refused(t, "write a back link", b.modify(t, staff, mod(directory.AddValues, "memberOf", string(outer))), 19, 53)
}

func sameNames(t *testing.T, what string, got []string, want ...directory.DN) {
	t.Helper()
	var gotKeys, wantKeys []string
	for _, dn := range got {
		gotKeys = append(gotKeys, directory.DN(dn).Key())
	}
	for _, dn := range want {
		wantKeys = append(wantKeys, dn.Key())
	}
	slices.Sort(gotKeys)
	slices.Sort(wantKeys)
	same(t, what, gotKeys, wantKeys)
}

// pastLimits is more than Active Directory hands out at once: 1000 entries, and 1500
// values of an attribute. Only a link can have so many values.
const pastLimits = 1510

func testMany(t *testing.T, b *bench) {
	want := b.fill(t, pastLimits)
	got := b.find(t, directory.Eq("objectClass", "contact"))
	slices.Sort(got)
	same(t, "entries", got, want)

	group := b.mustAdd(t, "group", "crowd", mod(directory.AddValues, "sAMAccountName", "crowd"+b.tag))
	var members []directory.DN
	for chunk := range slices.Chunk(want, 400) {
		var values []string
		for _, name := range chunk {
			values = append(values, string(b.dn(name)))
			members = append(members, b.dn(name))
		}
		b.mustModify(t, group, mod(directory.AddValues, "member", values...))
	}
	sameNames(t, "get", b.get(t, group, "member").Values("member"), members...)
	query := directory.Query{Base: b.Base, Filter: directory.Eq("cn", "crowd")}
	for entry, err := range b.Directory.Find(t.Context(), query) {
		if err != nil {
			t.Fatal(err)
		}
		sameNames(t, "find", entry.Values("member"), members...)
	}
}

const sdAttr = "nTSecurityDescriptor"

// foreign is a SID of no domain that the server knows.
const foreign migrate.SID = "S-1-5-21-1111111111-2222222222-3333333333-4444"

func (b *bench) descriptor(t *testing.T, dn directory.DN) *ntsd.Descriptor {
	t.Helper()
	entry := b.get(t, dn, sdAttr)
	if len(entry.Bytes(sdAttr)) != 1 {
		t.Fatalf("%q has no security descriptor", dn)
	}
	d, err := ntsd.Parse(entry.Bytes(sdAttr)[0])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// testSecurityDescriptor grants and strips, and wants everything else untouched.
func testSecurityDescriptor(t *testing.T, b *bench) {
	dn := b.mustAdd(t, "user", "Rosa", mod(directory.AddValues, "sAMAccountName", "rosa"+b.tag))
	before := b.descriptor(t, dn)
	if before.Owner == "" || before.Group == "" || before.DACL == nil || before.SACL != nil {
		t.Fatalf("got owner %q, group %q, DACL %v, SACL %v; want all but the SACL", before.Owner, before.Group, before.DACL != nil, before.SACL != nil)
	}
	changed := b.descriptor(t, dn)
	ace, err := ntsd.NewACE(ntsd.AllowObject, 0x100, ntsd.SendAs(), foreign)
	if err != nil {
		t.Fatal(err)
	}
	if err := changed.DACL.Add(ace); err != nil {
		t.Fatal(err)
	}
	changed.Owner = "S-1-5-18" // must not be written
	b.mustModify(t, dn, mod(directory.ReplaceValues, sdAttr, string(changed.Bytes())))

	granted := b.descriptor(t, dn)
	same(t, "owner", granted.Owner, before.Owner)
	same(t, "group", granted.Group, before.Group)
	same(t, "explicit ACEs", len(granted.DACL.Explicit()), len(before.DACL.Explicit())+1)
	same(t, "inherited ACEs", len(granted.DACL.Inherited()), len(before.DACL.Inherited()))
	if !granted.DACL.Contains(ace) {
		t.Error("the ACE that was written is not there")
	}
	same(t, "stripped", granted.DACL.Remove(func(e ntsd.ACE) bool { return e.SID == foreign && !e.Inherited() }), 1)
	b.mustModify(t, dn, mod(directory.ReplaceValues, sdAttr, string(granted.Bytes())))
	after := b.descriptor(t, dn)
	same(t, "explicit ACEs after stripping", raw(after.DACL.Explicit()), raw(before.DACL.Explicit()))
	same(t, "inherited ACEs after stripping", raw(after.DACL.Inherited()), raw(before.DACL.Inherited()))

	// What is inherited is the server's: a client that leaves it out changes nothing.
	after.DACL.Remove(ntsd.ACE.Inherited)
	b.mustModify(t, dn, mod(directory.ReplaceValues, sdAttr, string(after.Bytes())))
	same(t, "inherited ACEs, left out", raw(b.descriptor(t, dn).DACL.Inherited()), raw(before.DACL.Inherited()))
}

func raw(aces []ntsd.ACE) [][]byte {
	var all [][]byte
	for _, ace := range aces {
		all = append(all, ace.Raw())
	}
	return all
}
