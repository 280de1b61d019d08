package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Store is where mailboxes are.
type Store interface {
	// Deliver puts the message into the mailbox. A *RefusalError says that it is not there;
	// any other error leaves that open.
	Deliver(ctx context.Context, mailbox string, message []byte) error
	// Holds reports whether the mailbox holds a message with this Message-ID, angle
	// brackets included.
	Holds(ctx context.Context, mailbox, messageID string) (bool, error)
}

// A Transport is a running mail transport.
type Transport struct {
	config   Config
	spool    *spool
	view     *view
	store    Store
	resolver resolver
	next     *courier
	gate     chan struct{} // one token for each delivery that may go on
	looks    chan struct{} // one token for each look into a mailbox that may go on
	delay    atomic.Pointer[[2]time.Duration]
	cancel   context.CancelFunc
	running  sync.WaitGroup
	listener *listener

	mu     sync.Mutex
	closed bool // nothing is taken any more
}

// Start starts the transport on its spool, with what the last one left there. It stops
// when ctx ends or Close is called.
func Start(ctx context.Context, config Config) (*Transport, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	spool, err := openSpool(config.Dir)
	if err != nil {
		return nil, err
	}
	t := newTransport(config, spool)
	ctx, t.cancel = context.WithCancel(ctx)
	if err := t.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start transport: %w", err), t.Close())
	}
	return t, nil
}

func newTransport(config Config, spool *spool) *Transport {
	t := &Transport{config: config, spool: spool, store: config.Store}
	t.view = &view{config: config.View, mailboxBy: config.MailboxBy, fixed: config.Domains}
	t.resolver = resolver{view: t.view, next: config.Next.Domains}
	t.next = newCourier(config.Connections, dialNext(config.Next, config.Host))
	t.gate = make(chan struct{}, config.Connections)
	t.looks = make(chan struct{}, 4)
	if t.store == nil {
		t.store = NewLMTP(config.LMTP, config.Connections)
	}
	t.SetDelay(config.MinDelay, config.MaxDelay)
	return t
}

// begin takes up the queue, then listens, then watches Pickup.
func (t *Transport) begin(ctx context.Context) error {
	ids, err := t.spool.queued()
	if err != nil {
		return err
	}
	now := time.Now()
	for _, id := range ids {
		if err := t.load(ctx, id, now); err != nil {
			return err
		}
	}
	if t.listener, err = listen(ctx, t); err != nil {
		return err
	}
	t.running.Go(func() { t.watch(ctx) })
	return nil
}

// Addr returns the host:port where SMTP listens.
func (t *Transport) Addr() string { return t.listener.addr() }

// SetDelay bounds the random time between resolving and handing over from now on.
func (t *Transport) SetDelay(minimum, maximum time.Duration) {
	t.delay.Store(&[2]time.Duration{minimum, max(minimum, maximum)})
}

// Close stops the transport. What is in its queue stays there; an attempt that is cut
// short is looked for by the next Start.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	if t.listener != nil {
		t.listener.close()
	}
	t.running.Wait()
	t.view.close()
	t.next.close()
	if closer, ok := t.store.(*LMTP); ok && t.config.Store == nil {
		closer.Close()
	}
	return t.spool.close()
}

// watch takes up what appears in Pickup.
func (t *Transport) watch(ctx context.Context) {
	ticker := time.NewTicker(t.config.Poll)
	defer ticker.Stop()
	for {
		ids, err := t.spool.pickUp()
		if err != nil {
			t.config.Log.Error("cannot take up mail", "err", err)
		}
		for _, id := range ids {
			if err := t.load(ctx, id, time.Now()); err != nil {
				t.config.Log.Error("cannot take up a message", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// load begins or goes on with an entry of the queue.
func (t *Transport) load(ctx context.Context, id string, now time.Time) error {
	env, message, err := readWhole(t.spool.path("queue", id))
	if errors.Is(err, errMalformed) {
		return t.reject(id, err)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", id, err)
	}
	e := newEntry(id, env)
	e.state = t.spool.path("queue", id+stateSuffix)
	e.message = t.stamp(e, "").messageID(message)
	e.hops, e.sites = hopsOf(message)
	e.hops, e.sites = e.hops+1, e.sites+1
	if env.Transfer != "" && !t.spool.wasTaken(env.Transfer) {
		if err := t.spool.noteTaken(env.Transfer); err != nil {
			return err
		}
	}
	if err := t.resume(e, message, now); err != nil {
		return err
	}
	t.running.Go(func() { t.carry(ctx, e) })
	return nil
}

// resume brings an entry to where it stood. One without a state has just been accepted.
func (t *Transport) resume(e *entry, message []byte, now time.Time) error {
	file, err := os.OpenFile(e.state, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := t.record(e, Record{Event: Accepted, To: e.env.To, Origin: either(headerOf(message, OriginHeader), e.env.Origin)}); err != nil {
			return err
		}
		return os.WriteFile(e.state, nil, 0o600)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(mendTail(file), file.Close()); err != nil {
		return fmt.Errorf("mend state of %s: %w", e.id, err)
	}
	return e.replay(now)
}

// reject keeps what is no message where a person finds it.
func (t *Transport) reject(id string, why error) error {
	if err := t.spool.keep(id, "badmail"); err != nil {
		return err
	}
	if err := t.spool.log.appendJSON(Record{At: time.Now().UTC(), Site: t.config.Site, Entry: id, Event: Rejected, Text: why.Error()}); err != nil {
		return err
	}
	return t.spool.remove(id)
}

// enter counts one who works for the transport, unless it is closed; running.Done is
// due after it.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.running.Add(1)
	}
	return !t.closed
}
