// Package replica is a further domain controller or global catalog of a forest, one that
// lags behind by a settable time. It gives each site of a rehearsal a view of its own.
//
//	any LDAP server ──poll──► follower ──batches──► delay ──Lag later──► ldapd.Server
//
// The upstream is a real forest or an ldapd. Everything is read once, security descriptors
// included; after that each poll asks for the highest committed update number, and only if
// that has risen for the entries beyond the last (MS-ADTS 3.1.1.1.9), tombstones too. What a
// poll finds becomes visible together, whole entries, in the order of the polls.
//
// Not followed: changes of the schema, other domains of the forest, and an upstream that is
// put back to an earlier state, and overtakes that, within one poll and without closing the
// connection.
package replica

import (
	"context"
	"fmt"
	"sync"
	"time"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// A Replica is a server that follows another.
type Replica struct {
	config  Config
	server  *ldapd.Server
	delayed *delay
	asks    chan *ask
	done    <-chan struct{} // closed when the replica ends
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Start reads the upstream as it is now, and follows it until ctx ends or Close is called.
// When it returns, all that was read is visible. An upstream that fails later is tried again
// with every poll; meanwhile the replica answers with what it has.
func Start(ctx context.Context, config Config) (*Replica, error) {
	config, err := config.complete()
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	f, records, err := begin(ctx, config)
	if err != nil {
		stop()
		return nil, fmt.Errorf("start replica: %w", err)
	}
	r := &Replica{config: config, delayed: newDelay(config.Lag), asks: make(chan *ask), done: ctx.Done(), stop: stop}
	if r.server, err = ldapd.StartReplica(ctx, r.serverConfig(f.root), records); err != nil {
		f.hangUp()
		stop()
		return nil, err
	}
	r.running.Go(func() { r.follow(ctx, f) })
	r.running.Go(func() { r.show(ctx) })
	return r, nil
}

func (r *Replica) serverConfig(root rootDSE) ldapd.ReplicaConfig {
	c := ldapd.ReplicaConfig{
		Base: directory.DN(root.base), Host: r.config.Host, Writable: root.host,
		Address: r.config.Address, Authority: r.config.Authority, Logins: r.config.Logins,
	}
	if r.config.Catalog {
		c.Address, c.GlobalAddress = "", r.config.Address
	}
	return c
}

// URL returns where the replica speaks LDAPS: as a global catalog, if it is one.
func (r *Replica) URL() string {
	if r.config.Catalog {
		return r.server.GlobalURL()
	}
	return r.server.URL()
}

// Server returns the server that answers, to look into it without LDAP. Looked at in this
// way, a global catalog too shows all attributes.
func (r *Replica) Server() *ldapd.Server { return r.server }

// Close stops the replica and waits for everything it started.
func (r *Replica) Close() error {
	r.stop()
	r.running.Wait()
	return r.server.Close()
}

// SetLag sets how far behind the replica is from now on. It holds for what has been seen and
// is not visible yet as well, so the order of changes stays.
func (r *Replica) SetLag(lag time.Duration) { r.delayed.set(func() { r.delayed.lag = lag }) }

// Freeze keeps the replica as it is: nothing more becomes visible.
func (r *Replica) Freeze() { r.delayed.set(func() { r.delayed.frozen = true }) }

// Thaw ends Freeze. What is older than the lag by now becomes visible at once.
func (r *Replica) Thaw() { r.delayed.set(func() { r.delayed.frozen = false }) }

// show makes visible what is due, until ctx ends.
func (r *Replica) show(ctx context.Context) {
	var left []ldapd.Record // without a place yet: tried again with what comes next
	for {
		now, wait, changed := r.delayed.due()
		if len(now) == 0 {
			if r.pause(ctx, wait, changed) != nil {
				return
			}
			continue
		}
		for _, b := range now {
			left = r.server.Replicate(append(left, b.records...))
		}
		r.delayed.set(func() { r.delayed.shown, r.delayed.stuck = r.delayed.shown+len(now), len(left) })
	}
}
