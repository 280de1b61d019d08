package directory

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"reforest/migrate"
)

// checkSplit looks on both sides for a second object that claims the person's mailbox:
// mail goes to the one, and the owner looks into the other.
func (d *Directories) checkSplit(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	findings, err := d.Source.claimants(ctx, pair.Source)
	if err != nil || pair.Target == nil {
		return findings, err
	}
	atTarget, err := d.Target.claimants(ctx, pair.Target)
	return append(findings, atTarget...), err
}

// claimants returns a finding for each other object of the forest with r's mailbox GUID.
func (f *Forest) claimants(ctx context.Context, r *Recipient) ([]migrate.Finding, error) {
	guid := r.MailboxGUID
	if guid.IsZero() {
		return nil, nil
	}
	found, err := f.askEverywhere(ctx, question{
		filter:  EqBytes(attrMailboxGUID, guid[:]),
		keys:    []nameKey{keyOf(keyMailbox, string(guid[:]))},
		answers: func(other *Recipient) bool { return other.MailboxGUID == guid && !other.same(r) },
	})
	if err != nil {
		return nil, fmt.Errorf("look for who else has mailbox %s: %w", guid, err)
	}
	var findings []migrate.Finding
	for _, other := range found {
		findings = append(findings, splitFinding(f.Side, guid, r, other))
	}
	return findings, nil
}

// splitFinding says that two objects claim one mailbox, and on which databases.
func splitFinding(side Side, guid migrate.GUID, first, second *Recipient) migrate.Finding {
	return forbid("mailbox.split", string(second.DN),
		fmt.Sprintf("It has the same %s %s as %s in the %s forest (homeMDB %s and %s).",
			attrMailboxGUID, guid, first.DN, side, homeText(second), homeText(first)),
		"Find out which of them is connected to the mailbox, and clear msExchMailboxGuid and homeMDB of the other.")
}

func homeText(r *Recipient) string {
	return cmp.Or(r.HomeMDB.Name(), "none")
}

// sweepAttrs is what a sweep reads of every object with a mailbox GUID.
var sweepAttrs = []string{"objectClass", "objectGUID", attrMailboxGUID, attrHomeMDB}

// SweepMailboxes reads every object of the forest that claims a mailbox and yields a
// finding for each that claims one which another has. progress is told how many were
// read, now and then; nil is nobody. The sequence ends with the first error.
func (f *Forest) SweepMailboxes(ctx context.Context, progress func(read int)) iter.Seq2[migrate.Finding, error] {
	return func(yield func(migrate.Finding, error) bool) {
		first := map[migrate.GUID]*Recipient{}
		read := 0
		for entry, err := range f.everywhere(ctx, Filter("("+attrMailboxGUID+"=*)"), sweepAttrs) {
			var r *Recipient
			if err == nil {
				r, err = ParseRecipient(entry)
			}
			if err != nil {
				yield(migrate.Finding{}, fmt.Errorf("sweep the mailboxes of the %s forest: %w", f.Side, err))
				return
			}
			countOne(progress, &read)
			other, known := first[r.MailboxGUID]
			switch {
			case r.MailboxGUID.IsZero():
			case !known:
				first[r.MailboxGUID] = &Recipient{DN: r.DN, GUID: r.GUID, HomeMDB: r.HomeMDB}
			case other.same(r): // a domain lies below its parent
			case !yield(splitFinding(f.Side, r.MailboxGUID, other, r), nil):
				return
			}
		}
	}
}

// everywhere yields what matches in every domain that the server answers for.
func (f *Forest) everywhere(ctx context.Context, filter Filter, attrs []string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for _, domain := range f.Info.domainsHeld() {
			for entry, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: filter, Attrs: attrs}) {
				if !yield(entry, err) || err != nil {
					return
				}
			}
		}
	}
}

// tellEvery is after how many objects progress is told.
const tellEvery = 500

