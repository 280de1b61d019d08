package directory_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

const farDN directory.DN = "CN=Far,OU=Staff,DC=sub,DC=baltic,DC=test"

// withCatalog gives the target a second domain, which only a global catalog shows.
func (l *lab) withCatalog(t testing.TB) *memory {
	t.Helper()
	catalog := newMemory(baltic)
	l.Target.Info.Domains = append(l.Target.Info.Domains, directory.Domain{DN: "DC=sub,DC=baltic,DC=test", DNS: "sub.baltic.test"})
	l.Target.Catalog = catalog
	return catalog
}

// TestClashInAnotherDomain: an address or UPN that another domain of the forest has is
// found in the catalog, whether the server is asked or an index.
func TestClashInAnotherDomain(t *testing.T) {
	t.Parallel()
	for name, far := range map[string]map[string][]string{
		"smtp":             {"proxyAddresses": {"SMTP:BMeier@mail.baltic.test"}},
		"x500":             {"proxyAddresses": {"X500:" + strings.ToUpper(minted)}},
		"legacyExchangeDN": {"legacyExchangeDN": {minted}},
	} {
		for _, indexed := range []bool{false, true} {
			l := newLab(t)
			catalog := l.withCatalog(t)
			catalog.put(t, farDN, with(far, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"far"}}))
			if indexed {
				index, err := directory.NewIndex(t.Context(), &l.Target, nil)
				if err != nil {
					t.Fatal(err)
				}
				l.Target.UseIndex(index)
			}
			plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"address.taken"}, rules(plan.Forbidden())); diff != "" || plan.Forbidden()[0].Whom != string(farDN) {
				t.Errorf("%s, index %v: %v", name, indexed, plan.Findings)
			}
		}
	}
}

// TestMatchInAnotherDomain: who is found there is the person as well.
func TestMatchInAnotherDomain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.withCatalog(t).put(t, farDN, map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared})
	pair := l.putBirgit(t, nil)
	if pair.Target == nil || pair.Target.DN != farDN {
		t.Errorf("got %+v", pair)
	}
}

// TestUPNInAnotherDomain: a name that the catalog knows is not given twice.
func TestUPNInAnotherDomain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.withCatalog(t).put(t, farDN, map[string][]string{"objectClass": {"user"}, "userPrincipalName": {"Birgit@group.test"}})
	if pair := l.stage(t, l.putBirgit(t, nil)); pair.Target.UPN != "birgit2@group.test" {
		t.Errorf("got %q", pair.Target.UPN)
	}
}

// TestCatalogIsLate: what a catalog shows of the server's own domain is read from the
// server: it is whole there, and as it is now.
func TestCatalogIsLate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	catalog := l.withCatalog(t)
	guid := map[string][]string{"objectGUID": {"the one and only"}, "objectClass": {"user"}, "proxyAddresses": shared}
	catalog.put(t, staffDN("A"), guid)
	catalog.put(t, staffDN("Gone"), with(guid, map[string][]string{"objectGUID": {"it is not there!"}}))
	if pair := l.putBirgit(t, nil); pair.Target != nil {
		t.Errorf("matched what the server does not have: %+v", pair.Target)
	}
	l.target.put(t, staffDN("A"), with(guid, map[string][]string{"proxyAddresses": {"smtp:else@baltic.test"}}))
	if pair := l.match(t, string(birgitDN)); pair.Target != nil {
		t.Errorf("matched what has been taken away: %+v", pair.Target)
	}
	l.target.put(t, staffDN("A"), with(guid, map[string][]string{"title": {"Dr."}}))
	if pair := l.match(t, string(birgitDN)); pair.Target == nil || pair.Target.Entry.First("title") != "Dr." {
		t.Errorf("got %+v", pair)
	}
}

// TestEveryDomainHeld: a server that answers for several domains is asked about each.
func TestEveryDomainHeld(t *testing.T) {
	t.Parallel()
	head := directory.DN("DC=other,DC=test")
	l := newLab(t)
	l.target.put(t, head, map[string][]string{"objectClass": {"domainDNS"}})
	l.target.put(t, head.Child("CN", "A"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": shared, "objectGUID": {"a in other.test "}})
	l.Target.Info.Domains = append(l.Target.Info.Domains, directory.Domain{DN: head, DNS: "other.test"})
	if pair := l.putBirgit(t, nil); pair.Target != nil {
		t.Errorf("found in a domain that the server does not hold: %+v", pair.Target)
	}
	l.Target.Info.Holds = append(l.Target.Info.Holds, head)
	pair := l.match(t, string(birgitDN))
	if pair.Target == nil || pair.Target.DN != head.Child("CN", "A") {
		t.Fatalf("got %+v", pair)
	}
	twin, err := l.Match(t.Context(), pair.Source, migrate.GUID([]byte("a in other.test ")))
	if err != nil || twin.Target.DN != pair.Target.DN {
		t.Errorf("got %+v, %v", twin, err)
	}
}

// TestCatalogOnTheWire: a name that only another domain of the forest has is found by the
// global catalog of a rehearsal server, which searches all of them from the root.
func TestCatalogOnTheWire(t *testing.T) {
	t.Parallel()
	const password = "Rehearsal-Passw0rd!"
	server, err := ldapd.Start(context.WithoutCancel(t.Context()), ldapd.Config{Domain: "fabrikam.test", AdminPassword: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	sales, err := server.AddDomain("sales")
	if err != nil {
		t.Fatal(err)
	}
	far := sales.Child("CN", "Users").Child("CN", "Far")
	if _, err := server.Seed(far, ldapd.Attrs{"objectClass": {"user"}, "sAMAccountName": {"far"}, "proxyAddresses": shared}); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	open := func(url string, catalog bool) *ldap.Conn {
		conn, err := ldap.Dial(t.Context(), ldap.Config{
			URL: url, CAFile: ca, BindDN: "Administrator@fabrikam.test", Password: password, GlobalCatalog: catalog,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	l.Target.Reader = open(server.URL(), false)
	if l.Target.Info, err = directory.Survey(t.Context(), l.Target.Reader); err != nil {
		t.Fatal(err)
	}
	if pair := l.putBirgit(t, nil); pair.Target != nil {
		t.Errorf("the domain controller shows another domain: %s", pair.Target.DN)
	}
	l.Target.Catalog = open(server.GlobalURL(), true)
	pair := l.match(t, string(birgitDN))
	if pair.Target == nil || !pair.Target.DN.Equal(far) || pair.Evidence != "smtp:b.schulz@alpine.test" {
		t.Errorf("got %+v", pair)
	}
}
