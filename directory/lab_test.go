package directory_test

import (
	"maps"
	"slices"
	"testing"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// The two forests of the tests.
const (
	alpine  migrate.SID = "S-1-5-21-10-20-30"
	baltic  migrate.SID = "S-1-5-21-1-2-3"
	ancient migrate.SID = "S-1-5-21-7-7-7" // a domain that was there before alpine

	people    directory.DN = "OU=People,DC=alpine,DC=test"
	staff     directory.DN = "OU=Staff,DC=baltic,DC=test"
	database1 directory.DN = "CN=DB 1,CN=Databases,CN=Group,CN=Configuration,DC=baltic,DC=test"

	birgitLegacy = "/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=bmeier"
	prefix       = "/o=Baltic/ou=Group"
)

// userSecurity is a descriptor with owner, group and the DACL that the lab's users have.
var userSecurity = security(
	ace(ntsd.Allow, 0xf01ff, migrate.GUID{}, "S-1-5-18"),
	ace(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.SendAs(), migrate.Self),
	inherited(ace(ntsd.Allow, 0x20094, migrate.GUID{}, baltic+"-512")),
)

// must returns v: the values of this file are all known to be right.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ace(kind ntsd.ACEType, mask uint32, object migrate.GUID, sid migrate.SID) []byte {
	return must(ntsd.NewACE(kind, mask, object, sid)).Raw()
}

func inherited(raw []byte) []byte {
	raw[1] |= ntsd.FlagInherited
	return raw
}

// security returns a self-relative descriptor with the entries as its DACL.
func security(aces ...[]byte) []byte {
	owner := sidBytes(baltic + "-512")
	b := []byte{1, 0, 0x04, 0x8c, 20, 0, 0, 0, byte(20 + len(owner)), 0, 0, 0, 0, 0, 0, 0, byte(20 + 2*len(owner)), 0, 0, 0}
	b = slices.Concat(b, owner, owner)
	body := slices.Concat(aces...)
	size := len(body) + 8
	b = append(b, 4, 0, byte(size), byte(size>>8), byte(len(aces)), byte(len(aces)>>8), 0, 0)
	return append(b, body...)
}

// A lab is two forests in memory, with what joins them.
type lab struct {
	*directory.Directories
	source, target *memory
	clock          *clock
	granted        bool // the legacy rights have been given
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{source: newMemory(alpine), target: newMemory(baltic), clock: &clock{}}
	l.source.clock, l.target.clock = l.clock, l.clock
	l.source.putDomain(t, "DC=alpine,DC=test", "alpine.test", "ALPINE")
	l.target.putDomain(t, "DC=baltic,DC=test", "baltic.test", "BALTIC")
	l.source.put(t, people, map[string][]string{"objectClass": {"organizationalUnit"}})
	l.target.put(t, staff, map[string][]string{"objectClass": {"organizationalUnit"}})
	l.target.put(t, database1.Parent(), map[string][]string{"objectClass": {"msExchMDBContainer"}})
	l.target.put(t, database1, map[string][]string{"objectClass": {"msExchPrivateMDB"}})
	l.Directories = &directory.Directories{
		Source: directory.Forest{Side: directory.Source, Reader: l.source, Writer: l.source},
		Target: directory.Forest{Side: directory.Target, Reader: l.target, Writer: l.target},
		Rules: directory.Rules{
			SourceRouting: "mail.alpine.test", TargetRouting: "mail.baltic.test", TargetOU: staff,
			LegacyPrefix: prefix, Database: "DB 1", Legacy: []migrate.SID{ancient},
			Adopt: directory.DefaultMatch(),
		},
	}
	l.survey(t)
	return l
}

func (l *lab) survey(t testing.TB) {
	t.Helper()
	for _, forest := range []*directory.Forest{&l.Source, &l.Target} {
		info, err := directory.Survey(t.Context(), forest.Reader)
		if err != nil {
			t.Fatal(err)
		}
		forest.Info = info
	}
}

