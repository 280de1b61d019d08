package replica_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
)

const password = "Rehearsal-Passw0rd!"

// patience bounds every wait of the tests.
const patience = 30 * time.Second

// A lab is a forest, a replica of it, and the product's readers of both.
type lab struct {
	upstream ldap.Config
	replica  *replica.Replica
	here     ldap.Config // of the replica
	main     *ldap.Conn
	conn     *ldap.Conn // to the replica
	base     directory.DN
}

// follow starts a replica of the server and connects to both.
func follow(t testing.TB, upstream ldap.Config, config replica.Config) *lab {
	t.Helper()
	config.Upstream, config.CAFile, config.ServerName = upstream.URL, upstream.CAFile, upstream.ServerName
	config.BindDN, config.Password = upstream.BindDN, upstream.Password
	if config.Poll == 0 {
		config.Poll = 20 * time.Millisecond
	}
	r, err := replica.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	ca := filepath.Join(t.TempDir(), "replica.pem")
	if err := r.Server().Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	here := ldap.Config{URL: r.URL(), CAFile: ca, BindDN: upstream.BindDN, Password: upstream.Password, GlobalCatalog: config.Catalog}
	l := &lab{upstream: upstream, replica: r, here: here, main: dial(t, upstream), conn: dial(t, here)}
	l.base = l.main.DefaultNamingContext()
	return l
}

func dial(t testing.TB, config ldap.Config) *ldap.Conn {
	t.Helper()
	conn, err := ldap.Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// forest starts a rehearsal forest with a few people.
func forest(t testing.TB, config ldapd.Config) (*ldapd.Server, ldap.Config) {
	t.Helper()
	config.Domain, config.AdminPassword = "alpine.test", password
	server, err := ldapd.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	seed(t, server, server.BaseDN().Child("OU", "Staff"), ldapd.Attrs{"objectClass": {"organizationalUnit"}})
	for _, name := range []string{"ada", "bea", "cyd"} {
		seed(t, server, staff(server.BaseDN(), name), person(name))
	}
	return server, ldap.Config{URL: server.URL(), CAFile: ca, BindDN: string(server.AdminDN()), Password: password}
}

func staff(base directory.DN, name string) directory.DN {
	return base.Child("OU", "Staff").Child("CN", name)
}

func person(name string) ldapd.Attrs {
	return ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {name}, "displayName": {strings.ToUpper(name)},
		"mail": {name + "@alpine.test"}, "proxyAddresses": {"SMTP:" + name + "@alpine.test", "x500:/o=Old/cn=" + name},
	}
}

func seed(t testing.TB, server *ldapd.Server, dn directory.DN, attrs ldapd.Attrs) {
	t.Helper()
	if _, err := server.Seed(dn, attrs); err != nil {
		t.Fatal(err)
	}
}

func modify(dn directory.DN, attr string, values ...string) directory.Change {
	mod := directory.Mod{Op: directory.ReplaceValues, Attr: attr}
	for _, v := range values {
		mod.Values = append(mod.Values, []byte(v))
	}
	return directory.Change{Forest: directory.Target, Op: directory.Modify, DN: dn, Mods: []directory.Mod{mod}}
}

