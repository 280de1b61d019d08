package directory

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"reforest/migrate"
)

// PlanClose plans that the target becomes the staged mail user again, in one modification.
// It keeps targetAddress, mark, addresses and X500, and the GUID of its mailbox; the
// permissions on it stay translated. An account that was enabled with the mailbox is
// disabled, as it was before. changes are what the move has committed, oldest first. It is
// forbidden as long as mail would get lost by it.
func (d *Directories) PlanClose(ctx context.Context, pair Pair, changes []Change) (Plan, error) {
	if stop := d.checkClose(pair, changes); len(stop) > 0 {
		return Plan{Findings: stop}, nil
	}
	part, target, err := d.handed(ctx, Target, pair.Target, false, func() (Plan, error) {
		return d.admin().Disconnect(ctx, Target, pair.Target)
	})
	if err != nil {
		return Plan{}, fmt.Errorf("disconnect the mailbox of %q: %w", pair.Target.DN, err)
	}
	var plan Plan
	e := edit{entry: target.Entry}
	e.join(&plan, Target, part)
	if len(plan.Forbidden()) > 0 {
		return Plan{Findings: plan.Findings}, nil
	}
	if d.acts() {
		e.keepNames(pair.Target)
		e.from("as before").fillText(attrTargetAddress, cmp.Or(pair.Target.TargetAddress, d.wayToSource(pair, changes)))
	}
	e.watch(attrHomeMDB, attrHomeServer, attrAccountControl, attrMasterSID)
	d.unmake(&e, pair, trailOpened.trail(changes))
	plan.Findings = append(plan.Findings, shutAccount(&e, pair, trailOpened.trail(changes))...)
	e.addTo(&plan, Target, whyClose)
	return plan, nil
}

// unmake asks for what makes a mail user of the target beside that it has no mailbox.
func (d *Directories) unmake(e *edit, pair Pair, opened trail) {
	if f, set := opened.of(e.entry, attrMasterSID); set {
		e.from("as before it was opened").restore(f.attr, f.was)
		pair.Target = pair.Target.withMaster(f.was)
	}
	e.from("constant").setText(attrTypeDetails, number(typeMailUser))
	e.from("constant").setText(attrDisplayType, number(d.stagedDisplay(pair)))
}

// withMaster returns a copy that belongs to the account.
func (r *Recipient) withMaster(values [][]byte) *Recipient {
	again := *r
	again.MasterSID = ""
	if len(values) > 0 {
		again.MasterSID, _ = migrate.SIDFromBytes(values[0]) // ParseRecipient has read it before
	}
	return &again
}

// shutAccount disables an account that was enabled with the mailbox. That nobody set its
// password shows in pwdLastSet, which is 0 again: so it gets another when the mailbox is
// opened once more. Further bits of userAccountControl are somebody else's.
func shutAccount(e *edit, pair Pair, opened trail) []migrate.Finding {
	if !opened.has(RandomPassword) {
		return nil
	}
	before := int64(accountDisabled)
	if f, set := opened.of(e.entry, attrAccountControl); set && len(f.was) == 1 {
		was, _ := strconv.ParseInt(string(f.was[0]), 10, 64) // a server's own number
		before |= was & accountOpen
	}
	control, _ := strconv.ParseInt(e.entry.First(attrAccountControl), 10, 64) // ParseRecipient has read it
	e.from("as before it was opened").setText(attrAccountControl, number(control|before))
	e.from("as before it was opened").setText(attrPasswordSet, "0")
	return []migrate.Finding{note("rollback.account", pair.Source.String(),
		fmt.Sprintf("The account %s, which was enabled with the mailbox, is disabled again; a password that it was given since is no longer of use.", pair.Target.DN))}
}

// checkClose refuses to take a mailbox away that still gets mail, or that is not ours to
// take.
func (d *Directories) checkClose(pair Pair, changes []Change) []migrate.Finding {
	whom := pair.Source.String()
	switch {
	case pair.Target == nil:
		return d.checkGone(pair)
	case !d.takesMail(pair):
		return []migrate.Finding{forbid("close.source", whom,
			"The source does not deliver mail: without the target's mailbox nobody would.", "Let the source deliver first.")}
	case pair.Target.TargetAddress == "" && (pair.Target.IsMailbox() || !d.acts()): // else it went with the mailbox
		return []migrate.Finding{forbid("close.delivers", whom,
			"The target still delivers mail; without a mailbox it would bounce.", "Let the target send its mail to the source first.")}
	}
	stop := d.checkMatch(pair)
	if pair.Target.IsMailbox() {
		stop = append(stop, d.admin().May(Target)...)
	}
	return append(stop, d.changedSince(Target, pair.Target, trailOpened.trail(changes), closes)...)
}

// closes reports whether the way back writes over the attribute of the target. Of the
// account it takes bits alone, and the GUID stays.
func closes(attr string) bool {
	return attr != attrAccountControl && attr != attrMailboxGUID && attr != attrVersion
}

// checkGone tells that nothing stands for the source at the target.
func (d *Directories) checkGone(pair Pair) []migrate.Finding {
	return []migrate.Finding{forbid("rollback.gone", pair.Source.String(),
		"The target object is gone, and with it what arrived there.", "Restore it from the recycle bin, then roll back.")}
}
