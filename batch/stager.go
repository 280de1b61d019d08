package batch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"reforest/directory"
	"reforest/migrate"
)

// DefaultWriters is how many directory writes are under way at once: a domain
// controller answers several little slower than one.
const DefaultWriters = 8

// A Stager carries out the plans of a directory.Staging.
type Stager struct {
	Directories *directory.Directories
	Journal     directory.Journal
	Writers     int           // changes under way at once; 0 is DefaultWriters
	Interval    time.Duration // between two attempts; 0 is DefaultInterval
	Attempts    int           // failed attempts at one person before giving up; 0 is DefaultAttempts
	Stopping    <-chan struct{}
	// Notify is told of each plan that was carried out, or was not; calls do not overlap.
	Notify func(Staged)
	// Waiting is told why nothing goes on, and until when; calls do not overlap.
	Waiting func(reason string, attempt, of int, until time.Time)

	mu    sync.Mutex
	gated *directory.Directories // Directories with Writers writes at once
}

// A Staged is what one plan came to.
type Staged struct {
	directory.PersonPlan
	Links bool  // the plan was of links
	Err   error // why it was not carried out, or not wholly; nil if it was
}

// Refused reports whether a finding, or an open question, kept the plan from being
// carried out.
func (s Staged) Refused() bool {
	return s.PersonPlan.Err != nil || len(s.Plan.Forbidden()) > 0
}

// Run carries out the plans: objects first, then links, then it waits until every server
// that is watched shows them. What concerns one person alone is told to Notify; the
// error is one that nobody is to blame for. errStopping is no error: what was begun is
// done, and the next run goes on.
func (s *Stager) Run(ctx context.Context, staging *directory.Staging) error {
	s.gate()
	if err := s.Directories.Resume(ctx, s.Journal); err != nil {
		return fmt.Errorf("look at what an earlier run left open: %w", err)
	}
	var written []directory.Plan
	for _, links := range []bool{false, true} {
		plans := staging.Plans(ctx)
		if links {
			plans = staging.Links(ctx)
		}
		some, err := s.carry(ctx, staging, plans, links)
		if err != nil {
			return err
		}
		written = append(written, some...)
	}
	return s.settle(ctx, written)
}

