package directory

import (
	"context"
	"fmt"
	"strings"

	"reforest/migrate"
)

// PlanReturn plans that the source delivers its mail again, in one modification: it gets
// its mailbox back as it was before the switch, and sends nothing to the target any more.
// Addresses stay, those of the target among them. changes are what the move has
// committed, oldest first.
func (d *Directories) PlanReturn(ctx context.Context, pair Pair, changes []Change) (Plan, error) {
	if stop := d.checkReturn(pair, changes); len(stop) > 0 {
		return Plan{Findings: stop}, nil
	}
	part, source, err := d.handed(ctx, Source, pair.Source, true, func() (Plan, error) {
		return d.admin().Reconnect(ctx, Source, pair.Source, MailboxWas(pair.Source, changes))
	})
	if err != nil {
		return Plan{}, fmt.Errorf("reconnect the mailbox of %q: %w", pair.Source.DN, err)
	}
	var plan Plan
	e := edit{entry: source.Entry}
	e.join(&plan, Source, part)
	if len(plan.Forbidden()) > 0 {
		return Plan{Findings: plan.Findings}, nil
	}
	if d.acts() {
		e.keepNames(pair.Source)
	}
	for _, f := range trailLeft.trail(changes).formers(source.Entry) {
		if d.returns(f.attr) && !mailboxNames[strings.ToLower(f.attr)] {
			e.from("as before the switch").restore(f.attr, f.was)
		}
	}
	e.watch(attrTargetAddress, attrHomeMDB, attrHomeServer, attrTypeDetails, attrDisplayType)
	d.stopForwarding(&e, Pair{Source: source, Target: pair.Target}, changes)
	e.addTo(&plan, Source, whyReturn)
	return plan, nil
}

// MailboxWas returns what the attributes of the source's mailbox were before it was
// disconnected; what the journal does not know is not among them. changes are what the
// move has committed, oldest first.
func MailboxWas(source *Recipient, changes []Change) []Mod {
	var was []Mod
	for _, f := range trailLeft.trail(changes).formers(source.Entry) {
		if mailboxNames[strings.ToLower(f.attr)] {
			was = append(was, Mod{Op: ReplaceValues, Attr: f.attr, Values: f.was})
		}
	}
	return was
}

// namesOfOne are what somebody is known by; no way back takes any of it away.
var namesOfOne = lowerSet(attrProxies, "mail", "mailNickname", attrLegacy, attrMailboxGUID)

// returns reports whether the way back writes the attribute of the source. Where the mail
// system connects the mailbox, what kind it is is for it to say.
func (d *Directories) returns(attr string) bool {
	if attr == attrTypeDetails || attr == attrDisplayType {
		return !d.acts()
	}
	return !namesOfOne[strings.ToLower(attr)]
}

// stopForwarding clears a targetAddress that leads to the target and of which the journal
// does not know what was there before.
func (d *Directories) stopForwarding(e *edit, pair Pair, changes []Change) {
	if _, known := trailLeft.trail(changes).of(pair.Source.Entry, attrTargetAddress); !known && d.leadsToTarget(pair) {
		e.from("the source delivers").clear(attrTargetAddress)
	}
}

// checkReturn refuses a return that would write over what others have set, or that nobody
// knows how to carry out.
func (d *Directories) checkReturn(pair Pair, changes []Change) []migrate.Finding {
	stop := d.checkOtherMailbox(pair, changes)
	if !pair.Source.IsMailbox() {
		stop = append(stop, d.admin().May(Source)...)
		stop = append(stop, d.checkRecord(pair, changes)...)
	}
	return append(stop, d.changedSince(Source, pair.Source, trailLeft.trail(changes), d.returns)...)
}

// checkRecord refuses to make a mailbox out of nothing.
func (d *Directories) checkRecord(pair Pair, changes []Change) []migrate.Finding {
	for _, m := range MailboxWas(pair.Source, changes) {
		if len(m.Values) > 0 && (m.Attr == attrHomeMDB || m.Attr == attrHomeServer) {
			return nil
		}
	}
	if d.acts() {
		return nil // it knows by itself
	}
	return []migrate.Finding{forbid("rollback.no-record", pair.Source.String(),
		fmt.Sprintf("%s has no mailbox, and the journal of this move does not know which one it had.", pair.Source.DN),
		"Roll back with the store that switched it, or connect the mailbox by the mail system's own tools.")}
}

// changedSince refuses to write over attributes of a trail that others have set since.
// What a mail system writes by itself is not ours to judge.
func (d *Directories) changedSince(side Side, who *Recipient, t trail, written func(attr string) bool) []migrate.Finding {
	var findings []migrate.Finding
	for _, f := range t.formers(who.Entry) {
		theirs := d.acts() && (mailboxNames[strings.ToLower(f.attr)] || f.attr == attrTypeDetails || f.attr == attrDisplayType)
		if f.changed && written(f.attr) && !theirs {
			findings = append(findings, f.overwritten(side, who.DN))
		}
	}
	return findings
}

// checkOtherMailbox refuses a source whose mailbox is not the one that was moved: the GUID
// of the target's follows from that.
func (d *Directories) checkOtherMailbox(pair Pair, changes []Change) []migrate.Finding {
	if pair.Target == nil {
		return nil
	}
	var made []byte
	for _, change := range changes {
		for _, mod := range change.Mods {
			if change.Forest == Target && change.Why == whyOpen && strings.EqualFold(mod.Attr, attrMailboxGUID) && len(mod.Values) > 0 {
				made = mod.Values[0]
			}
		}
	}
	want := mailboxGUID(pair)
	if made == nil || string(made) == string(want[:]) || d.Rules.ExchangeMoves {
		return nil
	}
	return []migrate.Finding{forbid("rollback.other-mailbox", pair.Source.String(),
		fmt.Sprintf("%s has got another mailbox (msExchMailboxGuid %s) than the one that was moved.", pair.Source.DN, pair.Source.MailboxGUID),
		"Find out whose mailbox that is. What has come to the target since can be copied once the old one is connected again.")}
}
