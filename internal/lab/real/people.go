package real

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// A Kind is what sort of mailbox a person has.
type Kind string

// The kinds of mailboxes.
const (
	User   Kind = "user"
	Shared Kind = "shared"
	Room   Kind = "room"
)

// A Twin says what stands for a person in FABRIKAM beforehand.
type Twin string

// The twins.
const (
	NoTwin   Twin = ""          // nothing
	Plain    Twin = "plain"     // a user with the same mail and no Exchange attributes
	MailUser Twin = "mail user" // a mail-enabled user that forwards to ALPINE
)

// A Person is someone with a mailbox in ALPINE.
type Person struct {
	Name     string // CN, displayName
	Alias    string // sAMAccountName, mailNickname
	Kind     Kind
	Mail     string // primary SMTP address
	Proxies  []string
	LegacyDN string
	Database string // name
	DN       string
	SID      []byte // objectSid
	GUID     []byte // objectGUID
	Mailbox  []byte // msExchMailboxGuid

	Twin   Twin
	TwinDN string // in FABRIKAM; "" without a twin
}

// UserPassword is the password of every planted user.
const UserPassword = "Planted-Passw0rd!"

// names of people: accents, CJK, commas, quotes, other scripts, a long one.
func names() [][2]string { // given name, surname
	return [][2]string{
		{"Anna", "Berg"},
		{"Jürgen", "Müßig"},
		{"花子", "山田"},
		{"Seán", "O'Brien"},
		{"Anne-Laure", "Lefèvre"},
		{"Łukasz", "Żółć"},
		{"Иван", "Петров"},
		{"José", "García, Jr."},
		{"Maria (Temp)", "da Silva"},
		{"Nguyễn", "Văn A"},
		{"Ωmega", "Παπαδόπουλος"},
		{"Bob", `"Bobby" Smith`},
		{"Zoë", "van den Bergh"},
		{"محمد", "علي"},
		{"Fu*", "Star\\Slash"},
		{"A", strings.Repeat("Long", 12)},
	}
}

// Plant empties the test OUs of both forests, puts n people into ALPINE's Staff, and
// for two in four of them a twin into FABRIKAM's Joined. The last two of four people or
// more have a shared mailbox and a room.
//
// In FABRIKAM the OU Joined grants the first person rights that are inherited, and
// every twin has explicit entries for others of ALPINE: Send As, full control, a denial.
func (l Lab) Plant(t testing.TB, n int) []Person {
	t.Helper()
	l.Source.Reset(t)
	l.Target.Reset(t)
	people := make([]Person, n)
	source := l.Source.Dial(t)
	defer func() { _ = source.Close() }()
	for i := range people {
		people[i] = l.person(i, n)
		l.plantMailbox(t, source, &people[i], i)
	}
	l.link(t, source, people)
	l.plantTwins(t, people)
	return people
}

// person makes up the i-th of n.
func (l Lab) person(i, n int) Person {
	name := names()[i%len(names())]
	alias := fmt.Sprintf("p%03d", i)
	p := Person{
		Name: fmt.Sprintf("%s, %s %d", name[1], name[0], i), Alias: alias, Kind: User,
		Mail:     fmt.Sprintf("Person.%03d@%s", i, l.Source.Domain),
		LegacyDN: l.Source.LegacyDN(alias),
		Database: []string{"MBX-A1", "MBX-A2"}[i%2],
		Twin:     []Twin{NoTwin, Plain, MailUser, NoTwin}[i%4],
	}
	if n >= 4 && i >= n-2 {
		p.Kind = []Kind{Shared, Room}[i-(n-2)]
	}
	id := sha256.Sum256([]byte("mailbox of " + alias))
	p.Mailbox = id[:16]
	p.DN = "CN=" + escapeRDN(p.Name) + "," + l.Source.OU("Staff")
	p.Proxies = []string{
		"SMTP:" + p.Mail,
		"smtp:" + alias + "@" + l.Source.Domain,
		"smtp:" + alias + ".maiden@old." + l.Source.Domain,
		"X500:/o=Alpine Old/ou=First Administrative Group/cn=Recipients/cn=" + alias,
		"x500:/o=Bought Company/ou=Berlin/cn=Recipients/cn=" + strings.ToUpper(alias) + "_1",
		"sip:" + p.Mail,
		"X400:c=US;a= ;p=Alpine;o=Exchange;s=" + alias + ";",
		"EUM:" + fmt.Sprint(4000+i) + ";phone-context=alpine.alpine.test",
	}
	return p
}

