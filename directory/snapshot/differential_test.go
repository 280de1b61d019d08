package snapshot_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// hostile are names that a careless DN, filter or file breaks on.
var hostile = []string{
	`Meier, Karl`, `Léa "La Belle" Ñandú`, `#first`, ` leading and trailing `, `back\slash`, `a=b+c`, `semi;colon`, `<angle>`,
	`star*`, `(paren)`, `東京タワー`, `mountain 🏔`, `*)(objectClass=*`, `O'Neill`, `a/b`, `\2c`, "tab\tand\x01control", "line\u2028end",
}

const guid = "Ab\x00\xff*\\\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"

// fill makes the entries that the questions are about.
func fill(t *testing.T, f forest) {
	t.Helper()
	people := f.seed(t, f.server.BaseDN().Child("OU", "People"), ldapd.Attrs{"objectClass": {"organizationalUnit"}, "uPNSuffixes": {"people.test"}})
	deep := f.seed(t, people.Child("OU", "Deep, deeper"), ldapd.Attrs{"objectClass": {"organizationalUnit"}})
	for i, name := range hostile {
		f.seed(t, people.Child("CN", name), ldapd.Attrs{
			"objectClass": {"contact"}, "displayName": {name}, "mailNickname": {fmt.Sprint("nick", i)},
			"proxyAddresses": {"SMTP:c" + fmt.Sprint(i) + "@alpine.test", "X500:/o=Alpine/ou=First/cn=Recipients/cn=" + name},
		})
	}
	boss := f.seed(t, deep.Child("CN", "Ada Bergström"), ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"ada"}, "sn": {"Bergström"}, "msExchMailboxGuid": {guid},
		"msExchRecipientTypeDetails": {"1"}, "msExchHideFromAddressLists": {"TRUE"}, "msExchMasterAccountSid": {sidOf(t, "S-1-5-21-1-2-3-4444")},
		"legacyExchangeDN": {"/o=Alpine/ou=First/cn=Recipients/cn=ada"}, "thumbnailPhoto": {strings.Repeat("\x00\x01\xfe\xff", 9000)},
		"info": {"Grüße, 東京 🏔 \\ * ( ) \r\nline two "}, "whenCreated": {"20200101000000.0Z"},
	})
	f.seed(t, people.Child("CN", "Bea"), ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"bea"}, "manager": {string(boss)}, "msExchRecipientTypeDetails": {"128"},
		"msExchMailboxGuid": {"aB" + guid[2:]}, "sIDHistory": {sidOf(t, "S-1-5-21-9-9-9-1001"), sidOf(t, "S-1-5-21-9-9-9-1002")}, "title": {"Reeve"},
	})
	inner := f.seed(t, people.Child("CN", "inner"), ldapd.Attrs{"objectClass": {"group"}, "sAMAccountName": {"inner"}, "member": {string(boss)}})
	f.seed(t, people.Child("CN", "outer"), ldapd.Attrs{"objectClass": {"group"}, "sAMAccountName": {"outer"}, "member": {string(inner)}})
	if _, err := f.server.AddDatabase("MBX 1"); err != nil {
		t.Fatal(err)
	}
}

