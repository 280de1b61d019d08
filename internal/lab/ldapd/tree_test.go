package ldapd_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

func seed(t testing.TB, server *ldapd.Server, dn directory.DN, class string, attrs ldapd.Attrs) *directory.Entry {
	t.Helper()
	all := ldapd.Attrs{"objectClass": {class}}
	for name, values := range attrs {
		all[name] = values
	}
	entry, err := server.Seed(dn, all)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// TestRename moves a tree and finds every link to it and in it followed.
func TestRename(t *testing.T) {
	t.Parallel()
	server := start(t)
	base := server.BaseDN()
	alps, andes := base.Child("OU", "Alps"), base.Child("OU", "Andes")
	seed(t, server, alps, "organizationalUnit", nil)
	seed(t, server, andes, "organizationalUnit", nil)
	staff := alps.Child("OU", "Staff")
	seed(t, server, staff, "organizationalUnit", nil)
	seed(t, server, staff.Child("CN", "Ada"), "contact", nil)
	seed(t, server, alps.Child("CN", "Bea"), "contact", ldapd.Attrs{"manager": {string(staff.Child("CN", "Ada"))}})
	conn := bound(t, server)

	wantCode(t, "below itself", conn.ModifyDN(goldap.NewModifyDNRequest(string(alps), "OU=Alps", true, string(staff))), 53)
	wantCode(t, "onto another", conn.ModifyDN(goldap.NewModifyDNRequest(string(alps), "OU=Andes", true, "")), 68)
	wantCode(t, "old name kept", conn.ModifyDN(goldap.NewModifyDNRequest(string(alps), "OU=New", false, "")), 53)
	wantCode(t, "other naming attribute", conn.ModifyDN(goldap.NewModifyDNRequest(string(alps), "CN=New", true, "")), 64)
	wantCode(t, "into the configuration", conn.ModifyDN(goldap.NewModifyDNRequest(string(alps), "OU=Alps", true, string(server.ConfigDN()))), 71)
	wantCode(t, "absent", conn.ModifyDN(goldap.NewModifyDNRequest("OU=nowhere,"+string(base), "OU=New", true, "")), 32)
	wantCode(t, "absent superior", conn.ModifyDN(goldap.NewModifyDNRequest(string(alps), "OU=Alps", true, "OU=nowhere,"+string(base))), 32)
	wantCode(t, "the system's own", conn.ModifyDN(goldap.NewModifyDNRequest(string(server.AdminDN()), "CN=root", true, "")), 53)
	wantCode(t, "in place, other case", conn.ModifyDN(goldap.NewModifyDNRequest(string(staff), "OU=STAFF", true, "")), 0)
	wantCode(t, "unescaped comma", conn.ModifyDN(goldap.NewModifyDNRequest(string(staff), "OU=People, too", true, string(andes))), 34)
	wantCode(t, "move", conn.ModifyDN(goldap.NewModifyDNRequest(string(staff), `OU=People\, too`, true, string(andes))), 0)

	moved := andes.Child("OU", "People, too").Child("CN", "Ada")
	bea, err := server.Entry(alps.Child("CN", "Bea"), "manager")
	if err != nil || !directory.DN(bea.First("manager")).Equal(moved) {
		t.Errorf("manager: got %v, %v, want %q", bea.First("manager"), err, moved)
	}
	ada, err := server.Entry(moved)
	if err != nil || !ada.Has("directReports") || !directory.DN(ada.First("distinguishedName")).Equal(moved) {
		t.Errorf("moved entry: got %v, %v", ada, err)
	}
	if _, err := server.Entry(staff); err == nil {
		t.Error("the old name still leads somewhere")
	}
	unit, err := server.Entry(andes.Child("OU", "People, too"))
	if err != nil || unit.First("name") != "People, too" || unit.First("ou") != "People, too" {
		t.Errorf("name: got %v, %v", unit, err)
	}
}

func TestDeleteClearsLinks(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	ada := seed(t, server, users.Child("CN", "Ada"), "contact", nil)
	bea := seed(t, server, users.Child("CN", "Bea"), "contact", ldapd.Attrs{"manager": {string(ada.DN)}, "publicDelegates": {string(ada.DN)}})
	conn := bound(t, server)
	wantCode(t, "delete", conn.Del(goldap.NewDelRequest(string(ada.DN), nil)), 0)
	left, err := server.Entry(bea.DN)
	if err != nil || left.Has("manager") || left.Has("publicDelegates") {
		t.Errorf("links to a deleted object: got %q, %v", left.Attrs(), err)
	}
	wantCode(t, "add it again", conn.Add(newContact(ada.DN)), 0)
	if again, _ := server.Entry(ada.DN); again.First("objectGUID") == ada.First("objectGUID") {
		t.Error("a new object has the old one's GUID")
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	home := seed(t, server, users.Child("CN", "home"), "group", ldapd.Attrs{"sAMAccountName": {"home"}})
	guid := string([]byte{'A', 'b', 0, 0xff, '*', '\\', 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	ada := seed(t, server, users.Child("CN", "Ada"), "user", ldapd.Attrs{
		"sAMAccountName": {"ada"}, "givenName": {"Ada"}, "sn": {"Bergström"}, "displayName": {"Ada Bergström"},
		"msExchMailboxGuid": {guid}, "msExchRecipientTypeDetails": {"1"}, "whenCreated": {"20200101000000.0Z"},
		"legacyExchangeDN": {"/o=Alpine/ou=First/cn=Recipients/cn=ada"}, "msExchHideFromAddressLists": {"TRUE"},
	})
	seed(t, server, users.Child("CN", "Bea"), "user", ldapd.Attrs{"sAMAccountName": {"bea"}, "manager": {string(ada.DN)}, "msExchRecipientTypeDetails": {"128"}})
	if err := server.SeedChange(home.DN, directory.Mod{Op: directory.AddValues, Attr: "member", Values: [][]byte{[]byte(ada.DN)}}); err != nil {
		t.Fatal(err)
	}
	sidText, err := migrate.SIDFromBytes(ada.Bytes("objectSid")[0])
	if err != nil {
		t.Fatal(err)
	}
	conn := bound(t, server)
	const both = "(|(cn=Ada)(cn=Bea))"
	for _, test := range []struct {
		filter string
		want   []string
	}{
		{"(sn=BERGSTRÖM)", []string{"Ada"}},
		{"(sn=bergstrom)", []string{"Ada"}}, // accents do not count
		{"(sn=berg*ö*)", []string{"Ada"}},
		{"(objectSid=" + string(sidText) + ")", []string{"Ada"}},
		{"(objectSid=S-1-5-21-1-2-3-4)", nil},
		{"(objectSid=nonsense)", nil},
		{string(directory.EqBytes("objectSid", ada.Bytes("objectSid")[0])), []string{"Ada"}},
		{string(directory.EqBytes("msExchMailboxGuid", []byte(guid))), []string{"Ada"}},
		{string(directory.EqBytes("msExchMailboxGuid", append([]byte("aB"), guid[2:]...))), nil},
		{"(memberOf=" + string(home.DN) + ")", []string{"Ada"}},
		{"(memberOf=CN=nobody,DC=alpine,DC=test)", nil},
		{"(directReports=*)", []string{"Ada"}},
		{"(manager=cn=ADA, cn=users,dc=ALPINE,dc=test)", []string{"Bea"}},
		{"(&" + both + "(objectCategory=person))", []string{"Ada", "Bea"}},
		{"(&" + both + "(objectCategory=group))", nil},
		{"(&" + both + "(objectClass=organizationalPerson))", []string{"Ada", "Bea"}},
		{"(&" + both + "(colour=red))", nil},
		{"(&" + both + "(!(colour=red)))", nil}, // undefined stays undefined
		{"(&" + both + "(|(colour=red)(cn=Ada)))", []string{"Ada"}},
		{"(&" + both + "(!(manager=*)))", []string{"Ada"}},
		{"(&" + both + "(msExchRecipientTypeDetails>=2))", []string{"Bea"}},
		{"(&" + both + "(msExchRecipientTypeDetails<=9))", []string{"Ada"}},
		{"(&" + both + "(msExchRecipientTypeDetails>=nine))", nil},
		{"(&" + both + "(whenCreated>=20250101000000.0Z))", []string{"Ada", "Bea"}}, // the server's own clock
		{"(&" + both + "(msExchHideFromAddressLists=TRUE))", []string{"Ada"}},
		{"(&" + both + "(msExchHideFromAddressLists=true))", nil},
		{"(&" + both + "(!(msExchHideFromAddressLists=TRUE)))", []string{"Bea"}},
		{"(userAccountControl:1.2.840.113556.1.4.803:=544)", []string{"Ada", "Bea"}},
		{"(&(userAccountControl:1.2.840.113556.1.4.804:=66)(cn=Ada))", []string{"Ada"}},
		{"(legacyExchangeDN=/O=ALPINE/ou=first/cn=recipients/cn=ADA)", []string{"Ada"}},
		{"(anr=berg)", []string{"Ada"}},
		{"(anr=ada berg)", []string{"Ada"}},
		{"(anr=berg ada)", []string{"Ada"}},
		{"(anr=erg)", nil},
		{"(nTSecurityDescriptor=x)", nil},
		{"(unicodePwd=*)", nil},
		{"(&)", nil},
	} {
		found, err := conn.Search(searchFor(users, test.filter, "cn"))
		if test.filter == "(&)" { // an empty conjunction is true of everything (RFC 4526)
			if err == nil && len(found.Entries) > 5 {
				continue
			}
			t.Errorf("(&): got %v, %v", found, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		var got []string
		for _, entry := range found.Entries {
			got = append(got, entry.GetAttributeValue("cn"))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.filter, diff)
		}
	}
}

func TestAliasesOfDNs(t *testing.T) {
	t.Parallel()
	server := start(t)
	ada := seed(t, server, server.BaseDN().Child("CN", "Users").Child("CN", "Ada"), "user", ldapd.Attrs{"sAMAccountName": {"ada"}})
	guid, err := migrate.GUIDFromBytes(ada.Bytes("objectGUID")[0])
	if err != nil {
		t.Fatal(err)
	}
	sid, err := migrate.SIDFromBytes(ada.Bytes("objectSid")[0])
	if err != nil {
		t.Fatal(err)
	}
	conn := bound(t, server)
	for _, alias := range []string{
		"<GUID=" + guid.String() + ">",
		"<GUID=" + hex.EncodeToString(guid[:]) + ">",
		"<SID=" + string(sid) + ">",
		"<SID=" + hex.EncodeToString(ada.Bytes("objectSid")[0]) + ">",
	} {
		found, err := conn.Search(searchFor(directory.DN(alias), "(objectClass=user)", "cn"))
		if err != nil || len(found.Entries) != 1 || found.Entries[0].DN != string(ada.DN) {
			t.Errorf("%s: got %v, %v", alias, found, err)
		}
	}
	_, err = conn.Search(searchFor("<GUID=nonsense>", "(objectClass=*)"))
	wantCode(t, "bad GUID", err, 34)
	_, err = conn.Search(searchFor("<GUID=00000000-0000-0000-0000-000000000000>", "(objectClass=*)"))
	wantCode(t, "GUID of nobody", err, 32)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	server := start(t)
	ada := seed(t, server, server.BaseDN().Child("CN", "Users").Child("CN", "Ada"), "contact", ldapd.Attrs{"title": {"smith"}})
	conn := bound(t, server)
	for value, want := range map[string]bool{"SMITH": true, "reeve": false} {
		if got, err := conn.Compare(string(ada.DN), "title", value); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", value, got, err, want)
		}
	}
	_, err := conn.Compare(string(ada.DN), "colour", "red")
	wantCode(t, "unknown attribute", err, 16)
	_, err = conn.Compare("CN=nobody,"+string(server.BaseDN()), "title", "x")
	wantCode(t, "nobody", err, 32)
}

const foreign migrate.SID = "S-1-5-21-1111111111-2222222222-3333333333-1234"

// inheritedACE makes an ACE as it looks when it has come down from a parent.
func inheritedACE(t *testing.T) []byte {
	t.Helper()
	ace, err := ntsd.NewACE(ntsd.Allow, 0x20, migrate.GUID{}, foreign)
	if err != nil {
		t.Fatal(err)
	}
	raw := ace.Raw()
	raw[1] |= ntsd.FlagInherited
	return raw
}

// descriptor reads the parts of an object's security descriptor.
func descriptor(t *testing.T, conn *goldap.Conn, dn directory.DN, flags int32) *ntsd.Descriptor {
	t.Helper()
	request := searchFor(dn, "(objectClass=*)", "nTSecurityDescriptor")
	request.Controls = []goldap.Control{&goldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: flags}}
	found, err := conn.Search(request)
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	d, err := ntsd.Parse(found.Entries[0].GetRawAttributeValue("nTSecurityDescriptor"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSecurityDescriptorParts(t *testing.T) {
	t.Parallel()
	server := start(t)
	ada := seedUser(t, server, server.BaseDN().Child("CN", "Users"), "ada", nil)
	conn := bound(t, server)
	for flags := range int32(16) {
		d := descriptor(t, conn, ada.DN, flags)
		want := flags
		if flags == 0 {
			want = 15 // no flag means all parts
		}
		got := fmt.Sprint(d.Owner != "", d.Group != "", d.DACL != nil)
		if wanted := fmt.Sprint(want&1 != 0, want&2 != 0, want&4 != 0); got != wanted {
			t.Errorf("flags %d: got owner, group, DACL %s, want %s", flags, got, wanted)
		}
	}
	found, err := conn.Search(searchFor(ada.DN, "(objectClass=*)"))
	if err != nil || slices.ContainsFunc(found.Entries[0].Attributes, func(a *goldap.EntryAttribute) bool { return a.Name == "nTSecurityDescriptor" }) {
		t.Errorf("the security descriptor comes unasked: %v", err)
	}
}

// TestInheritedACEsAreTheServers writes a DACL without its inherited ACE, with a
// forged one, protected, and NULL.
func TestInheritedACEsAreTheServers(t *testing.T) {
	t.Parallel()
	server := start(t)
	ada := seedUser(t, server, server.BaseDN().Child("CN", "Users"), "ada", nil)
	conn := bound(t, server)
	d := descriptor(t, conn, ada.DN, 7)
	seeded := appendACE(t, d.Bytes(), inheritedACE(t))
	set := directory.Mod{Op: directory.ReplaceValues, Attr: "nTSecurityDescriptor", Values: [][]byte{seeded}}
	if err := server.SeedChange(ada.DN, set); err != nil {
		t.Fatal(err)
	}
	before := descriptor(t, conn, ada.DN, 7)
	if len(before.DACL.Inherited()) != 1 {
		t.Fatalf("got %d inherited ACEs after seeding, want 1", len(before.DACL.Inherited()))
	}
	write := func(raw []byte, flags int32) {
		t.Helper()
		request := goldap.NewModifyRequest(string(ada.DN), []goldap.Control{&goldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: flags}})
		request.Replace("nTSecurityDescriptor", []string{string(raw)})
		wantCode(t, "write", conn.Modify(request), 0)
	}
	check := func(what string, explicit, inherited int) {
		t.Helper()
		now := descriptor(t, conn, ada.DN, 7)
		if now.Owner != before.Owner || len(now.DACL.Explicit()) != explicit || len(now.DACL.Inherited()) != inherited {
			t.Errorf("%s: got owner %s, %d explicit, %d inherited; want %s, %d, %d", what, now.Owner,
				len(now.DACL.Explicit()), len(now.DACL.Inherited()), before.Owner, explicit, inherited)
		}
	}
	explicit := len(before.DACL.Explicit())

	without := descriptor(t, conn, ada.DN, 7)
	without.DACL.Remove(ntsd.ACE.Inherited)
	write(without.Bytes(), 4)
	check("left out", explicit, 1)
	write(appendACE(t, before.Bytes(), inheritedACE(t)), 4)
	check("forged", explicit, 1)

	null := nullDACL(before.Bytes())
	write(null, 4)
	check("NULL DACL", 4, 1) // the standard four

	without.Control |= 0x1000 // SE_DACL_PROTECTED
	write(without.Bytes(), 4)
	check("protected", explicit, 0)
}

// appendACE adds an ACE to the end of the DACL, which the server writes last.
func appendACE(t *testing.T, sd, ace []byte) []byte {
	t.Helper()
	at := int(sd[16]) | int(sd[17])<<8
	size := int(sd[at+2]) | int(sd[at+3])<<8
	if at+size != len(sd) {
		t.Fatalf("the DACL at %d of %d octets does not end the descriptor of %d", at, size, len(sd))
	}
	out := append(slices.Clone(sd), ace...)
	size += len(ace)
	out[at+2], out[at+3] = byte(size), byte(size>>8)
	out[at+4]++
	return out
}

// nullDACL takes the DACL away and leaves the bit that says it is there.
func nullDACL(sd []byte) []byte {
	out := slices.Clone(sd)
	clear(out[16:20])
	return out
}
