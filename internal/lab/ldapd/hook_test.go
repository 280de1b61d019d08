package ldapd_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

func TestHookIsToldOfEveryWrite(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	conn := bound(t, server)
	var told []string
	server.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		_, err := server.Entry(users.Child("CN", "Ada")) // the hook may read
		var attrs []string
		for _, m := range w.Mods {
			attrs = append(attrs, fmt.Sprintf("%s %s %d", m.Op, m.Attr, len(m.Values)))
		}
		told = append(told, fmt.Sprintf("%d %s %s %v stage %d: there %t, refused %t", w.Number, w.Kind,
			strings.TrimSuffix(string(w.DN), ","+string(users)), attrs, stage, err == nil, w.Err != nil))
		if !w.By.Equal(server.AdminDN()) {
			t.Errorf("write %d is said to be by %q", w.Number, w.By)
		}
		return nil
	})
	ada := users.Child("CN", "Ada")
	wantCode(t, "add", addUser(conn, ada, attr{"unicodePwd", []string{string(ldapd.EncodePassword(password))}}), 0)
	wantCode(t, "modify", replace(conn, ada, "title", "a", "b"), 19)
	wantCode(t, "rename", conn.ModifyDN(goldap.NewModifyDNRequest(string(ada), "CN=Bea", true, "")), 0)
	wantCode(t, "delete", conn.Del(goldap.NewDelRequest(string(users.Child("CN", "Bea")), nil)), 0)
	server.OnWrite(nil)
	wantCode(t, "add unheard", addUser(conn, ada), 0)
	want := []string{
		"1 add CN=Ada [add objectClass 1 add unicodePwd 0] stage 0: there false, refused false",
		"1 add CN=Ada [add objectClass 1 add unicodePwd 0] stage 1: there true, refused false",
		"2 modify CN=Ada [replace title 2] stage 0: there true, refused false",
		"2 modify CN=Ada [replace title 2] stage 1: there true, refused true",
		"3 rename CN=Ada [] stage 0: there true, refused false",
		"3 rename CN=Ada [] stage 1: there false, refused false",
		"4 delete CN=Bea [] stage 0: there false, refused false",
		"4 delete CN=Bea [] stage 1: there false, refused false",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestHookHangsUp loses one write before and one after it is carried out: neither is
// answered, and only the second has happened.
func TestHookHangsUp(t *testing.T) {
	t.Parallel()
	for stage, happened := range map[ldapd.Stage]bool{ldapd.BeforeWrite: false, ldapd.AfterWrite: true} {
		server := start(t)
		dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
		conn := bound(t, server)
		server.OnWrite(func(_ ldapd.Write, at ldapd.Stage) error {
			if at == stage {
				return ldapd.ErrHangUp
			}
			return nil
		})
		if err := conn.Add(newContact(dn)); err == nil || strings.Contains(err.Error(), "Result Code") {
			t.Errorf("stage %d: got %v, want no answer", stage, err)
		}
		if _, err := server.Entry(dn); (err == nil) != happened {
			t.Errorf("stage %d: the entry is there: %v, want %v", stage, err == nil, happened)
		}
	}
}

func TestHookRefuses(t *testing.T) {
	t.Parallel()
	server := start(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	conn := bound(t, server)
	server.OnWrite(func(w ldapd.Write, _ ldapd.Stage) error {
		if w.Number == 1 {
			return fmt.Errorf("a busy hour: %w", ldapd.RefusalError{Code: goldap.LDAPResultBusy, Text: "later"})
		}
		return nil
	})
	wantCode(t, "first", conn.Add(newContact(dn)), goldap.LDAPResultBusy)
	wantCode(t, "second", conn.Add(newContact(dn)), 0)
}

// TestHookKeepsWritesApart lets many write at once: between the two calls for a write no
// other write is carried out.
func TestHookKeepsWritesApart(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	var before string
	writes := 0
	server.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		dump := server.Dump()
		if stage == ldapd.BeforeWrite {
			before = dump
			return nil
		}
		writes++
		if added := strings.Count(dump, "\n\n") - strings.Count(before, "\n\n"); added != 1 {
			t.Errorf("write %d: %d entries have come", w.Number, added)
		}
		return nil
	})
	var clients sync.WaitGroup
	for client := range 4 {
		conn := bound(t, server)
		clients.Go(func() {
			for i := range 5 {
				if err := conn.Add(newContact(users.Child("CN", fmt.Sprintf("%d %d", client, i)))); err != nil {
					t.Errorf("add: %v", err)
				}
			}
		})
	}
	clients.Wait()
	server.OnWrite(nil) // waits for the last call
	if writes != 20 {
		t.Errorf("told of %d writes, want 20", writes)
	}
}

