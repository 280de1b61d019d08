package batch

import (
	"context"
	"iter"
	"sync"

	"reforest/directory"
	"reforest/migrate"
)

// lookers is how many moves a Preflight looks at at once: each takes a dozen searches,
// one after the other, and a domain controller answers several people's side by side.
const lookers = 4

// A looked is one move that a Preflight has looked at.
type looked struct {
	move     Move
	pair     directory.Pair
	findings []migrate.Finding
	err      error
}

// sideBySide looks at the moves that have not begun, a few at a time, and yields them in
// their order. It returns when nobody is looking any more.
func (p *Preflight) sideBySide(ctx context.Context, moves []Move) iter.Seq[looked] {
	return func(yield func(looked) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		slots := make(chan chan looked, lookers-1) // and one that is being waited for
		wg.Go(func() {
			defer close(slots)
			for _, move := range moves {
				if move.State.Ended() || !move.TargetGUID.IsZero() {
					continue
				}
				slot := make(chan looked, 1)
				select {
				case slots <- slot:
				case <-ctx.Done():
					return
				}
				wg.Go(func() { slot <- p.alone(ctx, move) })
			}
		})
		for slot := range slots {
			if !yield(<-slot) {
				return
			}
		}
	}
}

// alone looks at one move as if there were no other.
func (p *Preflight) alone(ctx context.Context, move Move) looked {
	one := &Preflight{Directories: p.Directories, Store: p.Store}
	pair, err := one.look(ctx, move)
	return looked{move, pair, one.findings, err}
}
