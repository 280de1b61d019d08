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
	return d.verifyBy(ctx, pair, findings,
		func(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
			return d.verifyDatabase(ctx, pair, database)
		},
		d.verifyRights, d.compareWithPlan, d.always)
}

// VerifyStaged reads both sides again and compares them with how they must be once a
// person is staged and before the mailbox is switched: the source has the mailbox, and
// the target sends mail to it.
func (d *Directories) VerifyStaged(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	if pair.Target == nil {
		return []migrate.Finding{forbid("verify.no-target", pair.Source.String(),
			"Nothing stands for the source at the target.", "Stage the move.")}, nil
	}
	pair, err := d.Reload(ctx, pair)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return d.verifyBy(ctx, pair, slices.Concat(d.verifyWaiting(pair), d.verifyNames(pair)), d.compareWithPlan, d.always)
}

// verifyBy adds what the rules find.
func (d *Directories) verifyBy(ctx context.Context, pair Pair, findings []migrate.Finding, rules ...func(context.Context, Pair) ([]migrate.Finding, error)) ([]migrate.Finding, error) {
	for _, rule := range rules {
		found, err := rule(ctx, pair)
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		findings = append(findings, found...)
	}
	return distinctFindings(findings), nil
}

// verifyWaiting looks at the mail flow of a person whose mailbox is still the source's.
func (d *Directories) verifyWaiting(pair Pair) []migrate.Finding {
	var findings []migrate.Finding
	source, target, whom := pair.Source, pair.Target, pair.Source.String()
	if !source.IsMailbox() {
		findings = append(findings, forbid("verify.source-lost", whom,
			fmt.Sprintf("%s has no mailbox any more (homeMDB), and the move has not switched it.", source.DN),
			"Connect the source mailbox again before the move goes on."))
	}
	delivers := target.IsMailbox() && target.TargetAddress == "" // its switch has begun
	if addr := target.forwardsTo(); !delivers && addr.Key() != d.sourceAddress(source).Key() && !source.Proxies.HasSMTP(addr) {
		findings = append(findings, forbid("verify.target-not-forwarding", whom,
			fmt.Sprintf("targetAddress of %s is %q, not an address of the source: mail from the target does not reach the mailbox.", target.DN, target.TargetAddress),
			"Stage the move again."))
	}
	return findings
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
	details, display := d.openedTypes(pair)
	if target.TypeDetails != details || target.DisplayType != display {
		findings = append(findings, warn("verify.target-type", whom,
			fmt.Sprintf("The recipient types are %d and %d; a %s mailbox has %d and %d.",
				target.TypeDetails, target.DisplayType, pair.kind(), details, display), "Set them."))
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

// verifyRights looks for legacy permissions that are still there, and for those of twins
// that are not. Those that are kept for now are told of as such.
func (d *Directories) verifyRights(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
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
