package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"reforest/migrate"
)

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
