package real

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// The kinds of mailboxes that only a Company has.
const (
	Equipment Kind = "equipment"
	Linked    Kind = "linked"
)

// A Company is many recipients with links among each other, as a forest of that size has
// them, and what the other forest holds beforehand.
type Company struct {
	// Mailboxes, MailUsers, Contacts and Groups are ALPINE's.
	Mailboxes, MailUsers, Contacts, Groups []*Object
	// Natives are FABRIKAM's.
	Natives []*Object
}

// An Object is one directory object as it is planted.
type Object struct {
	DN    string
	Kind  Kind // of a mailbox
	Attrs map[string][]string
	Links map[string][]*Object // to objects of the same forest, by attribute

	// Joined is what stands for it in FABRIKAM beforehand; nil: it is to be made.
	Joined *Object
	// Refused says which names of it are somebody else's in FABRIKAM, so that a person has
	// to see to it: it gets no object there.
	Refused string
}

// Everyone returns all of ALPINE's recipients.
func (c *Company) Everyone() []*Object {
	return slices.Concat(c.Mailboxes, c.MailUsers, c.Contacts, c.Groups)
}

// Alias returns the object's mailNickname.
func (o *Object) Alias() string { return o.first("mailNickname") }

// Mail returns the object's primary address.
func (o *Object) Mail() string { return o.first("mail") }

// LegacyDN returns the object's legacyExchangeDN; "" if it has none.
func (o *Object) LegacyDN() string { return o.first("legacyExchangeDN") }

func (o *Object) first(attr string) string {
	if values := o.Attrs[attr]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (o *Object) set(attr string, values ...string) { o.Attrs[attr] = values }

func (o *Object) link(attr string, ends ...*Object) {
	for _, end := range ends {
		if end != o && !slices.Contains(o.Links[attr], end) {
			o.Links[attr] = append(o.Links[attr], end)
		}
	}
}

// What a company consists of beside its mailboxes.
const (
	sites       = 60 // organizational units of ALPINE: a common name may occur once in each
	companySize = 60 // contacts; a quarter of them stands for somebody of FABRIKAM
	mailUsers   = 20
	groups      = 40
	bigGroup    = 1600 // members: more than the 1,500 values that Active Directory answers with
	joinedFirst = 200  // of the people that are in FABRIKAM already
	joinedCount = 40
	occupied    = 300 // the first of those whose names are taken in FABRIKAM
)

// NewCompany makes up a company of n mailboxes. The same n gives the same company.
func (l Lab) NewCompany(n int) *Company {
	c := &Company{}
	for i := range n {
		c.Mailboxes = append(c.Mailboxes, l.companyMailbox(i))
	}
	for i := range mailUsers {
		c.MailUsers = append(c.MailUsers, l.mailUser(i))
	}
	for i := range companySize / 4 {
		c.Natives = append(c.Natives, l.native(fmt.Sprintf("native%02d", i)))
	}
	for i := range companySize {
		c.Contacts = append(c.Contacts, l.contact(i, c.Natives))
	}
	for i := range groups {
		c.Groups = append(c.Groups, l.group(i))
	}
	c.linkPeople()
	c.linkGroups()
	l.joinSome(c)
	l.occupySome(c)
	return c
}

func (l Lab) site(i int) string {
	return fmt.Sprintf("OU=Site %02d,%s", i%sites, l.Source.OU("Staff"))
}

// companyMailbox makes up the i-th mailbox.
func (l Lab) companyMailbox(i int) *Object {
	name, alias := companyName(i)
	o := &Object{
		DN: "CN=" + escapeRDN(name) + "," + l.site(i), Kind: kindOfNumber(i),
		Attrs: map[string][]string{}, Links: map[string][]*Object{},
	}
	mail := fmt.Sprintf("Employee.%04d@%s", i, l.Source.Domain)
	id := sha256.Sum256([]byte("mailbox of " + alias))
	o.Attrs = map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {alias}, "userPrincipalName": {alias + "@" + l.Source.Domain},
		"userAccountControl": {"546"}, // disabled, and without a password
		"displayName":        {name}, "mailNickname": {alias}, "mail": {mail}, "legacyExchangeDN": {l.Source.LegacyDN(alias)},
		"proxyAddresses": {
			"SMTP:" + mail, "smtp:" + alias + "@" + l.Source.Domain, fmt.Sprintf("smtp:e%d@old.%s", i, l.Source.Domain),
			// Each is the beginning of others: employee 1, 12, 120.
			fmt.Sprintf("X500:/o=Alpine Old/ou=First Administrative Group/cn=Recipients/cn=employee%d", i),
			"sip:" + mail, fmt.Sprintf("X400:c=US;a= ;p=Alpine;o=Exchange;s=employee%d;", i),
		},
		"homeMDB":              {l.Source.DatabaseDN([]string{"MBX-A1", "MBX-A2"}[i%2])},
		"msExchHomeServerName": {"/o=" + l.Source.Organisation + "/ou=" + groupName + "/cn=Configuration/cn=Servers/cn=ALPINE-EX1"},
		"msExchMailboxGuid":    {string(id[:16])}, "msExchVersion": {"44220983382016"},
		"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"},
		"sn": {fmt.Sprintf("Employee %d", i)}, "department": {fmt.Sprintf("Department %d", i%17)}, "title": {"Leiter;in"},
		"telephoneNumber": {fmt.Sprintf("+43 1 %d", 10000+i)}, "company": {"Alpine GmbH & Co. <KG>"},
	}
	o.setKind(id[16:])
	return o
}

