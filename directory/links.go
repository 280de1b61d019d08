package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// A link is an attribute that points to other objects of its own forest, and the one by
// which those point back. The server keeps the back links (MS-ADTS 3.1.1.1.6).
type link struct {
	name, back string
	single     bool
	// delivers says that the link redirects mail. A target that still sends its mail to
	// the source gets it only once it delivers itself: before, the source redirects, and
	// doing so on both sides would deliver twice.
	delivers bool
}

// links are the linked attributes that are mapped across the forests.
var links = []link{
	{name: "manager", back: "directReports", single: true},
	{name: attrAltRecipient, back: "altRecipientBL", single: true, delivers: true},
	{name: "publicDelegates", back: "publicDelegatesBL"},
	{name: "msExchDelegateListLink", back: "msExchDelegateListBL"},
	{name: "authOrig", back: "authOrigBL"},
	{name: "unauthOrig", back: "unauthOrigBL"},
	{name: "dLMemSubmitPerms", back: "dLMemSubmitPermsBL"},
	{name: "dLMemRejectPerms", back: "dLMemRejectPermsBL"},
	{name: "msExchModeratedByLink", back: "msExchModeratedObjectsBL"},
	{name: "managedBy", back: "managedObjects", single: true},
	{name: "msExchCoManagedByLink", back: "msExchCoManagedObjectsBL"},
	{name: "msExchTeamMailboxOwners", back: "msExchTeamMailboxOwnersBL"},
	{name: "member", back: "memberOf"},
}

// attrRedirect says that a redirected mailbox keeps its mail as well; it means nothing
// without altRecipient.
const (
	attrAltRecipient = "altRecipient"
	attrRedirect     = "deliverAndRedirect"
)

// forwardLinks and allLinks name what is read of an entry to plan its links.
var forwardLinks, allLinks = linkNames()

func linkNames() (forward, all []string) {
	forward = []string{attrRedirect}
	var back []string
	for _, l := range links {
		forward, back = append(forward, l.name), append(back, l.back)
	}
	return forward, append(slices.Clone(forward), back...)
}

// A linkEnd is what a link to a source object becomes at the target.
type linkEnd struct {
	dn   DN     // "" if nothing stands for the object there
	own  bool   // it delivers its own mail by now
	rule string // then: why; "" if that need not be told
	what string
}

// PlanLinks plans the links of the pair's target: each leads to the twin of what the
// source's leads to. What a target that has moved links to is not replaced, and between
// two who have moved nothing is added: who took a delegate away there has done so. One whose end has no twin yet is a note; it is set when that end
// is staged, because the links that others have to the pair are planned here as well.
func (d *Directories) PlanLinks(ctx context.Context, pair Pair) (Plan, error) {
	if pair.Target == nil || !pair.Ours {
		return Plan{}, nil
	}
	source, err := d.Source.Reader.Get(ctx, pair.Source.DN, allLinks...)
	if err != nil {
		return Plan{}, fmt.Errorf("read the links of %s: %w", pair.Source, err)
	}
	target, err := d.Target.Reader.Get(ctx, pair.Target.DN, forwardLinks...)
	if err != nil {
		return Plan{}, fmt.Errorf("read the links of %q: %w", pair.Target.DN, err)
	}
	plan, err := d.planForward(ctx, pair, source, target)
	if err != nil {
		return Plan{}, err
	}
	err = d.planOwed(ctx, &plan, pair, source)
	plan.stamp(pair.Source.GUID)
	return plan, err
}

const whyLinks = "link to the twins of those the source links to"

// planForward plans the links that the pair's own target has.
func (d *Directories) planForward(ctx context.Context, pair Pair, source, target *Entry) (Plan, error) {
	var plan Plan
	e := edit{entry: target}
	for _, l := range links {
		values := source.Values(l.name)
		policy := d.linkPolicy(l)
		if policy == Omit || len(values) == 0 && policy != Force {
			continue
		}
		if l.delivers && len(values) > 0 && !pair.Target.delivers() {
			plan.Findings = append(plan.Findings, note("link.later", pair.Source.String(),
				fmt.Sprintf("%s is set once the target delivers its own mail.", l.name)))
			continue
		}
		ends, open, err := d.ends(ctx, &plan, pair, l, values)
		if err != nil {
			return Plan{}, err
		}
		if policy == Force && (open || pair.Target.delivers()) {
			policy = Merge // what is missing would be taken for gone
		}
		e.link(l, policy, ends)
		if l.delivers && e.leadsTo(l.name, ends) && source.Has(attrRedirect) {
			e.fill(attrRedirect, source.Bytes(attrRedirect)...)
		}
	}
	e.addTo(&plan, Target, whyLinks)
	return plan, nil
}

// delivers reports whether the recipient's mail stays in its own forest.
func (r *Recipient) delivers() bool { return r.IsMailbox() && r.TargetAddress == "" }

// linkPolicy returns how the link is kept up: a single one that the target has stays, of
// several the missing ones are added.
func (d *Directories) linkPolicy(l link) Policy {
	if p, ok := d.Rules.Attributes[strings.ToLower(l.name)]; ok {
		return p
	}
	if l.single {
		return Keep
	}
	return Merge
}

