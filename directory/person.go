package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// The attributes that rules about a person's mailbox read beside those that are copied.
const (
	attrArchive  = "msExchArchiveGUID"
	attrELC      = "msExchELCMailboxFlags"
	attrHolds    = "msExchUserHoldPolicies"
	attrHoldDate = "msExchLitigationHoldDate"
	attrAdmin    = "adminCount"
	attrEmployee = "employeeID"
)

// ruleAttrs are read of every recipient for the rules alone.
var ruleAttrs = []string{attrELC, attrHolds, attrHoldDate, attrAdmin}

// litigationHold is the bit of msExchELCMailboxFlags that holds the whole mailbox
// (ElcMailboxFlags.LitigationHold).
const litigationHold = 8

// checkMailboxExtras looks at what belongs to a mailbox and does not move with its
// content.
func (d *Directories) checkMailboxExtras(_ context.Context, pair Pair) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	source, whom := pair.Source, pair.Source.String()
	if source.Entry.Has(attrArchive) && (pair.Target == nil || !pair.Target.Entry.Has(attrArchive)) {
		findings = append(findings, warn("archive.no-target", whom,
			fmt.Sprintf("%s of %s is %s: the mailbox has an archive, and the target has none.", attrArchive, source.DN, octetsText(source.Entry.Bytes(attrArchive)[0])),
			"Make an archive at the target and move its content by Exchange, or export it before the source mailbox is removed."))
	}
	p := recipientParser{entry: source.Entry}
	if flags := p.number(attrELC); p.err == nil && flags&litigationHold != 0 {
		findings = append(findings, warn("hold.litigation", whom,
			fmt.Sprintf("%s of %s is %d: the mailbox is on litigation hold. What only the hold keeps does not move, and the target mailbox is on none.", attrELC, source.DN, flags),
			"Ask whoever ordered the hold; keep the disconnected source mailbox, and set the hold at the target."))
	}
	if policies := source.Entry.Values(attrHolds); len(policies) > 0 {
		findings = append(findings, warn("hold.policies", whom,
			fmt.Sprintf("%s of %s has %s: in-place holds keep the mailbox, and do not move along.", attrHolds, source.DN, quotedList(policies)),
			"Ask whoever ordered the holds; keep the disconnected source mailbox, and set them at the target."))
	}
	return findings, nil
}

// octetsText writes a value as the GUID or SID that it is, else in hexadecimal.
func octetsText(value []byte) string {
	if guid, err := migrate.GUIDFromBytes(value); err == nil {
		return guid.String()
	}
	if sid, err := migrate.SIDFromBytes(value); err == nil {
		return string(sid)
	}
	return fmt.Sprintf("0x%x", value)
}

// checkProtected finds accounts whose permissions the directory itself resets: those that
// are or were members of a protected group inherit nothing from their OU
// (MS-ADTS 3.1.1.6.1, AdminSDHolder).
func (d *Directories) checkProtected(_ context.Context, pair Pair) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, r := range []*Recipient{pair.Source, pair.Target} {
		switched := r == pair.Target && r != nil && r.IsMailbox() // permissions.admin-count tells what becomes of its rights
		if r == nil || !r.protected() || switched {
			continue
		}
		findings = append(findings, warn("account.protected", pair.Source.String(),
			fmt.Sprintf("%s of %s is %s: its permissions are reset every hour to those of AdminSDHolder, and rights that our account has in the OU do not reach it.",
				attrAdmin, r.DN, r.Entry.First(attrAdmin)),
			"Take it out of the protected groups, clear adminCount and let it inherit permissions again; or grant our account its rights on CN=AdminSDHolder,CN=System."))
	}
	return findings, nil
}

func (r *Recipient) protected() bool {
	count := r.Entry.First(attrAdmin)
	return count != "" && count != "0"
}

