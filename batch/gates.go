package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// Routes proves that mail finds its way. cmd implements it.
type Routes interface {
	// Prove asks the mail servers that are configured whether they take mail for the
	// address. A *migrate.Error whose Retry is Never says that one does not.
	Prove(ctx context.Context, address migrate.SMTPAddress) error
}

// ErrHeld is what Advance returns of a move that goes no further in this run, although
// nothing is wrong with it. Why is in the move's row.
var ErrHeld = errors.New("goes no further in this run")

// gate lets nobody's switch begin that could not be brought to its end: nobody holds it
// up, both directories are as the switch needs them and every server shows it, mail finds
// its way to the target, and there is little left to fetch, and room for it.
func (m *Mover) gate(ctx context.Context, w *work) (Verdict, error) {
	// Others may fail while what is left is fetched: who is in turn is looked at once more.
	for _, look := range []step{m.inTurn, m.fit, m.routed, m.small, m.roomy, m.inTurn} {
		if verdict, err := look(ctx, w); err != nil || verdict != Done {
			return verdict, err
		}
	}
	w.move.Quiet, w.move.QuietAt, w.move.Brought, w.move.Cause = 0, time.Time{}, 0, ""
	return Done, nil
}

// hold leaves the move as it is for the rest of the run.
func hold(why string) Verdict { return Verdict{hold: true, reason: why} }

// inTurn holds the move up while others go first, or because too many have failed.
func (m *Mover) inTurn(ctx context.Context, w *work) (Verdict, error) {
	if m.Canary == 0 && m.StopAfter == 0 {
		return Done, nil
	}
	others, err := m.batchOf(ctx, w)
	if err != nil {
		return Done, err
	}
	if held := m.stopped(w.claim.Run, others); held != "" {
		return hold(held), nil
	}
	return m.afterCanaries(w, others), nil
}

func (m *Mover) batchOf(ctx context.Context, w *work) (moves []Move, err error) {
	for move, err := range m.Store.Moves(ctx, Query{Batch: w.move.Batch}) {
		if err != nil {
			return nil, err
		}
		moves = append(moves, move)
	}
	return moves, nil
}

// stopped says why no further switch of the batch begins in the run; "" if it may. Who
// failed in an earlier run, and is not part of this one, does not count.
func (m *Mover) stopped(run RunID, moves []Move) string {
	failed := 0
	for _, move := range moves {
		if move.State == Failed && !move.EndedAt.Before(run.Began()) || move.stepsBack() {
			failed++
		}
	}
	if m.StopAfter == 0 || failed < m.StopAfter {
		return ""
	}
	if failed == 1 {
		return fmt.Sprintf("a mailbox of the batch has failed in this run, or steps back: no further switch begins (switch.stop_after: %d)", m.StopAfter)
	}
	return fmt.Sprintf("%d mailboxes of the batch have failed in this run, or step back: no further switch begins (switch.stop_after: %d)", failed, m.StopAfter)
}

// stepsBack reports whether the switch could not go on, and is on its way back: it ends as
// one that has failed, but not before what reached the target is fetched.
func (m Move) stepsBack() bool { return m.Phase == PhaseSwitch && stepsBack(m.Step) }

// afterCanaries lets the first of the batch go first. The others follow when all of them
// have come to their end; if one has not come to a good one, nobody does.
func (m *Mover) afterCanaries(w *work, moves []Move) Verdict {
	slices.SortFunc(moves, func(a, b Move) int { return a.Seq - b.Seq })
	first := moves[:min(m.Canary, len(moves))]
	if slices.ContainsFunc(first, func(c Move) bool { return c.ID == w.move.ID }) {
		return Done
	}
	var on []string
	for _, c := range first {
		switch c.State {
		case Moved, MovedWithSkips:
		case Failed, RolledBack:
			return hold(fmt.Sprintf("%s goes first (switch.canary: %d), and is %s", c.name(), m.Canary, strings.ToLower(string(c.State))))
		case Planned, Waiting, Moving, Ready, Switching:
			if !m.carries(c) {
				return hold(fmt.Sprintf("%s goes first (switch.canary: %d), and is not moved yet nor part of this run", c.name(), m.Canary))
			}
			on = append(on, c.name())
		}
	}
	if len(on) == 0 {
		return Done
	}
	return Wait(time.Now().Add(m.Interval), "waits for those who go first: "+strings.Join(on, ", "))
}

