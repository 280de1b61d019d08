package directory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

// The classes of recipients, as Recipient.Class has them.
const (
	ClassUser     = "user"
	ClassContact  = "contact"
	ClassGroup    = "group"
	ClassComputer = "computer"
)

// The kinds of mailboxes, as Recipient.Kind returns them.
const (
	KindUser      = "user"
	KindShared    = "shared"
	KindRoom      = "room"
	KindEquipment = "equipment"
	KindLinked    = "linked"
)

// The bits of msExchRecipientTypeDetails that are told apart.
const (
	typeUser      int64 = 1
	typeLinked    int64 = 2
	typeShared    int64 = 4
	typeRoom      int64 = 16
	typeEquipment int64 = 32
	typeMailUser  int64 = 128
	typeTeam      int64 = 137438953472
)

// A Recipient is a directory object that can receive mail, or could.
type Recipient struct {
	DN            DN
	GUID          migrate.GUID // objectGUID
	SID           migrate.SID  // objectSid; "" for a contact
	MasterSID     migrate.SID  // msExchMasterAccountSid; "" if none
	SIDHistory    []migrate.SID
	Sam           string // sAMAccountName
	UPN           string // userPrincipalName
	Alias         string // mailNickname
	DisplayName   string
	Mail          migrate.SMTPAddress // mail
	Legacy        migrate.LegacyDN    // legacyExchangeDN
	Proxies       Proxies
	TargetAddress string // as stored, with its type prefix; "" if mail is delivered here
	MailboxGUID   migrate.GUID
	HomeMDB       DN
	TypeDetails   int64  // msExchRecipientTypeDetails; 0 if not set
	DisplayType   int32  // msExchRecipientDisplayType; 0 if not set
	Class         string // one of the Class constants, else the most special objectClass
	Disabled      bool   // the account cannot log on
	EmployeeID    string
	Mark          string // adminDescription, where our mark is; see Marked
	Entry         *Entry // what it was read from
	light         bool   // from an Index: Entry has next to nothing
}

// IsMailbox reports whether the object has a mailbox in its own forest.
func (r *Recipient) IsMailbox() bool {
	return r.HomeMDB != "" || !r.MailboxGUID.IsZero() && r.Entry.Has(attrHomeServer)
}

// IsMailUser reports whether the object is a user who receives mail elsewhere.
func (r *Recipient) IsMailUser() bool {
	return r.Class == ClassUser && !r.IsMailbox() &&
		(r.TargetAddress != "" || r.TypeDetails&typeMailUser != 0)
}

// Kind returns which kind of mailbox this is, or is prepared to become. A team mailbox
// is a shared one.
func (r *Recipient) Kind() string {
	remote := uint32(r.DisplayType) >> 8 & 0xff // what it is in the other forest
	local := uint32(r.DisplayType) & 0xff       // what it is in this one
	switch {
	case r.TypeDetails&typeRoom != 0, remote == 7, local == 7:
		return KindRoom
	case r.TypeDetails&typeEquipment != 0, remote == 8, local == 8:
		return KindEquipment
	case r.TypeDetails&(typeShared|typeTeam) != 0, r.MasterSID == migrate.Self:
		return KindShared
	case r.TypeDetails&typeLinked != 0, r.MasterSID != "":
		return KindLinked
	}
	return KindUser
}

// Address returns the address mail is sent to: the primary one, of several the one that
// equals mail, else the alphabetically first; without one mail, else the first SMTP
// address in alphabetical order. "" if there is none at all.
func (r *Recipient) Address() migrate.SMTPAddress {
	primaries := r.Proxies.primaries()
	isMail := func(a migrate.SMTPAddress) bool { return a.Key() == r.Mail.Key() }
	if i := slices.IndexFunc(primaries, isMail); i >= 0 {
		return primaries[i]
	}
	if len(primaries) > 0 {
		return primaries[0]
	}
	if r.Mail != "" {
		return r.Mail
	}
	if all := slices.Sorted(slices.Values(r.Proxies.SMTP())); len(all) > 0 {
		return all[0]
	}
	return ""
}

