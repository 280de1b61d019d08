package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// errWaits is the reason of a recipient whose copy another recipient's attempt decides.
var errWaits = errors.New("another recipient of the message is on its way to the same place")

// carry tries to bring an entry to all its recipients, until each is done or ctx ends.
func (t *Transport) carry(ctx context.Context, e *entry) {
	for ctx.Err() == nil {
		open := e.pending()
		if len(open) == 0 && t.finish(e) {
			return
		}
		var attempts sync.WaitGroup
		for _, i := range open {
			attempts.Go(func() { t.attempt(ctx, e, i) })
		}
		attempts.Wait()
		if len(open) > 0 && len(e.pending()) == 0 {
			continue
		}
		if err := wait(ctx, t.config.RetryInterval); err != nil {
			return
		}
	}
}

// finish takes an entry out of the queue.
func (t *Transport) finish(e *entry) bool {
	if err := t.spool.remove(e.id); err != nil {
		t.config.Log.Error("cannot end an entry", "err", err)
		return false
	}
	return true
}

// attempt tries once to bring an entry to one recipient, and records why not.
func (t *Transport) attempt(ctx context.Context, e *entry, i int) {
	err := t.try(ctx, e, i)
	if err == nil || ctx.Err() != nil || !e.defers(i, err.Error()) {
		return
	}
	r := e.recipient(i)
	if err := t.record(e, Record{Event: Deferred, Recipient: r.address, Text: err.Error()}); err != nil {
		t.config.Log.Error("cannot record", "err", err)
	}
}

// try resolves the recipient now, and hands the message over there. nil: the recipient
// is done. Any error leaves it in the queue.
func (t *Transport) try(ctx context.Context, e *entry, i int) error {
	if r := e.recipient(i); r.trying != nil {
		if err := t.recall(ctx, e, i, r); err != nil {
			return err
		}
	}
	r := e.recipient(i)
	if r.done {
		return nil
	}
	if e.hops > t.config.MaxHops {
		return t.bounce(e, i, errTooManyHops)
	}
	way, err := t.resolver.route(ctx, r.address, r.split)
	switch {
	case err != nil:
		return err
	case way.refusal != nil:
		return t.bounce(e, i, way.refusal)
	}
	if len(way.also) > 0 {
		if err := e.splitOff(i, way.also); err != nil {
			return err
		}
	}
	if err := wait(ctx, t.pause()); err != nil {
		return err
	}
	return t.handOver(ctx, e, i, way)
}

// pause is the random time that mail is on its way.
func (t *Transport) pause() time.Duration {
	bounds := t.delay.Load()
	if spread := bounds[1] - bounds[0]; spread > 0 {
		return bounds[0] + rand.N(spread)
	}
	return bounds[0]
}

