package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/reports"
)

type runOptions struct {
	*globalOptions
	yes      bool
	dryRun   bool
	badItems int64
}

func newRunCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &runOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "run BATCH",
		Short: "Move the mailboxes of a batch file, through all phases to the end",
		Long: `Move every mailbox of the batch file: match, stage, settle, open, copy, switch, clean
and verify. The file is a plain list, one identity a line, or a CSV file with the header
Identity or EmailAddress, TargetDatabase, BadItemLimit. The file's name is the batch's
name. A batch that has begun is locked: the next night's list needs another name.

A run may be stopped with Ctrl-C, or killed, and run again: it goes on where it was.
Mailboxes that failed are tried again.

EXIT STATUS
  0 every mailbox is moved; 3 some mailboxes or items need a person;
  4 preflight forbids the run, nothing was changed; 10 usage or configuration;
  11 another run is working on the store; 12 a server refused the credentials;
  130 interrupted, run it again to go on; 1 any other error`,
		Example: "  reforest run tonight.csv --dry-run\n  reforest run tonight.csv --yes",
		Args:    exactly(1, "one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), env, options, args[0])
		},
	}
	cmd.Flags().BoolVarP(&options.yes, "yes", "y", false, "do not ask before writing")
	cmd.Flags().BoolVar(&options.dryRun, "dry-run", false, "print what would be staged, and change nothing")
	cmd.Flags().Int64Var(&options.badItems, "bad-items", 0, "raise every mailbox's limit of skipped items to `N` for this run; -1: any number")
	return cmd
}

func runRun(ctx context.Context, env *environment, options *runOptions, path string) (err error) {
	if options.badItems < -1 {
		return usage(errors.New("--bad-items: want a number of items, or -1 for any number"))
	}
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	b, err := readBatch(c, path)
	if err != nil {
		return err
	}
	if options.dryRun {
		return dryRun(ctx, env, options, c, b)
	}
	if err := confirmed(ctx, env, options.yes, fmt.Sprintf("Move %d mailboxes of batch %q?", len(b.moves), b.Name)); err != nil {
		return err
	}
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
	return runLocked(ctx, env, options, c, st, b)
}

// runLocked runs the batch; the store is ours alone.
func runLocked(ctx context.Context, env *environment, options *runOptions, c *config, st *store.Store, b plannedBatch) error {
	if err := b.known(ctx, st); err != nil {
		return err
	}
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every write has been answered before
	if err := mayRun(ctx, env, c, conn, st, b); err != nil {
		return err
	}
	if err := st.Plan(ctx, b.Batch, b.moves); err != nil {
		return err
	}
	return newRunner(env, options, c, st, conn, b.Batch).run(ctx)
}

// mayRun makes the preflight and refuses the run if it forbids it. Once people of the
// batch are under way nothing but wrong credentials holds them up: who must not begin
// fails alone, with the same finding.
func mayRun(ctx context.Context, env *environment, c *config, conn *connection, st *store.Store, b plannedBatch) error {
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
	if err := st.SaveCheck(ctx, checkOf(b, p)); err != nil {
		return err
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

// A runner carries one run from beginning to end.
type runner struct {
	env     *environment
	options *runOptions
	config  *config
	store   *store.Store
	conn    *connection
	batch   batch.Batch
	id      batch.RunID
	show    *display
}

func newRunner(env *environment, options *runOptions, c *config, st *store.Store, conn *connection, b batch.Batch) *runner {
	r := &runner{env: env, options: options, config: c, store: st, conn: conn, batch: b}
	r.id = batch.RunID(time.Now().UTC().Format("2006-01-02T15-04-05.000Z"))
	r.show = newDisplay(env, options.json, st, b.ID)
	return r
}

// run moves the batch and reports on it. What happened is in the store before it
// returns.
func (r *runner) run(ctx context.Context) error {
	if err := r.store.Begin(ctx, batch.Run{ID: r.id, Batch: r.batch.ID, BeganAt: time.Now().UTC()}); err != nil {
		return err
	}
	stopShow := r.show.start(ctx)
	r.env.working.Store(true)
	failure := r.pool().Run(ctx, r.id, r.batch.ID)
	stopShow()
	// What has happened goes on record also when the run was interrupted.
	after := context.WithoutCancel(ctx)
	outcome, err := r.outcome(after, failure)
	if err := r.store.End(after, r.id, time.Now().UTC(), outcome); err != nil {
		return errors.Join(failure, err)
	}
	if err := r.report(after); err != nil {
		return errors.Join(failure, err)
	}
	return err
}

func (r *runner) pool() *batch.Pool {
	mover := batch.NewMover(batch.Config{
		Store: r.store, Directories: r.conn.directories, Mailboxes: r.conn.mailboxes,
		Interval: time.Duration(r.config.Retry.Interval), Attempts: r.config.Retry.Attempts,
		Drain: time.Duration(r.config.Switch.Drain), BadItems: r.options.badItems,
		Stopping: r.env.interrupt, Notify: r.show.event, Logger: newLogger(r.env),
	})
	return &batch.Pool{Store: r.store, Advance: mover.Advance, Workers: r.config.Limits.Moves, Stopping: r.env.interrupt}
}

// outcome judges the run by its moves, and returns the error to end with.
func (r *runner) outcome(ctx context.Context, failure error) (batch.Outcome, error) {
	if errors.Is(failure, errInterrupted) {
		return batch.Interrupted, errInterrupted
	}
	if failure != nil {
		return batch.Broken, failure
	}
	left, needy := 0, 0
	for move, err := range r.store.Moves(ctx, batch.Query{Batch: r.batch.ID}) {
		if err != nil {
			return batch.Broken, err
		}
		switch {
		case !move.State.Ended():
			left++
		case move.State != batch.Moved:
			needy++
		}
	}
	switch {
	case left > 0:
		return batch.Interrupted, errInterrupted
	case needy > 0:
		return batch.NeedsPerson, errNeedsPerson
	}
	return batch.Complete, nil
}

// report writes the run's reports and prints the table.
func (r *runner) report(ctx context.Context) error {
	report, err := reports.Build(ctx, r.store, r.id)
	if err != nil {
		return fmt.Errorf("build the report: %w", err)
	}
	paths, saveErr := report.Save(r.config.reportsPath())
	if saveErr != nil {
		saveErr = fmt.Errorf("%w; make it again with: reforest report %s", saveErr, r.id)
	}
	return errors.Join(r.show.summary(ctx, report, paths), saveErr)
}