func countOne(progress func(int), read *int) {
	if *read++; progress != nil && *read%tellEvery == 0 {
		progress(*read)
	}
}

// A StoredMailbox is one mailbox as the mail servers have it, whatever the directory
// says of it.
type StoredMailbox struct {
	GUID         migrate.GUID
	Database     string
	Owner        string // legacyExchangeDN or DN of whose it is or was; "" if not known
	Items, Bytes int64
	Disconnected bool // no directory object is connected to it
}

// Stores lists the mailboxes of one side's mail servers. Not every mail driver can.
type Stores interface {
	Mailboxes(ctx context.Context) iter.Seq2[StoredMailbox, error]
}

// SweepStores yields a finding for each owner who is connected to an empty mailbox
// while a full one of theirs is disconnected, and for each mailbox that is connected on
// two databases: the two faces of a split mailbox, which no error is raised for. It
// keeps what it needs of every mailbox in memory.
func SweepStores(ctx context.Context, side Side, stores Stores) iter.Seq2[migrate.Finding, error] {
	return func(yield func(migrate.Finding, error) bool) {
		s := storeSweep{side: side, byOwner: map[string][]StoredMailbox{}, byGUID: map[migrate.GUID]StoredMailbox{}}
		for mailbox, err := range stores.Mailboxes(ctx) {
			if err != nil {
				yield(migrate.Finding{}, fmt.Errorf("list the mailboxes of the %s: %w", side, err))
				return
			}
			s.add(mailbox)
		}
		for _, finding := range append(s.twice, s.emptyBesideFull()...) {
			if !yield(finding, nil) {
				return
			}
		}
	}
}

type storeSweep struct {
	side    Side
	owners  []string // in the order in which they came
	byOwner map[string][]StoredMailbox
	byGUID  map[migrate.GUID]StoredMailbox
	twice   []migrate.Finding
}

func (s *storeSweep) add(m StoredMailbox) {
	first, known := s.byGUID[m.GUID]
	if known && !first.Disconnected && !m.Disconnected && first.Database != m.Database {
		s.twice = append(s.twice, forbid("mailbox.two-databases", cmp.Or(m.Owner, m.GUID.String()),
			fmt.Sprintf("Mailbox %s of the %s is connected on %s (%d items) and on %s (%d items).",
				m.GUID, s.side, first.Database, first.Items, m.Database, m.Items),
			"Find out which of them its owner works in, and disconnect the other."))
	}
	if !known || first.Disconnected {
		s.byGUID[m.GUID] = m
	}
	if m.Owner == "" {
		return
	}
	key := migrate.LegacyDN(m.Owner).Key()
	if s.byOwner[key] == nil {
		s.owners = append(s.owners, key)
	}
	s.byOwner[key] = append(s.byOwner[key], m)
}

func (s *storeSweep) emptyBesideFull() []migrate.Finding {
	var findings []migrate.Finding
	for _, owner := range s.owners {
		for _, empty := range s.byOwner[owner] {
			for _, full := range s.byOwner[owner] {
				if empty.Disconnected || empty.Items > 0 || !full.Disconnected || full.Items == 0 {
					continue
				}
				findings = append(findings, forbid("mailbox.empty-beside-full", empty.Owner,
					fmt.Sprintf("Its mailbox %s on %s of the %s is connected and empty, and mailbox %s on %s is disconnected and has %d items (%d bytes).",
						empty.GUID, empty.Database, s.side, full.GUID, full.Database, full.Items, full.Bytes),
					"Disconnect the empty one and connect the full one (Connect-Mailbox) before the retention time ends."))
			}
		}
	}
	return findings
}

// Unswept is the finding of a side whose mail driver cannot list its mailboxes.
func Unswept(whom string) migrate.Finding {
	return note("mailbox.unswept", whom,
		"The mail driver cannot list mailboxes that nobody is connected to: whether an empty one is connected beside a full one was not looked at.")
}