func (m *memory) putDomain(t testing.TB, dn directory.DN, dns, short string) {
	t.Helper()
	config := "CN=Configuration," + dn
	m.put(t, "", map[string][]string{
		"defaultNamingContext": {string(dn)}, "configurationNamingContext": {string(config)},
		"schemaNamingContext": {"CN=Schema," + string(config)}, "namingContexts": {string(dn), string(config)},
	})
	m.put(t, dn, map[string][]string{"objectClass": {"domainDNS"}, "objectSid": {string(sidBytes(m.domain))}})
	m.put(t, config, map[string][]string{"objectClass": {"configuration"}})
	m.put(t, "CN=Partitions,"+config, map[string][]string{"objectClass": {"crossRefContainer"}, "uPNSuffixes": {"group.test"}})
	m.put(t, "CN="+directory.DN(short)+",CN=Partitions,"+config, map[string][]string{
		"objectClass": {"crossRef"}, "nCName": {string(dn)}, "dnsRoot": {dns}, "nETBIOSName": {short},
	})
	m.put(t, "CN=Enterprise Configuration,CN=Partitions,"+config, map[string][]string{
		"objectClass": {"crossRef"}, "nCName": {string(config)}, "dnsRoot": {dns},
	})
}

// with returns a copy of attrs with more of them, or others; no values take one away.
func with(attrs map[string][]string, more map[string][]string) map[string][]string {
	out := maps.Clone(attrs)
	for name, values := range more {
		out[name] = values
		if len(values) == 0 {
			delete(out, name)
		}
	}
	return out
}

// birgit is a source mailbox with everything a long life leaves behind.
func birgit() map[string][]string {
	return map[string][]string{
		"objectClass": {"top", "person", "organizationalPerson", "user"}, "sAMAccountName": {"bmeier"},
		"userPrincipalName": {"birgit@group.test"}, "userAccountControl": {"512"}, "mailNickname": {"bmeier"},
		"displayName": {"Meier, Birgit"}, "givenName": {"Birgit"}, "sn": {"Meier"}, "otherTelephone": {"11", "22"},
		"mail": {"birgit.meier@alpine.test"}, "legacyExchangeDN": {birgitLegacy},
		"proxyAddresses": {
			"SMTP:birgit.meier@alpine.test", "smtp:bmeier@mail.alpine.test", "smtp:b.schulz@alpine.test",
			"X500:/o=Old/ou=Site/cn=Recipients/cn=schulz_b+1(x).ü", "x500:/o=Old/cn=Recipients/cn=bm",
			"SIP:birgit@alpine.test", "X400:c=DE;a= ;p=Alpine;o=Exchange;s=Meier;g=Birgit;", "EUM:4711;phone-context=x",
		},
		"msExchMailboxGuid": {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"},
		"homeMDB":           {"CN=Old DB,CN=Configuration,DC=alpine,DC=test"}, "homeMTA": {"CN=MTA,CN=Configuration,DC=alpine,DC=test"},
		"msExchHomeServerName": {"/o=Alpine/cn=Servers/cn=EX1"}, "mDBUseDefaults": {"FALSE"}, "mDBStorageQuota": {"1000"},
		"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"},
		"msExchMailboxSecurityDescriptor": {string(security())},
	}
}

const birgitDN directory.DN = `CN=Meier\, Birgit,OU=People,DC=alpine,DC=test`

// putBirgit puts her into the source and returns the pair that Match makes of her.
func (l *lab) putBirgit(t testing.TB, more map[string][]string) directory.Pair {
	t.Helper()
	l.source.put(t, birgitDN, with(birgit(), more))
	return l.match(t, string(birgitDN))
}

func (l *lab) match(t testing.TB, identity string) directory.Pair {
	t.Helper()
	source, err := l.Resolve(t.Context(), identity)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := l.Match(t.Context(), source, migrate.GUID{})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// rules returns the rule ids of the findings.
func rules(findings []migrate.Finding) []string {
	var ids []string
	for _, f := range findings {
		ids = append(ids, f.Rule)
	}
	return ids
}

// get returns an entry as it is stored.
func (m *memory) get(t testing.TB, dn directory.DN) *directory.Entry {
	t.Helper()
	s, ok := m.entries[dn.Key()]
	if !ok {
		t.Fatalf("no entry %q", dn)
	}
	return s.entry(append(slices.Collect(maps.Keys(s.attrs)), "nTSecurityDescriptor"))
}
