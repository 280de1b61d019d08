package real

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPlantedPeopleAreThere(t *testing.T) {
	lab := Load(t)
	people := lab.Plant(t, 18)
	found := lab.Source.Search(t, lab.Source.OU("Staff"), "(msExchMailboxGuid=*)")
	if len(found) != len(people) {
		t.Errorf("%d mailboxes in ALPINE, want %d", len(found), len(people))
	}
	for _, p := range people {
		entries := lab.Source.Search(t, lab.Source.OU("Staff"), "(legacyExchangeDN="+ldap.EscapeFilter(p.LegacyDN)+")")
		if len(entries) != 1 {
			t.Errorf("%s: %d objects with this legacy DN", p.Name, len(entries))
			continue
		}
		checkPerson(t, lab, p, entries[0])
	}
	again := lab.Plant(t, 3)
	if got := lab.Source.Search(t, lab.Source.OU("Staff"), "(msExchMailboxGuid=*)", "mail"); len(got) != 3 || len(again) != 3 {
		t.Errorf("%d mailboxes after planting 3 anew", len(got))
	}
}

func checkPerson(t *testing.T, lab Lab, p Person, entry Entry) {
	t.Helper()
	want := Entry{
		"cn": {p.Name}, "mail": {p.Mail}, "mailNickname": {p.Alias}, "proxyAddresses": p.Proxies,
		"homeMDB": {lab.Source.DatabaseDN(p.Database)}, "msExchMailboxGuid": {string(p.Mailbox)},
		"objectSid": {string(p.SID)}, "objectGUID": {string(p.GUID)}, "postalCode": {"1010"},
		"streetAddress": {"Graben 1\r\nStiege 2"}, "mDBOverHardQuotaLimit": {"2048000"},
	}
	for name, values := range want {
		if diff := cmp.Diff(values, entry[name], cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("%s: %s: %s", p.Name, name, diff)
		}
	}
	if len(entry["nTSecurityDescriptor"]) != 1 {
		t.Errorf("%s: no security descriptor", p.Name)
	}
	details := map[Kind]string{User: "1", Shared: "4", Room: "16"}[p.Kind]
	if diff := cmp.Diff([]string{details}, entry["msExchRecipientTypeDetails"]); diff != "" {
		t.Errorf("%s: type: %s", p.Name, diff)
	}
}

// Every twin has explicit entries of ALPINE and one that it inherits.
func TestPlantedTwinsCarryLegacyRights(t *testing.T) {
	lab := Load(t)
	people := lab.Plant(t, 8)
	twins := 0
	for i, p := range people {
		if p.Twin == NoTwin {
			continue
		}
		twins++
		sid := func(n int) string { return string(people[(i+n)%len(people)].SID) }
		want := []ACE{
			{Type: aceAllow, Inherited: true, SID: string(people[0].SID)},
			{Type: aceAllowObject, SID: sid(1)},
			{Type: aceAllow, SID: sid(2)},
			{Type: aceDeny, SID: sid(3)},
		}
		got := lab.Target.DACL(t, p.TwinDN)
		for _, ace := range want {
			if n := count(got, ace); n != 1 {
				t.Errorf("%s: %d entries like %+v, want 1", p.Name, n, ace)
			}
		}
	}
	if twins != 4 {
		t.Errorf("%d twins of 8 people, want 4", twins)
	}
	mailUsers := lab.Target.Search(t, lab.Target.OU(""), "(targetAddress=*)", "targetAddress")
	if len(mailUsers) != 2 {
		t.Errorf("%d mail users in FABRIKAM, want 2", len(mailUsers))
	}
}

func count(aces []ACE, want ACE) int {
	n := 0
	for _, ace := range aces {
		if ace.Type == want.Type && ace.Inherited == want.Inherited && ace.SID == want.SID {
			n++
		}
	}
	return n
}

func TestDatabasesAreThere(t *testing.T) {
	lab := Load(t)
	for _, test := range []struct {
		forest Forest
		want   []string
	}{{lab.Source, []string{"MBX-A1", "MBX-A2"}}, {lab.Target, []string{"MBX-F1", "MBX-F2"}}} {
		var got []string
		for _, entry := range test.forest.Search(t, test.forest.DatabasesDN(), "(objectClass=msExchPrivateMDB)", "cn") {
			got = append(got, entry["cn"]...)
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.forest.NetBIOS, diff)
		}
	}
}

