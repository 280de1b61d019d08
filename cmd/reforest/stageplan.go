package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// A stageCount counts what staging came to.
type stageCount struct {
	added, changed, unchanged, linked, refused, failed, gone, undone int
	writes                                                           int
}

func (c *stageCount) add(s batch.Staged) {
	switch {
	case s.Refused() && s.Links: // counted when it was refused the first time
	case s.Refused():
		c.refused++
	case s.Err != nil:
		c.failed++
	case s.Links:
		if len(s.Plan.Changes) > 0 {
			c.linked++
		}
	case s.New:
		c.added++
	case len(s.Plan.Changes) > 0:
		c.changed++
	default:
		c.unchanged++
	}
	if !s.Refused() && s.Err == nil {
		c.writes += len(s.Plan.Changes)
	}
}

func (c *stageCount) addUndone(u batch.Undone) {
	switch {
	case len(u.Plan.Forbidden()) > 0:
		c.refused++
	case u.Err != nil:
		c.failed++
	default:
		c.undone++
		c.writes += len(u.Plan.Changes)
	}
}

// verdict returns the error to end with.
func (c *stageCount) verdict() error {
	if c.refused+c.failed == 0 {
		return nil
	}
	return &exitError{exitNeedsPerson, errors.New("some recipients need a person; they are named above")}
}

// print writes the result.
func (c *stageCount) print(env *environment, options *stageOptions, kind batch.JobKind) error {
	if options.json {
		return json.NewEncoder(env.stdout).Encode(map[string]any{
			"message_type": "staged", "job": kind, "added": c.added, "changed": c.changed, "unchanged": c.unchanged,
			"linked": c.linked, "refused": c.refused, "failed": c.failed, "gone": c.gone, "undone": c.undone, "writes": c.writes,
		})
	}
	text := fmt.Sprintf("%d added, %d changed, %d unchanged, %d linked anew, %d need a person, %d failed; %d directory writes.",
		c.added, c.changed, c.unchanged, c.linked, c.refused, c.failed, c.writes)
	if kind == batch.JobClean {
		text = fmt.Sprintf("%d cleaned, %d had nothing to clean, %d need a person; %d directory writes.", c.changed, c.unchanged, c.refused, c.writes)
	}
	if kind == batch.JobUndo {
		text = fmt.Sprintf("%d taken back, %d need a person, %d failed; %d directory writes.", c.undone, c.refused, c.failed, c.writes)
	}
	_, err := fmt.Fprintln(env.stdout, text)
	return err
}

// sayStaged tells of whoever needs a person.
func sayStaged(env *environment, options *stageOptions, s batch.Staged) {
	var ambiguous *directory.AmbiguousError
	switch {
	case s.Links:
	case errors.As(s.PersonPlan.Err, &ambiguous):
		env.say("%s: %v [match.several]", s.Pair.Source, s.PersonPlan.Err)
	case s.PersonPlan.Err != nil:
		env.say("%s: %v", s.Pair.Source, s.PersonPlan.Err)
	}
	if s.Err != nil {
		env.say("%s: %v", s.Pair.Source, s.Err)
	}
	for _, f := range s.Plan.Findings {
		if f.Severity != migrate.Note && !options.json {
			env.say("%s", f)
		}
	}
}

// stageDryRun prints what staging would change. Nothing is written.
func stageDryRun(ctx context.Context, env *environment, options *stageOptions, c *config, scope stageScope) error {
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // read only: nothing can be lost
	if err := mayStage(ctx, env, conn, scope); err != nil {
		return err
	}
	s := &stageRun{env: env, options: options, config: c, conn: conn, scope: scope, patience: newPatience(env)}
	staging, err := s.read(ctx)
	if err != nil {
		return err
	}
	for _, links := range []bool{false, true} {
		plans := staging.Plans(ctx)
		if links {
			plans = staging.Links(ctx)
		}
		if err := s.printPlans(plans, links); err != nil {
			return err
		}
	}
	if err := s.printGone(staging); err != nil {
		return err
	}
	for reason, n := range staging.Passed {
		env.say("%d recipients are left out: each %s.", n, reason)
	}
	if err := s.count.print(env, options, batch.JobStage); err != nil {
		return err
	}
	env.say("Nothing was changed.")
	return s.count.verdict()
}

func (s *stageRun) printPlans(plans iter.Seq2[directory.PersonPlan, error], links bool) error {
	done := 0
	for p, err := range plans {
		if err != nil {
			return err
		}
		staged := batch.Staged{PersonPlan: p, Links: links}
		s.count.add(staged)
		sayStaged(s.env, s.options, staged)
		done++
		s.patience.say("Planned %d.", done)
		if len(p.Plan.Changes) == 0 && len(p.Plan.Findings) == 0 && p.Err == nil {
			continue
		}
		if err := printPlan(s.env, &runOptions{globalOptions: s.options.globalOptions}, driftWord(staged), p.Pair, p.Plan); err != nil {
			return err
		}
	}
	return nil
}

// driftWord says what the plan means to who reads the drift report.
func driftWord(s batch.Staged) string {
	switch {
	case s.Refused():
		return "needs a person"
	case s.Links:
		return "links"
	case s.New:
		return "added"
	case len(s.Plan.Changes) > 0:
		return "changed"
	}
	return "unchanged"
}

// printGone lists target objects that have lost their source.
func (s *stageRun) printGone(staging *directory.Staging) error {
	for r, why := range staging.Gone() {
		s.count.gone++
		var err error
		if s.options.json {
			err = json.NewEncoder(s.env.stdout).Encode(map[string]any{"message_type": "gone", "target": r.DN, "why": why})
		} else {
			_, err = fmt.Fprintf(s.env.stdout, "removed: %s: %s; it is left as it is\n", r.DN, why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