// questions are filters of every kind, on every syntax.
func questions(f forest, ada *directory.Entry) []directory.Filter {
	base := string(f.server.BaseDN())
	all := []directory.Filter{
		"", directory.Any, "(&)", "(|)", "(sn=BERGSTROM)", "(sn=berg*Ö*)", "(sn=*str*m)", "(sn>=b)", "(sn<=b)", "(cn=*)", "(!(cn=*))",
		"(objectSid=S-1-5-21-1-2-3-4)", "(objectSid=nonsense)", "(objectSid=*)", "(sIDHistory=S-1-5-21-9-9-9-1002)",
		"(msExchMasterAccountSid=s-1-5-21-1-2-3-4444)", "(manager=cn=ADA bergstrom, ou=Deep\\5c, deeper,ou=people," + directory.Filter(base) + ")",
		"(manager=CN=nobody," + directory.Filter(base) + ")", "(manager=*)", "(directReports=*)", "(manager=nonsense)",
		"(memberOf=CN=inner,OU=People," + directory.Filter(base) + ")", "(memberOf:1.2.840.113556.1.4.1941:=CN=outer,OU=People," + directory.Filter(base) + ")",
		"(memberOf:1.2.840.113556.1.4.1941:=nonsense)", "(cn:1.2.3.4:=Bea)", "(objectCategory=person)", "(objectCategory=user)", "(objectCategory=group)",
		"(objectCategory=nothing)", "(objectClass=user)", "(objectClass=ORGANIZATIONALPERSON)", "(objectClass=nothing)", "(objectClass=us*)",
		"(colour=red)", "(!(colour=red))", "(|(colour=red)(cn=Bea))", "(&(cn=Bea)(!(colour=red)))", "(title=reeve)", "(title=ree\\76e)", "(title=)", "(title~=reeve)",
		"(msExchRecipientTypeDetails>=2)", "(msExchRecipientTypeDetails<=9)", "(msExchRecipientTypeDetails>=nine)", "(msExchRecipientTypeDetails=1)",
		"(msExchRecipientTypeDetails=01)", "(msExchRecipientTypeDetails=1*)", "(userAccountControl:1.2.840.113556.1.4.803:=514)",
		"(userAccountControl:1.2.840.113556.1.4.804:=3)", "(userAccountControl:1.2.840.113556.1.4.803:=two)", "(cn:1.2.840.113556.1.4.803:=1)",
		"(whenCreated>=20190101000000.0Z)", "(whenCreated<=20200101000000Z)", "(whenCreated>=yesterday)",
		"(msExchHideFromAddressLists=TRUE)", "(msExchHideFromAddressLists=true)", "(!(msExchHideFromAddressLists=TRUE))", "(msExchHideFromAddressLists>=FALSE)",
		"(nTSecurityDescriptor=x)", "(nTSecurityDescriptor=*)", "(distinguishedName=cn=BEA,ou=people," + directory.Filter(base) + ")",
		"(legacyExchangeDN=/O=ALPINE/ou=first/cn=recipients/cn=ADA)", "(proxyAddresses=smtp:C3@alpine.test)", "(proxyAddresses=smtp:*)",
		"(&(objectClass=contact)(|(mailNickname=NICK1)(mailNickname=nick2)(displayName=star\\2a)))", "(!(&(objectClass=contact)(cn=star\\2a)))",
		"(uPNSuffixes=people.test)", directory.EqBytes("msExchMailboxGuid", []byte(guid)), directory.EqBytes("msExchMailboxGuid", []byte("aB"+guid[2:])),
		directory.EqBytes("objectGUID", ada.Bytes("objectGUID")[0]), directory.EqBytes("objectSid", ada.Bytes("objectSid")[0]),
		directory.EqBytes("objectGUID", ada.Bytes("objectGUID")[0][:15]), "(msExchMailboxGuid=*\\ff*)", "(thumbnailPhoto=\\00*)",
	}
	for _, name := range hostile {
		all = append(all, directory.Eq("displayName", name), directory.Eq("cn", name), directory.Eq("proxyAddresses", "x500:/o=Alpine/ou=First/cn=Recipients/cn="+name))
	}
	return all
}

