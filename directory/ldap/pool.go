package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"reforest/migrate"
)

const (
	// maxIdle is how many connections are kept between operations: more than are usually
	// at work at a time, because a new one costs several writes.
	maxIdle = 16
	// maxIdleTime is how long: a firewall may forget a silent connection without
	// telling, and then the next write would have an unknown outcome.
	maxIdleTime = 5 * time.Minute
)

var errClosed = errors.New("connection is closed")

// A pool keeps idle connections.
type pool struct {
	endpoint endpoint

	mu     sync.Mutex
	idle   []*wire
	closed bool
	shared *wire         // on which writes are under way; nil: none are
	open   chan struct{} // held by whoever opens the shared connection
	pinned string        // IP address and port of the server; "" until it has been reached
}

func newPool(e endpoint) *pool { return &pool{endpoint: e, open: make(chan struct{}, 1)} }

// take returns an idle connection that is alive as far as can be known, or a new one.
func (p *pool) take(ctx context.Context) (*wire, error) {
	for {
		w, err := p.pop()
		if err != nil {
			return nil, err
		}
		if w == nil {
			return p.connect(ctx)
		}
		if !w.conn.IsClosing() && time.Since(w.idleAt) < maxIdleTime {
			w.used = true
			return w, nil
		}
		w.close()
	}
}

// share returns the connection that writes are under way on, or one for the first of them.
func (p *pool) share(ctx context.Context) (*wire, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if w := p.join(nil); w != nil {
		return w, nil
	}
	select {
	case p.open <- struct{}{}:
		defer func() { <-p.open }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if w := p.join(nil); w != nil { // another has opened it meanwhile
		return w, nil
	}
	w, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	return p.join(w), nil
}

// join counts one more user of the shared connection, which becomes fresh unless that is
// nil. It returns nil if there is none that is alive.
func (p *pool) join(fresh *wire) *wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fresh != nil {
		p.shared = fresh
	}
	if p.closed && fresh == nil || p.shared == nil || fresh == nil && p.shared.conn.IsClosing() {
		return nil
	}
	p.shared.users++
	return p.shared
}

// unshare takes back a connection that was shared; the last of its users gives it back.
func (p *pool) unshare(w *wire) {
	p.mu.Lock()
	w.users--
	last := w.users == 0
	if last && p.shared == w {
		p.shared = nil
	}
	p.mu.Unlock()
	if last {
		p.give(w)
	}
}

// connect opens a connection. A name may stand for several domain controllers, in turn
// (DNS round robin), and they do not show each other's writes at once: every connection
// after the first goes to the server that the first one reached.
func (p *pool) connect(ctx context.Context) (*wire, error) {
	address := p.server()
	w, err := p.endpoint.connect(ctx, cmp.Or(address, p.endpoint.address))
	if err != nil {
		return nil, p.namingServer(err, address)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pinned == "" {
		p.pinned = w.stream.RemoteAddr().String()
	}
	return w, nil
}

// server returns the address of the server that was reached first; "" if none was yet.
func (p *pool) server() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pinned
}

// namingServer adds to an error which of several servers it is about.
func (p *pool) namingServer(err error, address string) error {
	if e := migrate.AsError(err); e != nil && address != "" && address != p.endpoint.address {
		e.Err = fmt.Errorf("server %s, which this run stays with as %s: %w", address, p.endpoint.URL, e.Err)
	}
	return err
}

// pop takes the connection off that was used last; nil if none is idle.
func (p *pool) pop() (*wire, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, refusal("ldap.Dial", errClosed)
	}
	if len(p.idle) == 0 {
		return nil, nil
	}
	w := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return w, nil
}

// give takes a connection back; one that has failed, or is one too many, is closed.
// The caller must not look at it any more.
func (p *pool) give(w *wire) {
	if !p.push(w) {
		w.close() // outside of the lock: it may have to wait for a write to end
	}
}

func (p *pool) push(w *wire) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || w.conn.IsClosing() || len(p.idle) == maxIdle {
		return false
	}
	w.idleAt = time.Now()
	p.idle = append(p.idle, w)
	return true
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.close()
	}
}
