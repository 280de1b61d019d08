package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"reforest/migrate"
)

// progressEvery is how often a pass stores how far it has come: often enough for
// someone who watches, seldom enough to cost nothing.
const progressEvery = 2 * time.Second

// withMailboxes runs fn on the person's two mailboxes and closes them.
func (m *Mover) withMailboxes(ctx context.Context, w *work, fn func(migrate.Source, migrate.Target) error) error {
	if err := m.person(ctx, w); err != nil {
		return err
	}
	if w.pair.Target == nil {
		return fmt.Errorf("%s has no twin in the target forest any more", w.move.Identity)
	}
	source, closeSource, err := m.Mailboxes.OpenSource(ctx, w.pair.Source)
	if err != nil {
		return fmt.Errorf("open the source mailbox: %w", err)
	}
	// A connection that cannot be closed politely has been closed all the same.
	defer func() { _ = closeSource.Close() }()
	target, closeTarget, err := m.Mailboxes.OpenTarget(ctx, w.pair.Target)
	if err != nil {
		return fmt.Errorf("open the target mailbox: %w", err)
	}
	defer func() { _ = closeTarget.Close() }()
	return fn(source, target)
}

// pass makes one content pass; a whole one looks at every item, also where earlier
// passes have been. errStopping: the operator ended it early.
func (m *Mover) pass(ctx context.Context, w *work, whole bool) (sum migrate.Summary, err error) {
	options := migrate.Options{
		Limit: higher(w.move.BadItemLimit, m.BadItems), Grace: m.Grace, TempDir: m.TempDir, Stop: m.stopping, Whole: whole,
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	options.Progress = func(s migrate.Summary) {
		w.count(s)
		if time.Since(w.saved) < progressEvery {
			return
		}
		if err := m.save(ctx, w); err != nil {
			cancel(err) // the store is the only truth: without it nothing goes on
		}
	}
	err = m.withMailboxes(ctx, w, func(source migrate.Source, target migrate.Target) (err error) {
		sum, err = migrate.Copy(ctx, source, target, w.content, options)
		return err
	})
	w.count(sum)
	if sum.Brought > 0 {
		w.move.Attempt = 0 // it gets on: an attempt that brought something has not failed
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return sum, cause
	}
	if err == nil && sum.Stopped {
		err = errStopping
	}
	return sum, errors.Join(err, m.noteFlags(ctx, w, sum))
}

// noteFlags puts on record what the target would not take of flags and keywords.
func (m *Mover) noteFlags(ctx context.Context, w *work, sum migrate.Summary) error {
	if sum.Reflagged == 0 {
		return nil
	}
	return m.note(ctx, w, []migrate.Finding{{
		Rule: "content.keywords", Severity: migrate.Note, Whom: w.move.Identity,
		What: fmt.Sprintf("%d items lost flags or keywords that the target does not take", sum.Reflagged),
	}})
}

// higher returns the larger of two limits of skipped items; -1 is any number.
func higher(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

// count takes over how far the content has come. A pass that ended before it could
// add up says nothing.
func (w *work) count(s migrate.Summary) {
	if s == (migrate.Summary{}) {
		return
	}
	w.move.Items, w.move.Bytes, w.move.Skips = s.Items, s.Bytes, s.Skips
	w.move.TotalItems, w.move.TotalBytes = s.TotalItems, s.TotalBytes
}

// copy makes the first pass.
func (m *Mover) copy(ctx context.Context, w *work) (Verdict, error) {
	_, err := m.pass(ctx, w, false)
	if err != nil {
		return Done, err
	}
	return Done, m.passDone(ctx, w)
}

func (m *Mover) passDone(ctx context.Context, w *work) error {
	w.move.Passes++
	return m.save(ctx, w, w.event(EventPass, passWords(w.move)))
}

func passWords(move Move) string {
	return fmt.Sprintf("pass %d: %d items in all, %d skipped", move.Passes, move.Items, move.Skips)
}

// The steps of the switch, in their order. Before deliver a move can step back by
// itself; afterwards it goes forward.
const (
	stepDeliver    = "deliver"    // the target keeps what it gets
	stepForward    = "forward"    // the source passes on what it gets
	stepTail       = "tail"       // what was on its way is fetched
	stepDisconnect = "disconnect" // the source becomes a mail user
)

// quietPasses is how many tail passes in a row must bring nothing.
const quietPasses = 2

// switchOver changes which side delivers, so that no message is lost and none
// loops. Step is stored after each part; a part that is repeated finds nothing to do.
func (m *Mover) switchOver(ctx context.Context, w *work) (Verdict, error) {
	parts := []struct {
		name string
		run  step
	}{
		{stepDeliver, m.turn(m.Directories.PlanDeliver)},
		{stepForward, m.turn(m.Directories.PlanForward)},
		{stepTail, m.tail},
		{stepDisconnect, m.disconnect},
	}
	first := 0
	for i, part := range parts {
		if w.move.Step == part.name {
			first = i
		}
	}
	for i, part := range parts[first:] {
		w.move.Step = part.name
		if verdict, err := part.run(ctx, w); err != nil || verdict != Done {
			return verdict, err
		}
		if next := first + i + 1; next < len(parts) {
			w.move.Step = parts[next].name
		}
		if part.name != stepTail { // disconnect may send back to it, and must not do so for ever
			w.move.Attempt = 0
		}
		if err := m.save(ctx, w, w.event(EventStep, part.name+" done")); err != nil {
			return Done, err
		}
	}
	return Done, nil
}

// turn returns the part of the switch that carries out the plan. What the source got
// since it was staged comes first: the plan may need it.
func (m *Mover) turn(plan planner) step {
	return func(ctx context.Context, w *work) (Verdict, error) {
		if verdict, err := m.carry(ctx, w, m.Directories.PlanStage); err != nil || verdict != Done {
			return verdict, err
		}
		return m.carry(ctx, w, plan)
	}
}

// disconnect turns the source into a mail user, unless the last look for late mail is
// so long ago that it has to be taken again.
func (m *Mover) disconnect(ctx context.Context, w *work) (Verdict, error) {
	if time.Since(w.move.QuietAt) > m.Drain+10*m.Interval {
		w.move.Step, w.move.Quiet = stepTail, 0
		return Wait(time.Now(), "late mail: the last look is too long ago"), nil
	}
	return m.turn(m.Directories.PlanDisconnect)(ctx, w)
}

// tail makes passes until two in a row, one drain interval apart, bring nothing.
func (m *Mover) tail(ctx context.Context, w *work) (Verdict, error) {
	if w.move.Quiet >= quietPasses {
		return Done, nil
	}
	if due := w.move.QuietAt.Add(m.Drain); w.move.Quiet > 0 && time.Now().Before(due) {
		return Wait(due, drainWords(w.move)), nil
	}
	sum, err := m.pass(ctx, w, false)
	if err != nil {
		return Done, err
	}
	w.move.Quiet++
	if !sum.Quiet() {
		w.move.Quiet = 0
	}
	w.move.QuietAt = time.Now().UTC()
	if err := m.passDone(ctx, w); err != nil {
		return Done, err
	}
	if w.move.Quiet >= quietPasses {
		return Done, nil
	}
	return Wait(w.move.QuietAt.Add(m.Drain), drainWords(w.move)), nil
}

func drainWords(move Move) string {
	return fmt.Sprintf("late mail: %d of %d looks found nothing more", move.Quiet, quietPasses)
}
