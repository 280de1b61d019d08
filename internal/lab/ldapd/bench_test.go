package ldapd_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// seedMany seeds users with ten addresses each, and returns what they are below.
func seedMany(t testing.TB, server *ldapd.Server, count int) directory.DN {
	t.Helper()
	ou := server.BaseDN().Child("OU", "Many")
	seed(t, server, ou, "organizationalUnit", nil)
	for i := range count {
		sam := fmt.Sprintf("user%05d", i)
		proxies := []string{"SMTP:" + sam + "@alpine.test", "X500:/o=Alpine/ou=First/cn=Recipients/cn=" + sam}
		for n := range 8 {
			proxies = append(proxies, fmt.Sprintf("smtp:%s@alias%d.test", sam, n))
		}
		seed(t, server, ou.Child("CN", "User "+sam), "user", ldapd.Attrs{
			"sAMAccountName": {sam}, "userPrincipalName": {sam + "@alpine.test"}, "displayName": {"User " + sam},
			"mail": {sam + "@alpine.test"}, "mailNickname": {sam}, "proxyAddresses": proxies,
			"legacyExchangeDN": {"/o=Alpine/ou=First/cn=Recipients/cn=" + sam},
			"givenName":        {"User"}, "sn": {sam}, "company": {"Alpine AG"}, "department": {"IT"},
			"msExchMailboxGuid": {fmt.Sprintf("%016d", i)}, "msExchRecipientTypeDetails": {"1"},
		})
	}
	return ou
}

// hundredFilter asks for a hundred of count users, spread by round, each by an address.
func hundredFilter(round, count int) string {
	var terms strings.Builder
	for i := range 100 {
		fmt.Fprintf(&terms, "(proxyAddresses=smtp:user%05d@alias3.test)", (round*100+i)*7%count)
	}
	return "(|" + terms.String() + ")"
}

// TestThousands seeds users, searches among them, and takes all of it back.
func TestThousands(t *testing.T) {
	t.Parallel()
	const count = 3000
	server := start(t)
	ou := seedMany(t, server, count)
	conn := bound(t, server)
	found, err := conn.Search(searchFor(server.BaseDN(), hundredFilter(3, count), "mail"))
	if err != nil || len(found.Entries) != 100 {
		t.Errorf("got %d entries, %v, want 100", len(found.Entries), err)
	}
	found, err = conn.SearchWithPaging(searchFor(ou, "(objectClass=user)", "mail"), 1000)
	if err != nil || len(found.Entries) != count {
		t.Errorf("got %d entries, %v, want %d", len(found.Entries), err, count)
	}
	snapshot := server.Snapshot()
	wantCode(t, "delete all", conn.Del(goldap.NewDelRequest(string(ou), []goldap.Control{goldap.NewControlSubtreeDelete()})), 0)
	if err := server.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	last, err := server.Lookup("proxyAddresses", "smtp:user02999@alias3.test")
	if err != nil || last.First("mail") != "user02999@alpine.test" {
		t.Errorf("after the restore: got %v, %v", last, err)
	}
}

// BenchmarkThirtyThousand measures a forest as large as a large migration's.
func BenchmarkThirtyThousand(b *testing.B) {
	const count = 30_000
	server := start(b)
	before, began := heap(), time.Now()
	ou := seedMany(b, server, count)
	seeding := time.Since(began)
	memory := heap() - before
	conn := bound(b, server)
	b.Run("seed", func(b *testing.B) { // once, above
		for b.Loop() {
		}
		b.ReportMetric(float64(seeding.Milliseconds()), "ms")
		b.ReportMetric(float64(memory>>20), "MB")
	})
	b.Run("hundred addresses", func(b *testing.B) {
		round := 0
		for b.Loop() {
			round++
			if found, err := conn.Search(searchFor(server.BaseDN(), hundredFilter(round, count), "mail")); err != nil || len(found.Entries) != 100 {
				b.Fatalf("got %d entries, %v", len(found.Entries), err)
			}
		}
	})
	b.Run("all by pages", func(b *testing.B) {
		for b.Loop() {
			found, err := conn.SearchWithPaging(searchFor(ou, "(objectClass=user)", "mail", "proxyAddresses"), 1000)
			if err != nil || len(found.Entries) != count {
				b.Fatalf("got %d entries, %v", len(found.Entries), err)
			}
		}
	})
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			server.Snapshot()
		}
	})
	b.Run("restore one write", func(b *testing.B) {
		snapshot := server.Snapshot()
		for b.Loop() {
			seed(b, server, ou.Child("CN", "one more"), "contact", nil)
			if err := server.Restore(snapshot); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("dump", func(b *testing.B) {
		for b.Loop() {
			server.Dump()
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
