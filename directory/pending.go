package directory

import (
	"context"
	"time"

	"reforest/migrate"
)

func (d *Directories) CheckSwitch(context.Context, Pair) ([]migrate.Finding, error) { return nil, nil }
func (d *Directories) PlanShutOut(context.Context, Pair) (Plan, error)              { return Plan{}, nil }
func (d *Directories) PlanLetIn(context.Context, Pair, []Change) (Plan, error)      { return Plan{}, nil }
func (d *Directories) PlanStepBack(context.Context, Pair, []Change) (Plan, error)   { return Plan{}, nil }
func (d *Directories) PlanReturn(context.Context, Pair, []Change) (Plan, error)     { return Plan{}, nil }
func (d *Directories) PlanSendBack(context.Context, Pair, []Change) (Plan, error)   { return Plan{}, nil }
func (d *Directories) PlanClose(context.Context, Pair, []Change) (Plan, error)      { return Plan{}, nil }
func (d *Directories) PlanRollback(context.Context, Pair, []Change) (Plan, error)   { return Plan{}, nil }
func (d *Directories) CheckRollback(context.Context, Pair, []Change) ([]migrate.Finding, error) {
	return nil, nil
}
func (d *Directories) Retention(context.Context, *Recipient) (time.Duration, error) { return 0, nil }
