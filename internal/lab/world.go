// Package lab is the rehearsal: two forests and two mail systems in this process,
// with people and mail in them. ldapd and imapd are its servers.
package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/internal/lab/imapd"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// The names of the rehearsal.
const (
	SourceDomain   = "alpine.test"
	TargetDomain   = "fabrikam.test"
	SourceDatabase = "MBX-A1"
	TargetDatabase = "MBX-F1"
	MailAdmin      = "migrate"
	formerDomain   = "alpine-old.test" // of addresses that people had before
	LegacyPrefix   = "/o=Fabrikam/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)"
)

// A Side is one forest with its mail system.
type Side struct {
	Directory *ldapd.Server
	Mail      *imapd.Server
	Password  string // of the directory's administrator and of MailAdmin
}

// A World is both sides, running.
type World struct {
	Authority *ldapd.Authority // signed every server's certificate
	Source    Side
	Target    Side
	TargetOU  directory.DN // where new target users go
	people    []Person
	sids      map[string]migrate.SID // of source people, by alias
}

// Start starts both sides and fills them: the same people and the same mail every
// time. Its passwords are new each time.
func Start(ctx context.Context) (*World, error) {
	w := &World{people: People(), sids: map[string]migrate.SID{}}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the rehearsal: %w", err), w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context) (err error) {
	if w.Authority, err = ldapd.NewAuthority(); err != nil {
		return err
	}
	if w.Source, err = w.side(ctx, SourceDomain, "Alpine"); err != nil {
		return err
	}
	if w.Target, err = w.side(ctx, TargetDomain, "Fabrikam"); err != nil {
		return err
	}
	for _, fill := range []func() error{w.fillSource, w.fillTarget, w.fillMail, w.planFaults} {
		if err := fill(); err != nil {
			return err
		}
	}
	return nil
}

// Close stops every server.
func (w *World) Close() (err error) {
	for _, s := range []Side{w.Source, w.Target} {
		if s.Mail != nil {
			err = errors.Join(err, s.Mail.Close())
		}
		if s.Directory != nil {
			err = errors.Join(err, s.Directory.Close())
		}
	}
	return err
}

// side starts one side's servers.
func (w *World) side(ctx context.Context, domain, organization string) (s Side, err error) {
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return s, err
	}
	s.Password = hex.EncodeToString(secret) + "-Aa1"
	s.Directory, err = ldapd.Start(ctx, ldapd.Config{
		Domain: domain, AdminPassword: s.Password, Organization: organization, Authority: w.Authority,
	})
	if err != nil {
		return s, err
	}
	certificate, err := w.Authority.Issue()
	if err != nil {
		return s, err
	}
	users := map[string]string{}
	for _, p := range w.people {
		users[p.Mail()] = s.Password
	}
	s.Mail, err = imapd.Start(ctx, imapd.Config{
		Certificate: certificate, Users: users, Admins: map[string]string{MailAdmin: s.Password},
	})
	return s, err
}

// fillSource makes the people's mailboxes at the source.
func (w *World) fillSource() error {
	d := w.Source.Directory
	database, err := d.AddDatabase(SourceDatabase)
	if err != nil {
		return err
	}
	if _, err := d.AddAcceptedDomain(formerDomain, ldapd.DomainAuthoritative); err != nil {
		return err
	}
	ou := d.BaseDN().Child("OU", "People")
	if _, err := d.Seed(ou, ldapd.Attrs{"objectClass": {"organizationalUnit"}}); err != nil {
		return err
	}
	for i, p := range w.people {
		entry, err := d.Seed(ou.Child("CN", fmt.Sprintf("%s (%d)", p.Name, i+1)), sourceAttrs(p, i, database))
		if err != nil {
			return err
		}
		if w.sids[p.Alias], err = migrate.SIDFromBytes(entry.Bytes("objectSid")[0]); err != nil {
			return err
		}
	}
	return w.fillOthers(ou)
}

// fillOthers makes who has no mailbox, and the links among all of them: everyone's
// manager is the first, who has a delegate.
func (w *World) fillOthers(ou directory.DN) error {
	d := w.Source.Directory
	dns := map[string]directory.DN{}
	var members []string
	for i, p := range w.people {
		dns[p.Alias] = ou.Child("CN", fmt.Sprintf("%s (%d)", p.Name, i+1))
		members = append(members, string(dns[p.Alias]))
	}
	supplier := ou.Child("CN", "Ines Lieferantin")
	members = append(members, string(supplier))
	if _, err := d.Seed(supplier, supplierAttrs()); err != nil {
		return err
	}
	if _, err := d.Seed(ou.Child("CN", "Alle Alpine"), groupAttrs(dns["anna.berg"], members)); err != nil {
		return err
	}
	for alias, dn := range dns {
		if alias == "anna.berg" {
			continue
		}
		if err := d.SeedChange(dn, link("manager", dns["anna.berg"])); err != nil {
			return err
		}
	}
	return errors.Join(
		d.SeedChange(dns["anna.berg"], link("publicDelegates", dns["tom.schmidt"])),
		d.SeedChange(dns["finance"], link("msExchDelegateListLink", dns["eva.mueller"])),
	)
}

