package snapshot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/snapshot"
)

// forestOfTwo is a file of a forest with a child domain, of version 1, as a global catalog
// shows it.
const forestOfTwo = `{"format":"reforest forest","version":1,"side":"target","domain":"corp.test","at":"2026-01-02T03:04:05Z","account":"CORP\\svc","catalog":true,` +
	`"root":{"text":{"defaultNamingContext":["DC=corp,DC=test"],"configurationNamingContext":["CN=Configuration,DC=corp,DC=test"],` +
	`"schemaNamingContext":["CN=Schema,CN=Configuration,DC=corp,DC=test"],"namingContexts":["DC=corp,DC=test","DC=sub,DC=corp,DC=test","CN=Configuration,DC=corp,DC=test","CN=Schema,CN=Configuration,DC=corp,DC=test"]}},` +
	`"parts":[{"base":"CN=Schema,CN=Configuration,DC=corp,DC=test","filter":"(x=*)","attrs":["cn","lDAPDisplayName","attributeSyntax"]},` +
	`{"base":"DC=corp,DC=test","filter":"(x=*)","attrs":["cn","mail"]},{"base":"DC=sub,DC=corp,DC=test","filter":"(x=*)","attrs":["cn","mail"]}]}
{"dn":"CN=cn,CN=Schema,CN=Configuration,DC=corp,DC=test","part":0,"text":{"cn":["cn"],"lDAPDisplayName":["cn"],"attributeSyntax":["2.5.5.12"]}}
{"dn":"CN=mail,CN=Schema,CN=Configuration,DC=corp,DC=test","part":0,"text":{"cn":["mail"],"lDAPDisplayName":["mail"],"attributeSyntax":["2.5.5.12"]}}
{"dn":"DC=corp,DC=test","part":1}
{"dn":"CN=Ada,DC=corp,DC=test","part":1,"text":{"cn":["Ada"],"mail":["ada@corp.test"]}}
{"dn":"DC=sub,DC=corp,DC=test","part":2}
{"dn":"CN=L\\C3\\A9a,DC=sub,DC=corp,DC=test","part":2,"text":{"cn":["Léa"],"mail":["lea@corp.test"]}}
{"part":0,"end":true,"entries":6}
`

func openText(t *testing.T, text string) *snapshot.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "corp.forest")
	if err := os.WriteFile(path, pack(t, text), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

func names(t *testing.T, r directory.Reader, base directory.DN, scope directory.Scope) (found []string) {
	t.Helper()
	query := directory.Query{Base: base, Scope: scope, Filter: "(mail=*@corp.test)", Attrs: []string{"cn"}}
	for entry, err := range r.Find(t.Context(), query) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, entry.First("cn"))
	}
	return found
}

// A global catalog is searched through all domains below the base, another domain
// controller through its own.
func TestDomainsBelow(t *testing.T) {
	t.Parallel()
	catalog := openText(t, forestOfTwo)
	controller := openText(t, strings.Replace(forestOfTwo, `"catalog":true,`, "", 1))
	for _, test := range []struct {
		reader *snapshot.Reader
		base   directory.DN
		want   []string
	}{
		{catalog, "", []string{"Ada", "Léa"}},
		{controller, "", []string{"Ada"}},
		{catalog, "DC=SUB,DC=corp,DC=test", []string{"Léa"}},
		{controller, "DC=sub, DC=corp, DC=test", []string{"Léa"}},
	} {
		if diff := cmp.Diff(test.want, names(t, test.reader, test.base, directory.Subtree)); diff != "" {
			t.Errorf("below %q (-want +got):\n%s", test.base, diff)
		}
	}
	if diff := cmp.Diff([]string{"Ada"}, names(t, catalog, "DC=corp,DC=test", directory.OneLevel)); diff != "" {
		t.Error(diff)
	}
}

// One entry has many spellings of its name, none of which is another's.
func TestSpellings(t *testing.T) {
	t.Parallel()
	r := openText(t, forestOfTwo)
	for _, dn := range []directory.DN{
		`CN=L\C3\A9a,DC=sub,DC=corp,DC=test`, `CN=Léa,DC=sub,DC=corp,DC=test`, `cn=LÉA, dc=Sub,dc=corp,dc=test`, `CN=le\61,DC=sub,DC=corp,DC=test`,
	} {
		entry, err := r.Get(t.Context(), dn, "mail")
		if err != nil || entry.First("mail") != "lea@corp.test" {
			t.Errorf("%s: %v", dn, err)
		}
	}
	for _, dn := range []directory.DN{`CN=Léa,DC=corp,DC=test`, `CN=Lea\,DC=sub,DC=corp,DC=test`, `OU=Léa,DC=sub,DC=corp,DC=test`, "nonsense"} {
		if entry, err := r.Get(t.Context(), dn, "mail"); err == nil {
			t.Errorf("%s is %s", dn, entry.DN)
		}
	}
}