// ends returns the twins of the source objects named by values, and whether some have
// none; those are noted.
func (d *Directories) ends(ctx context.Context, plan *Plan, pair Pair, l link, values []string) (ends []string, open bool, err error) {
	for _, value := range values {
		end, err := d.linkEnd(ctx, DN(value))
		if err != nil {
			return nil, false, fmt.Errorf("map %s of %s: %w", l.name, pair.Source, err)
		}
		switch {
		case end.dn != "" && end.own && !l.delivers && pair.Target.delivers():
			continue // both have moved: whom the target links to is its own affair
		case end.dn != "":
			ends = append(ends, string(end.dn))
			continue
		}
		open = true
		if end.rule != "" {
			plan.Findings = append(plan.Findings, note(end.rule, pair.Source.String(), fmt.Sprintf("%s: %s", l.name, end.what)))
		}
	}
	return ends, open, nil
}

// link asks for the ends according to the policy.
func (e *edit) link(l link, policy Policy, ends []string) {
	switch {
	case policy == Force:
		e.setText(l.name, ends...)
	case len(ends) == 0:
		e.about(l.name)
	case l.single:
		e.fillText(l.name, ends[0])
	case policy == Merge || !e.entry.Has(l.name):
		e.add(l.name, ends...)
	}
}

// leadsTo reports whether the attribute has exactly the ends, or has none and gets them.
func (e *edit) leadsTo(attr string, ends []string) bool {
	return satisfied(Mod{Op: ReplaceValues, Attr: attr, Values: texts(ends...)}, e.entry.Bytes(attr)) ||
		!e.entry.Has(attr) && len(ends) > 0
}

// planOwed plans the links that the twins of others have to the pair's target.
func (d *Directories) planOwed(ctx context.Context, plan *Plan, pair Pair, source *Entry) error {
	for _, l := range links {
		if l.delivers || d.linkPolicy(l) == Omit {
			continue // planned with its owner, who has to deliver first
		}
		for _, value := range source.Values(l.back) {
			if d.selected(DN(value)) {
				continue // planned with its owner
			}
			if err := d.planOwedBy(ctx, plan, pair, l, DN(value)); err != nil {
				return fmt.Errorf("map the %s that leads to %s: %w", l.name, pair.Source, err)
			}
		}
	}
	return nil
}

// planOwedBy plans the link from the twin of owner to the pair's target. An owner
// without a twin gets it when it is staged itself.
func (d *Directories) planOwedBy(ctx context.Context, plan *Plan, pair Pair, l link, owner DN) error {
	end, err := d.linkEnd(ctx, owner)
	if err != nil || end.dn == "" {
		return err
	}
	if end.own && pair.Target.delivers() {
		return nil // both have moved: see ends
	}
	entry, err := d.Target.Reader.Get(ctx, end.dn, l.name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e := edit{entry: entry}
	policy := d.linkPolicy(l)
	if policy == Force && (!l.single || end.own) {
		policy = Merge
	}
	e.link(l, policy, []string{string(pair.Target.DN)})
	e.addTo(plan, Target, whyLinks)
	return nil
}

// linkEnd finds what stands at the target for a source object that is linked to.
func (d *Directories) linkEnd(ctx context.Context, dn DN) (linkEnd, error) {
	if d.staging != nil {
		return d.staging.linkEnd(ctx, dn), nil
	}
	entry, err := d.Source.Reader.Get(ctx, dn, RecipientAttrs...)
	if errors.Is(err, ErrNotFound) {
		return linkEnd{rule: "link.unseen", what: fmt.Sprintf("the source's server does not show %s.", dn)}, nil
	}
	if err != nil {
		return linkEnd{}, err
	}
	r, err := ParseRecipient(entry)
	if err != nil {
		return linkEnd{}, err
	}
	pair, err := d.Match(ctx, r, migrate.GUID{})
	return endOf(pair, r, err)
}

// endOf turns what Match came to about r into the end of a link.
func endOf(pair Pair, r *Recipient, err error) (linkEnd, error) {
	var ambiguous *AmbiguousError
	var decision *DecisionError
	switch {
	case errors.As(err, &ambiguous):
		return linkEnd{rule: "link.ambiguous", what: ambiguous.Error() + "."}, nil
	case errors.As(err, &decision):
		return linkEnd{rule: "link.ambiguous", what: decision.Error() + "."}, nil
	case err != nil:
		return linkEnd{}, err
	case pair.Target != nil && pair.Ours:
		return linkEnd{dn: pair.Target.DN, own: pair.Target.delivers()}, nil
	case pair.Target != nil:
		return linkEnd{rule: "link.not-adopted", what: fmt.Sprintf("%s may be the twin of %s, and is not adopted.", pair.Target.DN, r)}, nil
	case mayBeStaged(r):
		return linkEnd{rule: "link.waiting", what: fmt.Sprintf("%s has no twin yet; the link is set when it has.", r)}, nil
	}
	return linkEnd{rule: "link.no-twin", what: fmt.Sprintf("%s is never staged.", r)}, nil
}

// stamp notes for whose sake the changes are made.
func (p *Plan) stamp(person migrate.GUID) {
	for i := range p.Changes {
		p.Changes[i].Person = person
	}
}
