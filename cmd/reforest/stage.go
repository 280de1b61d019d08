package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
)

type stageOptions struct {
	*globalOptions
	all    bool
	undo   bool
	dryRun bool
	yes    bool
}

func newStageCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &stageOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "stage BATCH | stage --all",
		Short: "Make people known at the target, with X500 addresses both ways, before anyone moves",
		Long: `Pre-stage the mailboxes of a batch file, or with --all every recipient of the source
that the configuration selects under "stage": mailboxes, mail users, contacts and groups.
Each gets an object at the target that sends its mail to the source, with every address
it has; what the target is called goes back to the source as X500. Links (managers,
delegates, members) lead to the twins of their ends. A second run changes nothing.

With --dry-run nothing is written to either forest, and what would be is printed: what is
to be added, what has changed since, and which objects at the target have lost their
source. Run nightly with --all it is the drift report. Where the account may not write
what would be written it says so, with the command that grants it.

Whom only a person can tell apart is asked in the decision file (match.decisions).

With --undo what staging did is taken back on both sides, as the journal has it. Whoever
has a mailbox at the target already is left alone, and so is what somebody else has
changed since.

EXIT STATUS
  0 all is staged, or would be; 3 some recipients need a person; 4 the forests forbid it,
  nothing was changed; 10 usage or configuration; 11 another run is working on the store;
  12 a server refused the credentials; 130 interrupted, run it again to go on;
  1 any other error`,
		Example: "  reforest stage tonight.csv --dry-run\n  reforest stage --all --yes\n  reforest stage tonight.csv --undo",
		Args:    between(0, 1, "one batch file, or --all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStage(cmd.Context(), env, options, args)
		},
	}
	cmd.Flags().BoolVar(&options.all, "all", false, "every recipient of the source that is selected")
	cmd.Flags().BoolVar(&options.undo, "undo", false, "take back what staging did")
	cmd.Flags().BoolVar(&options.dryRun, "dry-run", false, "print what would be changed, and change nothing")
	cmd.Flags().BoolVarP(&options.yes, "yes", "y", false, "do not ask before writing")
	return cmd
}

// A stageScope is who is staged.
type stageScope struct {
	name      string // the batch's; "" is everyone
	moves     []batch.Move
	selection directory.Selection
}

// classes returns the classes of objects, beside users, that staging may make.
func (s stageScope) classes(rules directory.Rules) []string {
	kinds := s.selection.Kinds
	if kinds == nil && s.name == "" {
		kinds = stageKinds
	}
	var classes []string
	if slices.Contains(kinds, directory.KindContact) || slices.Contains(kinds, directory.KindDynamic) || rules.GroupContacts {
		classes = append(classes, directory.ClassContact)
	}
	if slices.Contains(kinds, directory.KindGroup) && !rules.GroupContacts {
		classes = append(classes, directory.ClassGroup)
	}
	return classes
}

func (s stageScope) String() string {
	if s.name == "" {
		return "everyone whom the configuration selects"
	}
	return fmt.Sprintf("%d mailboxes of batch %q", len(s.moves), s.name)
}

func runStage(ctx context.Context, env *environment, options *stageOptions, args []string) error {
	if options.all == (len(args) == 1) {
		return usage(errors.New("stage takes one batch file, or --all; see: reforest stage --help"))
	}
	keepSmall(env, tidyPercent)
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	scope, err := newScope(c, args)
	if err != nil {
		return err
	}
	if options.dryRun && !options.undo {
		return stageDryRun(ctx, env, options, c, scope)
	}
	return stageLocked(ctx, env, options, c, scope)
}

// tidyPercent is how much garbage there may be, in percent of what is in use, before it is
// cleared up. Go's own 100 would have the process twice as large as the names of both
// forests, which stay for as long as it runs; 60 costs a few percent of time.
const tidyPercent = 60

