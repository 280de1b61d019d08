package batch

import (
	"context"
	"iter"
	"sync"

	"reforest/directory"
)

// lookers is how many moves are looked at at once: each takes a dozen searches, one after
// the other, and a domain controller answers several people's side by side.
const lookers = 4

// sideBySide does fn for the moves, a few at a time, and yields what it returns in their
// order. Nothing is at work any more when the sequence has ended. It ends early, without
// saying so, when ctx does.
func sideBySide[R any](ctx context.Context, moves []Move, fn func(context.Context, Move) R) iter.Seq[R] {
	return func(yield func(R) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		slots := make(chan chan R, lookers-1) // and one that is being waited for
		wg.Go(func() {
			defer close(slots)
			for _, move := range moves {
				slot := make(chan R, 1)
				select {
				case slots <- slot:
				case <-ctx.Done():
					return
				}
				wg.Go(func() { slot <- fn(ctx, move) })
			}
		})
		for slot := range slots {
			if !yield(<-slot) {
				return
			}
		}
	}
}

// A looked is one move that a Preflight has looked at.
type looked struct {
	move Move
	pair directory.Pair
	by   *Preflight // of this move alone
	err  error
}

// alone looks at one move as if there were no other.
func (p *Preflight) alone(ctx context.Context, move Move) looked {
	one := &Preflight{Directories: p.Directories, Store: p.Store}
	pair, err := one.look(ctx, move)
	return looked{move, pair, one, err}
}
