package ldapd_test

import (
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// recordsOf reads a forest as whoever feeds a replica does.
func recordsOf(t *testing.T, server *ldapd.Server) []ldapd.Record {
	t.Helper()
	var records []ldapd.Record
	for _, base := range []directory.DN{server.BaseDN(), server.ConfigDN()} {
		found, err := bound(t, server).SearchWithPaging(searchFor(base, "(objectClass=*)", "*", "nTSecurityDescriptor"), 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range found.Entries {
			records = append(records, recordOf(t, entry))
		}
	}
	return records
}

func recordOf(t *testing.T, entry *goldap.Entry) ldapd.Record {
	t.Helper()
	r := ldapd.Record{DN: directory.DN(entry.DN), Attrs: map[string][][]byte{}}
	for _, a := range entry.Attributes {
		r.Attrs[strings.ToLower(a.Name)] = a.ByteValues
	}
	guid, err := migrate.GUIDFromBytes(entry.GetRawAttributeValue("objectGUID"))
	if err != nil {
		t.Fatal(err)
	}
	r.GUID = guid
	return r
}

func startReplica(t *testing.T, of *ldapd.Server, records []ldapd.Record) *ldapd.Server {
	t.Helper()
	s, err := ldapd.StartReplica(t.Context(), ldapd.ReplicaConfig{
		Base: of.BaseDN(), Writable: "dc.alpine.test", Authority: of.Authority(), Logins: map[string]string{string(of.AdminDN()): password},
	}, records)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestReplicaHoldsTheSame: entry by entry, but for the passwords.
func TestReplicaHoldsTheSame(t *testing.T) {
	t.Parallel()
	server := start(t)
	users := server.BaseDN().Child("CN", "Users")
	ada := seedUser(t, server, users, "ada", nil)
	seedUser(t, server, users, "bea", ldapd.Attrs{"manager": {string(ada.DN)}})
	records := recordsOf(t, server)
	s := startReplica(t, server, records)
	if diff := cmp.Diff(dumpWithoutPasswords(server), dumpWithoutPasswords(s)); diff != "" {
		t.Errorf("(-upstream +replica):\n%s", diff)
	}
	if left := s.Replicate(records); len(left) != 0 || dumpWithoutPasswords(s) != dumpWithoutPasswords(server) {
		t.Errorf("replicated again: got %d without a place", len(left))
	}
	request := goldap.NewModifyRequest(string(ada.DN), nil)
	request.Replace("title", []string{"x"})
	wantCode(t, "write", bound(t, s).Modify(request), 10)
}

// TestReplicaInAnyOrder: links and children come before what they point to and stand
// under. The links lead nowhere until then, and the children have no place.
func TestReplicaInAnyOrder(t *testing.T) {
	t.Parallel()
	server := start(t)
	s := startReplica(t, server, recordsOf(t, server))
	unit := server.BaseDN().Child("OU", "Late")
	seed(t, server, unit, "organizationalUnit", nil)
	boss := seedUser(t, server, unit, "boss", nil)
	ada := seedUser(t, server, server.BaseDN().Child("CN", "Users"), "ada", ldapd.Attrs{"manager": {string(boss.DN)}})
	later := map[string]ldapd.Record{}
	for _, r := range recordsOf(t, server) {
		later[r.DN.Key()] = r
	}
	left := s.Replicate([]ldapd.Record{later[boss.DN.Key()], later[ada.DN.Key()]})
	if len(left) != 1 || left[0].GUID != later[boss.DN.Key()].GUID {
		t.Fatalf("got %d without a place, want the boss", len(left))
	}
	if got, err := s.Entry(ada.DN, "manager"); err != nil || !directory.DN(got.First("manager")).Equal(boss.DN) {
		t.Errorf("before: got %v, %v", got, err)
	}
	if left = s.Replicate(append(left, later[unit.Key()])); len(left) != 0 {
		t.Fatalf("got %d without a place", len(left))
	}
	if got, err := s.Entry(boss.DN, "directReports"); err != nil || !directory.DN(got.First("directReports")).Equal(ada.DN) {
		t.Errorf("after: got %v, %v, want the link from its other end", got, err)
	}
	s.Replicate([]ldapd.Record{{GUID: later[unit.Key()].GUID, Deleted: true}})
	if got, err := s.Entry(ada.DN, "manager"); err != nil || got.Has("manager") {
		t.Errorf("after the unit went: got %v, %v", got, err)
	}
}

// TestReplicaOfNothing: without a domain there is nothing to show.
func TestReplicaOfNothing(t *testing.T) {
	t.Parallel()
	if s, err := ldapd.StartReplica(t.Context(), ldapd.ReplicaConfig{Base: "DC=alpine,DC=test"}, nil); err == nil {
		_ = s.Close()
		t.Error("it starts")
	}
}

// dumpWithoutPasswords is the whole content; that there is a password is not replicated.
func dumpWithoutPasswords(s *ldapd.Server) string {
	return strings.ReplaceAll(s.Dump(), "unicodePwd: set\n", "")
}
