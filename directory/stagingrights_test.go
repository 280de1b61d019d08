package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// plansOf returns both plans of everyone, by the name of the source object.
func (l *lab) plansOf(t testing.TB) (objects, links map[string]directory.PersonPlan) {
	t.Helper()
	staging, err := l.Everyone(t.Context(), directory.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	objects, links = map[string]directory.PersonPlan{}, map[string]directory.PersonPlan{}
	for p, err := range staging.Plans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		objects[p.Pair.Source.DN.Key()] = p
	}
	for p, err := range staging.Links(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		links[p.Pair.Source.DN.Key()] = p
	}
	return objects, links
}

// TestStagingAsksForTheRightToWrite: nobody gets an object at the target whose names the
// source cannot be told, and no link leads to what is not made.
func TestStagingAsksForTheRightToWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 3)
	l.Source.Account = "mover@alpine.test"
	for i, may := range [][]string{everything, without(everything, "proxyAddresses"), everything} {
		l.source.mayDo(dns[i], may, "0")
	}
	objects, links := l.plansOf(t)
	for i, want := range [][]string{nil, {"rights.write"}, nil} {
		plan := objects[dns[i].Key()].Plan
		if diff := cmp.Diff(want, rules(plan.Forbidden())); diff != "" {
			t.Errorf("%s: %s", dns[i], diff)
		}
	}
	found := objects[dns[1].Key()].Plan.Forbidden()[0]
	proves(t, found)
	want := `dsacls "` + string(dns[1].Parent()) + `" /I:S /G "mover@alpine.test:RPWP;proxyAddresses;user"`
	if found.Mend != "Grant it there: "+want || found.Whom != string(dns[1].Parent()) {
		t.Errorf("got %v, want %s", found, want)
	}
	for i := range dns {
		for _, change := range links[dns[i].Key()].Plan.Changes {
			if strings.Contains(string(change.DN), string(objects[dns[1].Key()].Plan.Changes[0].DN)) || leadsTo(change, objects[dns[1].Key()].Plan.Changes[0].DN) {
				t.Errorf("%s is linked with what is not made: %+v", dns[i], change)
			}
		}
	}
}

func leadsTo(change directory.Change, dn directory.DN) bool {
	return slices.ContainsFunc(change.Mods, func(m directory.Mod) bool {
		return slices.ContainsFunc(m.Values, func(v []byte) bool { return directory.DN(v).Equal(dn) })
	})
}

// TestStagingAsksOnceForEachOU: who lies beside another has the same rights, but for whom
// the directory itself protects.
func TestStagingAsksOnceForEachOU(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := l.putMany(t, 1)
	protected := dns[0].Parent().Child("CN", "Boss")
	l.source.put(t, protected, map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {"boss"}, "mail": {"boss@alpine.test"}, "mailNickname": {"boss"}, "adminCount": {"1"},
		"proxyAddresses": {"SMTP:boss@alpine.test"}, "homeMDB": {"CN=A"}, "msExchHomeServerName": {"/o=A/cn=B"},
	})
	l.source.mayDo(dns[0], everything, "0")
	l.source.mayDo(protected, []string{"mail"}, "0")
	objects, _ := l.plansOf(t)
	if found := objects[dns[0].Key()].Plan.Forbidden(); len(found) > 0 {
		t.Errorf("got %v", found)
	}
	found := objects[protected.Key()].Plan.Forbidden()
	if len(found) != 1 || found[0].Whom != string(protected) || !strings.Contains(found[0].Mend, "AdminSDHolder") ||
		!strings.HasSuffix(found[0].Mend, `dsacls "`+string(protected)+`" /G "ACCOUNT:RPWP;proxyAddresses"`) {
		t.Errorf("got %v", found)
	}
}

// TestCheckAccessAsksForWhatStagingWrites: what the commands of the findings grant is
// enough to stage whom they are about.
func TestCheckAccessAsksForWhatStagingWrites(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.stage(t, l.putBirgit(t, nil))
	l.source.entries[birgitDN.Key()].attrs["company"] = [][]byte{[]byte("Alpine AG")}
	pair := l.match(t, string(birgitDN))
	l.source.mayDo(birgitDN, everything, "0")
	l.target.mayDo(pair.Target.DN, without(everything, "company"), "4")
	findings, err := l.CheckAccess(t.Context(), []directory.Pair{pair})
	if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Mend, "RPWP;company;user") {
		t.Errorf("got %v, %v; want the right to write company", findings, err)
	}
}
