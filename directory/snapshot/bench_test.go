package snapshot_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"reforest/directory"
	"reforest/directory/snapshot"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// The size of the forests of BenchmarkCheck.
const (
	benchEntries = 30_000
	benchPeople  = 2_000
)

// crowd fills a forest with people who have ten addresses each.
func (f forest) crowd(b *testing.B, domain string, database directory.DN) {
	b.Helper()
	people := f.seed(b, f.server.BaseDN().Child("OU", "People"), ldapd.Attrs{"objectClass": {"organizationalUnit"}})
	for n := range benchEntries {
		alias := fmt.Sprintf("person%05d", n)
		attrs := ldapd.Attrs{
			"objectClass": {"user"}, "sAMAccountName": {alias}, "userPrincipalName": {alias + "@" + domain}, "displayName": {"Person " + alias},
			"mail": {alias + "@" + domain}, "mailNickname": {alias}, "legacyExchangeDN": {"/o=" + domain + "/ou=First/cn=Recipients/cn=" + alias},
			"msExchMailboxGuid": {fmt.Sprintf("%s%016d", domain[:1], n)[:16]}, "homeMDB": {string(database)}, "msExchRecipientTypeDetails": {"1"},
			"company": {"Alpine AG"}, "department": {[]string{"Finance", "IT", "Vertrieb"}[n%3]}, "telephoneNumber": {fmt.Sprint(n)}, "proxyAddresses": {"SMTP:" + alias + "@" + domain},
		}
		for i := range 9 {
			attrs["proxyAddresses"] = append(attrs["proxyAddresses"], fmt.Sprintf("smtp:%s.%d@%s", alias, i, domain))
		}
		f.seed(b, people.Child("CN", alias), attrs)
	}
}

// side collects a crowd and opens the file.
func side(b *testing.B, which directory.Side, domain string) directory.Forest {
	b.Helper()
	f := startForest(b)
	database, err := f.server.AddDatabase("MBX")
	if err != nil {
		b.Fatal(err)
	}
	f.crowd(b, domain, database)
	path := save(b, f.conn, snapshot.Config{Side: which})
	if info, err := os.Stat(path); err == nil {
		b.Logf("figure %s_file_mb %.1f", which, float64(info.Size())/1e6)
	}
	_ = f.server.Close()
	before := heap()
	reader := open(b, path)
	b.Logf("figure %s_heap_mb %.1f", which, (heap()-before)/1e6)
	info, err := directory.Survey(b.Context(), reader)
	if err != nil {
		b.Fatal(err)
	}
	return directory.Forest{Side: which, Reader: reader, Info: info}
}

// heap returns how much memory is in use.
func heap() float64 {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return float64(memory.HeapAlloc)
}

// BenchmarkCheck judges 2,000 people between two files of 30,000 entries each.
func BenchmarkCheck(b *testing.B) {
	d := &directory.Directories{Source: side(b, directory.Source, "alpine.test"), Target: side(b, directory.Target, "baltic.test")}
	d.Rules = directory.Rules{
		SourceRouting: "alpine.test", TargetRouting: "baltic.example", LegacyPrefix: "/o=Baltic/ou=Group", Database: "MBX",
		TargetOU: d.Target.Info.DefaultNC.Child("OU", "People"),
	}
	for b.Loop() {
		for n := range benchPeople {
			judge(b, d, fmt.Sprintf("person%05d@alpine.test", n))
		}
	}
}

func judge(b *testing.B, d *directory.Directories, identity string) {
	source, err := d.Resolve(b.Context(), identity)
	if err != nil {
		b.Fatal(err)
	}
	pair, err := d.Match(b.Context(), source, migrate.GUID{})
	if err != nil || pair.Target != nil {
		b.Fatalf("%v, %v", pair.Target, err)
	}
	if findings, err := d.Check(b.Context(), pair, ""); err != nil || len(findings) != 1 {
		b.Fatalf("%v, %v", findings, err)
	}
}

// BenchmarkOpen reads a file of 30,000 entries.
func BenchmarkOpen(b *testing.B) {
	f := startForest(b)
	database, err := f.server.AddDatabase("MBX")
	if err != nil {
		b.Fatal(err)
	}
	f.crowd(b, "alpine.test", database)
	path := save(b, f.conn, snapshot.Config{Side: directory.Source})
	for b.Loop() {
		open(b, path)
	}
}
