package directory

import (
	"context"
	"fmt"

	"reforest/migrate"
)

// PlanStepBack plans that the target sends mail to the source again, as it did before
// PlanDeliver; whom it redirected mail to until then is what it was as well. changes are
// what the move has committed, oldest first. Once the source sends mail to the target this
// would be a loop, and is forbidden.
func (d *Directories) PlanStepBack(_ context.Context, pair Pair, changes []Change) (Plan, error) {
	if pair.Target == nil {
		return Plan{}, nil
	}
	if !d.takesMail(pair) {
		return Plan{Findings: []migrate.Finding{forbid("stepback.forwards", pair.Source.String(),
			fmt.Sprintf("The source does not deliver mail any more (targetAddress %q): if the target sent its mail there, it would be lost or go in circles.", pair.Source.TargetAddress),
			"Go forward, or roll the move back.")}}, nil
	}
	return d.planSendBack(pair, changes, whyStepBack), nil
}

// PlanSendBack plans that the target, still a mailbox, sends its mail to the source, and
// no longer redirects it. It is forbidden as long as the source does not deliver: that
// would be a loop.
func (d *Directories) PlanSendBack(_ context.Context, pair Pair, changes []Change) (Plan, error) {
	if pair.Target == nil {
		return Plan{Findings: d.checkGone(pair)}, nil
	}
	if !d.takesMail(pair) {
		return Plan{Findings: []migrate.Finding{forbid("sendback.loop", pair.Source.String(),
			fmt.Sprintf("The source does not deliver mail yet (targetAddress %q): if the target sent its mail there, it would be lost or go in circles.", pair.Source.TargetAddress),
			"Let the source deliver first.")}}, nil
	}
	return d.planSendBack(pair, changes, whySendBack), nil
}

// takesMail reports whether the source has a mailbox and keeps its mail from the target.
func (d *Directories) takesMail(pair Pair) bool {
	return pair.Source.IsMailbox() && !d.leadsToTarget(pair)
}

// leadsToTarget reports whether the source sends its mail to the pair's target.
func (d *Directories) leadsToTarget(pair Pair) bool {
	addr := pair.Source.forwardsTo()
	return addr != "" && (d.routes(pair.Source) || pair.Target != nil && (pair.Target.Proxies.HasSMTP(addr) || pair.Target.Mail.Key() == addr.Key()))
}

func (d *Directories) planSendBack(pair Pair, changes []Change, why string) Plan {
	e := edit{entry: pair.Target.Entry}
	var stop []migrate.Finding
	for _, f := range trailTakes.trail(changes).formers(e.entry) {
		if f.changed {
			stop = append(stop, f.overwritten(Target, pair.Target.DN))
		}
		if f.attr != attrTargetAddress {
			e.from("as before the switch").restore(f.attr, f.was)
		}
	}
	if len(stop) > 0 {
		return Plan{Findings: stop}
	}
	e.watch(attrTargetAddress, attrAltRecipient, attrRedirect)
	if address := d.wayToSource(pair, changes); address != "" {
		e.from("source address").setText(attrTargetAddress, address)
	}
	return e.plan(Target, why)
}

// wayToSource returns the targetAddress by which the target sends mail to the source: what
// it had before the switch, as long as that still is an address of the source.
func (d *Directories) wayToSource(pair Pair, changes []Change) string {
	had := []string{pair.Target.TargetAddress}
	if f, known := trailTakes.trail(changes).of(pair.Target.Entry, attrTargetAddress); known && len(f.was) > 0 {
		had = append([]string{string(f.was[0])}, had...)
	}
	for _, address := range had {
		addr := (&Recipient{TargetAddress: address}).forwardsTo()
		ours := addr.Key() == d.sourceAddress(pair.Source).Key() || pair.Source.Proxies.HasSMTP(addr)
		if addr != "" && ours && addr.Key() != d.routingAddress(pair.Source).Key() {
			return address
		}
	}
	if addr := d.sourceAddress(pair.Source); addr != "" {
		return "SMTP:" + string(addr)
	}
	return ""
}
