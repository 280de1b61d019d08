package directory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reforest/migrate"
)

// TestPack: whatever the texts are, they stay the same.
func TestPack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.StringMatching(`[ab:ü]{0,6}`)).Draw(t, "texts")
		got := append([]string{}, want...)
		pointers := make([]*string, len(got))
		for i := range got {
			pointers[i] = &got[i]
		}
		pack(pointers)
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestCompact: a recipient of the index has the same names as the one it was read from.
func TestCompact(t *testing.T) {
	t.Parallel()
	attrs := map[string][][]byte{}
	for name, values := range map[string][]string{
		"objectClass": {"top", "user"}, "objectGUID": {strings.Repeat("g", 16)}, "sAMAccountName": {"anna"}, "userPrincipalName": {"anna@alpine.test"},
		"mailNickname": {"anna"}, "mail": {"Anna@alpine.test"}, "legacyExchangeDN": {"/o=A/cn=anna"}, "homeMDB": {"CN=DB,DC=x"},
		"proxyAddresses": {"sip:anna@alpine.test", "SMTP:Anna@alpine.test", "X500:/o=Old/cn=anna", "smtp:a@alpine.test"},
		"targetAddress":  {"SMTP:Anna@alpine.test"}, "employeeID": {"7"}, "adminDescription": {"reforest:x"},
		"msExchHomeServerName": {"/o=A/cn=EX1"}, "displayName": {"Anna"},
	} {
		attrs[name] = texts(values...)
	}
	entry := NewEntry("CN=Anna,DC=alpine,DC=test", attrs)
	want, err := ParseRecipient(entry)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRecipient(entry)
	if err != nil {
		t.Fatal(err)
	}
	c := newCompactor()
	got.Entry = c.entry(entry, []string{attrHomeServer})
	c.compact(got)
	if diff := cmp.Diff(want.keys(), got.keys()); diff != "" {
		t.Errorf("keys (-read +compact):\n%s", diff)
	}
	if got.Address() != want.Address() || got.IsMailbox() != want.IsMailbox() || got.recipientKind() != want.recipientKind() || !got.Entry.Has(attrHomeServer) {
		t.Errorf("got %+v of %+v", got, want)
	}
	if diff := cmp.Diff(Proxies{"SMTP:Anna@alpine.test", "X500:/o=Old/cn=anna", "smtp:a@alpine.test"}, got.Proxies); diff != "" {
		t.Errorf("proxies (-want +got):\n%s", diff)
	}
}

// TestLookupOfManyWithOneName: names that several have, and names that were taken since.
func TestLookupOfManyWithOneName(t *testing.T) {
	t.Parallel()
	x := &Index{late: map[nameKey][]int32{}, owners: map[*Recipient]migrate.GUID{}}
	for i, key := range []nameKey{3, 5, 5, 9} {
		x.people = append(x.people, &Recipient{Sam: string(rune('a' + i))})
		x.names = append(x.names, indexedName{key, int32(i)})
	}
	x.hold([]nameKey{5, 7}, &Recipient{Sam: "late"}, migrate.GUID{})
	for key, want := range map[nameKey]string{1: "", 3: "a", 5: "b c late", 7: "late", 9: "d", 10: ""} {
		var got []string
		for _, r := range x.lookup(key) {
			got = append(got, r.Sam)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("key %d: got %q, want %q", key, got, want)
		}
	}
}
