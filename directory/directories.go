package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"reforest/migrate"
)

// Rules say how the two organisations are joined.
type Rules struct {
	// SourceRouting and TargetRouting are mail domains for which each side alone is
	// authoritative, so that an address in them reaches that side from anywhere.
	// Without SourceRouting mail is sent to the primary address; TargetRouting is
	// required.
	SourceRouting, TargetRouting string
	// TargetOU is where new target users are put; required.
	TargetOU DN
	// LegacyPrefix begins the legacyExchangeDN of new target users:
	// /o=Org/ou=Group; required.
	LegacyPrefix string
	// Database names the target database where a move names none.
	Database string
	// Legacy lists SIDs of domains, and of single accounts, that are treated as the
	// source forest's own.
	Legacy []migrate.SID
	// Permissions says what becomes of the permissions of the source's domains; "" is
	// TranslatePermissions.
	Permissions PermissionMode
	// Attributes says of attributes, by lower-case name, how the source's values and the
	// target's go together where that is not the default (see Copied).
	Attributes map[string]Policy
	// Match lists the rules by which a twin is found, in the order in which they are
	// asked; nil is DefaultMatch.
	Match []MatchRule
	// Adopt lists the rules whose evidence is enough to change an object that does not
	// carry our mark. By any other it takes a decision for each object.
	Adopt []MatchRule
	// Decisions are the operator's answers to what the rules leave open; may be nil.
	Decisions Decisions
	// Accounts says what becomes of target accounts when their mailbox is opened; "" is
	// AccountsEnabled.
	Accounts AccountMode
	// GroupContacts makes mail contacts, and not groups, of the source's groups.
	GroupContacts bool
	// ExchangeMoves says that Exchange's own engine moves the mailboxes: their GUIDs are
	// then copied when people are staged, as it asks for.
	ExchangeMoves bool
	// MoveHeld lets mailboxes be switched that a litigation or in-place hold keeps: what
	// only the hold keeps stays behind.
	MoveHeld bool
	// ShutOut lists the client protocols that owners are shut out of at the source while
	// they are switched, of the Protocols; empty: none.
	ShutOut []string
	// SourceDomains and TargetDomains are further mail domains that each side is
	// authoritative for.
	SourceDomains, TargetDomains []string
	// Tenants are the companies of a hosted target; nil: it is one organisation. With
	// tenants, everyone has to belong to exactly one.
	Tenants []Tenant
}

// An AccountMode says what becomes of a person's target account at the opening of the
// mailbox. Those of shared mailboxes and resources stay disabled.
type AccountMode string

// The modes.
const (
	AccountsEnabled AccountMode = "enabled" // with a random password, unless it has one
	AccountsLinked  AccountMode = "linked"  // the source account goes on owning the mailbox
)

// Directories are the two forests and what joins them. Its methods read; only
// Apply writes.
type Directories struct {
	Source, Target Forest
	Rules          Rules
	// Admin gives and takes mailboxes; nil: the directory alone says who has one, which
	// is refused where Exchange runs.
	Admin MailboxAdmin

	staging *Staging // in which names and twins are known already; nil: they are asked for
}

// A Pair is a source recipient and the target object that stands for it.
type Pair struct {
	Source   *Recipient
	Target   *Recipient // nil: none stands for it yet
	Evidence string     // why they belong together: EvidenceTwin, or the value they share
	Rule     MatchRule  // by which the target was found; "" if there is none
	// Ours says that the target may be changed: it carries our mark, the operator told us
	// to adopt it, or an earlier step of the move made or found it.
	Ours bool
	// Contact is a target contact that stands for the person and is to be replaced by
	// the target user; nil if there is none.
	Contact *Recipient
	// Choice is what the operator decided about the source object; "" if nothing.
	Choice Choice

	noticed []migrate.Finding // by Match: what is in doubt about the pair
	open    *Question         // what a person has to decide; nil if nothing
}

// EvidenceTwin is the evidence of a pair whose target was known from an earlier step.
const EvidenceTwin = "known twin"

// An AmbiguousError says that more than one object answers to an identity. It is a
// question for a person, never a guess.
type AmbiguousError struct {
	Identity   string
	DNs        []DN        //nolint:staticcheck // the plural of DN
	Candidates []Candidate // of a match: the same objects, and what speaks for each
}

func (e *AmbiguousError) Error() string {
	names := make([]string, len(e.DNs))
	for i, dn := range e.DNs {
		names[i] = string(dn)
		if len(e.Candidates) == len(e.DNs) {
			names[i] += " (" + e.Candidates[i].Evidence + ")"
		}
	}
	return fmt.Sprintf("%s stands for %d objects: %s", e.Identity, len(e.DNs), strings.Join(names, "; "))
}

// Reload reads both sides of the pair again, by objectGUID, wherever they have been
// moved to since.
func (d *Directories) Reload(ctx context.Context, pair Pair) (Pair, error) {
	source, err := d.Source.byGUID(ctx, pair.Source.GUID)
	if err != nil {
		return Pair{}, fmt.Errorf("read source %q again: %w", pair.Source.DN, err)
	}
	pair.Source = source
	if pair.Contact, err = d.reloadContact(ctx, pair.Contact); err != nil {
		return Pair{}, err
	}
	if pair.Target == nil {
		return pair, nil
	}
	target, err := d.Target.byGUID(ctx, pair.Target.GUID)
	if err != nil {
		return Pair{}, fmt.Errorf("read target %q again: %w", pair.Target.DN, err)
	}
	pair.Target = target
	return pair, nil
}

func (d *Directories) forest(side Side) *Forest {
	if side == Source {
		return &d.Source
	}
	return &d.Target
}

// byGUID returns the recipient with the objectGUID, in any domain that the server
// answers for, or ErrNotFound.
func (f *Forest) byGUID(ctx context.Context, guid migrate.GUID) (*Recipient, error) {
	for _, domain := range f.Info.domainsHeld() {
		found, err := f.recipients(ctx, Query{Base: domain, Filter: EqBytes("objectGUID", guid[:])})
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return nil, fmt.Errorf("find objectGUID %s: %w", guid, ErrNotFound)
}

// recipients returns what the query finds, read with RecipientAttrs. A base that the
// server does not hold has no recipients.
func (f *Forest) recipients(ctx context.Context, query Query) ([]*Recipient, error) {
	query.Attrs = RecipientAttrs
	var found []*Recipient
	for entry, err := range f.Reader.Find(ctx, query) {
		if errors.Is(err, ErrNotFound) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("search the %s forest: %w", f.Side, err)
		}
		r, err := ParseRecipient(entry)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// Watches reports whether further servers have to show what is written.
func (d *Directories) Watches() bool { return len(d.Source.Watch)+len(d.Target.Watch) > 0 }
