package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
)

func newCleanCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &stageOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "clean BATCH",
		Short: "Replace the legacy permissions of those who are moved",
		Long: `Look once more at the permissions of everyone of the batch who is moved: whoever has
rights there by an account of the source gets them by the account that stands for it,
and only then are the explicit entries of the source's domains taken away. The same is
done with the access control lists of their folders, where both mail servers keep any:
names that stand for nobody, or for several, are told and left as they are. A run does
this at its end; this command does it again, for rights that had to wait for somebody
else, or that were given since. --dry-run does not look at folders.

EXIT STATUS
  0 nothing is left; 3 some permissions need a person; 10 usage or configuration;
  11 another run is working on the store; 12 a server refused the credentials;
  130 interrupted, run it again to go on; 1 any other error`,
		Example: "  reforest clean tonight.csv --dry-run\n  reforest clean tonight.csv --yes",
		Args:    exactly(1, "one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runClean(cmd.Context(), env, options, args[0])
		},
	}
	cmd.Flags().BoolVar(&options.dryRun, "dry-run", false, "print what would be changed, and change nothing")
	cmd.Flags().BoolVarP(&options.yes, "yes", "y", false, "do not ask before writing")
	return cmd
}

func runClean(ctx context.Context, env *environment, options *stageOptions, path string) (err error) {
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	b, err := readBatch(c, path)
	if err != nil {
		return err
	}
	if !options.dryRun {
		if err := confirmed(ctx, env, options.yes, fmt.Sprintf("Clean the permissions of batch %q?", b.Name)); err != nil {
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
	if err := b.known(ctx, st); err != nil {
		return err
	}
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every write has been answered before
	s := newStageRun(env, options, c, conn, stageScope{name: b.Name, moves: b.moves})
	s.store = st
	if options.dryRun {
		return s.cleanDryRun(ctx)
	}
	return s.job(ctx, batch.JobClean, func(journal directory.Journal) error { return s.clean(ctx, journal) })
}

// clean cleans everyone who is moved, one after the other.
func (s *stageRun) clean(ctx context.Context, journal directory.Journal) error {
	if err := s.conn.directories.Resume(ctx, journal); err != nil {
		return err
	}
	return s.eachMoved(ctx, func(move batch.Move, pair directory.Pair) error {
		plan, err := s.cleanOne(ctx, journal, pair)
		if err != nil {
			return err
		}
		if len(plan.Forbidden()) == 0 {
			plan.Findings = append(plan.Findings, s.cleanFolders(ctx, move, pair)...)
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		staged := batch.Staged{PersonPlan: directory.PersonPlan{Pair: pair, Plan: plan}}
		s.count.add(staged)
		return s.tell(staged)
	})
}

// cleanOne carries out both halves of cleaning and returns them as one.
func (s *stageRun) cleanOne(ctx context.Context, journal directory.Journal, pair directory.Pair) (whole directory.Plan, err error) {
	for _, plan := range []func(context.Context, directory.Pair) (directory.Plan, error){
		s.conn.directories.PlanTwinRights, s.conn.directories.PlanStrip,
	} {
		half, err := plan(ctx, pair)
		if err != nil {
			return whole, err
		}
		whole.Findings = append(whole.Findings, half.Findings...)
		if len(half.Forbidden()) > 0 {
			return whole, nil
		}
		if err := s.conn.directories.Carry(ctx, journal, half); err != nil {
			return whole, err
		}
		whole.Changes = append(whole.Changes, half.Changes...)
	}
	return whole, nil
}

// cleanFolders replaces the legacy entries on the lists of the mailbox's folders. The old
// mail server may be gone by now: that is a finding, and no reason to stop.
func (s *stageRun) cleanFolders(ctx context.Context, move batch.Move, pair directory.Pair) []migrate.Finding {
	sharing := batch.Resharing{Directories: s.conn.directories, Store: s.store, Mailboxes: s.conn.mailboxes}
	findings, err := sharing.Clean(ctx, move, pair)
	if err == nil {
		return findings
	}
	unread := migrate.Finding{
		Rule: batch.PermissionUnreadable, Severity: migrate.Warn, Whom: pair.Source.String(),
		What: "who may use the folders was not looked at: " + err.Error(),
		Mend: "See that both mail servers can be reached, and clean the move again.",
	}
	return append(findings, unread)
}

// cleanDryRun prints the first half of what cleaning would change, on which the second
// depends, and names what is kept.
func (s *stageRun) cleanDryRun(ctx context.Context) error {
	err := s.eachMoved(ctx, func(_ batch.Move, pair directory.Pair) error {
		p, err := s.conn.directories.PlanTwinRights(ctx, pair)
		if err == nil && len(p.Changes) == 0 {
			p, err = s.conn.directories.PlanStrip(ctx, pair)
		}
		if err != nil {
			return err
		}
		s.count.add(batch.Staged{PersonPlan: directory.PersonPlan{Pair: pair, Plan: p}})
		return s.show("clean", pair, p)
	})
	if err := errors.Join(err, s.count.print(s.env, s.options, batch.JobClean)); err != nil {
		return err
	}
	s.env.say("Nothing was changed.")
	return s.count.verdict()
}

// eachMoved calls fn with everyone of the batch whose mailbox is at the target, until the
// operator asks to stop.
func (s *stageRun) eachMoved(ctx context.Context, fn func(batch.Move, directory.Pair) error) error {
	for _, move := range s.scope.moves {
		if move.State != batch.Moved && move.State != batch.MovedWithSkips {
			s.count.leave(fmt.Sprintf("%s, and not moved yet", move.State))
			continue
		}
		if s.stopping() {
			return errInterrupted
		}
		pair, err := s.moved(ctx, move)
		if err == nil {
			err = fn(move, pair)
		}
		switch {
		case err != nil && concernsOne(err):
			s.count.failed[move.SourceGUID] = true
			if err := s.failed(move.Identity, err); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("clean %s: %w", move.Identity, err)
		}
	}
	return nil
}

// moved finds both sides of a move by what it knows them by.
func (s *stageRun) moved(ctx context.Context, move batch.Move) (directory.Pair, error) {
	source, err := s.conn.directories.Resolve(ctx, move.SourceGUID.String())
	if err != nil {
		return directory.Pair{}, fmt.Errorf("find the source object: %w", err)
	}
	return s.conn.directories.Match(ctx, source, move.TargetGUID)
}

// concernsOne reports whether the error is about one person, so that the work goes on with
// the others.
func concernsOne(err error) bool {
	var failure *batch.StoreError
	if errors.As(err, &failure) || errors.Is(err, batch.ErrLostClaim) {
		return false
	}
	var ambiguous *directory.AmbiguousError
	var decision *directory.DecisionError
	e := migrate.AsError(err)
	return errors.As(err, &ambiguous) || errors.As(err, &decision) || errors.Is(err, directory.ErrNotFound) ||
		e != nil && e.Reach == migrate.OneMailbox
}

func (s *stageRun) stopping() bool {
	select {
	case <-s.env.interrupt:
		return true
	default:
		return false
	}
}
