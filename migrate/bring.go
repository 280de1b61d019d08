package migrate

import (
	"context"
	"sync"
)

// ahead is how many parcels wait for the writer. Those with bodies are far fewer, as there
// are no more arenas.
const ahead = 64

// bring writes what is new in the folders. Reading runs ahead of writing, unless writing
// has questions to the source: then the two take turns.
func (p *pass) bring(ctx context.Context, folders []knownFolder) error {
	memory := newArenas(p.Options)
	defer memory.leave()
	if p.following.asks() {
		return p.bringInTurn(ctx, folders, memory)
	}
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	parcels := make(chan parcel, ahead)
	var readErr error
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(parcels)
		readErr = p.newReader(memory, handOver(parcels)).all(reading, folders)
	})
	err := p.write(ctx, folders, parcels, stop)
	for left := range parcels {
		if left.chunk != nil {
			left.chunk.drop()
		}
	}
	reader.Wait()
	if err == nil {
		err = readErr
	}
	return err
}

// write writes what comes, and stops the reader when it is done with that.
func (p *pass) write(ctx context.Context, folders []knownFolder, parcels <-chan parcel, stop context.CancelCauseFunc) error {
	marks, err := p.place(ctx, folders)
	w := p.newWriter(marks, newClerk(ctx, p.journal))
	if err == nil {
		err = w.run(ctx, parcels)
	}
	stop(err)
	return w.finish(ctx, err)
}

// handOver returns what puts parcels where the writer takes them from.
func handOver(parcels chan<- parcel) func(context.Context, parcel) error {
	return func(ctx context.Context, p parcel) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		select {
		case parcels <- p:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// run takes parcels until there are no more.
func (w *writer) run(ctx context.Context, parcels <-chan parcel) error {
	for {
		p, more, err := w.next(ctx, parcels)
		if err != nil || !more {
			return err
		}
		if err := w.take(ctx, p); err != nil {
			return err
		}
	}
}

// next returns the next parcel. As long as there is none it settles what is on its way: the
// reader may be waiting for the memory of that.
func (w *writer) next(ctx context.Context, parcels <-chan parcel) (p parcel, more bool, err error) {
	for len(w.flying) > 0 {
		select {
		case p, more = <-parcels:
			return p, more, nil
		default:
		}
		if err := w.settle(ctx); err != nil {
			return p, false, err
		}
	}
	if err := w.tally(); err != nil {
		return p, false, err
	}
	select {
	case p, more = <-parcels:
		return p, more, nil
	case <-ctx.Done():
		return p, false, context.Cause(ctx)
	}
}

// bringInTurn reads and writes on one goroutine.
func (p *pass) bringInTurn(ctx context.Context, folders []knownFolder, memory *arenas) error {
	marks, err := p.place(ctx, folders)
	if err != nil {
		return err
	}
	w := p.newWriter(marks, nil)
	return w.finish(ctx, p.newReader(memory, w.take).all(ctx, folders))
}