func (l Lab) plantMailbox(t testing.TB, conn *ldap.Conn, p *Person, i int) {
	t.Helper()
	attributes := account(p, l.Source)
	for _, more := range []map[string][]string{l.mailbox(p), addressBook(p, i), kindOf(p)} {
		for name, values := range more {
			attributes[name] = values
		}
	}
	l.Source.add(t, conn, p.DN, attributes)
	p.SID = l.Source.read(t, conn, p.DN, "objectSid")
	p.GUID = l.Source.read(t, conn, p.DN, "objectGUID")
}

// account is what a user has without Exchange.
func account(p *Person, forest Forest) map[string][]string {
	surname, given, _ := strings.Cut(p.Name, ", ")
	return map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {p.Alias}, "userPrincipalName": {p.Alias + "@" + forest.Domain},
		"displayName": {p.Name}, "sn": {surname}, "givenName": {given},
		"userAccountControl": {"512"}, "unicodePwd": {quotePassword(UserPassword)}, // MS-ADTS 3.1.1.3.1.5.1
	}
}

// quotePassword is the form of unicodePwd: UTF-16LE between quotes.
func quotePassword(password string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b.WriteByte(byte(unit))
		b.WriteByte(byte(unit >> 8))
	}
	return b.String()
}

// mailbox is what Exchange adds.
func (l Lab) mailbox(p *Person) map[string][]string {
	return map[string][]string{
		"mail": {p.Mail}, "mailNickname": {p.Alias}, "proxyAddresses": p.Proxies, "legacyExchangeDN": {p.LegacyDN},
		"homeMDB":              {l.Source.DatabaseDN(p.Database)},
		"msExchHomeServerName": {"/o=" + l.Source.Organisation + "/ou=" + groupName + "/cn=Configuration/cn=Servers/cn=ALPINE-EX1"},
		"msExchMailboxGuid":    {string(p.Mailbox)}, "msExchVersion": {"44220983382016"},
		"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"},
		"msExchUserAccountControl": {"0"}, "msExchUserCulture": {"de-AT"}, "msExchELCMailboxFlags": {"0"},
		"msExchPoliciesIncluded":   {"{26491cfc-9e50-4857-861b-0cb8df22b5d7}", "7b5f1e2a-3c4d-4e5f-8a9b-0c1d2e3f4a5b"},
		"msExchWhenMailboxCreated": {"20120304050607.0Z"}, "mDBUseDefaults": {"FALSE"}, "mDBStorageQuota": {"1945600"},
		"mDBOverQuotaLimit": {"1966080"}, "mDBOverHardQuotaLimit": {"2048000"}, "internetEncoding": {"1310720"},
		"msExchMailboxSecurityDescriptor": {string(descriptor(nil, 0))}, "msExchHideFromAddressLists": {"FALSE"},
		"textEncodedORAddress":      {"c=US;a= ;p=Alpine;o=Exchange;s=" + p.Alias + ";"},
		"msExchRequireAuthToSendTo": {"FALSE"}, "protocolSettings": {"HTTP\xc2\xa71\xc2\xa71\xc2\xa7\xc2\xa7\xc2\xa7\xc2\xa7\xc2\xa7\xc2\xa7"},
		"msExchSafeSendersHash": {"\x01\x02\x00\xff"},
	}
}

// addressBook is what people see of one another, and what scripts keep there.
func addressBook(p *Person, i int) map[string][]string {
	return map[string][]string{
		"c": {"AT"}, "co": {"Österreich"}, "countryCode": {"40"}, "l": {"Wien"}, "st": {"Wien"}, "postalCode": {"1010"},
		"streetAddress": {"Graben 1\r\nStiege 2"}, "physicalDeliveryOfficeName": {"W 1.02"}, "company": {"Alpine GmbH & Co. <KG>"},
		"department": {"Vertrieb"}, "title": {"Leiter;in"}, "initials": {"AB"}, "info": {"Zeile 1\r\nZeile 2"},
		"description": {"planted"}, "employeeID": {fmt.Sprintf("E%05d", i)}, "employeeNumber": {fmt.Sprint(i)}, "employeeType": {"staff"},
		"telephoneNumber": {"+43 1 " + fmt.Sprint(4000+i)}, "otherTelephone": {"+43 1 1", "+43 1 2"}, "mobile": {"+43 664 1"},
		"homePhone": {"+43 2"}, "otherHomePhone": {"+43 3"}, "pager": {"7"}, "facsimileTelephoneNumber": {"+43 4"},
		"telephoneAssistant": {"+43 5"}, "msExchAssistantName": {"Zoë"}, "wWWHomePage": {"https://alpine.test/~" + p.Alias},
		"extensionAttribute1": {"Kostenstelle 4711"}, "extensionAttribute10": {"=cmd|' /C calc'!A0"}, "extensionAttribute15": {"<&>\"'"},
		"msDS-PhoneticDisplayName": {"やまだ"}, "thumbnailPhoto": {"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\xff\xd9"}, "division": {"Nord"},
		"departmentNumber": {"12"}, "comment": {"kept"},
	}
}

