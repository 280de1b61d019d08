package ntsd_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"reforest/directory/ntsd"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/real"
)

// TestEveryDescriptorOfTheForests: whatever descriptor a domain controller shows, in any
// partition of either forest, is written as it was read.
func TestEveryDescriptorOfTheForests(t *testing.T) {
	t.Parallel()
	lab := real.Load(t)
	for _, forest := range []real.Forest{lab.Source, lab.Target} {
		conn := forest.Dial(t)
		for _, base := range partitions(t, conn, forest) {
			if n := roundTripAll(t, conn, base); n < 50 {
				t.Errorf("%s: %d descriptors are too few for a partition", base, n)
			} else {
				t.Logf("%s: %d descriptors", base, n)
			}
		}
	}
}

// TestEveryDescriptorOfTheRehearsal does the same with the rehearsal's server.
func TestEveryDescriptorOfTheRehearsal(t *testing.T) {
	t.Parallel()
	const password = "Rehearsal-Passw0rd!"
	server, err := ldapd.Start(t.Context(), ldapd.Config{Domain: "alpine.test", AdminPassword: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	forest := real.Forest{URL: server.URL(), CA: ca, NetBIOS: "ALPINE", BindDN: `ALPINE\Administrator`, Password: password, ServerName: "127.0.0.1"}
	conn := forest.Dial(t)
	for _, base := range partitions(t, conn, forest) {
		if roundTripAll(t, conn, base) == 0 {
			t.Errorf("%s: nothing came", base)
		}
	}
}

// partitions returns the domain, configuration and schema partitions.
func partitions(t *testing.T, conn *ldap.Conn, forest real.Forest) []string {
	t.Helper()
	names := []string{"defaultNamingContext", "configurationNamingContext", "schemaNamingContext"}
	root, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", names, nil))
	if err != nil || len(root.Entries) != 1 {
		t.Fatalf("read rootDSE of %s: %v", forest.NetBIOS, err)
	}
	var bases []string
	for _, name := range names {
		bases = append(bases, root.Entries[0].GetAttributeValue(name))
	}
	return bases
}

// roundTripAll reads everything below the base, with owner, group and DACL
// (MS-ADTS 3.1.1.3.4.1.11), and returns how many descriptors came.
func roundTripAll(t *testing.T, conn *ldap.Conn, base string) int {
	t.Helper()
	request := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{"nTSecurityDescriptor"}, []ldap.Control{&ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: 7}})
	result, err := conn.SearchWithPaging(request, 500)
	if err != nil {
		t.Fatalf("read %s: %v", base, err)
	}
	for _, entry := range result.Entries {
		b := entry.GetRawAttributeValue("nTSecurityDescriptor")
		if len(b) == 0 {
			t.Errorf("%s: no descriptor is shown", entry.DN)
			continue
		}
		if d, err := ntsd.Parse(b); err != nil {
			t.Errorf("%s: %v\n%x", entry.DN, err, b)
		} else if !bytes.Equal(d.Bytes(), b) {
			t.Errorf("%s: got\n     %x\nwant %x", entry.DN, d.Bytes(), b)
		}
	}
	return len(result.Entries)
}
