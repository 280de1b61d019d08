package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

func newSwitchCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &runOptions{globalOptions: global, kind: batch.RunSwitch}
	cmd := &cobra.Command{
		Use:   "switch BATCH",
		Short: "Switch those of a batch who are Ready, and finish their moves",
		Long: `Switch everybody of the batch whom "reforest sync" has made Ready: the target delivers,
the source forwards, late mail is fetched until nothing more comes, and only then is the
source mailbox disconnected; nothing is deleted. Permissions are cleaned and both sides
compared. Who is not ready is named and left. The batch is given by its file or its name.

Before a switch begins everything that it needs is looked at: both directories, what our
account may write, holds, the way of the mail, room at the target, and what is left to
copy ("switch" in the configuration). Until the source forwards, a switch that cannot go
on steps back by itself, and mail goes on reaching the source. With switch.canary the
first of the batch go first; with switch.stop_after no further switch begins once so many
have failed.

A switch can be taken back: see "reforest rollback".

EXIT STATUS
  0 all who were ready are switched; 3 some mailboxes need a person, were not switched
  because of those who went first or of too many failures, or nobody is ready;
  10 usage or configuration; 11 another run is working on the store; 12 a server refused
  the credentials; 130 interrupted, run it again to go on; 1 any other error`,
		Example: "  reforest switch tonight.csv --dry-run\n  reforest switch tonight --yes\n  reforest switch tonight --only anna.berg@alpine.example",
		Args:    exactly(1, "one batch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), env, options, args[0])
		},
	}
	options.addFlags(cmd, "print what a switch would change in the directories now and what forbids that, and change nothing")
	return cmd
}

// printSwitches prints what the switch of everybody who is ready would change.
func printSwitches(ctx context.Context, env *environment, options *runOptions, conn *connection, who pick) error {
	stopped := 0
	for _, move := range who.moves {
		if switchBegun(move) {
			env.say("%s: the switch has begun, and goes on (%s %s).", printable(nameOf(move)), move.Phase, move.Step)
			continue
		}
		pair, plan, err := planSwitch(ctx, conn.directories, move)
		if err != nil {
			return fmt.Errorf("plan the switch of %s: %w", move.Identity, err)
		}
		if len(plan.Forbidden()) > 0 {
			stopped++
		}
		if err := printPlan(env, options, "switch", pair, plan); err != nil {
			return err
		}
		if err := tellFindings(env, options, plan.Findings); err != nil {
			return err
		}
	}
	if who.nobody() {
		return who.verdict(env)
	}
	env.say("Content would be brought up to date before, and late mail fetched between. Whose turn it is, what is left to copy, room at the target and the way of the mail are looked at when the switch begins, and not here. Nothing was changed.")
	if stopped > 0 {
		return &exitError{exitNeedsPerson, fmt.Errorf("%s cannot be switched as things are", mailboxesText(stopped))}
	}
	return nil
}

// planSwitch plans the switch of one move, by what it knows both sides by.
func planSwitch(ctx context.Context, d *directory.Directories, move batch.Move) (pair directory.Pair, plan directory.Plan, err error) {
	source, err := d.Resolve(ctx, move.SourceGUID.String())
	if err == nil {
		pair, err = d.Match(ctx, source, move.TargetGUID)
	}
	if err == nil {
		plan, err = d.PlanSwitch(ctx, pair)
	}
	return pair, plan, err
}

// tellFindings prints what was found about a plan that is shown in text; --json has it in
// the plan.
func tellFindings(env *environment, options *runOptions, findings []migrate.Finding) error {
	if options.json {
		return nil
	}
	for _, f := range findings {
		if _, err := fmt.Fprintf(env.stdout, "  %s\n", printable(f.String())); err != nil {
			return err
		}
	}
	return nil
}
