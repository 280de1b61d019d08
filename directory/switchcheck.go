package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// CheckSwitch returns what forbids to begin the switch of the pair, or deserves notice,
// read only: after it nothing that the directories can tell stands between the person and
// a mailbox that delivers at the target.
func (d *Directories) CheckSwitch(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	findings := slices.Concat(d.checkEnds(pair), d.checkSwitchDomain(), d.checkHold(pair.Source), d.checkShutOut(),
		d.admin().May(Source), d.admin().May(Target))
	if pair.Target == nil || !pair.Source.IsMailbox() || !pair.Target.IsMailbox() {
		return findings, nil
	}
	for _, rule := range []func(context.Context, Pair) ([]migrate.Finding, error){d.checkOwners, d.checkChains, d.checkSteps} {
		found, err := rule(ctx, pair)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return distinctFindings(findings), nil
}

// checkEnds looks at whether both sides are where a switch begins.
func (d *Directories) checkEnds(pair Pair) []migrate.Finding {
	source, target, whom := pair.Source, pair.Target, pair.Source.String()
	if target == nil {
		return []migrate.Finding{forbid("open.no-target", whom, "There is no target user yet.", "Stage the move first.")}
	}
	findings := d.checkMatch(pair)
	if !source.IsMailbox() {
		findings = append(findings, forbid("source.not-mailbox", whom, "The source object has no mailbox.",
			"Take it off the batch, or name the object that has the mailbox."))
	}
	if !target.IsMailbox() {
		findings = append(findings, forbid("deliver.no-mailbox", whom,
			"The target has no mailbox that could take the mail.", "Open the target mailbox first."))
	}
	addr := target.forwardsTo()
	if addr == "" || addr.Key() != d.sourceAddress(source).Key() && !source.Proxies.HasSMTP(addr) {
		findings = append(findings, forbid("switch.target-address", whom,
			fmt.Sprintf("targetAddress of %s is %q, not an address of the source: mail does not reach the mailbox that is to be switched.", target.DN, target.TargetAddress),
			"Find out who changed it; stage the move again."))
	}
	return findings
}

// checkSwitchDomain looks at the domain that the source will send mail to: where the
// forests tell their accepted domains, the target must take mail for it and the source
// must not keep it.
func (d *Directories) checkSwitchDomain() []migrate.Finding {
	domain := d.Rules.TargetRouting
	if domain == "" {
		return nil // forward.no-address says so
	}
	var findings []migrate.Finding
	info := &d.Target.Info
	if kind, found := info.accepted(domain); len(info.Accepted) > 0 && (!found || kind == ExternalRelay) {
		findings = append(findings, forbid("switch.domain", domain,
			"Mail is to be sent to the target by addresses in it, and no accepted domain of the target (msExchAcceptedDomain) takes it for its own recipients.",
			"Correct target.routing in the configuration, or accept the domain at the target."))
	}
	if d.owns(Source, domain) {
		findings = append(findings, forbid("switch.domain", domain,
			"Mail is to be sent to the target by addresses in it, and the source claims it as its own (msExchAcceptedDomain, or the configuration) and would not send it on.",
			"Name a domain that the target alone delivers, or make it an internal relay domain at the source."))
	}
	return findings
}

// checkHold refuses to switch a mailbox that somebody has ordered to be kept: what only the
// hold keeps does not move.
func (d *Directories) checkHold(source *Recipient) []migrate.Finding {
	var holds []string
	p := recipientParser{entry: source.Entry}
	if flags := p.number(attrELC); p.err == nil && flags&litigationHold != 0 {
		holds = append(holds, fmt.Sprintf("%s is %d", attrELC, flags))
	}
	for _, attr := range []string{attrHolds, attrHoldDate} {
		if values := source.Entry.Values(attr); len(values) > 0 {
			holds = append(holds, attr+" has "+quotedList(values))
		}
	}
	if len(holds) == 0 {
		return nil
	}
	finding := forbid("switch.hold", source.String(),
		fmt.Sprintf("The mailbox of %s is on hold (%s). What only the hold keeps does not move.", source.DN, strings.Join(holds, "; ")),
		"Ask whoever ordered the hold. Held mailboxes are switched if the configuration says so; the disconnected source mailbox then has to be kept.")
	if d.Rules.MoveHeld {
		finding.Severity = migrate.Warn
	}
	return []migrate.Finding{finding}
}

// checkSteps plans every step of the switch on what the one before will have made of both
// sides: what forbids one of them, or our account may not write, is known before the first.
func (d *Directories) checkSteps(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	whole, err := d.wayForth(ctx, pair)
	if err != nil {
		return nil, err
	}
	rights, err := d.mayWrite(ctx, "switch.no-right", pair, whole)
	return append(whole.Findings, rights...), err
}

// PlanSwitch plans the whole of a switch, in the order of its steps, to be looked at: each
// from what the one before will have made of both sides. The fetching of late mail between
// them is no change of the directory. What CheckSwitch forbids forbids it. It is not to be
// carried out as a whole.
func (d *Directories) PlanSwitch(ctx context.Context, pair Pair) (Plan, error) {
	findings, err := d.CheckSwitch(ctx, pair)
	plan := Plan{Findings: findings}
	if err != nil || len(plan.Forbidden()) > 0 {
		return plan, err
	}
	whole, err := d.wayForth(ctx, pair)
	whole.Findings = distinctFindings(append(findings, whole.Findings...))
	return whole, err
}

// wayForth plans every step of the switch, until one is forbidden.
func (d *Directories) wayForth(ctx context.Context, pair Pair) (Plan, error) {
	looking := d.Looking()
	if d.Admin == nil {
		looking = d.unrestricted()
	}
	var whole Plan
	after := pair
	for _, step := range []func(context.Context, Pair) (Plan, error){
		looking.PlanShutOut, looking.PlanDeliver, looking.PlanForward, looking.PlanDisconnect,
	} {
		plan, err := step(ctx, after)
		if err != nil {
			return Plan{}, err
		}
		whole.Findings = append(whole.Findings, plan.Findings...)
		whole.Changes = append(whole.Changes, plan.Changes...)
		if len(plan.Forbidden()) > 0 {
			return whole, nil
		}
		if after, err = after.after(plan.Changes); err != nil {
			return Plan{}, err
		}
	}
	return whole, nil
}

// unrestricted returns the directories with an Admin that does not look whether mailboxes
// are Exchange's: that is told of once.
func (d *Directories) unrestricted() *Directories {
	free := *d
	free.Source.Info.HasExchange, free.Target.Info.HasExchange = false, false
	return &free
}

// mayWrite asks both servers whether our account may write what the plan changes of the
// pair.
func (d *Directories) mayWrite(ctx context.Context, rule string, pair Pair, plan Plan) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, side := range []stop{{Source, pair.Source}, {Target, pair.Target}} {
		var writes []string
		for _, change := range plan.Changes {
			if change.Forest == side.side && change.DN.Equal(side.who.DN) {
				writes = append(writes, change.attrs()...)
			}
		}
		found, err := d.forest(side.side).lacksRight(ctx, rule, side.who, distinct(writes))
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// lacksRight names those of the attributes that our account may not write of the object,
// and the command that grants it just these. A server that does not tell is found out by
// the first write.
func (f *Forest) lacksRight(ctx context.Context, rule string, who *Recipient, writes []string) ([]migrate.Finding, error) {
	writes = slices.DeleteFunc(slices.Clone(writes), func(attr string) bool { return strings.EqualFold(attr, attrPassword) })
	if len(writes) == 0 {
		return nil, nil
	}
	entry, err := f.Reader.Get(ctx, who.DN, attrMayWrite, attrMaySecure)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // gone since; whoever writes it meets that
	}
	if err != nil {
		return nil, fmt.Errorf("ask for our rights on %q: %w", who.DN, err)
	}
	if !entry.Has(attrMayWrite) && !entry.Has(attrMaySecure) {
		return nil, nil
	}
	missing := lacking(writes, entry.Values(attrMayWrite))
	if len(missing) == 0 {
		return nil, nil
	}
	return []migrate.Finding{forbid(rule, string(who.DN),
		fmt.Sprintf("Our account may not write %s of %s in the %s forest (%s).", strings.Join(missing, ", "), who.DN, f.Side, attrMayWrite),
		"Grant it there, or, where adminCount is 1, on AdminSDHolder: "+f.dsacls(who.DN, "", propertyGrants(missing, "")...))}, nil
}
