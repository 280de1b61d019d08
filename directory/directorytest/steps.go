package directorytest

import (
	"context"
	"errors"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// A step is one of those of a move.
type step struct {
	name string
	plan func(*directory.Directories, context.Context, directory.Pair) (directory.Plan, error)
}

// The steps, in the order of a move.
var (
	stage  = step{"stage", (*directory.Directories).PlanStage}
	relink = step{"links", (*directory.Directories).PlanLinks}
	enable = step{"open", func(d *directory.Directories, ctx context.Context, pair directory.Pair) (directory.Plan, error) {
		return d.PlanOpen(ctx, pair, "")
	}}
	deliver    = step{"deliver", (*directory.Directories).PlanDeliver}
	forward    = step{"forward", (*directory.Directories).PlanForward}
	disconnect = step{"disconnect", (*directory.Directories).PlanDisconnect}
	twinRights = step{"twin rights", (*directory.Directories).PlanTwinRights}
	strip      = step{"strip", (*directory.Directories).PlanStrip}
)

// wholeMove are all steps of a move.
func wholeMove() []step {
	return []step{stage, relink, enable, deliver, forward, disconnect, twinRights, strip}
}

// carry carries out the steps for a source object, each planned from what stands there.
func (w *world) carry(t *testing.T, who directory.DN, steps ...step) {
	t.Helper()
	for _, s := range steps {
		plan := w.plan(t, who, s)
		w.note(plan.Findings)
		if stop := plan.Forbidden(); len(stop) > 0 {
			t.Fatalf("%s of %q is forbidden: %v", s.name, who, stop)
		}
		if err := w.Apply(t.Context(), w.journal, plan); err != nil {
			t.Fatalf("%s of %q: %v", s.name, who, err)
		}
		if missing, err := w.Settled(t.Context(), plan); err != nil || missing != "" {
			t.Fatalf("%s of %q has not settled: %s, %v", s.name, who, missing, err)
		}
		w.again = append(w.again, func(t *testing.T) { w.nothingLeft(t, who, s) })
		w.nothingLeft(t, who, s)
	}
}

// plan plans a step from what stands in the forests.
func (w *world) plan(t *testing.T, who directory.DN, s step) directory.Plan {
	t.Helper()
	plan, err := s.plan(w.Directories, t.Context(), w.match(t, who))
	if err != nil {
		t.Fatalf("plan %s of %q: %v", s.name, who, err)
	}
	return plan
}

// nothingLeft wants the plan of a step that was carried out to be empty.
func (w *world) nothingLeft(t *testing.T, who directory.DN, s step) {
	t.Helper()
	plan := w.plan(t, who, s)
	if len(plan.Changes) > 0 || len(plan.Forbidden()) > 0 {
		t.Errorf("%s of %q, again: %s", s.name, who, show(plan))
	}
}

// refused wants the step to be forbidden by exactly these rules, to change nothing, and
// to be refused when it is applied all the same.
func (w *world) refused(t *testing.T, who directory.DN, s step, rules ...string) {
	t.Helper()
	before := w.image(t)
	plan := w.plan(t, who, s)
	var stop []string
	for _, f := range plan.Forbidden() {
		stop = append(stop, f.Rule)
	}
	same(t, s.name+" of "+string(who)+" is forbidden by", stop, rules)
	var e *migrate.Error
	if err := w.Apply(t.Context(), w.journal, plan); !errors.As(err, &e) || e.Reach != migrate.OneMailbox {
		t.Errorf("apply what is forbidden: got %v, want an error about this person alone", err)
	}
	w.unchanged(t, "a refused step", before)
}

// everyone stages all source recipients of the case, links included, but for those of
// whom that is forbidden or left open, and returns the plans by the source's common name.
func (w *world) everyone(t *testing.T, selection directory.Selection) map[string]directory.PersonPlan {
	t.Helper()
	plans := w.stageAll(t, selection, func(plan directory.Plan) {
		if err := w.Carry(t.Context(), w.journal, plan); err != nil {
			t.Fatal(err)
		}
	})
	w.again = append(w.again, func(t *testing.T) {
		w.stageAll(t, selection, func(plan directory.Plan) { t.Errorf("stage everyone, again: %s", show(plan)) })
		w.found = nil
	})
	return plans
}

// stageAll plans for everyone, hands on what is to be done, and notes the findings.
func (w *world) stageAll(t *testing.T, selection directory.Selection, do func(directory.Plan)) map[string]directory.PersonPlan {
	t.Helper()
	if selection.Who == nil {
		selection.Under = []directory.DN{w.Forests.Source.Base}
	}
	staging, err := w.Everyone(t.Context(), selection, nil)
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string]directory.PersonPlan{}
	for p, err := range staging.Plans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		plans[p.Pair.Source.DN.Name()] = p
		w.hand(p, do)
	}
	for p, err := range staging.Links(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if stopped := len(plans[p.Pair.Source.DN.Name()].Plan.Forbidden()) > 0; !stopped {
			w.hand(p, do)
		}
	}
	return plans
}

func (w *world) hand(p directory.PersonPlan, do func(directory.Plan)) {
	w.note(p.Plan.Findings)
	if p.Err == nil && len(p.Plan.Forbidden()) == 0 && len(p.Plan.Changes) > 0 {
		do(p.Plan)
	}
}
