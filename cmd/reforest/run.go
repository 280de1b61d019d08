package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
)

// runOptions are those of every command that carries moves forward, or back.
type runOptions struct {
	*globalOptions
	kind     batch.RunKind // what the command does
	only     []string      // --only, as it was given
	yes      bool
	dryRun   bool
	badItems int64
}

// addFlags defines the flags that these commands share; dry says what --dry-run prints.
func (o *runOptions) addFlags(cmd *cobra.Command, dry string) {
	cmd.Flags().StringArrayVar(&o.only, "only", nil, "of the batch `WHO` alone, by any name that status knows; several: repeat it, or separate them by commas")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask before writing")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, dry)
	cmd.Flags().Int64Var(&o.badItems, "bad-items", 0, "raise every mailbox's limit of skipped items to `N` for this run; -1: any number")
}

// fit refuses values that mean nothing.
func (o *runOptions) fit() error {
	if o.badItems < -1 {
		return usage(errors.New("--bad-items: want a number of items, or -1 for any number"))
	}
	return nil
}

// batch reads the batch that the command is about. What only goes on with a batch takes its
// name as well as its file.
func (o *runOptions) batch(c *config, path string) (plannedBatch, error) {
	if o.kind == batch.RunSwitch || o.kind == batch.RunRollback {
		return namedBatch(c, path)
	}
	return readBatch(c, path)
}

// known takes over what the store, nil if there is none, has on record about the batch.
func (o *runOptions) known(ctx context.Context, st *store.Store, b *plannedBatch) error {
	switch {
	case o.kind == batch.RunSwitch || o.kind == batch.RunRollback:
		return b.begun(ctx, st)
	case st == nil:
		return nil
	}
	return b.known(ctx, st)
}

func newRunCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &runOptions{globalOptions: global, kind: batch.RunWhole}
	cmd := &cobra.Command{
		Use:   "run BATCH",
		Short: "Move the mailboxes of a batch file, through all phases to the end",
		Long: `Move every mailbox of the batch file: match, stage, settle, open, copy, switch, clean
and verify. The file is a plain list, one identity a line, or a CSV file with the header
Identity or EmailAddress, TargetDatabase, BadItemLimit. The file's name is the batch's
name. A batch that has begun is locked: the next night's list needs another name.

A run may be stopped with Ctrl-C, or killed, and run again: it goes on where it was.
Mailboxes that failed are tried again. Those that were rolled back stay where they are
unless --only names them: then they are moved again.

To do the same in two steps, content first and the switch on another night, see
"reforest sync" and "reforest switch".

EXIT STATUS
  0 every mailbox is moved, or was rolled back before; 3 some mailboxes or items need a
  person, are on the way back, or were not switched because of those who went first
  (switch.canary) or of too many failures (switch.stop_after); 4 preflight forbids the run, nothing was changed; 10 usage or
  configuration; 11 another run is working on the store; 12 a server refused the
  credentials; 130 interrupted, run it again to go on; 1 any other error`,
		Example: "  reforest run tonight.csv --dry-run\n  reforest run tonight.csv --yes\n  reforest run tonight.csv --only anna.berg@alpine.example",
		Args:    exactly(1, "one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), env, options, args[0])
		},
	}
	options.addFlags(cmd, "print what would be staged, and change nothing")
	return cmd
}

func runRun(ctx context.Context, env *environment, options *runOptions, path string) error {
	if err := options.fit(); err != nil {
		return err
	}
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	b, err := options.batch(c, path)
	if err != nil {
		return err
	}
	if options.dryRun {
		return dryRun(ctx, env, options, c, b)
	}
	if err := confirmed(ctx, env, options.yes, runQuestion(options, b)); err != nil {
		return err
	}
	return withOwnStore(ctx, c, func(st *store.Store) error { return runLocked(ctx, env, options, c, st, b) })
}

// runQuestion is what is asked before anything is written.
func runQuestion(options *runOptions, b plannedBatch) string {
	whom := fmt.Sprintf("%s of batch %q", mailboxesText(len(b.moves)), b.Name)
	switch {
	case len(options.only) > 0:
		whom = fmt.Sprintf("%s of batch %q", strings.Join(options.only, ", "), b.Name)
	case len(b.moves) == 0: // named without its file
		whom = fmt.Sprintf("the mailboxes of batch %q", b.Name)
	}
	switch options.kind {
	case batch.RunSync:
		return fmt.Sprintf("Bring the content of %s up to date?", whom)
	case batch.RunSwitch:
		return fmt.Sprintf("Switch who is ready of %s?", whom)
	case batch.RunRollback:
		return fmt.Sprintf("Roll back %s, as above?", whom)
	case batch.RunWhole:
	}
	return fmt.Sprintf("Move %s?", whom)
}

// withOwnStore locks the store, hands it to fn, and lets go of it.
func withOwnStore(ctx context.Context, c *config, fn func(*store.Store) error) (err error) {
	unlock, err := lockStore(ctx, c.storePath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	st, err := store.Open(ctx, store.Config{Path: c.storePath()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return fn(st)
}

// runLocked runs the batch; the store is ours alone.
func runLocked(ctx context.Context, env *environment, options *runOptions, c *config, st *store.Store, b plannedBatch) error {
	if err := options.known(ctx, st, &b); err != nil {
		return err
	}
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every write has been answered before
	p, err := pickFor(ctx, options, conn, st, b)
	if err != nil {
		return err
	}
	p.tell(env)
	if p.nobody() {
		return p.verdict(env)
	}
	if err := mayRun(ctx, env, c, conn, st, p); err != nil {
		return err
	}
	if err := st.Plan(ctx, b.Batch, b.moves); err != nil {
		return err
	}
	return newRunner(env, options, c, st, conn, p).run(ctx)
}

// mayRun makes the preflight and refuses the run if it forbids it. Once people of the
// batch are under way nothing but wrong credentials holds them up: who must not begin
// fails alone, with the same finding.
func mayRun(ctx context.Context, env *environment, c *config, conn *connection, st *store.Store, who pick) error {
	b := who.batch()
	if err := saysOfLastCheck(ctx, env, st, b); err != nil {
		return err
	}
	p, err := look(ctx, env, conn, st, b.moves)
	if e := migrate.AsError(err); err != nil && (!b.underWay() || e == nil || e.Auth || ctx.Err() != nil) {
		return err
	}
	if err != nil {
		env.say("Preflight could not be finished: %v. Those who are under way go on.", err)
		return nil
	}
	if !who.some { // a check of some is none of the batch
		if err := st.SaveCheck(ctx, checkOf(b, p)); err != nil {
			return err
		}
	}
	if err := printFindings(env.stderr, p.findings); err != nil {
		return err
	}
	asked := ask(env, c, p.looked, p.open)
	if b.underWay() {
		if asked != nil {
			env.say("%v. Those who are under way go on.", asked)
		}
		return nil
	}
	return errors.Join(p.forbidden(), asked)
}

// confirmed asks before anything is written, where somebody can answer.
func confirmed(ctx context.Context, env *environment, yes bool, question string) error {
	if yes {
		return nil
	}
	if !env.terminal {
		return usage(errors.New("nobody is here to ask; give --yes to write, or --dry-run to look"))
	}
	env.say("%s [y/N]", question)
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(env.stdin).ReadString('\n') // no answer is no
		answers <- answer
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case answer := <-answers:
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
			return nil
		}
	}
	return usage(errors.New("not confirmed; nothing was changed"))
}