func link(attr string, to directory.DN) directory.Mod {
	return directory.Mod{Op: directory.ReplaceValues, Attr: attr, Values: [][]byte{[]byte(to)}}
}

// supplierAttrs returns a mail contact's attributes: somebody of another company.
func supplierAttrs() ldapd.Attrs {
	return ldapd.Attrs{
		"objectClass": {"contact"}, "displayName": {"Ines Lieferantin"}, "mail": {"ines@supplier.test"}, "mailNickname": {"ines"},
		"proxyAddresses": {"SMTP:ines@supplier.test"}, "targetAddress": {"SMTP:ines@supplier.test"}, "company": {"Supplier"},
		"legacyExchangeDN":           {"/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=ines"},
		"msExchRecipientTypeDetails": {"64"}, "msExchRecipientDisplayType": {"6"},
	}
}

// groupAttrs returns a distribution group's attributes.
func groupAttrs(owner directory.DN, members []string) ldapd.Attrs {
	return ldapd.Attrs{
		"objectClass": {"group"}, "sAMAccountName": {"alle-alpine"}, "groupType": {"8"}, "displayName": {"Alle Alpine"},
		"mail": {"alle@alpine.test"}, "mailNickname": {"alle"}, "proxyAddresses": {"SMTP:alle@alpine.test"},
		"legacyExchangeDN":           {"/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=alle"},
		"msExchRecipientTypeDetails": {"256"}, "msExchRecipientDisplayType": {"1"}, "managedBy": {string(owner)}, "member": members,
	}
}

// sourceAttrs returns the attributes of the nth person's mailbox, as Exchange has them.
func sourceAttrs(p Person, n int, database directory.DN) ldapd.Attrs {
	attrs := ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {p.sam()}, "userPrincipalName": {p.Mail()}, "displayName": {p.Name},
		"userAccountControl": {"544"}, "mail": {p.Mail()}, "mailNickname": {p.Alias}, "legacyExchangeDN": {p.legacyDN()},
		"proxyAddresses": {
			"SMTP:" + p.Mail(), "smtp:" + p.Alias + "@" + formerDomain, "SIP:" + p.Mail(),
			"X500:/o=Alpine Mail/ou=ZRH/cn=Recipients/cn=" + p.Alias,
		},
		"homeMDB": {string(database)}, "msExchHomeServerName": {"/o=Alpine/ou=First Administrative Group/cn=Configuration/cn=Servers/cn=ALPEX1"},
		"msExchMailboxGuid": {mailboxGUID(n)}, "msExchVersion": {"44220983382016"},
		"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"}, "mDBUseDefaults": {"TRUE"},
		"company": {"Alpine AG"}, "department": {[]string{"Einkauf", "Finance", "IT", "Vertrieb"}[n%4]}, "l": {"Zürich"},
		"telephoneNumber": {fmt.Sprintf("+41 44 555 %04d", n)},
	}
	if p.Given != "" {
		attrs["givenName"], attrs["sn"] = []string{p.Given}, []string{p.Sur}
	}
	self, _ := migrate.Self.Bytes() // a constant that parses
	switch p.Kind {
	case "shared":
		attrs["msExchRecipientTypeDetails"], attrs["userAccountControl"] = []string{"4"}, []string{"546"}
		attrs["msExchMasterAccountSid"] = []string{string(self)}
	case "room":
		attrs["msExchRecipientTypeDetails"], attrs["msExchRecipientDisplayType"] = []string{"16"}, []string{"7"}
		attrs["userAccountControl"], attrs["msExchMasterAccountSid"] = []string{"546"}, []string{string(self)}
	}
	return attrs
}

// mailboxGUID returns the nth mailbox's GUID: 16 octets.
func mailboxGUID(n int) string {
	g := migrate.GUID{0: byte(n + 1), 6: 0x40, 8: 0x80, 15: 0xA1}
	return string(g[:])
}