// write changes the upstream.
func (l *lab) write(t testing.TB, change directory.Change) {
	t.Helper()
	if err := l.main.Write(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) catchUp(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.replica.CaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
}

// raw returns a go-ldap connection to either server.
func raw(t testing.TB, config ldap.Config, trust *ldapd.Authority) *goldap.Conn {
	t.Helper()
	conn, err := goldap.DialURL(config.URL, goldap.DialWithTLSConfig(tlsOf(trust)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	conn.SetTimeout(patience)
	if err := conn.Bind(config.BindDN, config.Password); err != nil {
		t.Fatal(err)
	}
	return conn
}

// local are the attributes that each server counts for itself.
func local(attr string) bool {
	return slices.Contains([]string{"usncreated", "usnchanged"}, strings.ToLower(attr))
}

// image reads everything below a base, as values by attribute by entry. DNs are compared by
// what they mean.
func image(t testing.TB, conn *ldap.Conn, base directory.DN, links map[string]bool) map[string]map[string][]string {
	t.Helper()
	out := map[string]map[string][]string{}
	for entry, err := range conn.Find(t.Context(), directory.Query{Base: base, Attrs: []string{"*", "nTSecurityDescriptor"}}) {
		if err != nil {
			t.Fatal(err)
		}
		attrs := map[string][]string{}
		for _, name := range entry.Attrs() {
			if local(name) {
				continue
			}
			for _, value := range entry.Values(name) {
				if links[strings.ToLower(name)] {
					value = directory.DN(value).Key()
				}
				attrs[strings.ToLower(name)] = append(attrs[strings.ToLower(name)], value)
			}
			slices.Sort(attrs[strings.ToLower(name)])
		}
		out[entry.DN.Key()] = attrs
	}
	return out
}

// linksOf returns the attributes of DN syntax, by lower-case name.
func linksOf(t testing.TB, conn *ldap.Conn, schema directory.DN) map[string]bool {
	t.Helper()
	links := map[string]bool{"distinguishedname": true}
	query := directory.Query{
		Base: schema, Scope: directory.OneLevel, Attrs: []string{"lDAPDisplayName"}, Filter: directory.Eq("attributeSyntax", "2.5.5.1"),
	}
	for entry, err := range conn.Find(t.Context(), query) {
		if err != nil {
			t.Fatal(err)
		}
		links[strings.ToLower(entry.First("lDAPDisplayName"))] = true
	}
	return links
}

// same compares everything that the two servers show.
func (l *lab) same(t testing.TB) {
	t.Helper()
	config := l.base.Child("CN", "Configuration")
	l.sameBelow(t, l.base, config, config.Child("CN", "Schema"))
}

// sameBelow compares naming contexts.
func (l *lab) sameBelow(t testing.TB, bases ...directory.DN) {
	t.Helper()
	links := linksOf(t, l.main, l.base.Child("CN", "Configuration").Child("CN", "Schema"))
	total := 0
	for _, base := range bases {
		want, got := image(t, l.main, base, links), image(t, l.conn, base, links)
		total += len(want)
		for _, dn := range slices.Sorted(maps.Keys(want)) {
			if diff := cmp.Diff(want[dn], got[dn]); diff != "" {
				t.Errorf("%s (-upstream +replica):\n%.1500s", dn, diff)
			}
			delete(got, dn)
		}
		for dn := range got {
			t.Errorf("%s is on the replica alone", dn)
		}
	}
	if total < 10 {
		t.Errorf("compared %d entries", total)
	}
}

// settled asks the product whether the replica shows what the change wrote.
func (l *lab) settled(t testing.TB, change directory.Change) string {
	t.Helper()
	info, err := directory.Survey(t.Context(), l.main)
	if err != nil {
		t.Fatal(err)
	}
	d := &directory.Directories{Target: directory.Forest{
		Side: directory.Target, Reader: l.main, Info: info, Watch: []directory.Reader{l.conn},
	}}
	missing, err := d.Settled(t.Context(), directory.Plan{Changes: []directory.Change{change}})
	if err != nil {
		t.Fatal(err)
	}
	return missing
}

// untilSettled waits until the change has settled, and returns how long that took since
// begun.
func (l *lab) untilSettled(t testing.TB, change directory.Change, begun time.Time) time.Duration {
	t.Helper()
	for l.settled(t, change) != "" {
		if time.Since(begun) > patience {
			t.Fatal("it never settles")
		}
	}
	return time.Since(begun)
}

// members makes a group called everyone, and returns its members.
func members(t testing.TB, server *ldapd.Server, count int) []string {
	t.Helper()
	out := make([]string, count)
	for i := range out {
		dn := staff(server.BaseDN(), fmt.Sprintf("member %04d", i))
		seed(t, server, dn, ldapd.Attrs{"objectClass": {"contact"}})
		out[i] = string(dn)
	}
	seed(t, server, staff(server.BaseDN(), "everyone"), ldapd.Attrs{"objectClass": {"group"}, "sAMAccountName": {"everyone"}, "member": out})
	return out
}
