package ldapd_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

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

// TestThirtyThousand seeds as many users as a large migration has, and searches among
// them. The bounds are far above what a quiet machine needs.
func TestThirtyThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	server := start(t)
	const count = 30_000
	before := heap()
	began := time.Now()
	ou := seedMany(t, server, count)
	t.Logf("seeded %d users in %s, %d MB", count, time.Since(began).Round(time.Millisecond), (heap()-before)>>20)
	conn := bound(t, server)

	began = time.Now()
	for round := range 50 {
		var terms strings.Builder
		for i := range 100 {
			fmt.Fprintf(&terms, "(proxyAddresses=smtp:user%05d@alias3.test)", (round*100+i)*5%count)
		}
		found, err := conn.Search(searchFor(server.BaseDN(), "(|"+terms.String()+")", "proxyAddresses", "mail"))
		if err != nil || len(found.Entries) != 100 {
			t.Fatalf("got %d entries, %v, want 100", len(found.Entries), err)
		}
	}
	t.Logf("a search for 100 addresses takes %s", (time.Since(began) / 50).Round(time.Microsecond))

	began = time.Now()
	found, err := conn.SearchWithPaging(searchFor(ou, "(objectClass=user)", "mail", "proxyAddresses"), 1000)
	if err != nil || len(found.Entries) != count {
		t.Fatalf("got %d entries, %v", len(found.Entries), err)
	}
	t.Logf("read %d users by pages in %s", count, time.Since(began).Round(time.Millisecond))
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
