package directory

import (
	"fmt"
	"slices"

	"reforest/migrate"
)

// What a mail-enabled user carries that is prepared to become a mailbox.
const (
	displayPrepared          int32 = -2147483642 // 0x80000006
	displayPreparedRoom      int32 = -2147481850 // 0x80000706
	displayPreparedEquipment int32 = -2147481594 // 0x80000806
	displayPreparedLinked    int32 = -1073741818 // 0xC0000006
)

// What an object is shown as in address books once it is a mailbox.
const (
	displayMailbox   int32 = 1073741824 // 0x40000000: rights can be given to it
	displayShared    int32 = 0
	displayRoom      int32 = 7
	displayEquipment int32 = 8
)

// kind returns which kind of mailbox the target is to become. A source that has been
// disconnected no longer tells of everything; the mailbox it was moved to does.
func (p Pair) kind() string {
	kind := p.Source.Kind()
	if kind == KindUser && !p.Source.IsMailbox() && p.Target != nil && p.Target.IsMailbox() {
		return p.Target.Kind()
	}
	return kind
}

// preparedDisplay returns msExchRecipientDisplayType of a mail user that is prepared to
// become a mailbox of the kind.
func preparedDisplay(kind string) int32 {
	switch kind {
	case KindRoom:
		return displayPreparedRoom
	case KindEquipment:
		return displayPreparedEquipment
	}
	return displayPrepared
}

// mailboxTypes returns msExchRecipientTypeDetails and msExchRecipientDisplayType of a
// mailbox of the kind. One that was linked is taken to be the account's own: whether it
// stays linked is for openedTypes to say.
func mailboxTypes(kind string) (details int64, display int32) {
	switch kind {
	case KindShared:
		return typeShared, displayShared
	case KindRoom:
		return typeRoom, displayRoom
	case KindEquipment:
		return typeEquipment, displayEquipment
	}
	return typeUser, displayMailbox
}

// stagedDisplay returns msExchRecipientDisplayType of the pair's target before its mailbox
// is open.
func (d *Directories) stagedDisplay(pair Pair) int32 {
	if d.ownerOf(pair).linked() {
		return displayPreparedLinked
	}
	return preparedDisplay(pair.kind())
}

// openedTypes returns the types of the pair's target once its mailbox is open.
func (d *Directories) openedTypes(pair Pair) (details int64, display int32) {
	if d.ownerOf(pair).linked() {
		return typeLinked, displayMailbox
	}
	return mailboxTypes(pair.kind())
}

// An owner is the account that a target mailbox belongs to.
type owner struct {
	sid    migrate.SID // msExchMasterAccountSid; Self for nobody's, "" for the object's own account
	origin string
}

// linked reports whether the mailbox belongs to an account of another forest.
func (o owner) linked() bool { return o.sid != "" && o.sid != migrate.Self }

// ownerOf decides whose the target mailbox is. Shared mailboxes and resources are
// nobody's. A linked mailbox stays linked to an account of a third forest; one whose
// account lives in the source, and every other if AccountsLinked says so, is linked to
// the source account, or becomes the target account's own. A master account that the
// target has already stays.
func (d *Directories) ownerOf(pair Pair) owner {
	source, master := pair.Source, pair.Source.MasterSID
	switch pair.kind() {
	case KindShared, KindRoom, KindEquipment:
		return owner{migrate.Self, "constant"}
	}
	if pair.Target != nil && pair.Target.MasterSID != "" && pair.Target.MasterSID != migrate.Self {
		return owner{pair.Target.MasterSID, "the target's own"}
	}
	if master == "" || master == migrate.Self {
		if d.Rules.Accounts == AccountsLinked && source.SID != "" {
			return owner{source.SID, "source " + attrSID}
		}
		return owner{}
	}
	if pair.Target != nil && pair.Target.SID == master {
		return owner{} // the account is the target object itself
	}
	atSource := slices.Contains(d.Source.Info.domainSIDs(), master.Domain())
	if atSource && d.Rules.Accounts != AccountsLinked {
		return owner{}
	}
	return owner{master, "source " + attrMasterSID}
}

// fill plans msExchMasterAccountSid.
func (o owner) fill(e *edit) {
	octets, err := o.sid.Bytes()
	if err != nil { // "": the object's own account
		return
	}
	e.from(o.origin).fill(attrMasterSID, octets)
}

// checkOwner names accounts that do not go together with whose the mailbox is to be.
func (d *Directories) checkOwner(pair Pair) []migrate.Finding {
	target := pair.Target
	o := d.ownerOf(pair)
	if target == nil {
		return nil
	}
	if target.MasterSID != "" && target.MasterSID != o.sid {
		return []migrate.Finding{warn("account.owner", pair.Source.String(),
			fmt.Sprintf("%s of %s is %s, which is not whom the mailbox is to belong to; it is left as it is.", attrMasterSID, target.DN, target.MasterSID),
			"Clear or correct it.")}
	}
	if o.sid == "" || target.Disabled || !target.Entry.Has(attrAccountControl) {
		return nil
	}
	return []migrate.Finding{warn("account.two-owners", pair.Source.String(),
		fmt.Sprintf("The account of %s is enabled although the mailbox is to belong to %s.", target.DN, o.sid),
		"Disable the account, or clear "+attrMasterSID+" if the mailbox is its own.")}
}

// checkTeam tells what becomes of a team mailbox.
func checkTeam(source *Recipient) []migrate.Finding {
	if source.TypeDetails&typeTeam == 0 {
		return nil
	}
	return []migrate.Finding{note("source.team-mailbox", source.String(),
		"It is a team mailbox, and becomes a shared one: the site that it belongs to does not move along.")}
}
