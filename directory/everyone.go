package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
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

// A PersonPlan is what staging wants to change for one source recipient.
type PersonPlan struct {
	Pair Pair
	Kind string // of the source recipient
	New  bool   // the target object is made
	Plan Plan
	Err  error // an *AmbiguousError, a *DecisionError, or another that concerns this person alone; Plan is empty then
}

// Len returns for how many recipients there are plans.
func (s *Staging) Len() int { return len(s.chosen) }

// Plans yields the plan of each selected recipient's target object, without its links.
func (s *Staging) Plans(ctx context.Context) iter.Seq2[PersonPlan, error] {
	return s.walk(ctx, s.chosen, slices.Concat(RecipientAttrs, s.links()), RecipientAttrs, asRead, s.planOne)
}

func asRead(_, read *Recipient) *Recipient { return read }

// Anew plans once more for one of the selected, from what stands in the directories now:
// somebody else has changed what the plan was computed from. links says whether it is the
// plan of the links.
func (s *Staging) Anew(ctx context.Context, source migrate.GUID, links bool) (PersonPlan, error) {
	c := s.byGUID[source]
	if c == nil {
		return PersonPlan{}, fmt.Errorf("plan anew for %s: %w", source, ErrNotFound)
	}
	attrs, twinAttrs, join, plan := slices.Concat(RecipientAttrs, s.links()), RecipientAttrs, reading(asRead), planning(s.planOne)
	if links {
		attrs, twinAttrs, join, plan = slices.Concat(linkedBy, s.links()), slices.Concat(linkedBy, forwardLinks), (*Recipient).withEntry, s.linkOne
	}
	full, err := s.read(ctx, []*chosen{c}, attrs, twinAttrs, join)
	if err != nil || len(full) == 0 {
		return PersonPlan{}, errors.Join(err, ErrNotFound)
	}
	return plan(ctx, full[0])
}

// Links yields the plan of each target object's links. Those of objects that do not
// exist yet are planned as they will be called. Who had no links when Plans was there is
// left out.
func (s *Staging) Links(ctx context.Context) iter.Seq2[PersonPlan, error] {
	linked := slices.DeleteFunc(slices.Clone(s.chosen), func(c *chosen) bool { return c.unlinked })
	return s.walk(ctx, linked, slices.Concat(linkedBy, s.links()), slices.Concat(linkedBy, forwardLinks), (*Recipient).withEntry, s.linkOne)
}

// links names the links that are planned with a source recipient: those that it has, and
// those that others have to it unless they are planned with their owners.
func (s *Staging) links() []string {
	if s.all {
		return forwardLinks
	}
	return allLinks
}

// noteUnlinked remembers who has no links, so that they need not be read again. An
// attribute that is enforced is one also where it has no value.
func (s *Staging) noteUnlinked(c *chosen) {
	forced := slices.ContainsFunc(links, func(l link) bool { return s.d.linkPolicy(l) == Force })
	s.byGUID[c.source.GUID].unlinked = !forced && !slices.ContainsFunc(s.links(), c.source.Entry.Has)
}

// linkedBy is what is read of a recipient with its links: what the Index does not have.
var linkedBy = []string{"objectGUID", "displayName", attrHomeServer}

// withEntry returns what the Index knows of a recipient with the entry that was read with
// linkedBy.
func (r *Recipient) withEntry(read *Recipient) *Recipient {
	both := *r
	both.DN, both.DisplayName, both.Entry = read.DN, read.DisplayName, read.Entry
	return &both
}

// A reading is what is made of a recipient of the Index and of what was read of it.
type reading func(known, read *Recipient) *Recipient