// x500 returns every name under which replies to old mail arrive: legacyExchangeDN
// and the X500 addresses, each once.
func (r *Recipient) x500() []migrate.LegacyDN {
	var names []migrate.LegacyDN
	for _, dn := range append([]migrate.LegacyDN{r.Legacy}, r.Proxies.X500()...) {
		known := slices.ContainsFunc(names, func(n migrate.LegacyDN) bool { return n.Key() == dn.Key() })
		if dn != "" && !known {
			names = append(names, dn)
		}
	}
	return names
}

// String names the recipient for findings: its address, else its DN.
func (r *Recipient) String() string {
	if addr := r.Address(); addr != "" {
		return string(addr)
	}
	return string(r.DN)
}

// ParseRecipient reads a recipient from an entry that was read with RecipientAttrs.
// Attributes that are absent stay zero; one that is malformed is an error.
func ParseRecipient(entry *Entry) (*Recipient, error) {
	p := recipientParser{entry: entry}
	r := &Recipient{
		DN:            entry.DN,
		GUID:          p.guid("objectGUID"),
		SID:           p.sid(attrSID),
		MasterSID:     p.sid(attrMasterSID),
		SIDHistory:    p.sids(attrSIDHistory),
		Sam:           entry.First("sAMAccountName"),
		UPN:           entry.First("userPrincipalName"),
		Alias:         entry.First("mailNickname"),
		DisplayName:   entry.First("displayName"),
		Mail:          migrate.SMTPAddress(entry.First("mail")),
		Legacy:        migrate.LegacyDN(entry.First(attrLegacy)),
		Proxies:       entry.Values(attrProxies),
		TargetAddress: entry.First(attrTargetAddress),
		MailboxGUID:   p.guid(attrMailboxGUID),
		HomeMDB:       DN(entry.First(attrHomeMDB)),
		TypeDetails:   p.number(attrTypeDetails),
		DisplayType:   int32(p.number(attrDisplayType)),
		Class:         recipientClass(entry.Values("objectClass")),
		Disabled:      p.number("userAccountControl")&accountDisabled != 0,
		EmployeeID:    entry.First("employeeID"),
		Mark:          entry.First(attrMark),
		Entry:         entry,
	}
	if p.err != nil {
		return nil, fmt.Errorf("parse recipient %q: %w", entry.DN, p.err)
	}
	return r, nil
}

// A recipientParser keeps the first error of a row of attributes.
type recipientParser struct {
	entry *Entry
	err   error
}

func (p *recipientParser) keep(attr string, err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", attr, err)
	}
}

func (p *recipientParser) guid(attr string) migrate.GUID {
	values := p.entry.Bytes(attr)
	if len(values) == 0 {
		return migrate.GUID{}
	}
	g, err := migrate.GUIDFromBytes(values[0])
	p.keep(attr, err)
	return g
}

func (p *recipientParser) sid(attr string) migrate.SID {
	if sids := p.sids(attr); len(sids) > 0 {
		return sids[0]
	}
	return ""
}

func (p *recipientParser) sids(attr string) []migrate.SID {
	var sids []migrate.SID
	for _, b := range p.entry.Bytes(attr) {
		sid, err := migrate.SIDFromBytes(b)
		p.keep(attr, err)
		sids = append(sids, sid)
	}
	return sids
}

func (p *recipientParser) number(attr string) int64 {
	text := p.entry.First(attr)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	p.keep(attr, err)
	return n
}

// recipientClass tells classes apart by everything objectClass lists: a computer is
// also a user.
func recipientClass(classes []string) string {
	has := func(name string) bool {
		return slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, name) })
	}
	switch {
	case has("computer"):
		return ClassComputer
	case has("group"), has("msExchDynamicDistributionList"):
		return ClassGroup
	case has("contact"):
		return ClassContact
	case has("user"), has("inetOrgPerson"):
		return ClassUser
	case len(classes) > 0:
		return classes[len(classes)-1]
	}
	return ""
}
