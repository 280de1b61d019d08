package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/internal/lab/imapd"
)

// sharing is who may use Anna's folders at the source, in every spelling that there is.
func sharing(t *testing.T, r *rehearsal) {
	t.Helper()
	r.write(t, "six.csv", "EmailAddress\n"+strings.Join(theSix(), "\n")+"\n")
	anna, hana := "anna.berg@alpine.test", string(r.SIDOf("hana.novakova"))
	georg, err := r.Source.Directory.Lookup("mailNickname", "georg.weiss")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []imapd.Grant{
		{Who: "tom.schmidt@alpine.test", Rights: "lrs"},
		{Who: "O=Alpine/OU=First Administrative Group/CN=Recipients/CN=eva.mueller", Rights: "lr"},
		{Who: "legacy-" + hana, Rights: "lrswipkxte"},
		{Who: string(georg.DN), Rights: "lrw"},
		{Who: "bjorn.akesson@alpine-old.test", Rights: "lrsi"},
		{Who: "-bjorn.akesson@alpine.test", Rights: "i"},
		{Who: "$alle-alpine", Rights: "l"},
		{Who: "nobody knows", Rights: "lr"},
		{Who: "anyone", Rights: "l"},
	} {
		if err := r.Source.Mail.SetGrant(anna, g, "Projekte", "Ärger & Öl"); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Source.Mail.SetGrant("tom.schmidt@alpine.test", imapd.Grant{Who: anna, Rights: "lrs"}, "INBOX"); err != nil {
		t.Fatal(err)
	}
	// Somebody has copied a mailbox before, identifiers and all.
	if err := r.Target.Mail.Put(anna, imapd.Folder{Path: []string{"Projekte", "Ärger & Öl"}, Grants: []imapd.Grant{
		{Who: "legacy-" + hana, Rights: "lrswipkxte"},
		{Who: "tom.schmidt@alpine.test", Rights: "lw"},
		{Who: "auditor", Rights: "lr"},
		{Who: "/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=finance", Rights: "l"},
	}}); err != nil {
		t.Fatal(err)
	}
}

func theSix() []string {
	return []string{
		"anna.berg@alpine.test", "tom.schmidt@alpine.test", "eva.mueller@alpine.test", "hana.novakova@alpine.test",
		"georg.weiss@alpine.test", "bjorn.akesson@alpine.test",
	}
}

// grantsOn returns who may use the folder at the target, in alphabetical order.
func grantsOn(server *imapd.Server, owner string, path ...string) []string {
	var all []string
	for _, f := range server.Snapshot(owner) {
		if slices.Equal(f.Path, path) {
			for _, g := range f.Grants {
				all = append(all, fmt.Sprintf("%s %s", g.Who, g.Rights))
			}
		}
	}
	slices.Sort(all)
	return all
}

// wantGrants is what has to be on Anna's folder once everybody is moved: the twins beside
// whoever was there, and of the old names those alone that have no twin.
func wantGrants() []string {
	return []string{
		"-bjorn.akesson@alpine.test i",
		"/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=finance l",
		"auditor lr",
		"bjorn.akesson@alpine.test lrsi",
		"eva.mueller@alpine.test lr",
		"georg.weiss@alpine.test lrw",
		"hana.novakova@alpine.test lrswipkxte",
		"tom.schmidt@alpine.test lrsw",
	}
}

func TestFolderPermissionsComeAlong(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	sharing(t, r)
	before := r.Source.Mail.Snapshot("anna.berg@alpine.test")
	r.reforest(t, "run", "six.csv", "--yes").wants(t, exitDone)
	if diff := cmp.Diff(wantGrants(), grantsOn(r.Target.Mail, "anna.berg@alpine.test", "Projekte", "Ärger & Öl")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"anna.berg@alpine.test lrs"}, grantsOn(r.Target.Mail, "tom.schmidt@alpine.test", "INBOX")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, r.Source.Mail.Snapshot("anna.berg@alpine.test")); diff != "" {
		t.Error("the source was changed", diff)
	}
	checkSharingFindings(t, r)
	checkKeptLists(t, r)
	after := r.Target.Mail.Snapshot("anna.berg@alpine.test")
	r.reforest(t, "clean", "six.csv", "--yes")
	if diff := cmp.Diff(after, r.Target.Mail.Snapshot("anna.berg@alpine.test")); diff != "" {
		t.Error("cleaned again", diff)
	}
	if err := r.Source.Mail.SetGrant("anna.berg@alpine.test", imapd.Grant{Who: "anyone"}, "Projekte", "Ärger & Öl"); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "verify", "six.csv", "--content").wants(t, exitDone, "permission.unmapped")
	if err := r.Target.Mail.SetGrant("anna.berg@alpine.test", imapd.Grant{Who: "eva.mueller@alpine.test"}, "Projekte", "Ärger & Öl"); err != nil {
		t.Fatal(err)
	}
	if err := r.Target.Mail.SetGrant("anna.berg@alpine.test", imapd.Grant{Who: "hana.novakova@alpine.test", Rights: "lr"}, "INBOX"); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "verify", "six.csv", "--content").wants(t, exitNeedsPerson, "permission.missing", "CN=eva.mueller", "permission.extra")
}