// handOver brings a message to where its recipient was resolved to.
func (t *Transport) handOver(ctx context.Context, e *entry, i int, w way) error {
	select {
	case t.gate <- struct{}{}:
		defer func() { <-t.gate }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	taken, arrived, err := e.claim(i, w.where())
	switch {
	case err != nil:
		return err
	case arrived:
		return t.settle(e, i, Record{Event: Merged, Mailbox: w.mailbox, Address: w.hop})
	case taken:
		return errWaits
	}
	if w.hop != "" {
		return t.forward(ctx, e, i, w.hop)
	}
	return t.deliver(ctx, e, i, w.mailbox)
}

func (t *Transport) deliver(ctx context.Context, e *entry, i int, mailbox string) error {
	message, err := t.outgoing(e, "")
	if err != nil {
		return errors.Join(err, e.free(i))
	}
	if err := t.store.Deliver(ctx, mailbox, message); err != nil {
		return t.refused(e, i, fmt.Errorf("deliver to %q: %w", mailbox, err))
	}
	return t.settle(e, i, Record{Event: Delivered, Mailbox: mailbox})
}

func (t *Transport) forward(ctx context.Context, e *entry, i int, address string) error {
	message, err := t.outgoing(e, t.transfer(e, i))
	if err != nil {
		return errors.Join(err, e.free(i))
	}
	if err := t.next.send(ctx, e.env.From, address, t.transfer(e, i), message); err != nil {
		return t.refused(e, i, fmt.Errorf("hand over to %q: %w", address, err))
	}
	return t.settle(e, i, Record{Event: Forwarded, Address: address})
}

// refused deals with an attempt that brought no success: what was refused for good
// bounces, what was refused for now is free, and the rest is unanswered.
func (t *Transport) refused(e *entry, i int, err error) error {
	refusal, answered := asRefusal(err)
	if !answered {
		e.unanswered(i)
		return err
	}
	if freeErr := e.free(i); freeErr != nil {
		return errors.Join(err, freeErr)
	}
	if refusal.Temporary() {
		return err
	}
	return t.bounce(e, i, refusal)
}

// recall finds out what became of an attempt that ended without an answer. nil: it is
// known, and the recipient is done or free.
func (t *Transport) recall(ctx context.Context, e *entry, i int, r recipient) error {
	if err := wait(ctx, t.config.Settle-time.Since(r.since)); err != nil {
		return err
	}
	select {
	case t.looks <- struct{}{}:
		defer func() { <-t.looks }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.trying.Hop != "" {
		return t.repeat(ctx, e, i, r.trying.Hop)
	}
	held, err := t.store.Holds(ctx, r.trying.Mailbox, e.message)
	switch {
	case err != nil:
		return fmt.Errorf("look for the message in %q: %w", r.trying.Mailbox, err)
	case held:
		return t.settle(e, i, Record{Event: Delivered, Mailbox: r.trying.Mailbox, Found: true})
	}
	return e.free(i)
}

// repeat sends the same transfer again. Only a refusal for good says that the other site
// does not have it; one for now may come from before it has looked.
func (t *Transport) repeat(ctx context.Context, e *entry, i int, address string) error {
	message, err := t.outgoing(e, t.transfer(e, i))
	if err != nil {
		return err
	}
	err = t.next.send(ctx, e.env.From, address, t.transfer(e, i), message)
	if err == nil {
		return t.settle(e, i, Record{Event: Forwarded, Address: address, Found: true})
	}
	refusal, answered := asRefusal(err)
	if answered && !refusal.Temporary() {
		return e.free(i)
	}
	if !answered {
		e.unanswered(i)
	}
	return fmt.Errorf("hand over to %q again: %w", address, err)
}

// bounce keeps the message aside and records the answer.
func (t *Transport) bounce(e *entry, i int, refusal *RefusalError) error {
	if err := t.spool.keep(e.id, "bounced"); err != nil {
		return err
	}
	return t.settle(e, i, Record{Event: Bounced, Text: refusal.Error()})
}

// settle records an outcome and ends the recipient. Should the process die in between,
// the outcome is found and recorded again.
func (t *Transport) settle(e *entry, i int, r Record) error {
	r.Recipient = e.recipient(i).address
	if err := t.record(e, r); err != nil {
		return err
	}
	return e.done(i)
}

// record writes down what happened to an entry.
func (t *Transport) record(e *entry, r Record) error {
	r.At, r.Site, r.Entry, r.MessageID, r.Hops = time.Now().UTC(), t.config.Site, e.id, e.message, e.sites
	if err := t.spool.log.appendJSON(r); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// transfer is the id of a recipient's way to the other site.
func (t *Transport) transfer(e *entry, i int) string {
	return t.config.Site + "/" + e.id + "/" + strconv.Itoa(i)
}

func (t *Transport) stamp(e *entry, transfer string) stamp {
	return stamp{
		host: t.config.Host, entry: e.id, from: e.env.From, origin: either(e.env.Origin, "outside"),
		at: e.env.Accepted, transfer: transfer,
	}
}

// outgoing returns the message as it is handed over.
func (t *Transport) outgoing(e *entry, transfer string) ([]byte, error) {
	_, message, err := readWhole(t.spool.path("queue", e.id))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", e.id, err)
	}
	return t.stamp(e, transfer).stamped(message), nil
}

// wait returns after d, or with the cause when ctx ends before.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
