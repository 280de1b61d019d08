package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"reforest/migrate"
)

// The kinds of recipients that are no mailboxes, as Kind has them for mailboxes.
const (
	KindMailUser = "mail user"     // a user who receives mail elsewhere
	KindContact  = "contact"       // a mail contact
	KindGroup    = "group"         // a mail-enabled group
	KindDynamic  = "dynamic group" // its members are what a filter finds
)

// A Selection says which recipients of the source are staged. It is the connector
// filter: what has no mail address is never selected, nor what only stands for somebody
// of the target.
type Selection struct {
	Who    []string // these alone, named as Resolve takes it; nil: all that the rest allows
	Kinds  []string // the Kind constants; nil: all
	Under  []DN     // at or below one of these; nil: anywhere
	Except []DN     // and below none of these
	Hidden bool     // also who is hidden from address lists
	Skip   Filter   // and who does not match this; "" is nobody
}

// stageBatch is how many entries one search reads: the values of its filter, and the
// memory that its answer takes, are bounded by it.
const stageBatch = 100

// A Staging plans the target objects of many source recipients at once, from what both
// forests held when it was made. It plans for them in the order of their objectGUID, so
// that names which have to be unique come out the same every time.
type Staging struct {
	d      *Directories // with both indexes
	chosen []*chosen
	byGUID map[migrate.GUID]*chosen
	all    bool // everyone is selected: nobody else owes a link
	rights map[string]allowance
	mu     sync.Mutex
	missed map[migrate.GUID]bool // source recipients whose own plan is refused, or has failed
	Total  int                   // source recipients there are
	Passed map[string]int        // recipients that are left out, by reason
	Lost   []Lost                // of Selection.Who
}

// A Lost is somebody who was asked for by name and not found, or not told from others.
type Lost struct {
	Who string
	Err error // an *AmbiguousError, or ErrNotFound
}

// A chosen is a source recipient with what stands, or is going to stand, for it.
type chosen struct {
	source   *Recipient // light
	pair     Pair       // light; no Target if one is made
	names    newNames
	planned  *Recipient // what is reserved for it
	err      error      // Match's, about this person
	unlinked bool       // it had no links when it was planned
}

// Everyone reads both forests and finds out who stands for whom. progress is told what
// is being done, now and then; nil is nobody.
func (d *Directories) Everyone(ctx context.Context, selection Selection, progress func(what string, n int)) (*Staging, error) {
	bulk := *d
	s := &Staging{
		d: &bulk, byGUID: map[migrate.GUID]*chosen{}, all: selection.Who == nil, rights: map[string]allowance{},
		missed: map[migrate.GUID]bool{}, Passed: map[string]int{},
	}
	bulk.Source.keep = bulk.Rules.tenantReads()
	if err := bulk.readIndexes(ctx, progress); err != nil {
		return nil, err
	}
	bulk.staging = s
	if err := s.choose(ctx, selection); err != nil {
		return nil, err
	}
	for i, c := range s.chosen {
		if err := s.match(ctx, c); err != nil {
			return nil, fmt.Errorf("match %s: %w", c.source, err)
		}
		if i%500 == 499 {
			tell(progress, "matched", i+1)
		}
	}
	s.findShared()
	return s, nil
}

