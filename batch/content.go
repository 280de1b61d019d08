package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// progressEvery is how often a pass stores how far it has come: often enough for
// someone who watches, seldom enough to cost nothing.
const progressEvery = 2 * time.Second

// A way is a direction in which content is brought.
type way int

const (
	wayForth way = iota // from the source to the target
	wayBack             // from the target to the source
)

// withMailboxes runs fn on the person's two mailboxes and closes them.
func (m *Mover) withMailboxes(ctx context.Context, w *work, fn func(migrate.Source, migrate.Target) error) error {
	return m.withMailboxesOf(ctx, w, wayForth, fn)
}

// withMailboxesOf is withMailboxes for the way: the mailbox that is read comes first.
func (m *Mover) withMailboxesOf(ctx context.Context, w *work, along way, fn func(migrate.Source, migrate.Target) error) error {
	if err := m.person(ctx, w); err != nil {
		return err
	}
	if w.pair.Target == nil {
		return fmt.Errorf("%s has no twin in the target forest any more", w.move.Identity)
	}
	from, to := directory.Source, directory.Target
	reads, writes := w.pair.Source, w.pair.Target
	if along == wayBack {
		from, to, reads, writes = to, from, writes, reads
	}
	source, closeSource, err := m.Mailboxes.OpenSource(ctx, from, reads)
	if err != nil {
		return fmt.Errorf("open the %s mailbox: %w", from, err)
	}
	// A connection that cannot be closed politely has been closed all the same.
	defer func() { _ = closeSource.Close() }()
	target, closeTarget, err := m.Mailboxes.OpenTarget(ctx, to, writes)
	if err != nil {
		return fmt.Errorf("open the %s mailbox: %w", to, err)
	}
	defer func() { _ = closeTarget.Close() }()
	return fn(source, target)
}

// pass makes one content pass to the target; a whole one looks at every item, also where
// earlier passes have been. errStopping: the operator ended it early.
func (m *Mover) pass(ctx context.Context, w *work, whole bool) (migrate.Summary, error) {
	return m.passOf(ctx, w, wayForth, whole)
}