// work is a run of writes of every kind, for the tests of Restore.
func work(t *testing.T, conn *goldap.Conn, users directory.DN) {
	t.Helper()
	ada := users.Child("CN", "Ada")
	wantCode(t, "add", addUser(conn, ada, attr{"proxyAddresses", []string{"SMTP:ada@x", "smtp:a@x"}}), 0)
	wantCode(t, "link", replace(conn, ada, "manager", string(users.Child("CN", "boss"))), 0)
	join := goldap.NewModifyRequest(string(users.Child("CN", "crew")), nil)
	join.Add("member", []string{string(ada)})
	wantCode(t, "join", conn.Modify(join), 0)
	wantCode(t, "rename", conn.ModifyDN(goldap.NewModifyDNRequest(string(users.Child("CN", "boss")), "CN=chief", true, "")), 0)
	wantCode(t, "delete", conn.Del(goldap.NewDelRequest(string(users.Child("CN", "temp")), nil)), 0)
	wantCode(t, "password", replace(conn, users.Child("CN", "chief"), "unicodePwd", string(ldapd.EncodePassword("Other-Passw0rd"))), 0)
}

func TestRestore(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	seedGroup(t, server, users, "crew")
	seedUser(t, server, users, "boss", nil)
	seedUser(t, server, users, "temp", ldapd.Attrs{"manager": {string(users.Child("CN", "boss"))}})
	conn := bound(t, server)
	snapshot, before := server.Snapshot(), server.Dump()
	if !strings.Contains(before, "\ndn: CN=boss,CN=Users,DC=alpine,DC=test\n") || !strings.Contains(before, "\nunicodePwd: set\n") {
		t.Fatalf("the dump lacks an entry or its password:\n%s", before)
	}
	work(t, conn, users)
	after := server.Dump()
	if after == before {
		t.Fatal("the work has changed nothing")
	}
	for range 3 {
		if err := server.Restore(snapshot); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, server.Dump()); diff != "" {
			t.Fatalf("restored (-want +got):\n%s", diff)
		}
		if _, err := server.Authenticate("boss@alpine.test", password); err != nil {
			t.Errorf("the former password: %v", err)
		}
		if found, err := server.Lookup("sAMAccountName", "temp"); err != nil || !found.Has("manager") {
			t.Errorf("the deleted user: %v, %v", found, err)
		}
		work(t, conn, users)
		if diff := cmp.Diff(after, server.Dump()); diff != "" {
			t.Fatalf("done again, GUIDs and SIDs included (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(before, dumpOf(t, snapshot)); diff != "" {
		t.Errorf("restored on another server (-want +got):\n%s", diff)
	}
}

// dumpOf starts another server from the snapshot.
func dumpOf(t *testing.T, snapshot *ldapd.Snapshot) string {
	t.Helper()
	other := start(t)
	if err := other.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Authenticate("boss@alpine.test", password); err != nil {
		t.Errorf("authenticate on the other server: %v", err)
	}
	return other.Dump()
}

// TestRestoreOfSeveral goes back and forth between snapshots, with deletions of trees and
// refused writes in between. The indexes must follow, which the searches show.
func TestRestoreOfSeveral(t *testing.T) {
	t.Parallel()
	server := start(t)
	ou := server.BaseDN().Child("OU", "People")
	conn := bound(t, server)
	var snapshots []*ldapd.Snapshot
	var dumps []string
	keep := func() {
		snapshots, dumps = append(snapshots, server.Snapshot()), append(dumps, server.Dump())
	}
	keep()
	seed(t, server, ou, "organizationalUnit", nil)
	seed(t, server, ou.Child("OU", "Sub"), "organizationalUnit", nil)
	boss := seedUser(t, server, ou.Child("OU", "Sub"), "boss", nil)
	for i := range 20 {
		seedUser(t, server, ou, fmt.Sprint("user", i), ldapd.Attrs{"manager": {string(boss.DN)}, "company": {"Alpine AG"}})
	}
	keep()
	wantCode(t, "a refused write", replace(conn, boss.DN, "title", "a", "b"), 19)
	tree := []goldap.Control{goldap.NewControlSubtreeDelete()}
	wantCode(t, "delete a tree", conn.Del(goldap.NewDelRequest(string(ou.Child("OU", "Sub")), tree)), 0)
	wantCode(t, "rename", conn.ModifyDN(goldap.NewModifyDNRequest(string(ou), "OU=Staff", true, "")), 0)
	if err := server.Grant(server.BaseDN().Child("CN", "Users"), ldapd.Grant{}); err != nil {
		t.Fatal(err)
	}
	keep()
	for _, at := range []int{1, 0, 2, 1, 1, 2, 0, 1} {
		if err := server.Restore(snapshots[at]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dumps[at], server.Dump()); diff != "" {
			t.Fatalf("snapshot %d (-want +got):\n%s", at, diff)
		}
		reports, err := conn.Search(searchFor(server.BaseDN(), "(manager="+string(boss.DN)+")"))
		if want := []int{0, 20, 0}[at]; err != nil || len(reports.Entries) != want {
			t.Errorf("snapshot %d: got %v, %v, want %d reports", at, reports, err, want)
		}
		found, err := conn.Search(searchFor(server.BaseDN(), "(sAMAccountName=user7)", "cn"))
		if want := min(at, 1); err != nil || len(found.Entries) != want {
			t.Errorf("snapshot %d: got %v, %v, want %d users", at, found, err, want)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	server := start(t)
	other, err := ldapd.Start(t.Context(), ldapd.Config{Domain: "fabrikam.test", AdminPassword: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	before := server.Dump()
	if err := server.Restore(other.Snapshot()); err == nil || server.Dump() != before {
		t.Errorf("a snapshot of another domain: %v", err)
	}
}

// TestRestoreEndsPages restores between two pages of a search.
func TestRestoreEndsPages(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	conn := bound(t, server)
	paging := goldap.NewControlPaging(1)
	request := searchFor(users, "(objectClass=group)", "cn")
	request.Controls = []goldap.Control{paging}
	result, err := conn.Search(request)
	if err != nil {
		t.Fatal(err)
	}
	paging.SetCookie(goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging).Cookie)
	if err := server.Restore(server.Snapshot()); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Search(request)
	wantCode(t, "next page", err, 53)
	who, err := conn.WhoAmI(nil)
	if err != nil || who.AuthzID != `u:ALPINE\Administrator` {
		t.Errorf("who am I: got %v, %v", who, err)
	}
}

func TestDumpLeavesOut(t *testing.T) {
	t.Parallel()
	server := start(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	seed(t, server, dn, "contact", ldapd.Attrs{"title": {" smith\n"}})
	whole, part := server.Dump(), server.Dump("objectGUID", "TITLE")
	for _, never := range []string{"uSNChanged:", "whenChanged:", "uSNCreated:", "whenCreated:"} {
		if strings.Contains(whole, never) {
			t.Errorf("the dump has %s", never)
		}
	}
	if !strings.Contains(whole, "title:: IHNtaXRoCg==\n") || !strings.Contains(whole, "objectGUID:: ") {
		t.Error("a value with blanks or octets is missing")
	}
	if strings.Contains(part, "title:") || strings.Contains(part, "objectGUID:") {
		t.Error("what was to be left out is there")
	}
	if errors.Is(server.SeedDelete(dn), nil) && server.Dump() == whole {
		t.Error("the dump does not tell of a deletion")
	}
}