// walk reads the people and their twins, some at a time, and yields what
// plan makes of each. While those are dealt with it reads the next.
func (s *Staging) walk(ctx context.Context, people []*chosen, source, target []string, join reading, plan planning) iter.Seq2[PersonPlan, error] {
	return func(yield func(PersonPlan, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		parts := s.ahead(ctx, people, source, target, join)
		defer func() {
			stop()
			for range parts { // until the reader has ended
			}
		}()
		for part := range parts {
			if part.err != nil {
				yield(PersonPlan{}, part.err)
				return
			}
			for _, c := range part.full {
				p, err := plan(ctx, c)
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

// A planning is planOne or linkOne.
type planning func(context.Context, *chosen) (PersonPlan, error)

// A readPart is what one search of each forest came to.
type readPart struct {
	full []*chosen
	err  error
}

// ahead reads the people part by part until ctx ends, after an error no more.
func (s *Staging) ahead(ctx context.Context, people []*chosen, source, target []string, join reading) <-chan readPart {
	parts := make(chan readPart)
	go func() {
		defer close(parts)
		for some := range slices.Chunk(people, stageBatch) {
			full, err := s.read(ctx, some, source, target, join)
			select {
			case parts <- readPart{full, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return parts
}

// read returns copies of the chosen with their recipients as join makes them. Who has
// gone since is left out.
func (s *Staging) read(ctx context.Context, part []*chosen, source, target []string, join reading) ([]*chosen, error) {
	var sources, targets []migrate.GUID
	for _, c := range part {
		sources = append(sources, c.source.GUID)
		if c.pair.Target != nil {
			targets = append(targets, c.pair.Target.GUID)
		}
	}
	fullSources, err := s.d.Source.byGUIDs(ctx, sources, source)
	if err != nil {
		return nil, err
	}
	fullTargets, err := s.d.Target.byGUIDs(ctx, targets, target)
	if err != nil {
		return nil, err
	}
	var full []*chosen
	for _, c := range part {
		r := fullSources[c.source.GUID]
		if r == nil {
			continue
		}
		one := *c
		one.source = join(c.source, r)
		one.pair.Source = one.source
		if c.pair.Target != nil {
			t := fullTargets[c.pair.Target.GUID]
			if t == nil {
				continue
			}
			one.pair.Target = join(c.pair.Target, t)
		}
		full = append(full, &one)
	}
	return full, nil
}

// byGUIDs reads the recipients with the objectGUIDs, by which they are returned.
func (f *Forest) byGUIDs(ctx context.Context, guids []migrate.GUID, attrs []string) (map[migrate.GUID]*Recipient, error) {
	found := map[migrate.GUID]*Recipient{}
	if len(guids) == 0 {
		return found, nil
	}
	var filters []Filter
	for _, g := range guids {
		filters = append(filters, EqBytes("objectGUID", g[:]))
	}
	for _, domain := range f.Info.domainsHeld() {
		for entry, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: Or(filters...), Attrs: attrs}) {
			if err != nil {
				return nil, fmt.Errorf("read the %s forest: %w", f.Side, err)
			}
			r, err := ParseRecipient(entry)
			if err != nil {
				return nil, err
			}
			found[r.GUID] = r
		}
		if len(found) == len(guids) {
			break
		}
	}
	return found, nil
}

// person returns the plan without changes, and whether it is clear who stands for the
// person.
func (c *chosen) person() (PersonPlan, bool) {
	return PersonPlan{Pair: c.pair, Kind: c.source.recipientKind(), New: c.pair.Target == nil, Err: c.err}, c.err == nil
}

func (s *Staging) planOne(ctx context.Context, c *chosen) (PersonPlan, error) {
	s.noteUnlinked(c)
	p, clear := c.person()
	if !clear {
		return p, nil
	}
	if c.pair.Choice == Leave {
		p.New = false
		p.Plan.Findings = []migrate.Finding{note("match.left", c.source.String(), "It is left out by the decision file.")}
		return p, nil
	}
	doubled, err := s.d.checkDoubled(ctx, c.source)
	if err != nil {
		return p, err
	}
	if p.Plan, err = s.d.PlanStage(ctx, c.pair); personal(err) {
		p.Err, p.Plan, err = err, Plan{}, nil
	}
	p.Plan.Findings = append(p.Plan.Findings, doubled...)
	if err == nil {
		err = s.checkRights(ctx, c.pair, &p.Plan)
	}
	if p.Err != nil || len(p.Plan.Forbidden()) > 0 {
		s.Missed(c.source.GUID)
	}
	return p, err
}

// Missed tells that the plan of the source recipient was not carried out: no link is
// planned from its target object, nor to it. Plans tells so itself of what it refuses.
func (s *Staging) Missed(source migrate.GUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missed[source] = true
}

func (s *Staging) isMissed(source migrate.GUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missed[source]
}

func (s *Staging) linkOne(ctx context.Context, c *chosen) (PersonPlan, error) {
	p, clear := c.person()
	if !clear || s.isMissed(c.source.GUID) || c.pair.Target != nil && !c.pair.Ours || c.pair.Choice == Leave {
		return p, nil
	}
	target := c.pair.Target
	if target == nil {
		target = &Recipient{DN: c.planned.DN, Entry: NewEntry(c.planned.DN, nil)}
	}
	pair := c.pair
	pair.Target = target
	var err error
	if p.Plan, err = s.d.planForward(ctx, pair, c.source.Entry, target.Entry); err != nil {
		return p, err
	}
	if !s.all {
		err = s.d.planOwed(ctx, &p.Plan, pair, c.source.Entry)
	}
	p.Plan.stamp(c.source.GUID)
	if err == nil {
		err = s.checkRights(ctx, pair, &p.Plan)
	}
	return p, err
}

// linkEnd is Directories.linkEnd of what is known here.
func (s *Staging) linkEnd(ctx context.Context, dn DN) linkEnd {
	for _, r := range s.d.Source.index.lookup(keyOf(keyDN, dn.Key())) {
		if !r.DN.Equal(dn) {
			continue
		}
		c := s.byGUID[r.GUID]
		switch {
		case c == nil || c.err != nil:
		case s.isMissed(r.GUID) && (c.pair.Target == nil || c.pair.Ours && c.pair.Rule != MatchMark):
			return linkEnd{rule: "link.waiting", what: fmt.Sprintf("%s is not staged; the link is set when it is.", r)}
		case c.pair.Target == nil && c.planned != nil:
			return linkEnd{dn: c.planned.DN}
		}
		return s.matchedEnd(ctx, r)
	}
	return linkEnd{rule: "link.unseen", what: fmt.Sprintf("the source's server does not show %s.", dn)}
}

// matchedEnd returns the end for somebody whose twin, if any, is there.
func (s *Staging) matchedEnd(ctx context.Context, r *Recipient) linkEnd {
	var pair Pair
	var err error
	if c := s.byGUID[r.GUID]; c != nil {
		pair, err = c.pair, c.err
	} else {
		pair, err = s.d.Match(ctx, r, migrate.GUID{})
	}
	end, err := s.d.endOf(pair, r, err)
	if err != nil {
		return linkEnd{rule: "link.ambiguous", what: err.Error() + "."}
	}
	return end
}

// selected reports whether the links of the source object are planned with itself.
func (d *Directories) selected(dn DN) bool {
	if d.staging == nil {
		return false
	}
	for _, r := range d.Source.index.lookup(keyOf(keyDN, dn.Key())) {
		if r.DN.Equal(dn) && d.staging.byGUID[r.GUID] != nil {
			return true
		}
	}
	return false
}

// Gone yields target objects that carry our mark and whose source object is no longer
// there, or is no longer selected. They are reported, never removed.
func (s *Staging) Gone() iter.Seq2[*Recipient, string] {
	return func(yield func(*Recipient, string) bool) {
		for _, r := range s.d.Target.index.people {
			guid, ours := r.MarkedFor()
			if !ours || s.byGUID[guid] != nil || !s.all {
				continue
			}
			why := "its source object is no longer selected"
			switch {
			case len(s.d.Source.index.lookup(keyOf(keyGUID, string(guid[:])))) == 0:
				why = "its source object is gone"
			case r.delivers():
				continue // it has moved: its source has become a mail user, whatever is selected
			}
			if !yield(r, why) {
				return
			}
		}
	}
}
