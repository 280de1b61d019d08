package directory

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// A RightsSnapshot is what principals of the source's domains may do, and may not, with
// a source object, and who stands for them, as plain data for plans and reports.
type RightsSnapshot struct {
	Object  DN      `json:"object"`
	Attr    string  `json:"attr"` // where they are: nTSecurityDescriptor or msExchMailboxSecurityDescriptor
	Entries []Right `json:"entries"`
}

// A Right is one explicit entry of the object.
type Right struct {
	Trustee   migrate.SID `json:"trustee"`
	Name      string      `json:"name"`             // the trustee for people: its address where it has one, and its SID
	Twin      migrate.SID `json:"twin,omitempty"`   // who gets the same at the target; "" if nobody does
	Linked    bool        `json:"linked,omitempty"` // the trustee itself gets it too: it logs on to a linked mailbox
	Deny      bool        `json:"deny,omitempty"`
	Right     string      `json:"right"` // in words where there are any, else the mask in hexadecimal
	Mask      uint32      `json:"mask"`
	Object    string      `json:"object_type,omitempty"`           // GUID of the right or attribute; "" if all
	Heirs     string      `json:"inherited_object_type,omitempty"` // GUID of the class it is for; "" if all
	Flags     byte        `json:"flags,omitempty"`                 // MS-DTYP 2.4.4.1
	Condition bool        `json:"condition,omitempty"`             // the entry carries a condition, which is carried along
	Entry     []byte      `json:"entry"`                           // as it is stored (MS-DTYP 2.4.4)
}

// firstRID is the first relative identifier that is given to accounts; those below stand
// for the same in every domain (MS-DTYP 2.4.2.4), so every domain has its own of them.
const firstRID = 1000

// fullRights is every right on a directory object (MS-ADTS 5.1.3.2).
const fullRights uint32 = 0xf01ff

// mapSource reads the source's DACL into the snapshot and finds out what is to be given
// for it at the target.
func (d *Directories) mapSource(ctx context.Context, r *rights) error {
	dn := r.pair.Source.DN
	r.source = RightsSnapshot{Object: dn, Attr: attrSecurity, Entries: []Right{}}
	_, descriptor, err := d.Source.readSecurity(ctx, dn)
	if err != nil || descriptor.DACL == nil {
		return err
	}
	told := map[migrate.SID]bool{}
	for _, ace := range descriptor.DACL.Explicit() {
		if !ace.Allows() && !ace.Denies() || !d.isPerson(ace.SID) {
			continue
		}
		found, err := r.standIn(ctx, ace.SID, dn)
		if err != nil {
			return err
		}
		if err := r.giveFor(ace, found); err != nil {
			return err
		}
		r.source.Entries = append(r.source.Entries, newRight(ace, found))
		if found.twin == "" && !found.linked() && found.ambiguous == nil && !told[ace.SID] {
			r.notGiven = append(r.notGiven, found.finding(dn, "it", "nobody is given them at the target"))
		}
		told[ace.SID] = true
	}
	if len(told) > 0 && !descriptor.DACL.Canonical() {
		r.notGiven = append(r.notGiven, disorder(dn, "and at the target the denials come first"))
	}
	return nil
}

// isPerson reports whether the SID is a legacy one of somebody of whom the target can
// have a twin: the groups and accounts that every domain has for itself, such as Domain
// Admins, are nobody's.
func (d *Directories) isPerson(sid migrate.SID) bool {
	last := strings.TrimPrefix(string(sid), string(sid.Domain())+"-")
	rid, err := strconv.ParseUint(last, 10, 32)
	return err == nil && rid >= firstRID && d.isLegacy(sid)
}

// giveFor notes what is to be given at the target for an entry of the source: the same
// to the twin, and to the trustee itself as long as it works at the target.
func (r *rights) giveFor(ace ntsd.ACE, found standIn) error {
	for _, sid := range found.holders(ace.SID) {
		given, err := ace.WithSID(sid)
		if err != nil {
			return fmt.Errorf("translate an entry of %s: %w", ace.SID, err)
		}
		r.given = append(r.given, given)
	}
	return nil
}

// holders returns who holds at the target what the trustee holds at the source.
func (s standIn) holders(trustee migrate.SID) []migrate.SID {
	var sids []migrate.SID
	if s.twin != "" {
		sids = append(sids, s.twin)
	}
	if s.linked() {
		sids = append(sids, trustee)
	}
	return sids
}

func newRight(ace ntsd.ACE, found standIn) Right {
	right := Right{
		Trustee: ace.SID, Name: found.name, Twin: found.twin, Linked: found.linked(), Deny: ace.Denies(),
		Right: rightName(ace), Mask: ace.Mask, Flags: ace.Flags, Condition: ace.Conditional(), Entry: ace.Raw(),
	}
	if !ace.ObjectType.IsZero() {
		right.Object = ace.ObjectType.String()
	}
	if !ace.InheritedObjectType.IsZero() {
		right.Heirs = ace.InheritedObjectType.String()
	}
	return right
}

// rightName names what people know by a name (MS-ADTS 5.1.3.2).
func rightName(ace ntsd.ACE) string {
	switch {
	case ace.ObjectType == ntsd.SendAs() && ace.Mask == ntsd.MaskControlAccess:
		return "Send-As"
	case ace.ObjectType == ntsd.ReceiveAs() && ace.Mask == ntsd.MaskControlAccess:
		return "Receive-As"
	case ace.ObjectType.IsZero() && ace.Mask == fullRights:
		return "full control"
	case ace.ObjectType.IsZero() && ace.Mask == ntsd.MaskControlAccess:
		return "all extended rights"
	}
	return fmt.Sprintf("%#x", ace.Mask)
}