// kindOf is what shared mailboxes and rooms have instead.
func kindOf(p *Person) map[string][]string {
	disabled := map[string][]string{"userAccountControl": {"514"}}
	switch p.Kind {
	case User, Equipment, Linked: // the latter two only a Company has
		return nil
	case Shared:
		disabled["msExchRecipientTypeDetails"] = []string{"4"}
	case Room:
		disabled["msExchRecipientTypeDetails"] = []string{"16"}
		disabled["msExchRecipientDisplayType"] = []string{"7"}
		disabled["msExchResourceCapacity"] = []string{"12"}
		disabled["msExchResourceDisplay"] = []string{"Room"}
		disabled["msExchResourceMetaData"] = []string{"ResourceType:Room"}
		disabled["msExchResourceSearchProperties"] = []string{"Room"}
	}
	self := []byte{1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0} // S-1-5-10, MS-DTYP 2.4.2.4
	disabled["msExchMasterAccountSid"] = []string{string(self)}
	return disabled
}

// link makes the first person everyone's manager, the next one each one's delegate,
// and all of them members of a distribution group.
func (l Lab) link(t testing.TB, conn *ldap.Conn, people []Person) {
	t.Helper()
	members := make([]string, len(people))
	for i, p := range people {
		members[i] = p.DN
		if i == 0 {
			continue
		}
		l.Source.replace(t, conn, p.DN, "manager", people[0].DN)
		l.Source.replace(t, conn, p.DN, "publicDelegates", people[i-1].DN)
	}
	attributes := map[string][]string{
		"objectClass": {"group"}, "sAMAccountName": {"planted-all"}, "groupType": {"8"}, // universal distribution
		"displayName": {"All planted"}, "mailNickname": {"planted-all"}, "mail": {"all@" + l.Source.Domain},
		"proxyAddresses": {"SMTP:all@" + l.Source.Domain}, "legacyExchangeDN": {l.Source.LegacyDN("planted-all")},
		"msExchRecipientTypeDetails": {"256"}, "msExchRecipientDisplayType": {"1"},
	}
	if len(members) > 0 {
		attributes["member"] = members
	}
	l.Source.add(t, conn, "CN=All planted,"+l.Source.OU("Staff"), attributes)
}

func (l Lab) plantTwins(t testing.TB, people []Person) {
	t.Helper()
	conn := l.Target.Dial(t)
	defer func() { _ = conn.Close() }()
	if len(people) > 0 {
		l.Target.grant(t, conn, l.Target.OU("Joined"),
			newACE(t, aceAllow, aceContainerInherit, rightsFull, "", people[0].SID))
	}
	for i := range people {
		if p := &people[i]; p.Twin != NoTwin {
			l.plantTwin(t, conn, p)
			other := func(n int) []byte { return people[(i+n)%len(people)].SID }
			l.Target.grant(t, conn, p.TwinDN,
				newACE(t, aceAllowObject, 0, rightExtended, sendAs, other(1)),
				newACE(t, aceAllow, 0, rightsFull, "", other(2)),
				newACE(t, aceDeny, 0, rightReadProp, "", other(3)))
		}
	}
}

func (l Lab) plantTwin(t testing.TB, conn *ldap.Conn, p *Person) {
	t.Helper()
	p.TwinDN = "CN=" + escapeRDN(p.Name) + "," + l.Target.OU("Joined")
	attributes := account(p, l.Target)
	attributes["mail"] = []string{p.Mail}
	if p.Twin == MailUser {
		own := p.Alias + "@" + l.Target.Domain
		attributes["mail"] = []string{own}
		attributes["mailNickname"] = []string{p.Alias}
		attributes["proxyAddresses"] = []string{"SMTP:" + own, "smtp:" + strings.ToUpper(p.Mail), "X500:/o=Fabrikam Old/cn=Recipients/cn=" + p.Alias}
		attributes["targetAddress"] = []string{"SMTP:" + p.Mail}
		attributes["legacyExchangeDN"] = []string{l.Target.LegacyDN(p.Alias)}
		attributes["msExchRecipientTypeDetails"] = []string{"128"}
		attributes["msExchRecipientDisplayType"] = []string{"6"}
		attributes["msExchVersion"] = []string{"44220983382016"}
	}
	l.Target.add(t, conn, p.TwinDN, attributes)
}