// fillTarget makes what is at the target already: a database, the OU for new users,
// and the people who have an account there, with rights for people of the source.
func (w *World) fillTarget() error {
	d := w.Target.Directory
	if _, err := d.AddDatabase(TargetDatabase); err != nil {
		return err
	}
	w.TargetOU = d.BaseDN().Child("OU", "Moved")
	existing := d.BaseDN().Child("OU", "Staff")
	for _, ou := range []directory.DN{w.TargetOU, existing} {
		if _, err := d.Seed(ou, ldapd.Attrs{"objectClass": {"organizationalUnit"}}); err != nil {
			return err
		}
	}
	for _, p := range w.people {
		if !p.AtTarget {
			continue
		}
		if err := w.addExisting(existing, p); err != nil {
			return err
		}
	}
	return nil
}

// addExisting makes an account that the person has at the target already.
func (w *World) addExisting(ou directory.DN, p Person) error {
	dn := ou.Child("CN", p.Name)
	_, err := w.Target.Directory.Seed(dn, ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {p.sam()}, "userPrincipalName": {p.Alias + "@" + TargetDomain},
		"displayName": {p.Name}, "mail": {p.Mail()}, "userAccountControl": {"544"}, "title": {"Head of Integration"},
	})
	if err != nil {
		return err
	}
	return w.GiveLegacyRights(dn)
}

// GiveLegacyRights gives people of the source rights on a target object: explicit ones,
// which clean replaces, and one that is inherited, which it leaves alone.
func (w *World) GiveLegacyRights(dn directory.DN) error {
	entry, err := w.Target.Directory.Entry(dn, "nTSecurityDescriptor")
	if err != nil {
		return err
	}
	sd, err := ntsd.Parse(entry.Bytes("nTSecurityDescriptor")[0])
	if err != nil {
		return err
	}
	const readProperty, extendedRight = 0x10, 0x100 // MS-ADTS 5.1.3.2
	for _, right := range []struct {
		alias  string
		mask   uint32
		object migrate.GUID
		flags  byte
	}{
		{alias: "tom.schmidt", mask: extendedRight, object: ntsd.SendAs()},
		{alias: "eva.mueller", mask: readProperty},
		{alias: "finance", mask: readProperty, flags: ntsd.FlagInherited},
	} {
		kind := ntsd.Allow
		if !right.object.IsZero() {
			kind = ntsd.AllowObject
		}
		ace, err := ntsd.NewACE(kind, right.mask, right.object, w.sids[right.alias])
		if err != nil {
			return err
		}
		if ace, err = ace.WithFlags(right.flags); err != nil {
			return err
		}
		if err := sd.DACL.Add(ace); err != nil {
			return err
		}
	}
	return w.Target.Directory.SeedChange(dn, directory.Mod{
		Op: directory.ReplaceValues, Attr: "nTSecurityDescriptor", Values: [][]byte{sd.Bytes()},
	})
}

// fillMail fills the source mailboxes.
func (w *World) fillMail() error {
	for i, p := range w.people {
		for _, f := range folders(p, i) {
			if err := w.Source.Mail.Put(p.Mail(), f); err != nil {
				return err
			}
		}
	}
	if err := w.Source.Mail.SetGrant(w.people[0].Mail(), imapd.Grant{Who: Delegate().legacyDN(), Rights: "lrs"}, SharedFolder()...); err != nil {
		return err
	}
	return w.Source.Mail.Put(Torn().Mail(), imapd.Folder{Path: []string{"INBOX"}, Messages: []imapd.Message{corrupt(Torn())}})
}

// planFaults plans what goes wrong: a message that the target does not take, and a
// target that is too busy once.
func (w *World) planFaults() error {
	w.Target.Mail.Plan(imapd.Fault{
		User: Torn().Mail(), Op: imapd.Append, Marker: CorruptMarker, Text: "Message contains invalid header",
	})
	w.Target.Mail.Plan(imapd.Fault{
		User: PushedBack().Mail(), Op: imapd.Append, Pass: 3, Times: 1, Code: "UNAVAILABLE", Text: "Server is busy, come back later",
	})
	return nil
}

// SharedFolder is the path of the first person's folder that the Delegate may read.
func SharedFolder() []string { return []string{"Projekte", "2009 – Zürich"} }

// Delegate returns who may read the SharedFolder, and stands on its list by a
// legacyExchangeDN of the source.
func Delegate() Person {
	people := People()
	return people[slices.IndexFunc(people, func(p Person) bool { return p.Alias == "tom.schmidt" })]
}

// Torn returns whose mailbox holds the item that cannot be moved.
func Torn() Person { return People()[3] }

// PushedBack returns whose target mailbox is too busy once.
func PushedBack() Person { return People()[7] }

// Grace is how long the rehearsal's servers may still be storing what a killed process
// sent them: they store before they answer.
const Grace = 200 * time.Millisecond

// SIDOf returns the objectSid of a person at the source.
func (w *World) SIDOf(alias string) migrate.SID { return w.sids[alias] }
