package ldapd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// delegated starts a forest with an account that may create users and contacts and write
// a few attributes in one OU, and proxyAddresses everywhere.
func delegated(t *testing.T) (server *ldapd.Server, conn *goldap.Conn, staged, elsewhere directory.DN) {
	t.Helper()
	server = start(t)
	base := server.BaseDN()
	staged, elsewhere = base.Child("OU", "Staged"), base.Child("OU", "Elsewhere")
	for _, ou := range []directory.DN{staged, elsewhere} {
		seed(t, server, ou, "organizationalUnit", nil)
		seed(t, server, ou.Child("CN", "Ada"), "contact", nil)
	}
	users := base.Child("CN", "Users")
	seedUser(t, server, users, "mover", nil)
	seedGroup(t, server, users, "movers")
	member := directory.Mod{Op: directory.AddValues, Attr: "member", Values: [][]byte{[]byte(users.Child("CN", "mover"))}}
	if err := server.SeedChange(users.Child("CN", "movers"), member); err != nil {
		t.Fatal(err)
	}
	err := server.Grant(users.Child("CN", "movers"),
		ldapd.Grant{Under: staged, Create: []string{"user", "Contact"}, Delete: true, Write: []string{"title", "name", "cn", "unicodePwd"}, Descriptor: 4},
		ldapd.Grant{Write: []string{"ProxyAddresses"}})
	if err != nil {
		t.Fatal(err)
	}
	conn = connect(t, server, server.URL())
	if err := conn.Bind(`ALPINE\mover`, password); err != nil {
		t.Fatal(err)
	}
	return server, conn, staged, elsewhere
}

func TestDelegatedRights(t *testing.T) {
	t.Parallel()
	server, conn, staged, elsewhere := delegated(t)
	here, there := staged.Child("CN", "Ada"), elsewhere.Child("CN", "Ada")
	unit := goldap.NewAddRequest("OU=Sub,"+string(staged), nil)
	unit.Attribute("objectClass", []string{"organizationalUnit"})
	both := goldap.NewModifyRequest(string(here), nil)
	both.Replace("title", []string{"smith"})
	both.Replace("company", []string{"Alpine AG"})
	move := func(dn directory.DN, to directory.DN) error {
		return conn.ModifyDN(goldap.NewModifyDNRequest(string(dn), "CN=Ada", true, string(to)))
	}
	rename := func(dn directory.DN) error {
		return conn.ModifyDN(goldap.NewModifyDNRequest(string(dn), "CN=Bea", true, ""))
	}
	remove := func(dn directory.DN) error { return conn.Del(goldap.NewDelRequest(string(dn), nil)) }
	for _, test := range []struct {
		name string
		err  error
		code uint16
	}{
		{"add a user here", addUser(conn, staged.Child("CN", "new"), attr{"company", []string{"Alpine AG"}}), 0},
		{"add a user there", addUser(conn, elsewhere.Child("CN", "new")), 50},
		{"add a unit here", conn.Add(unit), 50},
		{"add below what is absent", addUser(conn, staged.Child("OU", "none").Child("CN", "new")), 32},
		{"write a granted attribute here", replace(conn, here, "title", "smith"), 0},
		{"write another here", replace(conn, here, "company", "Alpine AG"), 50},
		{"write both in one", conn.Modify(both), 50},
		{"write a granted attribute there", replace(conn, there, "title", "smith"), 50},
		{"write what is granted everywhere there", replace(conn, there, "proxyAddresses", "smtp:a@x"), 0},
		{"write it in the configuration", replace(conn, server.ConfigDN().Child("CN", "Services"), "proxyAddresses", "smtp:b@x"), 0},
		{"reset a password here", replace(conn, staged.Child("CN", "new"), "unicodePwd", string(ldapd.EncodePassword(password))), 0},
		{"reset a password there", replace(conn, server.AdminDN(), "unicodePwd", string(ldapd.EncodePassword(password))), 50},
		{"write to the absent", replace(conn, staged.Child("CN", "none"), "title", "x"), 32},
		{"rename there", rename(there), 50},
		{"move from here to there", move(here, elsewhere), 50},
		{"move from there to here", move(there, staged), 50},
		{"rename here", rename(here), 0},
		{"delete there", remove(there), 50},
		{"delete the granted unit itself", remove(staged), 50},
		{"delete here", remove(staged.Child("CN", "Bea")), 0},
	} {
		wantCode(t, test.name, test.err, test.code)
	}
	ada, err := server.Entry(there)
	if err != nil || ada.Has("title") || ada.First("proxyAddresses") != "smtp:a@x" {
		t.Errorf("the entry there: got %v, %v", ada, err)
	}
	if err := server.Revoke(server.BaseDN().Child("CN", "Users").Child("CN", "movers")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "after the rights are revoked", replace(conn, there, "proxyAddresses", "smtp:c@x"), 50)
}

