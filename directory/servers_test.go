package directory_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/directory/ntsd"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// A served forest is one on a real server or on the rehearsal's.
type served struct {
	config   ldap.Config
	database string // name of one of its mailbox databases
}

// TestMoveOnTheRehearsal carries out a whole move over LDAP.
func TestMoveOnTheRehearsal(t *testing.T) {
	t.Parallel()
	moveOverLDAP(t, rehearse(t, "alpine.test", "MBX-A1"), rehearse(t, "fabrikam.test", "MBX-F1"))
}

func rehearse(t *testing.T, domain, database string) served {
	t.Helper()
	const password = "Rehearsal-Passw0rd!"
	server, err := ldapd.Start(context.WithoutCancel(t.Context()), ldapd.Config{Domain: domain, AdminPassword: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	if _, err := server.AddDatabase(database); err != nil {
		t.Fatal(err)
	}
	return served{ldap.Config{URL: server.URL(), CAFile: ca, BindDN: "Administrator@" + domain, Password: password}, database}
}

// TestMoveOnActiveDirectory carries out a whole move between the two forests of
// scripts/lab.
func TestMoveOnActiveDirectory(t *testing.T) {
	t.Parallel()
	env := labEnv(t)
	of := func(side, database string) served {
		return served{ldap.Config{
			URL: env["REFOREST_LAB_"+side+"_LDAP"], CAFile: env["REFOREST_LAB_CA"],
			BindDN: env["REFOREST_LAB_"+side+"_BIND"], Password: env["REFOREST_LAB_"+side+"_PASSWORD"],
		}, database}
	}
	moveOverLDAP(t, of("SOURCE", "MBX-A1"), of("TARGET", "MBX-F1"))
}

func labEnv(t *testing.T) map[string]string {
	t.Helper()
	path := os.Getenv("REFOREST_LAB_ENV")
	if path == "" {
		t.Skip("no Samba forests: start them with scripts/lab/up and set REFOREST_LAB_ENV")
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	env := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		env[key] = value
	}
	return env
}

// open dials the forest, surveys it and makes a unit in it that goes when the test ends.
func (s served) open(t *testing.T, side directory.Side, unit string) (directory.Forest, directory.DN) {
	t.Helper()
	conn, err := ldap.Dial(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	info, err := directory.Survey(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	dn := info.DefaultNC.Child("OU", unit)
	forest := directory.Forest{Side: side, Reader: conn, Writer: conn, Info: info}
	addEntry(t, forest, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
	t.Cleanup(func() { s.remove(t, dn) })
	return forest, dn
}

// remove deletes the unit with all that is in it, which the product never does.
func (s served) remove(t *testing.T, dn directory.DN) {
	pem, err := os.ReadFile(s.config.CAFile)
	if err != nil {
		t.Error(err)
		return
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	conn, err := goldap.DialURL(s.config.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: trusted}))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Bind(s.config.BindDN, s.config.Password); err != nil {
		t.Error(err)
	}
	tree := []goldap.Control{goldap.NewControlSubtreeDelete()}
	if err := conn.Del(goldap.NewDelRequest(string(dn), tree)); err != nil {
		t.Errorf("delete %q: %v", dn, err)
	}
}

func addEntry(t *testing.T, forest directory.Forest, dn directory.DN, attrs map[string][]string) {
	t.Helper()
	change := directory.Change{Forest: forest.Side, Op: directory.Add, DN: dn}
	for _, attr := range slices.Sorted(keysOf(attrs)) {
		mod := directory.Mod{Op: directory.AddValues, Attr: attr}
		for _, v := range attrs[attr] {
			mod.Values = append(mod.Values, []byte(v))
		}
		change.Mods = append(change.Mods, mod)
	}
	if err := forest.Writer.Write(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

// A wireLab is two served forests with one person to move and one colleague.
type wireLab struct {
	*lab
	mark string // makes every name of this test unique
	dn   directory.DN
}

func newWireLab(t *testing.T, source, target served) *wireLab {
	t.Helper()
	octets := make([]byte, 4)
	_, _ = rand.Read(octets) // it never fails
	w := &wireLab{mark: hex.EncodeToString(octets)}
	s, people := source.open(t, directory.Source, "move "+w.mark)
	f, staff := target.open(t, directory.Target, "move "+w.mark)
	w.lab = &lab{clock: &clock{}, Directories: &directory.Directories{Source: s, Target: f, Rules: directory.Rules{
		SourceRouting: "mail.alpine.test", TargetRouting: "mail.fabrikam.test", TargetOU: staff,
		LegacyPrefix: "/o=Fabrikam/ou=Group", Database: target.database,
		Adopt: directory.DefaultMatch(),
	}}}
	database := s.Info.DefaultNC // any entry of the forest will do for a link, but a database is right
	for entry, err := range s.Reader.Find(t.Context(), directory.Query{Base: s.Info.ConfigNC, Filter: directory.Eq("cn", source.database)}) {
		if err != nil {
			t.Fatal(err)
		}
		database = entry.DN
	}
	w.dn = people.Child("CN", `Müller, "B." #`+w.mark+" 星")
	addEntry(t, s, w.dn, map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {"bm" + w.mark}, "userPrincipalName": {"bm" + w.mark + "@alpine.test"},
		"userAccountControl": {"514"}, "mailNickname": {"bm" + w.mark}, "displayName": {`Müller, "B."`}, "sn": {"Müller"},
		"telephoneNumber": {"+49 (0)89 *1"}, "mail": {"bm" + w.mark + "@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/cn=Recipients/cn=bm" + w.mark},
		"proxyAddresses": {
			"SMTP:bm" + w.mark + "@alpine.test", "smtp:bm" + w.mark + "@mail.alpine.test", "X500:/o=Old/cn=bm_+1(x)." + w.mark + "ü",
			"SIP:bm" + w.mark + "@alpine.test", "X400:c=DE;a= ;p=Alpine;s=M" + w.mark + ";",
		},
		"msExchMailboxGuid": {"guid of " + w.mark}, "homeMDB": {string(database)}, "msExchHomeServerName": {"/o=Alpine/cn=Servers/cn=EX1"},
		"mDBUseDefaults": {"FALSE"}, "mDBStorageQuota": {"1000"}, "msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"},
	})
	// Another person has the account name already.
	addEntry(t, f, staff.Child("CN", "Other"), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"bm" + w.mark}, "userAccountControl": {"514"}})
	for _, side := range []struct {
		forest directory.Forest
		unit   directory.DN
	}{{s, people}, {f, staff}} {
		addEntry(t, side.forest, side.unit.Child("CN", "Colleague"), map[string][]string{
			"objectClass": {"user"}, "sAMAccountName": {"co" + w.mark}, "userAccountControl": {"514"},
			"proxyAddresses": {"smtp:co" + w.mark + "@alpine.test"},
		})
	}
	return w
}

func moveOverLDAP(t *testing.T, source, target served) {
	w := newWireLab(t, source, target)
	pair := w.match(t, "bm"+w.mark+"@mail.alpine.test")
	if pair.Source.DN.Key() != w.dn.Key() || pair.Target != nil {
		t.Fatalf("got %+v", pair)
	}
	findings, err := w.Check(t.Context(), pair, "")
	if diff := cmp.Diff([]string{"source.disabled"}, rules(findings)); err != nil || diff != "" {
		t.Fatalf("%v: %s %v", err, diff, findings)
	}
	w.grantAtSource(t, pair)
	pair = w.match(t, string(w.dn))
	for _, step := range w.steps() {
		if step.name == "twin rights" {
			w.grantColleague(t, pair)
		}
		w.carryOut(t, pair, step.plan)
		pair = w.match(t, string(w.dn))
		w.nothingLeft(t, step.name, pair, step.plan)
	}
	for _, step := range w.steps() {
		w.nothingLeft(t, step.name+", again", pair, step.plan)
	}
	if findings, err := w.Verify(t.Context(), pair, ""); err != nil || len(findings) > 0 {
		t.Errorf("verify: %v, %v", findings, err)
	}
	if got, want := pair.Target.Sam, "bm"+w.mark+"2"; got != want {
		t.Errorf("got account name %q, want %q", got, want)
	}
	w.checkColleague(t, pair)
}

// grantAtSource gives the source's colleague rights on the source object and its mailbox.
func (w *wireLab) grantAtSource(t *testing.T, pair directory.Pair) {
	t.Helper()
	sid := w.colleague(t).Source.SID
	entry, err := w.Source.Reader.Get(t.Context(), w.dn, "nTSecurityDescriptor")
	if err != nil {
		t.Fatal(err)
	}
	d := must(ntsd.Parse(entry.Bytes("nTSecurityDescriptor")[0]))
	if err := d.DACL.Add(must(ntsd.NewACE(ntsd.AllowObject, ntsd.MaskControlAccess, ntsd.ReceiveAs(), sid))); err != nil {
		t.Fatal(err)
	}
	for attr, value := range map[string][]byte{
		"nTSecurityDescriptor": d.Bytes(), mailboxSecurity: owned(pair.Source.SID, migrate.Self, full(migrate.Self), full(sid)),
	} {
		err := w.Source.Writer.Write(t.Context(), directory.Change{
			Forest: directory.Source, Op: directory.Modify, DN: w.dn,
			Mods: []directory.Mod{{Op: directory.ReplaceValues, Attr: attr, Values: [][]byte{value}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// grantColleague gives the source's colleague rights on the target user.
func (w *wireLab) grantColleague(t *testing.T, pair directory.Pair) {
	t.Helper()
	d := w.descriptor(t, pair)
	colleague := w.colleague(t)
	for _, kind := range []ntsd.ACEType{ntsd.AllowObject, ntsd.DenyObject} {
		object := ntsd.SendAs()
		object[0] += byte(kind - ntsd.AllowObject) // another right is denied
		if err := d.DACL.Add(must(ntsd.NewACE(kind, ntsd.MaskControlAccess, object, colleague.Source.SID))); err != nil {
			t.Fatal(err)
		}
	}
	err := w.Target.Writer.Write(t.Context(), directory.Change{
		Forest: directory.Target, Op: directory.Modify, DN: pair.Target.DN,
		Mods: []directory.Mod{{Op: directory.ReplaceValues, Attr: "nTSecurityDescriptor", Values: [][]byte{d.Bytes()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *wireLab) colleague(t *testing.T) directory.Pair {
	t.Helper()
	return w.match(t, "co"+w.mark)
}

func (w *wireLab) descriptor(t *testing.T, pair directory.Pair) *ntsd.Descriptor {
	t.Helper()
	entry, err := w.Target.Reader.Get(t.Context(), pair.Target.DN, "nTSecurityDescriptor")
	if err != nil {
		t.Fatal(err)
	}
	return must(ntsd.Parse(entry.Bytes("nTSecurityDescriptor")[0]))
}

// checkColleague: the twin has what the source's colleague had, and nobody else does.
func (w *wireLab) checkColleague(t *testing.T, pair directory.Pair) {
	t.Helper()
	colleague := w.colleague(t)
	count := map[migrate.SID]int{}
	for _, e := range w.descriptor(t, pair).DACL.Explicit() {
		count[e.SID]++
	}
	if count[colleague.Source.SID] != 0 || count[colleague.Target.SID] != 3 {
		t.Errorf("the colleague has %d entries, the twin %d, want 0 and 3", count[colleague.Source.SID], count[colleague.Target.SID])
	}
	want := owned(migrate.Self, migrate.Self, full(migrate.Self), full(colleague.Target.SID))
	if got := pair.Target.Entry.Bytes(mailboxSecurity); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("on the mailbox: got %x, want %x", got, want)
	}
}
