package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
)

func newRollbackCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &runOptions{globalOptions: global, kind: batch.RunRollback}
	cmd := &cobra.Command{
		Use:   "rollback BATCH --only WHO",
		Short: "Take the switch of some people back: the source is their mailbox again",
		Long: `Take back the move of those whom --only names, wherever it has come to: the source gets
its mailbox back and delivers again, the target forwards to it, what arrived or changed at
the target since is copied back, and then the target is a mail user again. X500 names,
addresses and cleaned permissions stay. The batch is given by its file or its name.

The plan is shown first, person by person: what would be written to either directory, and
what was found. Nothing is written for anybody if somebody else has since changed what
would be written for one of them, or if it is not allowed or not possible: the finding
names the forest, the object and the attribute.

Every step is journalled. It may be stopped or killed and run again: who is on the way
back already goes on. As long as nothing has been taken back for somebody, "reforest run"
with --only gives the rollback up. Who is rolled back can be moved again: name them with
--only to "reforest sync" or "reforest run".

A mailbox can be taken back as long as the source keeps it, which "reforest status" tells.

EXIT STATUS
  0 all who were named are rolled back, or would be; 3 some need a person; 4 something
  forbids it, nothing was changed; 10 usage or configuration; 11 another run is working
  on the store; 12 a server refused the credentials; 130 interrupted, run it again to go
  on; 1 any other error`,
		Example: "  reforest rollback tonight --only anna.berg@alpine.example --dry-run\n  reforest rollback tonight.csv --only anna.berg@alpine.example --yes",
		Args:    exactly(1, "one batch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRollback(cmd.Context(), env, options, args[0])
		},
	}
	options.addFlags(cmd, "print what would be changed and what forbids it, and change nothing")
	return cmd
}

func runRollback(ctx context.Context, env *environment, options *runOptions, name string) error {
	if err := options.fit(); err != nil {
		return err
	}
	if len(options.only) == 0 {
		return usage(errors.New("rollback takes back whom you name, and nobody else: give --only WHO"))
	}
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	b, err := options.batch(c, name)
	if err != nil {
		return err
	}
	if options.dryRun {
		return lookOnly(ctx, env, options, c, b, func(conn *connection, st *store.Store, who pick) error {
			return rollbackDryRun(ctx, env, options, conn, st, who)
		})
	}
	return withOwnStore(ctx, c, func(st *store.Store) error { return rollbackLocked(ctx, env, options, c, st, b) })
}

// rollbackLocked shows the plan, asks, and carries it out; the store is ours alone.
func rollbackLocked(ctx context.Context, env *environment, options *runOptions, c *config, st *store.Store, b plannedBatch) error {
	if err := options.known(ctx, st, &b); err != nil {
		return err
	}
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every write has been answered before
	who, err := pickFor(ctx, options, conn, st, b)
	if err != nil {
		return err
	}
	who.tell(env)
	if who.nobody() {
		return who.verdict(env)
	}
	plans := wayBack{env: env, options: options, conn: conn, store: st, closes: true}
	if err := plans.show(ctx, who.moves); err != nil {
		return err
	}
	if err := confirmed(ctx, env, options.yes, runQuestion(options, b)); err != nil {
		return err
	}
	return newRunner(env, options, c, st, conn, who).run(ctx)
}

func rollbackDryRun(ctx context.Context, env *environment, options *runOptions, conn *connection, st *store.Store, who pick) error {
	if who.nobody() {
		return who.verdict(env)
	}
	plans := wayBack{env: env, options: options, conn: conn, store: st}
	if err := plans.show(ctx, who.moves); err != nil {
		return err
	}
	env.say("What has arrived or changed at the target since would be copied back between. Nothing was changed.")
	return nil
}
