package migrate

import "context"

// An arena is the memory that holds the bodies of one chunk. It is used again when the
// chunk has been written.
type arena struct {
	buf  []byte
	used int
}

// rest returns what is free of the arena, at most n bytes.
func (a *arena) rest(n int64) []byte {
	rest := a.buf[a.used:]
	return rest[:min(int64(len(rest)), n)]
}

// keep makes the first n bytes of the rest a body.
func (a *arena) keep(n int) []byte {
	body := a.buf[a.used : a.used+n : a.used+n]
	a.used += n
	return body
}

// arenas are all that one pass has. They are taken by one goroutine and given back by
// another; none is made before it is needed.
type arenas struct {
	free chan *arena
	size int64 // bytes of each
	left int   // how many may still be made
}

// newArenas returns as many as QueueBytes has room for, but two at least: one is filled
// while the other is written. Each has a byte to spare, which tells a body that ends
// where the arena does from one that goes on.
func newArenas(o Options) *arenas {
	n := max(2, int(o.QueueBytes/o.ChunkBytes))
	return &arenas{free: make(chan *arena, n), size: o.ChunkBytes + 1, left: n}
}

// take returns an empty arena. It waits until there is one.
func (a *arenas) take(ctx context.Context) (*arena, error) {
	select {
	case free := <-a.free:
		return free, nil
	default:
	}
	if a.left > 0 {
		a.left--
		return &arena{buf: make([]byte, a.size)}, nil
	}
	select {
	case free := <-a.free:
		return free, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// give takes an arena back. It never waits: there is room for all of them.
func (a *arenas) give(used *arena) {
	used.used = 0
	a.free <- used
}