func TestFilledMailboxIsReadBack(t *testing.T) {
	lab := Load(t)
	const user, messages = "planting@alpine.test", 120
	lab.SourceMail.Empty(t, user)
	lab.SourceMail.Fill(t, user, messages)
	got := lab.SourceMail.Read(t, user)
	if len(got.Messages) != messages {
		t.Errorf("%d messages, want %d", len(got.Messages), messages)
	}
	for _, name := range FolderNames() {
		if !slices.Contains(got.Folders, name) {
			t.Errorf("folder %q is missing", name)
		}
	}
	if want := len(FolderNames()) - len(FolderNames())/9; len(got.Subscribed) != want {
		t.Errorf("%d subscriptions, want %d", len(got.Subscribed), want)
	}
	checkVariety(t, got)
	lab.TargetMail.Empty(t, user)
	lab.TargetMail.Fill(t, user, messages)
	if diff := cmp.Diff(got, lab.TargetMail.Read(t, user)); diff != "" {
		t.Errorf("the same planting gives another mailbox: %s", diff)
	}
}

func checkVariety(t *testing.T, mailbox Mailbox) {
	t.Helper()
	var flagged, keyword, doubled int
	for i, m := range mailbox.Messages {
		if strings.Contains(m.Flags, `\Answered`) {
			flagged++
		}
		if strings.Contains(m.Flags, "$") || strings.Contains(m.Flags, "Junk") {
			keyword++
		}
		if m.Date < "2009" || m.Date > "2025" {
			t.Errorf("date %s", m.Date)
		}
		if slices.ContainsFunc(mailbox.Messages[:i], func(o Message) bool { return o.Digest == m.Digest }) {
			doubled++
		}
	}
	if flagged == 0 || keyword == 0 || doubled == 0 {
		t.Errorf("%d answered, %d with keywords, %d doubled; want some of each", flagged, keyword, doubled)
	}
}

func TestEmptiedMailboxIsEmpty(t *testing.T) {
	lab := Load(t)
	const user = "emptying@alpine.test"
	lab.SourceMail.Fill(t, user, 6)
	lab.SourceMail.Empty(t, user)
	got := lab.SourceMail.Read(t, user)
	if len(got.Messages) != 0 || len(got.Subscribed) != 0 || !slices.Contains(got.Folders, "INBOX") || slices.Contains(got.Folders, "Archiv") {
		t.Errorf("after emptying: %+v", got)
	}
}

// A mail server that was killed holds what it held, and takes mail again.
func TestKilledMailServer(t *testing.T) {
	lab := Load(t)
	const user = "killing@alpine.test"
	lab.SourceMail.Empty(t, user)
	deliver(t, lab.SourceMail, user, "<1@killing>")
	lab.SourceMail.Kill(t)
	if conn, err := net.Dial("tcp", lab.SourceMail.LMTP); err == nil {
		_ = conn.Close()
		t.Error("after SIGKILL someone still takes mail")
	}
	lab.SourceMail.Start(t)
	deliver(t, lab.SourceMail, user, "<2@killing>")
	if diff := cmp.Diff([]string{"<1@killing>", "<2@killing>"}, lab.SourceMail.Arrived(t, user)); diff != "" {
		t.Error(diff)
	}
}

func deliver(t *testing.T, server MailServer, user, id string) {
	t.Helper()
	conn, err := net.Dial("tcp", server.LMTP)
	if err != nil {
		t.Fatal(err)
	}
	client := smtp.NewClientLMTP(conn)
	defer func() { _ = client.Close() }()
	if err := client.SendMail("", []string{user}, strings.NewReader("Message-ID: "+id+"\r\n\r\nx\r\n")); err != nil {
		t.Fatalf("deliver %s: %v", id, err)
	}
}

func TestParseLDIF(t *testing.T) {
	t.Parallel()
	got, err := parseLDIF("dn:: w6Q=\ncn: a\ncn: b: c\nempty:\n\n# refldaps://x\n\ndn: CN=x\nraw:: AP8=\n\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{"dn": {"ä"}, "cn": {"a", "b: c"}, "empty": {""}}, {"dn": {"CN=x"}, "raw": {"\x00\xff"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"dn: x\nno colon\n", "dn:: ***\n"} {
		if _, err := parseLDIF(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
