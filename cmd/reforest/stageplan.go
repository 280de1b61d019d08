package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// foundAbout returns what was found about the person, with what Match left open.
func foundAbout(s batch.Staged) []migrate.Finding {
	findings := slices.Clone(s.Plan.Findings)
	var ambiguous *directory.AmbiguousError
	switch {
	case s.Links: // told with the object
	case errors.As(s.PersonPlan.Err, &ambiguous):
		findings = append(findings, migrate.Finding{
			Rule: directory.AskSeveral, Severity: migrate.Forbid, Whom: s.Pair.Source.String(), What: ambiguous.Error() + ".",
			Mend: "Decide it in the decision file, or take the shared address or X500 value off all but the right one.",
		})
	case s.PersonPlan.Err != nil:
		findings = append(findings, migrate.Finding{
			Rule: "stage.unplanned", Severity: migrate.Forbid, Whom: s.Pair.Source.String(), What: s.PersonPlan.Err.Error() + ".",
		})
	}
	return findings
}

// tell tells of whoever needs a person, of everything that is found for many once. Notes
// are counted.
func (s *stageRun) tell(staged batch.Staged) error {
	if staged.Err != nil {
		if err := s.failed(staged.Pair.Source.String(), staged.Err); err != nil {
			return err
		}
	}
	return s.tellFindings(foundAbout(staged))
}

func (s *stageRun) tellFindings(findings []migrate.Finding) error {
	for _, f := range findings {
		if f.Severity == migrate.Note || s.told[f] {
			continue
		}
		s.told[f] = true
		if !s.options.json {
			s.env.say("%s", printable(f.String()))
			continue
		}
		if err := printFindingsJSON(s.env, []migrate.Finding{f}); err != nil {
			return err
		}
	}
	return nil
}

// failed says what a server did not take.
func (s *stageRun) failed(whom string, err error) error {
	if s.options.json {
		return json.NewEncoder(s.env.stdout).Encode(map[string]any{"message_type": "failed", "whom": whom, "what": err.Error()})
	}
	s.env.say("failed: %s: %s", printable(whom), printable(explain(err)))
	return nil
}

// stageDryRun prints what staging would change. Nothing is written to either forest.
func stageDryRun(ctx context.Context, env *environment, options *stageOptions, c *config, scope stageScope) error {
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // read only: nothing can be lost
	s := newStageRun(env, options, c, conn, scope)
	// What our account may not do is no reason not to report: the account of a nightly
	// drift report may do nothing.
	forbidden := s.mayStage(ctx)
	if forbidden != nil && codeOf(forbidden) != exitForbidden {
		return forbidden
	}
	staging, err := s.read(ctx)
	if err != nil {
		return err
	}
	if err := s.printStaging(ctx, staging); err != nil {
		return err
	}
	env.say("Nothing was changed.")
	return cmp.Or(forbidden, s.count.verdict())
}

// printStaging prints everyone's plans, what has lost its source, and what it comes to.
func (s *stageRun) printStaging(ctx context.Context, staging *directory.Staging) error {
	if err := s.printPlans(staging.Plans(ctx), false); err != nil {
		return err
	}
	if err := s.printPlans(staging.Links(ctx), true); err != nil {
		return err
	}
	if err := s.printGone(staging); err != nil {
		return err
	}
	s.count.leftOut = staging.Passed
	looked, open := staging.Questions()
	asked := ask(s.env, s.config, looked, open)
	return errors.Join(s.count.print(s.env, s.options, batch.JobStage), asked)
}

func (s *stageRun) printPlans(plans iter.Seq2[directory.PersonPlan, error], links bool) error {
	done := 0
	for p, err := range plans {
		if err != nil {
			return err
		}
		staged := batch.Staged{PersonPlan: p, Links: links}
		s.count.add(staged)
		done++
		s.patience.say("Planned %d.", done)
		p.Plan.Findings = foundAbout(staged)
		if err := s.show(driftWord(staged), p.Pair, p.Plan); err != nil {
			return err
		}
	}
	return nil
}

// show prints a plan with what was found, if there is anything to do or to look after. Of
// a plan that is refused nothing would be carried out; what is lacking may be rights alone.
func (s *stageRun) show(what string, pair directory.Pair, plan directory.Plan) error {
	if slices.ContainsFunc(plan.Forbidden(), func(f migrate.Finding) bool { return f.Rule != "rights.write" }) {
		plan.Changes = nil
	}
	grave := slices.DeleteFunc(slices.Clone(plan.Findings), func(f migrate.Finding) bool { return f.Severity == migrate.Note })
	if len(plan.Changes) == 0 && len(grave) == 0 {
		return nil
	}
	if s.options.json {
		return json.NewEncoder(s.env.stdout).Encode(planLine(what, pair, plan))
	}
	var text strings.Builder
	text.WriteString(planText(what, pair, plan))
	for _, f := range grave {
		if s.told[f] {
			fmt.Fprintf(&text, "  %s: as above, %s [%s]\n", f.Severity, f.Whom, f.Rule)
			continue
		}
		s.told[f] = true
		fmt.Fprintf(&text, "  %s\n", printable(f.String()))
	}
	_, err := io.WriteString(s.env.stdout, text.String())
	return err
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
			_, err = fmt.Fprintf(s.env.stdout, "removed at the source: %s: %s; the target object is left as it is\n", r.DN, why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
