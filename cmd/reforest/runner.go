package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/reports"
)

// A runner carries one run from beginning to end.
type runner struct {
	env     *environment
	options *runOptions
	config  *config
	store   *store.Store
	conn    *connection
	pick    pick
	id      batch.RunID
	show    *display
	tally   tally
}

func newRunner(env *environment, options *runOptions, c *config, st *store.Store, conn *connection, p pick) *runner {
	r := &runner{env: env, options: options, config: c, store: st, conn: conn, pick: p}
	r.id = batch.NewRunID(time.Now())
	r.show = newDisplay(env, options.json, st, p.of.ID)
	r.show.on = p.has
	return r
}

// run carries the picked moves on and reports on it. What happened is in the store before
// it returns.
func (r *runner) run(ctx context.Context) error {
	run := batch.Run{ID: r.id, Batch: r.pick.of.ID, Kind: r.options.kind, BeganAt: time.Now().UTC()}
	if err := r.store.Begin(ctx, run, r.pick.ids...); err != nil {
		return err
	}
	keepSmall(r.env, migrate.TidyPercent)
	stopShow := r.show.start(ctx)
	r.env.working.Store(true)
	failure := r.pool().Run(ctx, r.id, r.pick.of.ID)
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
	r.tally.tell(r.env)
	return err
}

func (r *runner) pool() *batch.Pool {
	return &batch.Pool{
		Store: r.store, Advance: batch.NewMover(r.moving()).Advance, Workers: r.config.Limits.Moves,
		Phases: phasesOf(r.options.kind), Only: r.pick.ids, Stopping: r.env.interrupt, Room: r.conn.mailboxes.room,
	}
}

// moving says how the moves are carried on.
func (r *runner) moving() batch.Config {
	s := r.config.Switch
	m := batch.Config{
		Store: r.store, Directories: r.conn.directories, Mailboxes: r.conn.mailboxes,
		Interval: time.Duration(r.config.Retry.Interval), Attempts: r.config.Retry.Attempts,
		Drain: time.Duration(s.Drain), BadItems: r.options.badItems, Only: r.pick.ids,
		Canary: s.Canary, StopAfter: s.StopAfter, Delta: s.Delta, Room: s.room(), Retention: time.Duration(s.Retention),
		Stopping: r.env.interrupt, Notify: r.show.event, Logger: newLogger(r.env),
	}
	if r.options.kind == batch.RunSync {
		m.Until = batch.PhaseSwitch
	}
	if servers := newRoutes(r.config); len(servers) > 0 {
		m.Routes = servers
	}
	return m
}

// phasesOf returns in which phases a kind of run carries moves on; none: in all but that of
// the way back.
func phasesOf(kind batch.RunKind) []batch.Phase {
	switch all := batch.Phases(); kind {
	case batch.RunSync:
		return all[:slices.Index(all, batch.PhaseSwitch)+1]
	case batch.RunSwitch:
		return all[slices.Index(all, batch.PhaseSwitch):]
	case batch.RunRollback:
		return []batch.Phase{batch.PhaseRollback}
	case batch.RunWhole:
	}
	return nil
}

// outcome judges the run by the moves that it was to carry on, and returns the error to
// end with.
func (r *runner) outcome(ctx context.Context, failure error) (batch.Outcome, error) {
	if errors.Is(failure, errInterrupted) {
		return batch.Interrupted, errInterrupted
	}
	if failure != nil {
		return batch.Broken, failure
	}
	r.tally = tally{kind: r.options.kind, needy: len(r.pick.left[leftOnWayBack])}
	for move, err := range r.store.Moves(ctx, batch.Query{Batch: r.pick.of.ID}) {
		if err != nil {
			return batch.Broken, err
		}
		if r.pick.has(move) {
			r.tally.add(move)
		}
	}
	return r.tally.outcome(stopping(r.env))
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

// stopping reports whether the operator has asked to stop.
func stopping(env *environment) bool {
	select {
	case <-env.interrupt:
		return true
	default:
		return false
	}
}
