package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// TestAuditNames: everyone whose old mail cannot be answered from the other side, and
// nobody else.
func TestAuditNames(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	staged := l.stage(t, l.putBirgit(t, nil))
	l.source.put(t, "CN=Smith,"+people, map[string][]string{
		"objectClass": {"user"}, "mail": {"smith@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/cn=Recipients/cn=jsmith"},
	})
	l.source.put(t, "CN=List,"+people, map[string][]string{
		"objectClass": {"group"}, "mail": {"list@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/cn=Recipients/cn=list"},
		"proxyAddresses": {"x500:/o=Older/cn=list"},
	})
	l.source.put(t, "CN=PC,"+people, map[string][]string{"objectClass": {"user", "computer"}, "legacyExchangeDN": {"/o=Alpine/cn=pc"}})
	// A longer name that begins alike is another name.
	l.target.put(t, staffDN("Smith 2"), map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"X500:/o=Alpine/cn=Recipients/cn=jsmith2"}})
	l.target.put(t, staffDN("List"), map[string][]string{"objectClass": {"group"}, "proxyAddresses": {"X500:/O=ALPINE/cn=Recipients/cn=list"}, "legacyExchangeDN": {"/o=Baltic/cn=list"}})
	got := map[string]string{}
	for f, err := range l.AuditNames(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		proves(t, f)
		got[f.Rule+" "+f.Whom] = f.What
	}
	want := map[string]string{
		"x500.unowned smith@alpine.test":          `No target object owns "X500:/o=Alpine/cn=Recipients/cn=jsmith" of CN=Smith,` + string(people) + `: replies to old mail of it bounce at the target.`,
		"x500.unowned list@alpine.test":           `No target object owns "X500:/o=Older/cn=list" of CN=List,` + string(people) + `: replies to old mail of it bounce at the target.`,
		"x500.one-way " + string(staffDN("List")): `CN=List,` + string(people) + ` at the source does not have "X500:/o=Baltic/cn=list": replies to old mail of CN=List,OU=Staff,DC=baltic,DC=test bounce at the source.`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A synchronisation that knows only SMTP takes the names off again.
	l.target.entries[staged.Target.DN.Key()].attrs["proxyaddresses"] = [][]byte{[]byte("SMTP:birgit.meier@alpine.test")}
	l.source.entries[birgitDN.Key()].attrs["proxyaddresses"] = [][]byte{[]byte("SMTP:birgit.meier@alpine.test")}
	findings := all(t, l.AuditNames(t.Context(), nil))
	lost := 0
	for _, f := range findings {
		if f.Whom == "birgit.meier@alpine.test" && f.Rule == "x500.unowned" || f.Whom == string(staged.Target.DN) && f.Rule == "x500.one-way" {
			lost++
		}
	}
	if lost != 2 {
		t.Errorf("found %v, want birgit lost both ways", findings)
	}
}

func TestAuditTellsOfProgress(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i := range 1100 {
		name := "P" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		l.source.put(t, people.Child("CN", name), map[string][]string{"objectClass": {"user"}, "legacyExchangeDN": {"/o=Alpine/cn=" + name}})
	}
	told := map[directory.Side]int{}
	n := 0
	for _, err := range l.AuditNames(t.Context(), func(side directory.Side, read int) { told[side] = read }) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1100 || told[directory.Source] != 1000 {
		t.Errorf("%d findings, progress %v", n, told)
	}
	l.Source.Reader = mute{l.source}
	failed := false
	for _, err := range l.AuditNames(t.Context(), nil) {
		failed = failed || err != nil
	}
	if !failed {
		t.Error("no error from a server that does not answer")
	}
}