// TestDelegatedDescriptor writes the DACL, which is granted, and with it what is not.
func TestDelegatedDescriptor(t *testing.T) {
	t.Parallel()
	server, conn, staged, elsewhere := delegated(t)
	for _, test := range []struct {
		name  string
		below directory.DN
		flags int32
		code  uint16
	}{
		{"DACL here", staged, 4, 0},
		{"owner and DACL here", staged, 5, 50},
		{"group and DACL here", staged, 6, 50},
		{"all parts here", staged, 0, 50}, // no flag means all
		{"DACL there", elsewhere, 4, 50},
	} {
		dn := test.below.Child("CN", "Ada")
		raw := descriptor(t, bound(t, server), dn, 7).Bytes()
		request := goldap.NewModifyRequest(string(dn), []goldap.Control{&goldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: test.flags}})
		request.Replace("nTSecurityDescriptor", []string{string(raw)})
		wantCode(t, test.name, conn.Modify(request), test.code)
		bare := goldap.NewModifyRequest(string(dn), nil)
		bare.Replace("nTSecurityDescriptor", []string{string(raw)})
		wantCode(t, test.name+", without the control", conn.Modify(bare), 50)
	}
}

// TestEffectiveRights holds what the server says may be written to what it lets be
// written.
func TestEffectiveRights(t *testing.T) {
	t.Parallel()
	server, delegate, staged, elsewhere := delegated(t)
	admin := bound(t, server)
	for _, test := range []struct {
		name              string
		conn              *goldap.Conn
		dn                directory.DN
		children, sd      string
		attributes        int // how many, at most
		allowed, withheld []string
	}{
		{"administrator", admin, staged, "user contact group organizationalUnit", "13", 400, []string{"ou", "description", "proxyAddresses", "nTSecurityDescriptor"}, []string{"memberOf", "sDRightsEffective", "member"}},
		{"administrator at a contact", admin, elsewhere.Child("CN", "Ada"), "", "13", 400, []string{"title", "mail", "altRecipient"}, []string{"sAMAccountName", "altRecipientBL", "member"}},
		{"delegate here", delegate, staged, "user contact", "4", 3, []string{"name", "cn", "proxyAddresses"}, []string{"ou"}},
		{"delegate at a contact here", delegate, staged.Child("CN", "Ada"), "", "4", 4, []string{"title", "proxyAddresses"}, []string{"company", "unicodePwd", "nTSecurityDescriptor"}},
		{"delegate there", delegate, elsewhere, "", "0", 1, []string{"proxyAddresses"}, []string{"ou"}},
	} {
		found, err := test.conn.Search(searchFor(test.dn, "(objectClass=*)", "allowedAttributesEffective", "allowedChildClassesEffective", "sDRightsEffective"))
		if err != nil || len(found.Entries) == 0 {
			t.Fatalf("%s: %v", test.name, err)
		}
		entry := found.Entries[0]
		attributes, children := entry.GetAttributeValues("allowedAttributesEffective"), entry.GetAttributeValues("allowedChildClassesEffective")
		for _, a := range test.allowed {
			if !slices.Contains(attributes, a) {
				t.Errorf("%s: %s is not allowed", test.name, a)
			}
		}
		for _, a := range test.withheld {
			if slices.Contains(attributes, a) {
				t.Errorf("%s: %s is allowed", test.name, a)
			}
		}
		if len(attributes) > test.attributes {
			t.Errorf("%s: got %d attributes: %q", test.name, len(attributes), attributes)
		}
		for _, class := range strings.Fields(test.children) {
			if !slices.Contains(children, class) {
				t.Errorf("%s: no %s may be created", test.name, class)
			}
		}
		if test.conn == delegate && len(children) != len(strings.Fields(test.children)) {
			t.Errorf("%s: may create %q, want %q", test.name, children, test.children)
		}
		if got := entry.GetAttributeValue("sDRightsEffective"); got != test.sd {
			t.Errorf("%s: sDRightsEffective is %s, want %s", test.name, got, test.sd)
		}
	}
}

// TestEffectiveIsTrue tries every attribute of a contact: it can be written if and only if
// it is said to be.
func TestEffectiveIsTrue(t *testing.T) {
	t.Parallel()
	_, conn, staged, _ := delegated(t)
	dn := staged.Child("CN", "Ada")
	all := readBack(t, conn, dn, "allowedAttributes")
	effective := readBack(t, conn, dn, "allowedAttributesEffective")
	if len(all) < 200 || len(effective) == 0 {
		t.Fatalf("got %d attributes, %d effective", len(all), len(effective))
	}
	for _, name := range all {
		err := conn.Modify(&goldap.ModifyRequest{DN: string(dn), Changes: []goldap.Change{
			{Operation: goldap.ReplaceAttribute, Modification: goldap.PartialAttribute{Type: name}},
		}})
		if refused := goldap.IsErrorWithCode(err, 50); refused == slices.Contains(effective, name) && name != "nTSecurityDescriptor" {
			t.Errorf("%s: got %v, effective is %v", name, err, !refused)
		}
	}
}

func TestGrantRefuses(t *testing.T) {
	t.Parallel()
	server := start(t)
	nobody := server.BaseDN().Child("CN", "nobody")
	for i, err := range []error{
		server.Grant(nobody),
		server.Grant(server.AdminDN(), ldapd.Grant{Under: nobody}),
		server.Grant(server.AdminDN(), ldapd.Grant{Write: []string{"colour"}}),
		server.Revoke(nobody),
	} {
		if err == nil {
			t.Error(fmt.Sprint(i) + " was accepted")
		}
	}
}
