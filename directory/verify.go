package directory

import (
	"context"
	"fmt"
	"slices"

	"reforest/migrate"
)

// Verify reads both sides again and compares them with how they must be after a whole
// move. What would lose mail or access has severity Forbid.
func (d *Directories) Verify(ctx context.Context, pair Pair, database string) ([]migrate.Finding, error) {
	if pair.Target == nil {
		return []migrate.Finding{forbid("verify.no-target", pair.Source.String(),
			"Nothing stands for the source at the target.", "Stage the move.")}, nil
	}
	pair, err := d.Reload(ctx, pair)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	findings := slices.Concat(d.verifyTarget(pair), d.verifySource(pair), d.verifyNames(pair))
	for _, look := range []func(context.Context, Pair, string) ([]migrate.Finding, error){
		d.verifyDatabase, d.verifySplit, d.verifyRights,
	} {
		found, err := look(ctx, pair, database)
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (d *Directories) verifyTarget(pair Pair) []migrate.Finding {
	var findings []migrate.Finding
	target, whom := pair.Target, pair.Target.String()
	if !target.IsMailbox() {
		findings = append(findings, forbid("verify.target-mailbox", whom, "The target has no mailbox.", "Open it."))
	}
	if target.TargetAddress != "" {
		findings = append(findings, forbid("verify.target-forwards", whom,
			fmt.Sprintf("The target mailbox still sends its mail to %s.", target.TargetAddress), "Clear its targetAddress."))
	}
	details, display := mailboxTypes(pair.Source.Kind())
	if target.TypeDetails != details || target.DisplayType != display {
		findings = append(findings, warn("verify.target-type", whom,
			fmt.Sprintf("The recipient types are %d and %d; a %s mailbox has %d and %d.",
				target.TypeDetails, target.DisplayType, pair.Source.Kind(), details, display), "Set them."))
	}
	if n := len(target.Proxies.primaries()); n != 1 {
		findings = append(findings, forbid("verify.primary", whom,
			fmt.Sprintf("%d of the target's SMTP addresses are marked as primary.", n), "Mark exactly one."))
	}
	return findings
}

func (d *Directories) verifySource(pair Pair) []migrate.Finding {
	var findings []migrate.Finding
	source, whom := pair.Source, pair.Source.String()
	if source.IsMailbox() {
		findings = append(findings, forbid("verify.source-mailbox", whom,
			"The source is still connected to its mailbox.", "Disconnect it."))
	}
	if !d.routes(source) {
		findings = append(findings, forbid("verify.source-forwards", whom,
			fmt.Sprintf("The source sends its mail to %q, not to %s.", source.TargetAddress, d.routingAddress(source)),
			"Set its targetAddress."))
	}
	if !pair.Target.Proxies.HasSMTP(d.routingAddress(source)) {
		findings = append(findings, forbid("routing.missing", whom,
			fmt.Sprintf("The target does not have the address %s, to which the source forwards.", d.routingAddress(source)),
			"Add it to the target."))
	}
	if source.TypeDetails != typeMailUser {
		findings = append(findings, warn("verify.source-type", whom,
			fmt.Sprintf("The recipient type is %d; a mail user has %d.", source.TypeDetails, typeMailUser), "Set it."))
	}
	return findings
}

// verifyNames compares the names each side is known by: every one of the source's is
// the target's, and every X500 name of the target is the source's.
func (d *Directories) verifyNames(pair Pair) []migrate.Finding {
	var findings []migrate.Finding
	for _, value := range d.targetProxies(pair.Source, pair.Target.Legacy) {
		if !pair.Target.Proxies.has(value) {
			findings = append(findings, forbid(missingRule(value), pair.Target.String(),
				fmt.Sprintf("The target does not have the source's address %s.", value), "Stage the move again."))
		}
	}
	for _, name := range pair.Target.x500() {
		if name.Key() != pair.Source.Legacy.Key() && !pair.Source.Proxies.HasX500(name) {
			findings = append(findings, forbid("x500.missing", pair.Source.String(),
				fmt.Sprintf("The source does not have the target's name %s as X500.", name), "Stage the move again."))
		}
	}
	return findings
}

func missingRule(value string) string {
	if kind, _ := splitProxy(value); kind == "x500" {
		return "x500.missing"
	}
	return "address.missing"
}

// verifyDatabase compares the target's database with the one that was asked for. An
// administrator may have moved the mailbox since, so that is only worth a look.
func (d *Directories) verifyDatabase(ctx context.Context, pair Pair, database string) ([]migrate.Finding, error) {
	dn, findings, err := d.database(ctx, pair, database)
	if err != nil || len(findings) > 0 {
		return findings, err
	}
	if pair.Target.HomeMDB != "" && !pair.Target.HomeMDB.Equal(dn) {
		return []migrate.Finding{warn("verify.database", pair.Target.String(),
			fmt.Sprintf("The mailbox is on %s, not on %s.", pair.Target.HomeMDB.Name(), dn.Name()),
			"Check that it was moved there on purpose.")}, nil
	}
	return nil, nil
}

// verifySplit looks for a second object that claims the same mailbox: mail goes to the
// one, and the owner looks into the other.
func (d *Directories) verifySplit(ctx context.Context, pair Pair, _ string) ([]migrate.Finding, error) {
	guid := pair.Target.MailboxGUID
	if guid.IsZero() {
		return nil, nil
	}
	found, err := d.Target.ask(ctx, question{
		filter:  EqBytes(attrMailboxGUID, guid[:]),
		keys:    []nameKey{keyOf(keyMailbox, string(guid[:]))},
		answers: func(r *Recipient) bool { return r.MailboxGUID == guid && !r.same(pair.Target) },
	})
	var findings []migrate.Finding
	for _, other := range found {
		findings = append(findings, forbid("verify.split", string(other.DN),
			fmt.Sprintf("It claims the same mailbox %s as %s.", guid, pair.Target.DN), "Clear msExchMailboxGuid of the wrong one."))
	}
	return findings, err
}

// verifyRights looks for legacy permissions that are still there, and for those of twins
// that are not. Those that are kept for now are told of as such.
func (d *Directories) verifyRights(ctx context.Context, pair Pair, _ string) ([]migrate.Finding, error) {
	mode, wrong := d.permissionMode()
	if mode == KeepPermissions || len(wrong) > 0 {
		return wrong, nil
	}
	r, err := d.readRights(ctx, pair, mode)
	if err != nil {
		return nil, err
	}
	return slices.Concat(r.kept(), r.left(), r.lost()), nil
}
