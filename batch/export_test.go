package batch

import "context"

// Replace puts fn in the place of the phase's step.
func (m *Mover) Replace(p Phase, fn func(ctx context.Context, move *Move) (Verdict, error)) {
	m.steps[p] = func(ctx context.Context, w *work) (Verdict, error) { return fn(ctx, &w.move) }
}
