package batch

import (
	"context"
	"fmt"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// person reads both sides of the move's person anew.
func (m *Mover) person(ctx context.Context, w *work) error {
	if w.pair.Target != nil {
		pair, err := m.Directories.Reload(ctx, w.pair)
		w.pair = pair
		return err
	}
	identity := w.move.Identity
	if !w.move.SourceGUID.IsZero() {
		identity = w.move.SourceGUID.String() // who was meant stays who is meant
	}
	source, err := m.Directories.Resolve(ctx, identity)
	if err != nil {
		return fmt.Errorf("find %s in the source forest: %w", w.move.Identity, err)
	}
	w.pair, err = m.Directories.Match(ctx, source, w.move.TargetGUID)
	if err != nil {
		return fmt.Errorf("find the twin of %s: %w", w.move.Identity, err)
	}
	return nil
}

// know copies who the person is into the move's row, with every name people may look
// for.
func (m *Mover) know(w *work) {
	source, target := w.pair.Source, w.pair.Target
	w.move.Names = source.Names(m.Directories.Source.Info)
	w.move.DisplayName, w.move.Mail = source.DisplayName, source.Mail
	w.move.SourceDN, w.move.SourceGUID = string(source.DN), source.GUID
	if target != nil {
		w.move.TargetDN, w.move.TargetGUID = string(target.DN), target.GUID
		w.move.Names = append(w.move.Names, target.Names(m.Directories.Target.Info)...)
	}
}

// match finds the person and who stands for them at the target already. The twin's
// GUID is not kept yet: until stage, another object may still come to stand for them.
func (m *Mover) match(ctx context.Context, w *work) (Verdict, error) {
	if err := m.person(ctx, w); err != nil {
		return Done, err
	}
	m.know(w)
	w.move.TargetGUID = migrate.GUID{}
	others, err := elsewhere(ctx, m.Store, w.move, w.move.SourceGUID)
	if err != nil {
		return Done, err
	}
	findings, err := m.Directories.Check(ctx, w.pair, w.move.TargetDatabase)
	if err != nil {
		return Done, err
	}
	findings = append(others, findings...)
	if err := m.note(ctx, w, findings); err != nil {
		return Done, err
	}
	return Done, forbid(findings)
}

// note stores findings as events.
func (m *Mover) note(ctx context.Context, w *work, findings []migrate.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	var events []Event
	for _, f := range findings {
		e := w.event(EventFinding, f.What)
		e.Finding = &f
		events = append(events, e)
	}
	return m.save(ctx, w, events...)
}

// A planner computes what one step of the directory still has to change.
type planner func(context.Context, directory.Pair) (directory.Plan, error)

// carry plans anew, carries the plan out, and waits until what it wrote is seen.
func (m *Mover) carry(ctx context.Context, w *work, plan planner) (Verdict, error) {
	if err := m.person(ctx, w); err != nil {
		return Done, err
	}
	p, err := plan(ctx, w.pair)
	if err != nil {
		return Done, err
	}
	if err := m.note(ctx, w, p.Findings); err != nil {
		return Done, err
	}
	if err := forbid(p.Findings); err != nil {
		return Done, err
	}
	if err := m.Directories.Apply(ctx, w.changes, p); err != nil {
		return Done, err
	}
	missing, err := m.Directories.Settled(ctx, p)
	if err != nil || missing == "" {
		return Done, err
	}
	return m.again(missing), nil
}

// stage brings the twin and the X500 addresses of both sides up to date.
func (m *Mover) stage(ctx context.Context, w *work) (Verdict, error) {
	if w.move.TargetGUID.IsZero() {
		// It may be long since the person was matched: another batch may have moved them.
		if verdict, err := m.match(ctx, w); err != nil || verdict != Done {
			return verdict, err
		}
	}
	if verdict, err := m.carry(ctx, w, m.Directories.PlanStage); err != nil || verdict != Done {
		return verdict, err
	}
	w.pair = directory.Pair{} // a twin made just now has to be found
	if err := m.person(ctx, w); err != nil {
		return Done, err
	}
	if w.pair.Target == nil {
		return m.again("the twin is not found yet under the names that were staged"), nil
	}
	m.know(w)
	return m.carry(ctx, w, m.Directories.PlanLinks)
}

// again waits for one interval, and counts as an attempt.
func (m *Mover) again(reason string) Verdict {
	return Verdict{until: time.Now().Add(m.Interval), reason: reason, failed: true}
}

// settle stages what has changed meanwhile, and waits until every server that is
// watched shows all of it.
func (m *Mover) settle(ctx context.Context, w *work) (Verdict, error) {
	return m.carry(ctx, w, m.Directories.PlanStage)
}

// open enables the target mailbox; its targetAddress keeps mail going to the source.
func (m *Mover) open(ctx context.Context, w *work) (Verdict, error) {
	return m.mailboxed(ctx, w, directory.Target, true, m.carried(m.opening(w)))
}

// carried returns the step that carries out the plan.
func (m *Mover) carried(plan planner) step {
	return func(ctx context.Context, w *work) (Verdict, error) { return m.carry(ctx, w, plan) }
}

// mailboxed runs a step by which the object of one side becomes a mailbox, or none, and
// reads back that it is so: a mail system that is told to do it is not believed.
func (m *Mover) mailboxed(ctx context.Context, w *work, side directory.Side, mailbox bool, run step) (Verdict, error) {
	if verdict, err := run(ctx, w); err != nil || verdict != Done {
		return verdict, err
	}
	missing, err := m.Directories.ReadBack(ctx, w.pair, side, mailbox)
	if err != nil || missing == "" {
		return Done, err
	}
	return m.again(missing), nil
}

// clean replaces the legacy permissions on the twin, and on the folders of its mailbox, by
// those of the trustees' twins.
func (m *Mover) clean(ctx context.Context, w *work) (Verdict, error) {
	unstaged, err := m.unstaged(ctx, w.move)
	if err != nil {
		return Done, err
	}
	if unstaged {
		// A right may belong to someone whose twin is about to be made.
		return Wait(time.Now().Add(m.Interval), "waits until everyone of the batch is staged, so that no right is lost"), nil
	}
	if verdict, err := m.carry(ctx, w, m.Directories.PlanTwinRights); err != nil || verdict != Done {
		return verdict, err
	}
	if verdict, err := m.carry(ctx, w, m.Directories.PlanStrip); err != nil || verdict != Done {
		return verdict, err
	}
	findings, err := m.share(ctx, w, true)
	if err != nil {
		return Done, err
	}
	return Done, m.note(ctx, w, findings)
}

// unstaged reports whether another move of the batch may still get a twin in this run. The
// rights of who gets one later are kept until then.
func (m *Mover) unstaged(ctx context.Context, than Move) (bool, error) {
	query := Query{Batch: than.Batch, Phases: []Phase{PhaseMatch, PhaseStage}, Open: true}
	for move, err := range m.Store.Moves(ctx, query) {
		if err != nil {
			return false, err
		}
		if move.ID != than.ID && m.carries(move) {
			return true, nil
		}
	}
	return false, nil
}

// verify fetches what may have come in since the last look, then compares both
// directories and the content once more. An address that the source got after it was
// staged is brought over first.
func (m *Mover) verify(ctx context.Context, w *work) (Verdict, error) {
	for _, plan := range []planner{m.Directories.PlanStage, m.Directories.PlanLinks} {
		if verdict, err := m.carry(ctx, w, plan); err != nil || verdict != Done {
			return verdict, err
		}
	}
	if verdict, err := m.late(ctx, w); err != nil || verdict != Done {
		return verdict, err
	}
	findings, err := m.compare(ctx, w)
	if err != nil {
		return Done, err
	}
	m.know(w)
	if w.move.Attempt+1 < m.Attempts && has(findings, migrate.ContentMissing) {
		return m.again("mail came in while both sides were compared: looks once more"), nil
	}
	if err := m.note(ctx, w, findings); err != nil {
		return Done, err
	}
	return Done, forbid(findings)
}

func has(findings []migrate.Finding, rule string) bool {
	for _, f := range findings {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

// late makes one more pass, over everything that the source holds. Mail that it finds
// means that another look is due.
func (m *Mover) late(ctx context.Context, w *work) (Verdict, error) {
	sum, err := m.pass(ctx, w, true)
	if err != nil || sum.Quiet() {
		return Done, err
	}
	return Wait(time.Now().Add(m.Drain), "late mail was fetched after the switch: looks once more"), m.passDone(ctx, w, sum)
}

// compare returns what does not agree between both sides.
func (m *Mover) compare(ctx context.Context, w *work) (findings []migrate.Finding, err error) {
	err = m.withMailboxes(ctx, w, func(source migrate.Source, target migrate.Target) error {
		if findings, err = migrate.Compare(ctx, source, target, w.content); err != nil {
			return err
		}
		shared, err := m.sharing(w).Compare(ctx, w.pair, source, target)
		findings = append(findings, shared...)
		return err
	})
	if err != nil {
		return nil, err
	}
	directories, err := m.Directories.Verify(ctx, w.pair, w.move.TargetDatabase)
	return append(directories, findings...), err
}
