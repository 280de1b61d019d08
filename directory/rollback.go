package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"reforest/migrate"
)

// CheckRollback reads both sides again and returns what stands in the way of a rollback,
// read only. changes are what the move has committed, oldest first. Whatever somebody else
// has set since the move did is named and never written over.
func (d *Directories) CheckRollback(ctx context.Context, pair Pair, changes []Change) ([]migrate.Finding, error) {
	pair, gone, err := d.reloadBoth(ctx, pair)
	if err != nil || len(gone) > 0 {
		return gone, err
	}
	findings := slices.Concat(d.checkReturn(pair, changes), d.checkTarget(pair, changes))
	let, err := d.PlanLetIn(ctx, pair, changes)
	if err != nil {
		return nil, err
	}
	findings = append(findings, let.Findings...)
	missing, err := d.checkHome(ctx, pair, changes)
	if err != nil {
		return nil, err
	}
	findings = append(findings, missing...)
	if len(Plan{Findings: findings}.Forbidden()) > 0 {
		return findings, nil
	}
	plan, err := d.wayBack(ctx, pair, changes)
	if err != nil {
		return nil, err
	}
	rights, err := d.mayWrite(ctx, "rollback.no-right", pair, plan)
	return distinctFindings(slices.Concat(findings, plan.Findings, rights)), err
}

// reloadBoth reads both sides again; one that is gone is a finding.
func (d *Directories) reloadBoth(ctx context.Context, pair Pair) (Pair, []migrate.Finding, error) {
	source, err := d.Source.byGUID(ctx, pair.Source.GUID)
	if errors.Is(err, ErrNotFound) {
		return pair, []migrate.Finding{forbid("rollback.gone", pair.Source.String(),
			fmt.Sprintf("%s is gone from the source forest: there is nobody to give the mailbox back to.", pair.Source.DN),
			"Restore it from the recycle bin, then roll back.")}, nil
	}
	if err != nil {
		return pair, nil, fmt.Errorf("read source %q again: %w", pair.Source.DN, err)
	}
	pair.Source = source
	if pair.Target == nil {
		return pair, d.checkGone(pair), nil
	}
	target, err := d.Target.byGUID(ctx, pair.Target.GUID)
	if errors.Is(err, ErrNotFound) {
		return pair, d.checkGone(pair), nil
	}
	if err != nil {
		return pair, nil, fmt.Errorf("read target %q again: %w", pair.Target.DN, err)
	}
	pair.Target = target
	return pair, nil, nil
}

// checkTarget looks at what the way back writes of the target.
func (d *Directories) checkTarget(pair Pair, changes []Change) []migrate.Finding {
	findings := d.changedSince(Target, pair.Target, trailTakes.trail(changes), func(string) bool { return true })
	findings = append(findings, d.changedSince(Target, pair.Target, trailOpened.trail(changes), closes)...)
	if pair.Target.IsMailbox() {
		findings = append(findings, d.admin().May(Target)...)
		findings = append(findings, d.checkLost(pair, changes)...)
	}
	return findings
}

// checkLost names settings of the target's mailbox that others have made: they go with it,
// and only the journal knows them then.
func (d *Directories) checkLost(pair Pair, changes []Change) []migrate.Finding {
	var findings []migrate.Finding
	opened := trailOpened.trail(changes)
	for _, attr := range mailboxAttrs {
		if _, ours := opened.of(pair.Target.Entry, attr); ours || d.acts() || !pair.Target.Entry.Has(attr) {
			continue
		}
		findings = append(findings, warn("rollback.goes-along", pair.Source.String(),
			fmt.Sprintf("%s of %s is %s, which the move did not set; it goes with the mailbox.", attr, pair.Target.DN, shown(attr, pair.Target.Entry.Bytes(attr))),
			"Set it again if the mailbox is moved once more; it stands in the journal."))
	}
	return findings
}

// checkHome refuses to connect a mailbox to a database that is gone.
func (d *Directories) checkHome(ctx context.Context, pair Pair, changes []Change) ([]migrate.Finding, error) {
	for _, m := range MailboxWas(pair.Source, changes) {
		if m.Attr != attrHomeMDB || len(m.Values) == 0 || pair.Source.HomeMDB != "" || d.acts() {
			continue
		}
		database := DN(m.Values[0])
		_, err := d.Source.Reader.Get(ctx, database, "cn")
		if errors.Is(err, ErrNotFound) {
			return []migrate.Finding{forbid("rollback.database-gone", pair.Source.String(),
				fmt.Sprintf("The database %s, where the source's mailbox was, is gone.", database),
				"Restore the database and mount it under its name, then roll back.")}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for database %q: %w", database, err)
		}
	}
	return nil, nil
}

// PlanRollback plans the whole of a rollback, in the order of its steps, to be looked at:
// PlanReturn, PlanSendBack, PlanClose, PlanLetIn, each from what the one before will have
// made of both sides. The copying back between them is no change of the directory. What
// CheckRollback forbids forbids it. It is not to be carried out as a whole.
func (d *Directories) PlanRollback(ctx context.Context, pair Pair, changes []Change) (Plan, error) {
	findings, err := d.CheckRollback(ctx, pair, changes)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Findings: findings}
	if len(plan.Forbidden()) > 0 {
		return plan, nil
	}
	if pair, err = d.Reload(ctx, pair); err != nil {
		return Plan{}, err
	}
	whole, err := d.wayBack(ctx, pair, changes)
	whole.Findings = distinctFindings(slices.Concat(findings, whole.Findings))
	return whole, err
}

// wayBack is PlanRollback of what was read.
func (d *Directories) wayBack(ctx context.Context, pair Pair, changes []Change) (Plan, error) {
	looking := d.Looking()
	var whole Plan
	for _, step := range []func(context.Context, Pair, []Change) (Plan, error){
		looking.PlanReturn, looking.PlanSendBack, looking.PlanClose, looking.PlanLetIn,
	} {
		plan, err := step(ctx, pair, changes)
		if err != nil {
			return Plan{}, err
		}
		whole.Changes = append(whole.Changes, plan.Changes...)
		whole.Findings = append(whole.Findings, plan.Findings...)
		whole.Spots = append(whole.Spots, plan.Spots...)
		if len(plan.Forbidden()) > 0 {
			return whole, nil
		}
		if pair, err = pair.after(plan.Changes); err != nil {
			return Plan{}, err
		}
		if d.acts() && !pair.Source.IsMailbox() { // the mail system is only asked later
			again := *pair.Source
			again.HomeMDB = d.Source.Info.ConfigNC // any name will do for one that has a mailbox
			pair.Source = &again
		}
	}
	return whole, nil
}

// after returns the pair as the changes will leave it.
func (p Pair) after(changes []Change) (Pair, error) {
	var err error
	for _, change := range changes {
		who := &p.Source
		if change.Forest == Target {
			who = &p.Target
		}
		if change.Op != Modify || *who == nil || !(*who).DN.Equal(change.DN) {
			continue
		}
		if *who, err = ParseRecipient((*who).Entry.after(change.Mods)); err != nil {
			return p, err
		}
	}
	return p, nil
}

// after returns the entry as the mods will leave it.
func (e *Entry) after(mods []Mod) *Entry {
	now := &Entry{DN: e.DN, attrs: maps.Clone(e.attrs)}
	for _, mod := range mods {
		key := strings.ToLower(mod.Attr)
		values := mod.applied(now.Bytes(mod.Attr))
		if len(values) == 0 {
			delete(now.attrs, key)
			continue
		}
		now.attrs[key] = attribute{mod.Attr, values}
	}
	return now
}