// carry carries out the plans, several at a time, and returns what has to settle. What
// somebody else has changed in between is planned anew at the end.
func (s *Stager) carry(ctx context.Context, staging *directory.Staging, plans iter.Seq2[directory.PersonPlan, error], links bool) ([]directory.Plan, error) {
	c := &carrying{Stager: s, staging: staging, links: links}
	group, within := errgroup.WithContext(ctx)
	work := make(chan directory.PersonPlan)
	group.Go(func() error {
		defer close(work)
		return s.feed(within, plans, work)
	})
	for range s.inHand() {
		group.Go(func() error {
			for p := range work {
				if err := c.one(within, p, false); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	for _, person := range c.again {
		if err != nil || s.stopping() {
			break
		}
		err = c.anew(ctx, person)
	}
	return c.written, err
}

// A carrying is one pass over the plans.
type carrying struct {
	*Stager
	staging *directory.Staging
	links   bool
	written []directory.Plan // what has to settle
	again   []migrate.GUID   // source objects that are to be planned anew
}

// one carries out a plan and tells what it came to.
func (c *carrying) one(ctx context.Context, p directory.PersonPlan, last bool) error {
	done := Staged{PersonPlan: p, Links: c.links}
	err := c.Stager.one(ctx, &done)
	if e := migrate.AsError(done.Err); e != nil && e.Retry == migrate.Now && !last {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.again = append(c.again, p.Pair.Source.GUID)
		return err
	}
	if !c.links && done.Err != nil {
		c.staging.Missed(p.Pair.Source.GUID)
	}
	c.tell(done, &c.written)
	return err
}

// anew plans for one person once more, and carries that out.
func (c *carrying) anew(ctx context.Context, source migrate.GUID) error {
	p, err := c.staging.Anew(ctx, source, c.links)
	if errors.Is(err, directory.ErrNotFound) {
		return nil // gone since
	}
	if err != nil {
		return err
	}
	return c.one(ctx, p, true)
}

// feed hands out the plans until the operator asks to stop.
func (s *Stager) feed(ctx context.Context, plans iter.Seq2[directory.PersonPlan, error], work chan<- directory.PersonPlan) error {
	for p, err := range plans {
		if err != nil {
			return err
		}
		select {
		case work <- p:
		case <-s.Stopping:
			return errStopping
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *Stager) tell(done Staged, written *[]directory.Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done.Err == nil && len(done.Plan.Changes) > 0 && s.Directories.Watches() {
		*written = append(*written, done.Plan.Watched())
	}
	if s.Notify != nil {
		s.Notify(done)
	}
}

// one carries out a plan. The error is one that ends everything.
func (s *Stager) one(ctx context.Context, done *Staged) (err error) {
	if done.Refused() || len(done.Plan.Changes) == 0 {
		return nil
	}
	if done.Err, err = s.patiently(ctx, done.Plan); err != nil {
		return fmt.Errorf("stage %s: %w", done.Pair.Source, err)
	}
	return nil
}

// patiently carries out a plan, again and again while the server asks for time. refusal is
// an error that concerns this plan alone; err is everybody's, such as that of a server
// which went on asking until no attempts were left.
func (s *Stager) patiently(ctx context.Context, plan directory.Plan) (refusal, err error) {
	for attempt := 1; ; attempt++ {
		carry := s.gated.CarrySeen
		if attempt > 1 {
			carry = s.gated.Carry // what was seen is old by now
		}
		err := carry(ctx, s.Journal, plan)
		e := migrate.AsError(err)
		switch {
		case err == nil:
			return nil, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case fatal(err):
			return nil, err
		case errors.Is(err, directory.ErrNotFound), e != nil && e.Reach == migrate.OneMailbox && e.Retry != migrate.Later:
			return err, nil
		case e == nil:
			return nil, err
		case e.Retry == migrate.Now && attempt == 1:
			continue // the answer was lost; Carry looks at what stands there before it writes
		case attempt >= s.attempts() && e.Reach == migrate.OneMailbox:
			return err, nil
		case attempt >= s.attempts():
			return nil, err
		}
		if err := s.wait(ctx, words(err), attempt); err != nil {
			return nil, err
		}
	}
}

// settle waits until every server that is watched shows what was written.
func (s *Stager) settle(ctx context.Context, written []directory.Plan) error {
	for attempt := 1; ; attempt++ {
		missing, rest, err := s.unsettled(ctx, written)
		if err != nil || missing == "" {
			return err
		}
		if attempt >= s.attempts() {
			return fmt.Errorf("wait for replication: %s after %d looks", missing, attempt)
		}
		if err := s.wait(ctx, missing, attempt); err != nil {
			return err
		}
		written = rest
	}
}

// unsettled returns what is missing first, and everything from there on.
func (s *Stager) unsettled(ctx context.Context, written []directory.Plan) (string, []directory.Plan, error) {
	for i, plan := range written {
		missing, err := s.Directories.Settled(ctx, plan)
		if err != nil || missing != "" {
			return missing, written[i:], err
		}
	}
	return "", nil, nil
}

func (s *Stager) wait(ctx context.Context, reason string, attempt int) error {
	interval := s.Interval
	if interval == 0 {
		interval = DefaultInterval
	}
	s.mu.Lock()
	if s.Waiting != nil {
		s.Waiting(reason, attempt, s.attempts(), time.Now().Add(interval))
	}
	s.mu.Unlock()
	select {
	case <-time.After(interval):
		return nil
	case <-s.Stopping:
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Stager) writers() int {
	if s.Writers == 0 {
		return DefaultWriters
	}
	return s.Writers
}

func (s *Stager) attempts() int {
	if s.Attempts == 0 {
		return DefaultAttempts
	}
	return s.Attempts
}

// Stopped reports whether the error is that of a Stager which the operator has stopped.
func Stopped(err error) bool { return errors.Is(err, errStopping) }

func (s *Stager) stopping() bool {
	select {
	case <-s.Stopping:
		return true
	default:
		return false
	}
}