// checkSharingFindings looks at what is said of those who could not be brought along.
func checkSharingFindings(t *testing.T, r *rehearsal) {
	t.Helper()
	st := r.opened(t)
	said := map[string]int{}
	for move, err := range st.Moves(t.Context(), batch.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		record, err := st.Record(t.Context(), move.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range record.Events {
			if e.Finding == nil || !strings.HasPrefix(e.Finding.Rule, "permission.") {
				continue
			}
			for _, who := range []string{`"nobody knows"`, `"$alle-alpine"`, `"anyone"`, "cn=finance", `"auditor"`, "of the source's"} {
				if strings.Contains(e.Finding.What, who) {
					said[e.Finding.Rule+" "+who]++
				}
			}
		}
	}
	for _, want := range []string{
		`permission.unmapped "nobody knows"`, `permission.unmapped "$alle-alpine"`, `permission.refused "anyone"`, `permission.missing "anyone"`,
		"permission.unmapped cn=finance", "permission.brought of the source's",
	} {
		if said[want] == 0 || said[`permission.unmapped "auditor"`] > 0 {
			t.Errorf("not said: %s; said are %v", want, said)
		}
	}
}

// checkKeptLists looks up what somebody had.
func checkKeptLists(t *testing.T, r *rehearsal) {
	t.Helper()
	st := r.opened(t)
	for move, err := range st.Moves(t.Context(), batch.Query{Who: "anna.berg@alpine.test"}) {
		if err != nil {
			t.Fatal(err)
		}
		kept, err := st.Lists(t.Context(), move.ID)
		if err != nil {
			t.Fatal(err)
		}
		first := map[string]string{}
		for _, k := range kept {
			key := string(k.Side) + " " + strings.Join(k.Path, "/")
			if _, known := first[key]; !known {
				first[key] = fmt.Sprint(k.Grants)
			}
		}
		for key, want := range map[string][]string{
			"source Projekte/Ärger & Öl": {"nobody knows", "-bjorn", "$alle-alpine"}, "target Projekte/Ärger & Öl": {"legacy-S-1-5-21", "auditor"},
		} {
			for _, who := range want {
				if !strings.Contains(first[key], strings.TrimPrefix(who, "-")) {
					t.Errorf("%s: %q was not kept: %s", key, who, first[key])
				}
			}
		}
		if strings.Contains(first["target Projekte/Ärger & Öl"], "eva.mueller@") {
			t.Error("the target's list was kept after it was changed")
		}
	}
}

// opened opens the rehearsal's store to read it, until the test ends.
func (r *rehearsal) opened(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.OpenReadOnly(context.Background(), store.Config{Path: filepath.Join(r.dir, "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}
