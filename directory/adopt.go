package directory

import (
	"context"
	"errors"
	"fmt"

	"reforest/migrate"
)

// checkMatch looks at what was found at the target. Nothing of the target is changed
// that does not carry our mark, unless an earlier step of the move, the operator or a
// rule that the operator trusts says whose it is. A mailbox is another person's unless
// this move is known to have made or found it.
func (d *Directories) checkMatch(pair Pair) []migrate.Finding {
	findings := append([]migrate.Finding(nil), pair.noticed...)
	if pair.Choice == Leave {
		return append(findings, forbid("match.left", pair.Source.String(), "It is left out by the decision file.",
			"Take it off the batch, or change the decision."))
	}
	if pair.Target == nil {
		return findings
	}
	if wrong := d.checkClass(pair); len(wrong) > 0 {
		return append(findings, wrong...)
	}
	if !pair.Ours && pair.Evidence != EvidenceTwin {
		findings = append(findings, forbid(AskAdopt, pair.Source.String(),
			fmt.Sprintf("%s matches it at the target (%s), and is not to be changed by that alone: it does not carry our mark.", pair.Target.DN, pair.Evidence),
			fmt.Sprintf("Decide it in the decision file, or list %s under match.adopt.", pair.Rule)))
	}
	return findings
}

// checkClass refuses what cannot stand for the source object, whoever says so.
func (d *Directories) checkClass(pair Pair) []migrate.Finding {
	target, want := pair.Target, d.twinClass(pair.Source)
	what := fmt.Sprintf("%s stands for it at the target (%s) and is a ", target.DN, pair.Evidence)
	switch {
	case target.Class == want && target.IsMailbox() && !d.own(pair):
		return []migrate.Finding{forbid("match.mailbox", pair.Source.String(), what+"mailbox already.",
			"Find out whose it is: remove the shared address, or take the person off the batch.")}
	case target.Class == want:
		return nil
	case target.Class == ClassGroup:
		return []migrate.Finding{forbid("match.group", pair.Source.String(), what+"group.",
			"Take the shared address off the group, or rename it.")}
	}
	return []migrate.Finding{forbid("match.class", pair.Source.String(),
		fmt.Sprintf("%s%s, where a %s is wanted.", what, target.Class, want),
		"Take what they share off it, or replace it by hand with an object of the right class.")}
}

// own reports whether the target mailbox is this move's: its twin from an earlier step,
// one that carries our mark for the source, or one that bears the GUID that only this
// source can have brought about; where Exchange moves the mailboxes that is the source's
// own.
func (d *Directories) own(pair Pair) bool {
	byExchange := d.Rules.ExchangeMoves && !pair.Target.MailboxGUID.IsZero() && pair.Target.MailboxGUID == pair.Source.MailboxGUID
	return pair.Evidence == EvidenceTwin || pair.Rule == MatchMark || byExchange || pair.Target.MailboxGUID == mailboxGUID(pair)
}

// reloadContact reads the contact again. It is nil once it is gone or has been replaced.
func (d *Directories) reloadContact(ctx context.Context, contact *Recipient) (*Recipient, error) {
	if contact == nil {
		return nil, nil
	}
	again, err := d.Target.byGUID(ctx, contact.GUID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read contact %q again: %w", contact.DN, err)
	case again.isRetired():
		return nil, nil
	}
	return again, nil
}
