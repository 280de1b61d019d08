package ldapd_test

import (
	"strconv"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// changedSince returns what has changed, tombstones too if asked, by update number.
func changedSince(t *testing.T, conn *goldap.Conn, base directory.DN, usn int64, deleted bool) []*goldap.Entry {
	t.Helper()
	request := searchFor(base, "(uSNChanged>="+strconv.FormatInt(usn+1, 10)+")", "objectGUID", "isDeleted", "uSNChanged")
	if deleted {
		request.Controls = []goldap.Control{goldap.NewControlMicrosoftShowDeleted()}
	}
	found, err := conn.SearchWithPaging(request, 2)
	if err != nil {
		t.Fatal(err)
	}
	return found.Entries
}

func committedUSN(t *testing.T, conn *goldap.Conn) int64 {
	t.Helper()
	usn, err := strconv.ParseInt(readBack(t, conn, "", "highestCommittedUSN")[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return usn
}

// TestFollowedByUSN: whoever asks for all update numbers beyond the highest that was
// committed learns of every change since, deletions included, and of nothing else.
func TestFollowedByUSN(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	ada, bea := seedUser(t, server, users, "ada", nil), seedUser(t, server, users, "bea", nil)
	conn := bound(t, server)
	since := committedUSN(t, conn)
	if got := changedSince(t, conn, server.BaseDN(), since, true); len(got) != 0 {
		t.Fatalf("got %d changes, want none", len(got))
	}
	wantCode(t, "modify", replace(conn, ada.DN, "title", "smith"), 0)
	before := server.Snapshot()
	wantCode(t, "delete", conn.Del(goldap.NewDelRequest(string(bea.DN), nil)), 0)

	if got := changedSince(t, conn, server.BaseDN(), since, false); len(got) != 1 || !directory.DN(got[0].DN).Equal(ada.DN) {
		t.Errorf("without tombstones: got %v", got)
	}
	got := changedSince(t, conn, server.BaseDN(), since, true)
	if len(got) != 2 {
		t.Fatalf("got %d changes, want 2", len(got))
	}
	grave := got[1]
	if grave.GetAttributeValue("isDeleted") != "TRUE" || grave.GetAttributeValue("objectGUID") != bea.First("objectGUID") ||
		!strings.Contains(grave.DN, "CN=Deleted Objects,DC=alpine,DC=test") {
		t.Errorf("got %v, want the tombstone of bea", grave)
	}
	if usn := grave.GetAttributeValue("uSNChanged"); usn != strconv.FormatInt(committedUSN(t, conn), 10) {
		t.Errorf("got uSNChanged %s, want the highest committed", usn)
	}
	other := start(t)
	for _, s := range []*ldapd.Server{server, other} {
		if err := s.Restore(before); err != nil {
			t.Fatal(err)
		}
		if got := changedSince(t, bound(t, s), s.BaseDN(), since, true); len(got) != 1 {
			t.Errorf("after the deletion was taken back: got %v", got)
		}
	}
}

// TestTombstoneIsCopied: a snapshot brings tombstones to another server.
func TestTombstoneIsCopied(t *testing.T) {
	t.Parallel()
	server, other := start(t), start(t)
	ada := seedUser(t, server, server.BaseDN().Child("CN", "Users"), "ada", nil)
	if err := server.SeedDelete(ada.DN); err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(server.Snapshot()); err != nil {
		t.Fatal(err)
	}
	request := searchFor(other.BaseDN(), "(&(isDeleted=TRUE)(sAMAccountName=ada))", "objectGUID")
	request.Controls = []goldap.Control{goldap.NewControlMicrosoftShowDeleted()}
	found, err := bound(t, other).Search(request)
	if err != nil || len(found.Entries) != 1 || found.Entries[0].GetAttributeValue("objectGUID") != ada.First("objectGUID") {
		t.Errorf("got %v, %v", found, err)
	}
}
