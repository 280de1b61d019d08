package directorytest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"iter"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// A Directory is what the suite tests.
type Directory interface {
	directory.Reader
	directory.Writer
}

// A Fixture is a directory with a place for one test.
type Fixture struct {
	Directory Directory
	// Base is an empty organizational unit of the test's own. Whoever opens the
	// fixture removes it, with all that lies below, when the test ends.
	Base directory.DN
}

// Run runs the suite. open is called once for every test, at once for several.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"root", testRoot},
		{"add and get", testAddAndGet},
		{"add generates", testAddGenerates},
		{"modify", testModify},
		{"modify is all or nothing", testModifyAtomic},
		{"values", testValues},
		{"not found", testNotFound},
		{"exists", testExists},
		{"refusals", testRefusals},
		{"hostile names", testHostileNames},
		{"hostile filter values", testHostileFilters},
		{"binary filters", testBinaryFilters},
		{"filters", testFilters},
		{"scopes", testScopes},
		{"stop early", testStopEarly},
		{"write while finding", testWriteWhileFinding},
		{"links", testLinks},
		{"many entries and values", testMany},
		{"security descriptor", testSecurityDescriptor},
		{"cancelled", testCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, &bench{Fixture: open(t), tag: tag(t)})
		})
	}
}

// A bench is a fixture with shorthands. Names that are unique in a domain carry tag.
type bench struct {
	Fixture
	tag string
}

func tag(t *testing.T) string {
	t.Helper()
	raw := make([]byte, 4)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(raw)
}

// mod makes a Mod of text values.
func mod(op directory.ModOp, attr string, values ...string) directory.Mod {
	m := directory.Mod{Op: op, Attr: attr}
	for _, v := range values {
		m.Values = append(m.Values, []byte(v))
	}
	return m
}

func (b *bench) dn(cn string) directory.DN { return b.Base.Child("CN", cn) }

// add writes an add of an object of the class, with a sAMAccountName made of cn
// where the class wants one.
func (b *bench) add(t *testing.T, class, cn string, mods ...directory.Mod) error {
	t.Helper()
	change := directory.Change{
		Op: directory.Add, DN: b.dn(cn), Why: "test",
		Mods: append([]directory.Mod{mod(directory.AddValues, "objectClass", class)}, mods...),
	}
	return b.Directory.Write(t.Context(), change)
}

func (b *bench) mustAdd(t *testing.T, class, cn string, mods ...directory.Mod) directory.DN {
	t.Helper()
	if err := b.add(t, class, cn, mods...); err != nil {
		t.Fatalf("add %s %q: %v", class, cn, err)
	}
	return b.dn(cn)
}

func (b *bench) modify(t *testing.T, dn directory.DN, mods ...directory.Mod) error {
	t.Helper()
	return b.Directory.Write(t.Context(), directory.Change{Op: directory.Modify, DN: dn, Mods: mods, Why: "test"})
}

func (b *bench) mustModify(t *testing.T, dn directory.DN, mods ...directory.Mod) {
	t.Helper()
	if err := b.modify(t, dn, mods...); err != nil {
		t.Fatalf("modify %q: %v", dn, err)
	}
}

func (b *bench) get(t *testing.T, dn directory.DN, attrs ...string) *directory.Entry {
	t.Helper()
	entry, err := b.Directory.Get(t.Context(), dn, attrs...)
	if err != nil {
		t.Fatalf("get %q: %v", dn, err)
	}
	return entry
}

// find returns the names of what a filter matches below the base.
func (b *bench) find(t *testing.T, filter directory.Filter) []string {
	t.Helper()
	query := directory.Query{Base: b.Base, Filter: filter, Attrs: []string{"cn"}}
	return names(t, b.Directory.Find(t.Context(), query))
}

func names(t *testing.T, entries iter.Seq2[*directory.Entry, error]) []string {
	t.Helper()
	var found []string
	for entry, err := range entries {
		if err != nil {
			t.Fatalf("find: %v", err)
		}
		found = append(found, entry.DN.Name())
	}
	return found
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// refused checks that err is an answer of the server with one of the result codes
// (RFC 4511 4.1.9).
func refused(t *testing.T, what string, err error, codes ...uint16) {
	t.Helper()
	if !goldap.IsErrorAnyOf(err, codes...) {
		t.Errorf("%s: got error %v, want result code %v", what, err, codes)
	}
}