// passOf makes one content pass along the way.
func (m *Mover) passOf(ctx context.Context, w *work, along way, whole bool) (sum migrate.Summary, err error) {
	options := migrate.Options{
		Limit: higher(w.move.BadItemLimit, m.BadItems), Grace: m.Grace, TempDir: m.TempDir, Memory: m.memory, Stop: m.stopping, Whole: whole,
		Follow: true, // what its owner has done to it since comes along
		Delete: along == wayForth && w.beforeSwitch(),
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	count := w.counter(along)
	options.Progress = func(s migrate.Summary) {
		count(s)
		if time.Since(w.saved) < progressEvery {
			return
		}
		if err := m.save(ctx, w); err != nil {
			cancel(err) // the store is the only truth: without it nothing goes on
		}
	}
	if err := m.resolveOther(ctx, w, along); err != nil {
		return sum, err
	}
	journal := w.journal(along)
	err = m.withMailboxesOf(ctx, w, along, func(source migrate.Source, target migrate.Target) (err error) {
		sum, err = migrate.Copy(ctx, source, target, journal, options)
		return err
	})
	count(sum)
	if sum.Brought > 0 {
		w.move.Attempt = 0 // it gets on: an attempt that brought something has not failed
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return sum, cause
	}
	if err == nil && sum.Stopped {
		err = errStopping
	}
	if options.Delete {
		err = errors.Join(err, m.note(ctx, w, leftBehind(w.move.Identity, sum)))
	}
	return sum, errors.Join(err, m.noteFlags(ctx, w, sum))
}

// beforeSwitch reports whether nobody works in the target mailbox yet.
func (w *work) beforeSwitch() bool {
	return w.move.Phase == PhaseCopy || w.move.Phase == PhaseSwitch && (w.move.Step == "" || w.move.Step == StepGate)
}

// leftBehind are the findings of a pass that deletes about what is gone from the source and
// was not deleted at the target for a person to look at.
func leftBehind(whom string, sum migrate.Summary) (findings []migrate.Finding) {
	if sum.Guarded > 0 {
		findings = append(findings, migrate.Finding{
			Rule: "content.gone", Severity: migrate.Warn, Whom: whom,
			What: fmt.Sprintf("%d items of %s are gone from the old mailbox, too many at once to delete them in the new one", sum.Guarded, sum.GuardedIn),
			Mend: "Ask the owner. What was deleted on purpose can be deleted in the new mailbox; what was not is there still.",
		})
	}
	if sum.Deleted > 0 && sum.Skips > 0 {
		findings = append(findings, migrate.Finding{
			Rule: "content.left", Severity: migrate.Warn, Whom: whom,
			What: fmt.Sprintf("%d items that are gone from the old mailbox were not deleted in the new one: they may be among the %d skipped ones, which could not be moved", sum.Deleted, sum.Skips),
			Mend: "Look at the skipped items. What the owner deleted on purpose can be deleted in the new mailbox.",
		})
	}
	return findings
}

// journal returns the journal of what is brought along the way.
func (w *work) journal(along way) migrate.Journal {
	if along == wayBack {
		return w.backward
	}
	return w.content
}

// opposite returns the other way.
func (along way) opposite() way { return wayForth + wayBack - along }

// resolveOther closes what a process that was killed left open on the other way: until it
// is known what of it landed, nothing can be said of what is new here.
func (m *Mover) resolveOther(ctx context.Context, w *work, along way) error {
	ledger, ok := w.journal(along.opposite()).(migrate.Ledger)
	if !ok {
		return nil
	}
	open, err := ledger.Open(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	return m.withMailboxesOf(ctx, w, along.opposite(), func(_ migrate.Source, target migrate.Target) error {
		_, err := migrate.Resolve(ctx, target, ledger, migrate.Options{Grace: m.Grace})
		return err
	})
}

// noteFlags puts on record what the target would not take of flags and keywords.
func (m *Mover) noteFlags(ctx context.Context, w *work, sum migrate.Summary) error {
	if sum.Reflagged == 0 {
		return nil
	}
	return m.note(ctx, w, []migrate.Finding{{
		Rule: "content.keywords", Severity: migrate.Note, Whom: w.move.Identity,
		What: fmt.Sprintf("%d items lost flags or keywords that the target does not take: %s", sum.Reflagged, sum.Lost),
	}})
}

// noteFollowed puts on record what of the owner's doings in the new mailbox did not come
// along on the way back.
func (m *Mover) noteFollowed(ctx context.Context, w *work, sum migrate.Summary) error {
	if w.move.Step != StepFetch {
		return nil
	}
	var findings []migrate.Finding
	for _, left := range []struct {
		rule, what string
		n          int64
	}{
		{"content.deleted-since", "%d items that were deleted in the new mailbox are in the old one still", sum.Deleted},
		{"content.flags-since", "flags of %d items that were changed in the new mailbox are as they were in the old one", sum.Kept},
		{"content.moved-since", "%d items that were filed elsewhere in the new mailbox lie where they were in the old one", sum.Elsewhere},
	} {
		if left.n > 0 {
			findings = append(findings, migrate.Finding{
				Rule: left.rule, Severity: migrate.Note, Whom: w.move.Identity, What: fmt.Sprintf(left.what, left.n),
			})
		}
	}
	return m.note(ctx, w, findings)
}

// higher returns the larger of two limits of skipped items; -1 is any number.
func higher(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

// counter returns what takes over how far a pass along the way has come. A pass that
// ended before it could add up says nothing.
func (w *work) counter(along way) func(migrate.Summary) {
	brought := w.move.Brought
	return func(s migrate.Summary) {
		if s == (migrate.Summary{}) {
			return
		}
		w.move.Brought = brought + s.Brought
		if along == wayBack {
			return
		}
		w.move.Items, w.move.Bytes, w.move.Skips = s.Items, s.Bytes, s.Skips
		w.move.TotalItems, w.move.TotalBytes = s.TotalItems, s.TotalBytes
	}
}

// copy makes the first pass.
func (m *Mover) copy(ctx context.Context, w *work) (Verdict, error) {
	if err := m.measure(ctx, w); err != nil {
		return Done, err
	}
	sum, err := m.pass(ctx, w, false)
	if err != nil {
		return Done, err
	}
	if sum.Brought > 0 {
		// What is refused is told before the switch, when all is brought once more.
		if _, err := m.annotate(ctx, w); err != nil {
			return Done, err
		}
		// Delegates can open the folders from the switch on. Not everyone may be staged yet:
		// what is in doubt is told when the move is cleaned.
		if _, err := m.share(ctx, w, false); err != nil {
			return Done, err
		}
	}
	w.fresh = true
	return Done, m.passDone(ctx, w, sum)
}

func (m *Mover) passDone(ctx context.Context, w *work, sum migrate.Summary) error {
	w.move.Passes++
	return m.save(ctx, w, w.event(EventPass, passWords(w.move, sum)))
}

// passWords says what there is after the pass, and what of the owner's doings it has done
// as well.
func passWords(move Move, sum migrate.Summary) string {
	words := fmt.Sprintf("pass %d: %d items in all, %d skipped", move.Passes, move.Items, move.Skips)
	for _, more := range []struct {
		n  int64
		is string
	}{{sum.Moved, "moved"}, {sum.Edited, "with other flags"}, {sum.Removed, "deleted"}, {sum.Kept, "left as changed since"}} {
		if more.n > 0 {
			words += fmt.Sprintf(", %d %s", more.n, more.is)
		}
	}
	return words
}
