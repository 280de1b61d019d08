package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// mailboxRights are what a mailbox that is about to be opened gets from its source.
type mailboxRights struct {
	descriptor []byte // for msExchMailboxSecurityDescriptor; nil: nothing is written
	source     *RightsSnapshot
	findings   []migrate.Finding
}

// mailboxRights translates the source's msExchMailboxSecurityDescriptor, which says who
// besides the owner may open the mailbox, for the target. The store heeds the attribute
// only until the mailbox is first opened; so a target that is a mailbox already, or has
// the attribute, is left alone, and where Exchange runs the rights are Exchange's to set.
func (d *Directories) mailboxRights(ctx context.Context, pair Pair) (mailboxRights, error) {
	mode, wrong := d.permissionMode()
	source := pair.Source.Entry.Bytes(attrMailboxSecurity)
	opened := pair.Target.IsMailbox() || pair.Target.Entry.Has(attrMailboxSecurity)
	if mode != TranslatePermissions || d.Target.Info.HasExchange || opened || len(source) == 0 {
		return mailboxRights{findings: wrong}, nil
	}
	descriptor := readable(source[0])
	if descriptor == nil {
		return mailboxRights{findings: []migrate.Finding{warn("permissions.mailbox-unreadable", string(pair.Source.DN),
			"What msExchMailboxSecurityDescriptor says of the rights on the mailbox cannot be read, so nothing of it is taken over.",
			"Give the rights on the new mailbox by hand.")}}, nil
	}
	m := mailboxTranslation{d: d, cast: d.cast(pair, mode), target: pair.Target.DN}
	m.source = RightsSnapshot{Object: pair.Source.DN, Attr: attrMailboxSecurity, Entries: []Right{}}
	return m.translate(ctx, descriptor)
}

// readable returns the descriptor; nil if it makes no sense or has no list at all, which
// would let everyone in.
func readable(b []byte) *ntsd.Descriptor {
	if descriptor, err := ntsd.Parse(b); err == nil && descriptor.DACL != nil {
		return descriptor
	}
	return nil
}

// A mailboxTranslation is one descriptor under way.
type mailboxTranslation struct {
	d        *Directories
	cast     *cast
	target   DN
	source   RightsSnapshot
	aces     []ntsd.ACE // of the target
	told     []migrate.SID
	findings []migrate.Finding
}

func (m *mailboxTranslation) translate(ctx context.Context, descriptor *ntsd.Descriptor) (mailboxRights, error) {
	for _, ace := range descriptor.DACL.ACEs {
		if err := m.carry(ctx, ace); err != nil {
			return mailboxRights{}, fmt.Errorf("translate the rights on the mailbox of %q: %w", m.source.Object, err)
		}
	}
	err := descriptor.DACL.Set(m.aces)
	if errors.Is(err, ntsd.ErrFull) {
		m.findings = append(m.findings, warn("permissions.full", string(m.target),
			"The rights on the mailbox have no room for those of the twins, so nothing of them is taken over.",
			"Give the rights on the new mailbox by hand, or to a group."))
		return mailboxRights{source: &m.source, findings: m.findings}, nil
	}
	if err == nil {
		err = m.disown(descriptor)
	}
	if err != nil {
		return mailboxRights{}, fmt.Errorf("translate the rights on the mailbox of %q: %w", m.source.Object, err)
	}
	return mailboxRights{descriptor: descriptor.Bytes(), source: &m.source, findings: m.findings}, nil
}

// carry adds what becomes of one entry, at its place, so that denials and permissions
// keep their order. A legacy one that is inherited comes from the source's database and
// means nothing at the target.
func (m *mailboxTranslation) carry(ctx context.Context, ace ntsd.ACE) error {
	if !ace.Allows() && !ace.Denies() || !m.d.isLegacy(ace.SID) {
		m.aces = append(m.aces, ace)
		return nil
	}
	if ace.Inherited() {
		return nil
	}
	found, err := m.cast.of(ctx, ace.SID)
	if err != nil {
		return err
	}
	m.source.Entries = append(m.source.Entries, newRight(ace, found))
	m.tell(ace.SID, found)
	for _, sid := range mailboxHolders(found, ace.SID) {
		held, err := ace.WithSID(sid)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(m.aces, func(e ntsd.ACE) bool { return slices.Equal(e.Raw(), held.Raw()) }) {
			m.aces = append(m.aces, held)
		}
	}
	return nil
}

// mailboxHolders returns who holds at the target what the trustee holds at the source:
// the trustee itself also where it may still get a twin, since nothing can be added
// later.
func mailboxHolders(found standIn, trustee migrate.SID) []migrate.SID {
	if found.twin == "" && (found.kept != nil || found.ambiguous != nil) {
		return []migrate.SID{trustee}
	}
	return found.holders(trustee)
}

// tell names a trustee whose entries are not simply another's now.
func (m *mailboxTranslation) tell(sid migrate.SID, found standIn) {
	if slices.Contains(m.told, sid) {
		return
	}
	m.told = append(m.told, sid)
	switch {
	case found.ambiguous != nil:
		m.findings = append(m.findings, warn("permissions.ambiguous", string(m.target),
			fmt.Sprintf("%s has rights on the mailbox, and %s; they are kept under this SID.", sid, found.ambiguous),
			"Give the right on the new mailbox to the right one by hand."))
	case found.kept != nil:
		kept := found.finding(m.target, "the mailbox", "they are kept under the old SID")
		if kept.Mend != "" { // cleaning does not come by here
			kept.Mend = "Give the right on the new mailbox by hand, once it is known to whom."
		}
		m.findings = append(m.findings, kept)
	case found.twin == "":
		m.findings = append(m.findings, found.finding(m.target, "the mailbox", "nobody is given them"))
	}
}

// disown puts the object itself in the place of an owner or group of the old domains.
func (m *mailboxTranslation) disown(descriptor *ntsd.Descriptor) error {
	if m.d.isLegacy(descriptor.Owner) {
		if err := descriptor.SetOwner(migrate.Self); err != nil {
			return err
		}
	}
	if m.d.isLegacy(descriptor.Group) {
		return descriptor.SetGroup(migrate.Self)
	}
	return nil
}