// carries reports whether this run carries the move forward, so that others may wait for it.
func (m *Mover) carries(move Move) bool {
	if move.Phase == PhaseRollback {
		return false
	}
	return len(m.Only) == 0 || slices.Contains(m.Only, move.ID)
}

// name is what people call the move.
func (m Move) name() string {
	if m.Mail != "" {
		return string(m.Mail)
	}
	return m.Identity
}

// fit looks whether both directories are as a switch needs them, and whether every server
// that is watched shows all that was written until now: one that does not replicate stops
// the switch before it has begun.
func (m *Mover) fit(ctx context.Context, w *work) (Verdict, error) {
	for _, plan := range []planner{m.Directories.PlanStage, m.opening(w)} {
		if verdict, err := m.carry(ctx, w, plan); err != nil || verdict != Done {
			return verdict, err
		}
	}
	if err := m.person(ctx, w); err != nil {
		return Done, err
	}
	findings, err := m.Directories.CheckSwitch(ctx, w.pair)
	if err != nil {
		return Done, err
	}
	if err := m.note(ctx, w, findings); err != nil {
		return Done, err
	}
	return Done, forbid(findings)
}

// opening returns the plan that PhaseOpen has carried out.
func (m *Mover) opening(w *work) planner {
	return func(ctx context.Context, pair directory.Pair) (directory.Plan, error) {
		return m.Directories.PlanOpen(ctx, pair, w.move.TargetDatabase)
	}
}

// routed has the mail servers prove that mail for the person reaches the target.
func (m *Mover) routed(ctx context.Context, w *work) (Verdict, error) {
	if m.Routes == nil {
		return Done, nil
	}
	address := m.Directories.Routing(w.pair.Source)
	if err := m.Routes.Prove(ctx, address); err != nil {
		return Done, fmt.Errorf("prove that mail for %s finds its way: %w", address, err)
	}
	return Done, nil
}

// small makes passes until one brings so little that the switch will be short.
func (m *Mover) small(ctx context.Context, w *work) (Verdict, error) {
	sum, err := m.forth(ctx, w)
	if err != nil {
		return Done, err
	}
	if err := m.passDone(ctx, w, sum); err != nil {
		return Done, err
	}
	if sum.Brought > m.Delta {
		return Wait(time.Now(), fmt.Sprintf("the last pass brought %d items, more than %d (switch.delta): makes another before the switch", sum.Brought, m.Delta)), nil
	}
	// Also what a process that was killed after its last pass has not brought.
	findings, err := m.annotate(ctx, w)
	if err != nil {
		return Done, err
	}
	return Done, m.note(ctx, w, findings)
}

// roomy looks whether the target mailbox takes the mail that will arrive there.
func (m *Mover) roomy(ctx context.Context, w *work) (Verdict, error) {
	return Done, m.withMailboxes(ctx, w, func(_ migrate.Source, target migrate.Target) error {
		space, ok := target.(migrate.Room)
		if !ok {
			return nil
		}
		free, limited, err := space.Room(ctx)
		if err != nil || !limited || free >= m.Room {
			return err
		}
		return &migrate.Error{
			Op: "room at the target", Reach: migrate.OneMailbox, Retry: migrate.Later,
			Err:  fmt.Errorf("the target mailbox has room for %d bytes, fewer than %d (switch.room_mb): new mail would not reach it", free, m.Room),
			Hint: "raise its quota",
		}
	})
}