// companyName returns the i-th common name and alias: mostly dull ones, sixty people of
// one name, account names that are the same for the first twenty characters, and names
// that break programs.
func companyName(i int) (name, alias string) {
	alias = fmt.Sprintf("e%04d", i)
	switch {
	case i >= 600 && i < 660:
		return "John Smith", fmt.Sprintf("jsmith%d", i-600)
	case i >= 700 && i < 730:
		return fmt.Sprintf("Long Account %d", i), fmt.Sprintf("account.name-very-long-%d", i)
	case i >= 800 && i < 800+len(hostileNames()):
		return hostileNames()[i-800], alias
	}
	return fmt.Sprintf("Employee %04d", i), alias
}

func hostileNames() []string {
	return []string{
		"Müßig, Jürgen", "山田 花子", `Bob "Bobby" Smith`, "O'Brien; Seán", `Back\slash`, "# leading", " leading blank", "trailing blank ",
		"<angle>", "a=b+c", "Fu* (Temp)", "=cmd|' /C calc'!A0", "😀 Emoji", "Nguyễn Văn A", strings.Repeat("Sixty-four ", 5) + "characters",
		"José García", "Jose Garcia", "comma, plus + and ; more", `quote " at , the \ end\`, "Иван Петров",
	}
}

func kindOfNumber(i int) Kind {
	switch i % 20 {
	case 16:
		return Linked
	case 17:
		return Shared
	case 18:
		return Room
	case 19:
		return Equipment
	}
	return User
}

// setKind gives the mailbox what its kind has; id makes up the account of a linked one,
// which lies in a forest that nobody knows.
func (o *Object) setKind(id []byte) {
	self := "\x01\x01\x00\x00\x00\x00\x00\x05\x0a\x00\x00\x00" // S-1-5-10, MS-DTYP 2.4.2.4
	switch o.Kind {
	case User:
	case Shared:
		o.set("msExchRecipientTypeDetails", "4")
		o.set("msExchMasterAccountSid", self)
	case Room:
		o.set("msExchRecipientTypeDetails", "16")
		o.set("msExchRecipientDisplayType", "7")
		o.set("msExchResourceCapacity", "12")
		o.set("msExchMasterAccountSid", self)
	case Equipment:
		o.set("msExchRecipientTypeDetails", "32")
		o.set("msExchRecipientDisplayType", "8")
		o.set("msExchMasterAccountSid", self)
	case Linked:
		o.set("msExchRecipientTypeDetails", "2")
		o.set("msExchMasterAccountSid", "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00"+string(id[:16]))
	}
}

func (l Lab) mailUser(i int) *Object {
	alias := fmt.Sprintf("consultant%d", i)
	mail, elsewhere := alias+"@"+l.Source.Domain, fmt.Sprintf("SMTP:%s@elsewhere.test", alias)
	return &Object{DN: fmt.Sprintf("CN=Consultant %02d,%s", i, l.site(i)), Links: map[string][]*Object{}, Attrs: map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {alias}, "userAccountControl": {"546"}, "displayName": {"Consultant " + alias},
		"mailNickname": {alias}, "mail": {mail}, "proxyAddresses": {"SMTP:" + mail, "x500:/o=Alpine Old/cn=" + alias}, "targetAddress": {elsewhere},
		"legacyExchangeDN": {l.Source.LegacyDN(alias)}, "msExchRecipientTypeDetails": {"128"}, "msExchRecipientDisplayType": {"6"},
	}}
}

// contact makes up a contact: a partner, or one that leads to one of FABRIKAM's own.
func (l Lab) contact(i int, natives []*Object) *Object {
	alias := fmt.Sprintf("partner%02d", i)
	mail := alias + "@elsewhere.test"
	o := &Object{DN: fmt.Sprintf("CN=Partner %02d,%s", i, l.site(i)), Links: map[string][]*Object{}}
	if i%4 == 3 {
		o.Joined = natives[i/4]
		mail = o.Joined.Mail()
	}
	o.Attrs = map[string][]string{
		"objectClass": {"contact"}, "displayName": {"Partner " + alias}, "mailNickname": {alias}, "mail": {mail},
		"proxyAddresses": {"SMTP:" + mail}, "targetAddress": {"SMTP:" + mail}, "msExchRecipientTypeDetails": {"64"}, "msExchRecipientDisplayType": {"6"},
	}
	if i%2 == 0 { // what old directories have is not always complete
		o.set("legacyExchangeDN", l.Source.LegacyDN(alias))
	}
	return o
}

// group makes up a group: universal or global, for security or distribution alone.
func (l Lab) group(i int) *Object {
	alias := fmt.Sprintf("group%02d", i)
	mail := alias + "@" + l.Source.Domain
	kind := []string{"8", "-2147483640", "2", "-2147483646"}[i%4] // MS-ADTS 2.2.12
	return &Object{DN: fmt.Sprintf("CN=Group %02d,%s", i, l.Source.OU("Staff")), Links: map[string][]*Object{}, Attrs: map[string][]string{
		"objectClass": {"group"}, "sAMAccountName": {alias}, "groupType": {kind}, "displayName": {"Group " + alias},
		"mailNickname": {alias}, "mail": {mail}, "proxyAddresses": {"SMTP:" + mail, "X500:/o=Alpine Old/cn=" + alias},
		"legacyExchangeDN": {l.Source.LegacyDN(alias)}, "msExchRecipientTypeDetails": {"256"}, "msExchRecipientDisplayType": {"1"},
	}}
}

// native makes up a mailbox of FABRIKAM that was always there.
func (l Lab) native(alias string) *Object {
	mail := alias + "@" + l.Target.Domain
	id := sha256.Sum256([]byte("mailbox of " + alias))
	return &Object{DN: "CN=" + escapeRDN(alias) + "," + l.Target.OU("Joined"), Links: map[string][]*Object{}, Attrs: map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {alias}, "userPrincipalName": {mail}, "userAccountControl": {"546"},
		"displayName": {alias}, "mailNickname": {alias}, "mail": {mail}, "proxyAddresses": {"SMTP:" + mail},
		"legacyExchangeDN": {l.Target.LegacyDN(alias)}, "homeMDB": {l.Target.DatabaseDN("MBX-F1")}, "msExchMailboxGuid": {string(id[:16])},
		"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"}, "msExchVersion": {"44220983382016"},
	}}
}

// linkPeople gives everyone a manager and two delegates, and some everything else that
// one mailbox can have to do with others.
func (c *Company) linkPeople() {
	people := c.Mailboxes
	at := func(i int) *Object { return people[i%len(people)] }
	for i, o := range people {
		if i > 0 {
			o.link("manager", at((i-1)/12))
		}
		o.link("publicDelegates", at(i+1), at(i+7))
		if i%25 == 3 {
			o.link("altRecipient", at(i+5))
			o.set("deliverAndRedirect", []string{"TRUE", "FALSE"}[i/25%2])
		}
		if i%9 == 0 {
			o.link("msExchDelegateListLink", at(i+2), at(i+11))
		}
		if i%31 == 0 {
			o.link("authOrig", at(i+3), c.Contacts[i%len(c.Contacts)])
		}
		if i%37 == 0 {
			o.link("unauthOrig", at(i+4))
		}
		if i%41 == 0 {
			o.link("dLMemSubmitPerms", c.Groups[i%len(c.Groups)])
		}
	}
}

// linkGroups fills the groups: the first with most people, the others with thirty each,
// some with contacts and mail users, and ten one inside the other.
func (c *Company) linkGroups() {
	people := c.Mailboxes
	c.Groups[0].link("member", people[:min(bigGroup, len(people))]...)
	for i, g := range c.Groups {
		g.link("managedBy", people[i%len(people)])
		for k := range 30 {
			if i > 0 {
				g.link("member", people[(i*61+k*7)%len(people)])
			}
		}
		if i >= 20 && i < 30 {
			g.link("member", c.Contacts[(i-20)*6:(i-20)*6+6]...)
			g.link("member", c.MailUsers[(i-20)*2:(i-20)*2+2]...)
		}
		if i >= 4 && i < 36 && i%4 == 0 { // universal ones: they may hold any
			g.link("member", c.Groups[i+4], c.Groups[i+1])
		}
	}
}

// joinSome puts accounts of some people into FABRIKAM: known by an old X500 address, or
// by mail alone, some with a manager and a primary address of their own.
func (l Lab) joinSome(c *Company) {
	for i := range joinedCount {
		at := joinedFirst + i
		if at >= len(c.Mailboxes) {
			return
		}
		o := c.Mailboxes[at]
		twin := &Object{DN: fmt.Sprintf("CN=Known %02d,%s", i, l.Target.OU("Joined")), Links: map[string][]*Object{}, Attrs: map[string][]string{
			"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("known%02d", i)}, "userPrincipalName": {fmt.Sprintf("known%02d@%s", i, l.Target.Domain)},
			"userAccountControl": {"546"}, "displayName": {"Known before"}, "title": {"Kept"},
		}}
		if i%2 == 0 {
			twin.set("mail", o.Mail())
		} else {
			own := fmt.Sprintf("known%02d@%s", i, l.Target.Domain)
			twin.set("mail", own)
			twin.set("mailNickname", fmt.Sprintf("known%02d", i))
			twin.set("proxyAddresses", "SMTP:"+own, "X500:"+o.LegacyDN(), fmt.Sprintf("X500:/o=Fabrikam Old/cn=known%02d", i))
			twin.set("targetAddress", "SMTP:"+o.Mail())
			twin.set("legacyExchangeDN", l.Target.LegacyDN(fmt.Sprintf("known%02d", i)))
			twin.set("msExchRecipientTypeDetails", "128")
		}
		if i%4 == 0 {
			twin.link("manager", c.Natives[0])
		}
		o.Joined = twin
		c.Natives = append(c.Natives, twin)
	}
}

// occupySome takes names in FABRIKAM that ALPINE's people would get: account names, user
// principal names and common names, for which there are others, and addresses, for which
// there are none.
func (l Lab) occupySome(c *Company) {
	for i := range 10 {
		if occupied+i >= len(c.Mailboxes) {
			return
		}
		alias := c.Mailboxes[occupied+i].Alias()
		c.Natives = append(c.Natives, &Object{DN: fmt.Sprintf("CN=Employee %04d,%s", occupied+i, l.Target.OU("Migrated")), Attrs: map[string][]string{
			"objectClass": {"user"}, "sAMAccountName": {alias}, "userPrincipalName": {alias + "@" + l.Target.Domain}, "userAccountControl": {"546"},
		}})
	}
	for i := range 3 { // the address for forwarding is another's
		o := c.Mailboxes[occupied+10+i]
		taken := l.native(fmt.Sprintf("taken%02d", i))
		taken.Attrs["proxyAddresses"] = append(taken.Attrs["proxyAddresses"], "smtp:"+o.Alias()+"@"+l.Target.Domain)
		o.Refused = "address.taken"
		c.Natives = append(c.Natives, taken)
	}
	for i := range 2 { // a mailbox of somebody else has one of the addresses
		o := c.Mailboxes[occupied+13+i]
		taken := l.native(fmt.Sprintf("other%02d", i))
		taken.Attrs["proxyAddresses"] = append(taken.Attrs["proxyAddresses"], "smtp:"+strings.ToUpper(o.Alias()+"@"+l.Source.Domain))
		o.Refused = "match.mailbox"
		c.Natives = append(c.Natives, taken)
	}
}