// keepSmall lets garbage grow to so many percent of what is in use before it is cleared up,
// unless the operator has set GOGC.
func keepSmall(env *environment, percent int) {
	if env.getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

func newScope(c *config, args []string) (stageScope, error) {
	if len(args) == 0 {
		return stageScope{selection: c.Stage.selection()}, nil
	}
	b, err := readBatch(c, args[0])
	if err != nil {
		return stageScope{}, err
	}
	s := stageScope{name: b.Name, moves: b.moves, selection: directory.Selection{Who: []string{}}}
	for _, move := range b.moves {
		s.selection.Who = append(s.selection.Who, move.Identity)
	}
	return s, nil
}

// stageLocked stages, or takes back, while the store is ours alone.
func stageLocked(ctx context.Context, env *environment, options *stageOptions, c *config, scope stageScope) (err error) {
	question := fmt.Sprintf("Stage %s?", scope)
	if options.undo {
		question = fmt.Sprintf("Take back what staging did for %s?", scope)
	}
	if !options.dryRun {
		if err := confirmed(ctx, env, options.yes, question); err != nil {
			return err
		}
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
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every write has been answered before
	s := newStageRun(env, options, c, conn, scope)
	s.store = st
	if options.undo {
		return s.undo(ctx)
	}
	return s.stage(ctx)
}

// mayStage refuses staging where the forests forbid it. Exchange's presence does not: it
// forbids moving mailboxes without its tools, not making people known.
func (s *stageRun) mayStage(ctx context.Context) error {
	d := s.conn.directories
	findings, err := d.CheckForests(ctx)
	if err != nil {
		return fmt.Errorf("check the forests: %w", err)
	}
	create, err := d.CheckCreate(ctx, d.Rules.TargetOU, s.scope.classes(d.Rules)...)
	if err != nil {
		return fmt.Errorf("check the rights in the target OU: %w", err)
	}
	findings = distinct(append(findings, create...))
	findings = slices.DeleteFunc(findings, func(f migrate.Finding) bool { return f.Rule == "exchange.owns-mailboxes" })
	if err := s.tellFindings(findings); err != nil {
		return err
	}
	if stop := (directory.Plan{Findings: findings}).Forbidden(); len(stop) > 0 {
		return &exitError{exitForbidden, fmt.Errorf("the forests forbid staging: %s; nothing was changed", counted(len(stop), "finding"))}
	}
	return nil
}

// A stageRun is one staging, or undoing, from beginning to end.
type stageRun struct {
	env      *environment
	options  *stageOptions
	config   *config
	store    *store.Store
	conn     *connection
	scope    stageScope
	patience *patience
	count    *stageCount
	told     map[migrate.Finding]bool // what is found for many is told once
	id       batch.RunID
}

func newStageRun(env *environment, options *stageOptions, c *config, conn *connection, scope stageScope) *stageRun {
	return &stageRun{
		env: env, options: options, config: c, conn: conn, scope: scope, patience: newPatience(env),
		count: newStageCount(), told: map[migrate.Finding]bool{},
	}
}

// stage carries out the plans of everyone in scope.
func (s *stageRun) stage(ctx context.Context) error {
	if err := s.mayStage(ctx); err != nil {
		return err
	}
	staging, err := s.read(ctx)
	if err != nil {
		return err
	}
	looked, open := staging.Questions()
	if err := ask(s.env, s.config, looked, open); err != nil {
		return err
	}
	s.count.leftOut = staging.Passed
	return s.job(ctx, batch.JobStage, func(journal directory.Journal) error {
		return s.stager(journal, staging.Len()).Run(ctx, staging)
	})
}

// read finds out who stands for whom, and says who could not be found.
func (s *stageRun) read(ctx context.Context) (*directory.Staging, error) {
	staging, err := s.conn.directories.Everyone(ctx, s.scope.selection, func(what string, n int) {
		s.patience.say("%d %s.", n, what)
	})
	if err != nil {
		return nil, err
	}
	for _, lost := range staging.Lost {
		s.count.lost++
		if err := s.lost(lost.Who, lost.Err); err != nil {
			return nil, err
		}
	}
	return staging, nil
}

// lost tells of somebody in the batch file who is not found, or not told from others.
func (s *stageRun) lost(who string, err error) error {
	return s.tellFindings([]migrate.Finding{{
		Rule: "match.source", Severity: migrate.Forbid, Whom: who, What: lostText(err),
		Mend: "Give the mail address, UPN, DOMAIN\\name, DN or objectGUID of one recipient of the source.",
	}})
}

func lostText(err error) string {
	var ambiguous *directory.AmbiguousError
	if errors.As(err, &ambiguous) {
		return ambiguous.Error() + "."
	}
	return "No recipient of the source has this name or address."
}

// job records the work, does it, and ends with what it came to.
func (s *stageRun) job(ctx context.Context, kind batch.JobKind, do func(directory.Journal) error) error {
	s.id = batch.NewRunID(time.Now())
	if err := s.store.BeginJob(ctx, batch.Job{ID: s.id, Kind: kind, Scope: s.scope.name, BeganAt: time.Now().UTC()}); err != nil {
		return err
	}
	s.env.working.Store(true)
	failure := do(s.count.journal(s.store.Changes(s.id)))
	outcome, err := s.outcome(failure)
	// What has happened goes on record also when the work was interrupted.
	endErr := s.store.EndJob(context.WithoutCancel(ctx), s.id, time.Now().UTC(), outcome)
	return errors.Join(s.count.print(s.env, s.options, kind), err, endErr)
}

func (s *stageRun) outcome(failure error) (batch.Outcome, error) {
	switch {
	case batch.Stopped(failure), errors.Is(failure, errInterrupted):
		return batch.Interrupted, errInterrupted
	case failure != nil:
		return batch.Broken, failure
	}
	if err := s.count.verdict(); err != nil {
		return batch.NeedsPerson, err
	}
	return batch.Complete, nil
}

func (s *stageRun) stager(journal directory.Journal, total int) *batch.Stager {
	done := 0
	return &batch.Stager{
		Directories: s.conn.directories, Journal: journal, Writers: s.config.Limits.Writers,
		Interval: time.Duration(s.config.Retry.Interval), Attempts: s.config.Retry.Attempts, Stopping: s.env.interrupt,
		Notify: func(staged batch.Staged) {
			s.count.add(staged)
			_ = s.tell(staged) // what cannot be printed is no reason to stop half way
			if done++; !staged.Links {
				s.patience.say("Staged %d of %d.", done, total)
			} else {
				s.patience.say("Linked %d of %d.", done-total, total)
			}
		},
		Waiting: func(reason string, attempt, of int, until time.Time) {
			s.env.say("Waiting: %s; attempt %d of %d, next at %s.", reason, attempt, of, until.Local().Format(time.TimeOnly))
		},
	}
}

// undo takes back what staging did for those in scope.
func (s *stageRun) undo(ctx context.Context) error {
	chosen, err := s.chosen(ctx)
	if err != nil {
		return err
	}
	opened, err := s.opened(ctx)
	if err != nil {
		return err
	}
	choose := func(person migrate.GUID) bool {
		if chosen != nil && !chosen[person] {
			return false
		}
		move, isOpen := opened[person]
		if isOpen {
			s.count.refused[person] = true
			_ = s.tellFindings([]migrate.Finding{openedFinding(move)})
		}
		return !isOpen
	}
	if s.options.dryRun {
		return s.undoDryRun(ctx, choose)
	}
	return s.job(ctx, batch.JobUndo, func(journal directory.Journal) error {
		return s.stager(journal, 0).Undo(ctx, s.store, choose, func(u batch.Undone) { s.undone(u) })
	})
}

// openedFinding says why nothing is taken back: a mailbox is not taken away.
func openedFinding(move batch.Move) migrate.Finding {
	return migrate.Finding{
		Rule: "undo.opened", Severity: migrate.Forbid, Whom: nameOf(move),
		What: fmt.Sprintf("It is %s in batch %q and has a mailbox at the target: its staging is not taken back.", move.State, move.Batch),
		Mend: "Leave it out of what is taken back.",
	}
}

func (s *stageRun) undone(u batch.Undone) {
	s.count.addUndone(u)
	_ = s.tellFindings(u.Plan.Findings)
	if u.Err != nil {
		_ = s.failed(u.Person.String(), u.Err)
	}
	s.patience.say("Taken back: %d.", s.count.undone)
}

// undoDryRun prints what taking back would change.
func (s *stageRun) undoDryRun(ctx context.Context, choose func(migrate.GUID) bool) error {
	err := batch.PlanUndo(ctx, s.conn.directories, s.store, choose, func(u batch.Undone) error {
		s.undone(u)
		if len(u.Plan.Forbidden()) > 0 {
			return nil
		}
		return printPlan(s.env, &runOptions{globalOptions: s.options.globalOptions}, "taken back", directory.Pair{}, u.Plan)
	})
	if err := errors.Join(err, s.count.print(s.env, s.options, batch.JobUndo)); err != nil {
		return err
	}
	s.env.say("Nothing was changed.")
	return s.count.verdict()
}

// chosen returns the source objects of the batch; nil is everyone.
func (s *stageRun) chosen(ctx context.Context) (map[migrate.GUID]bool, error) {
	if s.scope.name == "" {
		return nil, nil
	}
	chosen := map[migrate.GUID]bool{}
	for _, move := range s.scope.moves {
		r, err := s.conn.directories.Resolve(ctx, move.Identity)
		var ambiguous *directory.AmbiguousError
		switch {
		case errors.As(err, &ambiguous), errors.Is(err, directory.ErrNotFound):
			s.count.lost++
			if err := s.lost(move.Identity, err); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		default:
			chosen[r.GUID] = true
		}
	}
	return chosen, nil
}

// opened returns the moves that have come further than staging, by their source objects.
func (s *stageRun) opened(ctx context.Context) (map[migrate.GUID]batch.Move, error) {
	opened := map[migrate.GUID]batch.Move{}
	for move, err := range s.store.Moves(ctx, batch.Query{}) {
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]batch.Phase{batch.PhaseMatch, batch.PhaseStage, batch.PhaseSettle, batch.PhaseOpen}, move.Phase) {
			opened[move.SourceGUID] = move
		}
	}
	return opened, nil
}