// readIndexes reads both forests at the same time.
func (d *Directories) readIndexes(ctx context.Context, progress func(string, int)) error {
	var one sync.Mutex // progress is told by one at a time
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range []*Forest{&d.Source, &d.Target} {
		group.Go(func() (err error) {
			f.index, err = NewIndex(ctx, f, func(n int) {
				one.Lock()
				defer one.Unlock()
				tell(progress, "read of the "+string(f.Side)+" forest", n)
			})
			if err != nil {
				return fmt.Errorf("read the %s forest: %w", f.Side, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func tell(progress func(string, int), what string, n int) {
	if progress != nil {
		progress(what, n)
	}
}

// choose applies the selection, in the order of objectGUIDs.
func (s *Staging) choose(ctx context.Context, selection Selection) error {
	skipped, err := s.skipped(ctx, selection)
	if err != nil {
		return err
	}
	only, err := s.named(ctx, selection.Who)
	if err != nil {
		return err
	}
	for _, r := range s.d.Source.index.people {
		if kind := r.recipientKind(); kind == "" || only != nil && !only[r.GUID] {
			continue
		}
		s.Total++
		reason := selection.leaves(r, skipped[r.GUID])
		if reason == "" && s.standsForTarget(r) {
			reason = "leads to somebody of the target"
		}
		if reason != "" {
			s.Passed[reason]++
			continue
		}
		c := &chosen{source: r}
		s.chosen = append(s.chosen, c)
		s.byGUID[r.GUID] = c
	}
	slices.SortFunc(s.chosen, func(a, b *chosen) int { return bytes.Compare(a.source.GUID[:], b.source.GUID[:]) })
	return nil
}

// named finds who was asked for by name; nil if nobody was.
func (s *Staging) named(ctx context.Context, who []string) (map[migrate.GUID]bool, error) {
	if who == nil {
		return nil, nil
	}
	only := map[migrate.GUID]bool{}
	for _, identity := range who {
		r, err := s.d.Resolve(ctx, identity)
		var ambiguous *AmbiguousError
		switch {
		case errors.As(err, &ambiguous), errors.Is(err, ErrNotFound):
			s.Lost = append(s.Lost, Lost{identity, err})
		case err != nil:
			return nil, err
		default:
			only[r.GUID] = true
			if r.recipientKind() == "" {
				s.Lost = append(s.Lost, Lost{identity, fmt.Errorf("%s has no mail attributes: %w", r.DN, ErrNotFound)})
			}
		}
	}
	return only, nil
}

// skipped returns who matches the operator's filter.
func (s *Staging) skipped(ctx context.Context, selection Selection) (map[migrate.GUID]bool, error) {
	out := map[migrate.GUID]bool{}
	if selection.Skip == "" {
		return out, nil
	}
	for _, domain := range s.d.Source.Info.domainsHeld() {
		query := Query{Base: domain, Filter: And(indexed, selection.Skip), Attrs: []string{"objectGUID"}}
		for entry, err := range s.d.Source.Reader.Find(ctx, query) {
			if err != nil {
				return nil, fmt.Errorf("find who is left out: %w", err)
			}
			p := recipientParser{entry: entry}
			out[p.guid("objectGUID")] = true
		}
	}
	return out, nil
}

// leaves returns why the recipient is not selected; "" if it is. Who was asked for by
// name is.
func (n Selection) leaves(r *Recipient, skipped bool) string {
	kind := r.recipientKind()
	switch {
	case r.Address() == "":
		return "no Internet address"
	case n.Who != nil:
		return ""
	case n.Kinds != nil && !slices.Contains(n.Kinds, kind):
		return "of the kind " + kind
	case n.Under != nil && !r.underOne(n.Under), r.underOne(n.Except):
		return "outside stage.under, or in stage.except"
	case !n.Hidden && strings.EqualFold(r.Entry.First("msExchHideFromAddressLists"), "TRUE"):
		return "hidden from address lists"
	case skipped:
		return "matched by stage.skip"
	}
	return ""
}

func (r *Recipient) underOne(bases []DN) bool {
	return slices.ContainsFunc(bases, r.DN.Under)
}

// recipientKind returns the kind of any recipient, mailbox or not; "" if it is none.
func (r *Recipient) recipientKind() string {
	mailEnabled := r.Alias != "" || r.TargetAddress != "" || len(r.Proxies) > 0
	switch {
	case r.Class == ClassUser && r.IsMailbox():
		return r.Kind()
	case !mailEnabled || r.Mark != "" && strings.HasPrefix(r.Mark, markPrefix):
		return ""
	case r.Class == ClassUser:
		return KindMailUser
	case r.Class == ClassContact:
		return KindContact
	case r.Class == ClassGroup && r.SID == "":
		return KindDynamic
	case r.Class == ClassGroup:
		return KindGroup
	}
	return ""
}

// standsForTarget reports whether a source contact, or mail user, leads to somebody who
// is at home in the target: the one is in both directories already.
func (s *Staging) standsForTarget(r *Recipient) bool {
	kind := r.recipientKind()
	if kind != KindContact && kind != KindMailUser || r.TargetAddress == "" {
		return false
	}
	_, addr := splitProxy(r.TargetAddress)
	for _, t := range s.d.Target.index.find("", []nameKey{keyOf(keySMTP, addr), keyOf(keyMail, addr)}) {
		if r.leadsTo(t) {
			return true
		}
	}
	return false
}

// leadsTo reports whether the recipient, a contact or a mail user of the source, sends
// its mail to the target's recipient, who is at home there.
func (r *Recipient) leadsTo(t *Recipient) bool {
	kind := r.recipientKind()
	if kind != KindContact && kind != KindMailUser || r.TargetAddress == "" || t.Class == ClassComputer || t.recipientKind() == KindContact {
		return false
	}
	if guid, ours := t.MarkedFor(); ours && guid == r.GUID {
		return false
	}
	_, text := splitProxy(r.TargetAddress)
	addr := migrate.SMTPAddress(text)
	return t.Proxies.HasSMTP(addr) || t.Mail.Key() == addr.Key()
}

// match finds the twin, or takes names for a new one.
func (s *Staging) match(ctx context.Context, c *chosen) error {
	pair, err := s.d.Match(ctx, c.source, migrate.GUID{})
	c.pair = pair
	c.pair.Source = c.source
	if fault := personal(err); fault {
		c.err = err
		return nil
	}
	if err != nil || pair.Target != nil || pair.Choice == Leave {
		return err
	}
	c.names, err = s.d.newNames(ctx, c.source)
	if errors.Is(err, ErrExists) {
		c.err = err
		return nil
	}
	if err != nil {
		return err
	}
	c.planned = &Recipient{
		DN: s.d.place(c.source).Child("CN", c.names.cn), Sam: c.names.sam, UPN: c.names.upn, Class: s.d.twinClass(c.source),
	}
	if c.source.IsMailbox() {
		c.planned.Proxies = Proxies{"smtp:" + string(s.d.routingAddress(c.source))}
	}
	s.d.Target.index.reserve(c.planned, c.source.GUID)
	return nil
}

// personal reports whether the error concerns one person alone.
func personal(err error) bool {
	var ambiguous *AmbiguousError
	var decision *DecisionError
	if errors.As(err, &ambiguous) || errors.As(err, &decision) {
		return true
	}
	e := migrate.AsError(err)
	return e != nil && e.Reach == migrate.OneMailbox
}
