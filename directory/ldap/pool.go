package ldap

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// maxIdle is how many connections are kept between operations.
	maxIdle = 4
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
}

// take returns an idle connection that is alive as far as can be known, or a new one.
func (p *pool) take(ctx context.Context) (*wire, error) {
	w, err := p.reuse()
	if w != nil || err != nil {
		return w, err
	}
	return p.endpoint.connect(ctx)
}

func (p *pool) reuse() (*wire, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, refusal("ldap.Dial", errClosed)
	}
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if !w.conn.IsClosing() && time.Since(w.idleAt) < maxIdleTime {
			w.used = true
			return w, nil
		}
		w.close()
	}
	return nil, nil
}

// give takes a connection back; one that has failed is closed.
func (p *pool) give(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || w.conn.IsClosing() || len(p.idle) == maxIdle {
		w.close()
		return
	}
	w.idleAt = time.Now()
	p.idle = append(p.idle, w)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.idle {
		w.close()
	}
	p.idle = nil
}
