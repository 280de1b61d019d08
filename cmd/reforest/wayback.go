package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
	"reforest/reports"
)

// A wayBack plans the rollback of some moves, and shows it.
type wayBack struct {
	env     *environment
	options *runOptions
	conn    *connection
	store   *store.Store
	closes  bool // what a killed process left open may be closed: the store is ours
}

// show prints everybody's plan. An error with exit code 4 says that something forbids it
// for somebody.
func (w *wayBack) show(ctx context.Context, moves []batch.Move) error {
	forbidden := 0
	for _, move := range moves {
		if move.Phase == batch.PhaseRollback {
			w.env.say("%s is on the way back already, and goes on: %s.", printable(nameOf(move)), backStep(move))
			continue
		}
		plan, err := w.plan(ctx, move)
		if err != nil {
			return fmt.Errorf("plan the rollback of %s: %w", move.Identity, err)
		}
		forbidden += len(plan.Forbidden())
		if err := w.print(move, plan); err != nil {
			return err
		}
	}
	if forbidden > 0 {
		return &exitError{exitForbidden, fmt.Errorf("the rollback is forbidden: %s; nothing was changed", counted(forbidden, "finding"))}
	}
	return nil
}

func backStep(move batch.Move) string {
	return cmp.Or(reports.StepWords(move), "nothing is done yet")
}

// plan plans one rollback. What a killed process left open is closed before, or the plan
// would take our own change for somebody else's.
func (w *wayBack) plan(ctx context.Context, move batch.Move) (directory.Plan, error) {
	if move.SourceGUID.IsZero() || move.TargetGUID.IsZero() {
		return forbidding(migrate.Finding{
			Rule: "rollback.not-begun", Severity: migrate.Forbid, Whom: nameOf(move),
			What: fmt.Sprintf("It is %s, and nothing was changed for it yet.", move.State), Mend: "Leave it out.",
		}), nil
	}
	if err := w.closeOpen(ctx, move); err != nil {
		return directory.Plan{}, err
	}
	plan, err := batch.PlanRollback(ctx, w.conn.directories, w.store, move)
	var ambiguous *directory.AmbiguousError
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return forbidding(migrate.Finding{
			Rule: "rollback.gone", Severity: migrate.Forbid, Whom: nameOf(move),
			What: fmt.Sprintf("One of the two objects is gone (source %s %s, target %s %s).", move.SourceDN, move.SourceGUID, move.TargetDN, move.TargetGUID),
			Mend: "Restore it from the recycle bin: one that is made anew is another object.",
		}), nil
	case errors.As(err, &ambiguous):
		return forbidding(migrate.Finding{
			Rule: directory.AskSeveral, Severity: migrate.Forbid, Whom: nameOf(move), What: ambiguous.Error() + ".", Mend: "Decide it in the decision file.",
		}), nil
	case err != nil:
		return plan, err
	}
	plan.Findings = distinct(append(plan.Findings, forgotten(move, time.Now())...))
	return plan, nil
}

// forbidding is a plan that nothing comes of.
func forbidding(why migrate.Finding) directory.Plan {
	return directory.Plan{Findings: []migrate.Finding{why}}
}

// closeOpen closes what a killed process left open of the move's directory changes.
func (w *wayBack) closeOpen(ctx context.Context, move batch.Move) error {
	journal := w.store.Journals(batch.Claim{Move: move}).Changes
	if w.closes {
		return w.conn.directories.Resume(ctx, journal)
	}
	for change, err := range journal.Open(ctx) {
		if err != nil {
			return err
		}
		w.env.say("%s: it is not known whether the change of %s (%s) was carried out when the last run was killed; a rollback looks first. What is shown may differ by it.",
			printable(nameOf(move)), printable(string(change.DN)), printable(change.Why))
	}
	return nil
}

// forgotten warns that the source may not keep the mailbox any more.
func forgotten(move batch.Move, now time.Time) []migrate.Finding {
	if move.KeptUntil.IsZero() || now.Before(move.KeptUntil) {
		return nil
	}
	return []migrate.Finding{{
		Rule: "rollback.forgotten", Severity: migrate.Warn, Whom: nameOf(move),
		What: fmt.Sprintf("The source has kept the disconnected mailbox until %s, and may have forgotten it since.", move.KeptUntil.Local().Format(time.DateOnly)),
		Mend: "See whether it is there; a rollback stops by itself where it is empty, and goes no further before it is restored.",
	}}
}

// print shows one person's plan: whom it is about, every change, and what was found.
func (w *wayBack) print(move batch.Move, plan directory.Plan) error {
	if w.options.json {
		line := planLine("roll back", directory.Pair{}, plan)
		line["source"], line["target"], line["person"], line["identity"] = move.SourceDN, move.TargetDN, move.SourceGUID, move.Identity
		return json.NewEncoder(w.env.stdout).Encode(line)
	}
	text := fmt.Sprintf("roll back: %s (%s), %s\n", nameOf(move), move.SourceDN, move.State)
	if len(plan.Forbidden()) == 0 {
		text += planText("", directory.Pair{}, plan)
	}
	if len(plan.Changes) == 0 && len(plan.Forbidden()) == 0 {
		text += "  nothing to change in the directories\n"
	}
	if _, err := fmt.Fprint(w.env.stdout, text); err != nil {
		return err
	}
	return tellFindings(w.env, w.options, plan.Findings)
}