// checkSecond looks for a further target object that may be the same person: it has the
// source's mailbox GUID, its SID in sIDHistory or as master account, its employeeID, or
// its name and the local part of one of its addresses.
func (d *Directories) checkSecond(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	filter := secondFilter(pair.Source)
	if filter == "" {
		return nil, nil
	}
	found, err := d.Target.askEverywhere(ctx, question{filter: filter, answers: func(r *Recipient) bool {
		return !r.same(pair.Target) && !r.same(pair.Contact) && sharedIdentity(pair.Source, r) != ""
	}})
	if err != nil {
		return nil, fmt.Errorf("look for a second object of %s: %w", pair.Source, err)
	}
	var findings []migrate.Finding
	for _, second := range found {
		if slices.ContainsFunc(pair.noticed, func(f migrate.Finding) bool {
			return f.Whom == string(second.DN) || strings.Contains(f.What, string(second.DN))
		}) {
			continue // match.other tells of it
		}
		findings = append(findings, warn("match.second", pair.Source.String(),
			fmt.Sprintf("%s at the target has the same %s%s.", second.DN, sharedIdentity(pair.Source, second), besideTwin(pair)),
			"Find out whether both are one person; keep one object, and take what they share off the other."))
	}
	return findings, nil
}

func besideTwin(pair Pair) string {
	if pair.Target == nil {
		return ", and is not taken for the person"
	}
	return ", and " + string(pair.Target.DN) + " stands for the person"
}

// secondFilter returns what a second object of the person would match; "" if nothing of
// the source is telling.
func secondFilter(source *Recipient) Filter {
	var filters []Filter
	if !source.MailboxGUID.IsZero() {
		filters = append(filters, EqBytes(attrMailboxGUID, source.MailboxGUID[:]))
	}
	if sid, err := source.SID.Bytes(); err == nil && source.SID != "" {
		filters = append(filters, EqBytes(attrSIDHistory, sid), EqBytes(attrMasterSID, sid))
	}
	if source.EmployeeID != "" {
		filters = append(filters, Eq(attrEmployee, source.EmployeeID))
	}
	if source.DisplayName != "" {
		filters = append(filters, Eq("displayName", source.DisplayName))
	}
	if len(filters) == 0 {
		return ""
	}
	return Or(filters...)
}

// sharedIdentity returns which telling attribute both have, with its value; "" if none.
func sharedIdentity(source, r *Recipient) string {
	switch {
	case !source.MailboxGUID.IsZero() && r.MailboxGUID == source.MailboxGUID:
		return attrMailboxGUID + " " + source.MailboxGUID.String()
	case source.SID != "" && r.MasterSID == source.SID:
		return "account: its " + attrMasterSID + " is the source's " + string(source.SID)
	case source.SID != "" && hasSID(r.SIDHistory, source.SID):
		return "account: its " + attrSIDHistory + " has the source's " + string(source.SID)
	case source.EmployeeID != "" && r.EmployeeID == source.EmployeeID:
		return attrEmployee + " " + source.EmployeeID
	}
	if source.DisplayName == "" || !strings.EqualFold(r.DisplayName, source.DisplayName) {
		return ""
	}
	if local := sharedLocalPart(source, r); local != "" {
		return fmt.Sprintf("displayName %q and local part %q", r.DisplayName, local)
	}
	return ""
}

func hasSID(sids []migrate.SID, want migrate.SID) bool {
	for _, sid := range sids {
		if sid == want {
			return true
		}
	}
	return false
}

// sharedLocalPart returns what stands before the @ of an address of each; "" if nothing
// does of both.
func sharedLocalPart(a, b *Recipient) string {
	for _, x := range a.smtpAndMail() {
		for _, y := range b.smtpAndMail() {
			if local := localPart(x); local != "" && strings.EqualFold(local, localPart(y)) {
				return local
			}
		}
	}
	return ""
}

func (r *Recipient) smtpAndMail() []migrate.SMTPAddress {
	return append(r.Proxies.SMTP(), r.Mail)
}

func localPart(addr migrate.SMTPAddress) string {
	at := strings.LastIndexByte(string(addr), '@')
	return string(addr[:max(at, 0)])
}
