package migrate

import (
	"context"
	"sync"
)

// arenasOwned is how many arenas each pass can have at any time, whatever others hold: one
// is filled while the other is written. So no pass waits for another one.
const arenasOwned = 2

// TidyPercent is what GOGC should be in a process that moves mailboxes (debug.SetGCPercent).
// Nearly all of its memory is arenas, which stay, so that Go's own 100 would let as much
// garbage again gather beside them. As there is little else to look through, it costs
// hardly any time.
const TidyPercent = 30

// A Memory holds the bodies that passes have read and not written yet. It is for passes
// that go side by side: what one does not need another one can have, and what one leaves
// the next one uses again.
type Memory struct {
	size  int64         // bytes of an arena
	extra chan struct{} // one for every arena that may be lent beyond the arenasOwned

	mu    sync.Mutex
	spare []*arena
	users int // passes that have begun and not ended
}

// NewMemory returns a Memory with room for so many bytes beyond the two chunks of
// DefaultChunkBytes that each pass can have at any time.
func NewMemory(bytes int64) *Memory { return newMemory(bytes, DefaultChunkBytes) }

// newMemory makes arenas for chunks of so many bytes. Each has a byte to spare, which tells
// a body that ends where the arena does from one that goes on.
func newMemory(bytes, chunk int64) *Memory {
	m := &Memory{size: chunk + 1, extra: make(chan struct{}, max(0, bytes/chunk))}
	fill(m.extra)
	return m
}

func fill(tokens chan struct{}) {
	for range cap(tokens) {
		tokens <- struct{}{}
	}
}

// enter begins the use of the memory by a pass.
func (m *Memory) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users++
}

// leave ends it. Nothing is kept when nobody is left.
func (m *Memory) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users == 0 {
		m.spare = nil
	}
}

// arena returns one that was used before, and makes one only where there is none.
func (m *Memory) arena() *arena {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.spare); n > 0 {
		last := m.spare[n-1]
		m.spare = m.spare[:n-1]
		return last
	}
	return &arena{buf: make([]byte, m.size)}
}

func (m *Memory) keep(a *arena) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spare = append(m.spare, a)
}

// An arena is the memory that holds the bodies of one chunk. It is used again when the
// chunk has been written.
type arena struct {
	buf    []byte
	used   int
	tokens chan struct{} // what allows another arena when this one is given back
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

// arenas are what one pass has of a memory. They are taken by one goroutine and given back
// by another; none is made before it is needed.
type arenas struct {
	memory *Memory
	owned  chan struct{}
}

// newArenas returns those of a pass, of the memory that it shares or of one of its own.
// leave is called when the pass is over.
func newArenas(o Options) *arenas {
	a := &arenas{memory: o.Memory, owned: make(chan struct{}, arenasOwned)}
	if a.memory == nil || a.memory.size != o.ChunkBytes+1 {
		a.memory = newMemory(o.QueueBytes-arenasOwned*o.ChunkBytes, o.ChunkBytes)
	}
	fill(a.owned)
	a.memory.enter()
	return a
}

// take returns an empty arena. It waits until there is one.
func (a *arenas) take(ctx context.Context) (*arena, error) {
	tokens, err := a.allowed(ctx)
	if err != nil {
		return nil, err
	}
	taken := a.memory.arena()
	taken.tokens = tokens
	return taken, nil
}

// allowed waits until one more arena may be taken, and prefers one that nobody else could
// have.
func (a *arenas) allowed(ctx context.Context) (chan struct{}, error) {
	select {
	case <-a.owned:
		return a.owned, nil
	default:
	}
	select {
	case <-a.owned:
		return a.owned, nil
	case <-a.memory.extra:
		return a.memory.extra, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// give takes an arena back. It never waits: there is room for as many tokens as there are.
func (a *arenas) give(used *arena) {
	tokens := used.tokens
	used.used, used.tokens = 0, nil
	a.memory.keep(used)
	tokens <- struct{}{}
}

// leave gives up the memory, of which every arena has been given back.
func (a *arenas) leave() { a.memory.leave() }