// TestDifferential asks the server and the file the same questions.
func TestDifferential(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	fill(t, f)
	file := open(t, save(t, f.conn, config()))
	base := f.server.BaseDN()
	people := base.Child("OU", "People")
	ada, err := f.server.Entry(people.Child("OU", "Deep, deeper").Child("CN", "Ada Bergström"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, filter := range questions(f, ada) {
		for _, query := range []directory.Query{
			{Filter: filter, Attrs: []string{"cn"}},
			{Base: people, Scope: directory.Subtree, Filter: filter, Attrs: []string{"CN", "objectguid", "nTSecurityDescriptor", "colour"}},
			{Base: people, Scope: directory.OneLevel, Filter: filter, Attrs: []string{"proxyAddresses", "memberOf", "member"}},
			{Base: ada.DN, Scope: directory.Base, Filter: filter, Attrs: []string{"thumbnailPhoto", "info", "objectSid"}},
			{Base: directory.DN(strings.ToUpper(string(people))), Filter: filter, Attrs: []string{"sIDHistory", "distinguishedName"}},
			{Base: base.Child("OU", "nobody"), Filter: filter},
		} {
			want, got := answers(t, f.conn, query), answers(t, file, query)
			found += len(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %d %s (-server +file):\n%s", query.Base, query.Scope, filter, diff)
			}
		}
	}
	if found < 500 {
		t.Errorf("the questions found %d entries only", found)
	}
}

// leftOut are attributes of the server's objects that the file does not hold.
var leftOut = []string{
	"instancetype", "msds-behavior-version", "badpasswordtime", "lastlogoff", "lastlogon", "logoncount", "codepage",
	"accountexpires",
}

// TestGetsAreTheServers reads every entry, from the server and from the file.
func TestGetsAreTheServers(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	fill(t, f)
	file := open(t, save(t, f.conn, config()))
	base := f.server.BaseDN()
	schema := base.Child("CN", "Configuration").Child("CN", "Schema")
	read := 0
	for _, top := range []directory.DN{base, schema.Parent()} {
		for entry, err := range f.conn.Find(t.Context(), directory.Query{Base: top, Filter: directory.Any, Attrs: []string{"cn"}}) {
			if err != nil {
				t.Fatal(err)
			}
			read++
			sameEntry(t, f, file, entry.DN)
			sameEntry(t, f, file, entry.DN, directory.RecipientAttrs...)
			if !entry.DN.Under(schema) {
				sameEntry(t, f, file, entry.DN, "objectClass", "nTSecurityDescriptor", "colour")
			}
		}
	}
	if read < 300 {
		t.Errorf("read %d entries only", read)
	}
	sameEntry(t, f, file, "", "defaultNamingContext", "namingContexts", "dnsHostName", "nothing")
	sameEntry(t, f, file, base.Child("OU", "People"), "allowedChildClassesEffective", "ou")
	if _, err := file.Get(t.Context(), base.Child("OU", "nobody")); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("get nobody: %v", err)
	}
}

func sameEntry(t *testing.T, f forest, file directory.Reader, dn directory.DN, attrs ...string) {
	t.Helper()
	want, err := f.conn.Get(t.Context(), dn, attrs...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := file.Get(t.Context(), dn, attrs...)
	if err != nil {
		t.Errorf("get %q: %v", dn, err)
		return
	}
	all := shown(want)
	if len(attrs) == 0 {
		maps.DeleteFunc(all, func(attr string, _ []string) bool { return slices.Contains(leftOut, attr) })
	}
	if diff := cmp.Diff(all, shown(got)); diff != "" {
		t.Errorf("%q %v (-server +file):\n%s", dn, attrs, diff)
	}
}

// shown returns what an entry holds, values sorted.
func shown(entry *directory.Entry) map[string][]string {
	all := map[string][]string{}
	for _, attr := range entry.Attrs() {
		values := entry.Values(attr)
		slices.Sort(values)
		all[strings.ToLower(attr)] = values
	}
	return all
}

// answers returns what the reader finds, by DN; what fails is an answer too.
func answers(t *testing.T, reader directory.Reader, query directory.Query) map[string]map[string][]string {
	t.Helper()
	all := map[string]map[string][]string{}
	for entry, err := range reader.Find(t.Context(), query) {
		switch {
		case errors.Is(err, directory.ErrNotFound):
			all["not found"] = nil
		case err != nil:
			t.Errorf("%s: %v", query.Filter, err)
		default:
			all[entry.DN.Key()] = shown(entry)
		}
	}
	return all
}
