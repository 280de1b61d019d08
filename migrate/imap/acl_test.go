package imap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// placeFolders makes folders and returns their names at the server.
func placeFolders(t *testing.T, target *imap.Target, names ...string) []string {
	t.Helper()
	var refs []string
	for _, name := range names {
		placed, err := target.PutFolder(t.Context(), migrate.Folder{Path: []string{name}}, "")
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, string(placed.Ref))
	}
	return refs
}

// others returns what the list says of everybody but its owner, by identifier.
func others(list []migrate.Grant, owner string) map[string]string {
	got := map[string]string{}
	for _, g := range list {
		if strings.EqualFold(g.Who, owner) && !g.Denied {
			continue
		}
		who := g.Who
		if g.Denied {
			who = "-" + who
		}
		got[who] = string(g.Rights)
	}
	return got
}

// checkACL gives and takes rights. folded is how the server spells identifiers; refused
// are those that it does not take.
func checkACL(t *testing.T, target *imap.Target, owner string, folded func(string) string, refused ...string) {
	t.Helper()
	folders := placeFolders(t, target, "Shared", "Ärger & Öl", "plain")
	amends := []migrate.Amend{}
	want := map[string]string{}
	for who, rights := range map[string]migrate.Rights{
		"u2": "lrs", "legacy-S-1-5-21-1004-1234": "lrswipkxte", "O=OLD/OU=EX/CN=RECIPIENTS/CN=bob smith": "lr", "$group1": "lr",
		"two words": "l",
	} {
		for _, f := range folders[:2] {
			amends = append(amends, migrate.Amend{Folder: f, Grant: migrate.Grant{Who: who, Rights: rights}})
		}
		if !slices.Contains(refused, who) {
			want[folded(who)] = string(rights)
		}
	}
	amends = append(amends, migrate.Amend{Folder: folders[1], Grant: migrate.Grant{Who: "u3", Rights: "s", Denied: true}})
	errs, err := target.Amend(t.Context(), amends)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		if who := amends[i].Grant.Who; (err != nil) != slices.Contains(refused, who) {
			t.Errorf("identifier %q: %v", who, err)
		}
	}
	lists, err := target.Lists(t.Context(), folders)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, others(lists[0].Grants, owner)); diff != "" {
		t.Error(diff)
	}
	want["-u3"] = "s"
	if diff := cmp.Diff(want, others(lists[1].Grants, owner)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{}, others(lists[2].Grants, owner)); diff != "" || !lists[2].Shared {
		t.Error(diff)
	}
	checkRevoke(t, target, owner, folders[1])
}

// checkRevoke takes everybody else off the list, twice.
func checkRevoke(t *testing.T, target *imap.Target, owner, folder string) {
	t.Helper()
	list, _, err := target.Grants(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, g := range list {
			if g.Who == owner {
				continue
			}
			if err := target.Revoke(t.Context(), folder, g); err != nil {
				t.Errorf("take %q off: %v", g.Who, err)
			}
		}
	}
	list, _, err = target.Grants(t.Context(), folder)
	if got := others(list, owner); err != nil || len(got) > 0 {
		t.Errorf("left: %v, %v", got, err)
	}
}

func TestACLOfDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecotWithACL(t)
	target := openTarget(t, dovecotConfig(d, "u1"))
	checkACL(t, target, "u1", func(who string) string { return who })
	err := target.Grant(t.Context(), "INBOX", migrate.Grant{Who: "anyone", Rights: "lr"})
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneItem {
		t.Errorf("anyone: %v", err)
	}
}

func TestACLOfDovecotWithoutThePlugin(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	source := openSource(t, dovecotConfig(d, "u1"))
	if list, shared, err := source.Grants(t.Context(), "INBOX"); err != nil || shared || list != nil {
		t.Errorf("got %v, %v, %v", list, shared, err)
	}
}

func TestACLOfCyrus(t *testing.T) {
	t.Parallel()
	c := startCyrus(t)
	c.AddUser(t, "u1")
	target := openTarget(t, cyrusConfig(c, "u1"))
	checkACL(t, target, "u1", strings.ToLower, "O=OLD/OU=EX/CN=RECIPIENTS/CN=bob smith")
	if err := target.Grant(t.Context(), "INBOX", migrate.Grant{Who: "anyone", Rights: "lr"}); err != nil {
		t.Error(err)
	}
}
