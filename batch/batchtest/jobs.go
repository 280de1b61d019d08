package batchtest

import (
	"testing"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

var (
	anna = migrate.GUID{1}
	bert = migrate.GUID{2}
)

// jobs checks what a job journals, and what can be taken back.
func jobs(t *testing.T, o Options) {
	s := o.New(t)
	check(t, s.BeginJob(t.Context(), batch.Job{ID: "2026-03-14T02", Kind: batch.JobStage, BeganAt: now}))
	j := s.Changes("2026-03-14T02")
	wantAnyErr(t, "a second job of that name", s.BeginJob(t.Context(), batch.Job{ID: "2026-03-14T02", Kind: batch.JobStage, BeganAt: now}))

	changes := []directory.Change{
		{Forest: directory.Target, Op: directory.Add, DN: "CN=anna", Person: anna},
		{Forest: directory.Source, Op: directory.Modify, DN: "CN=bert", Person: bert, Mods: []directory.Mod{{Op: directory.DeleteValues, Attr: "mail", Origin: "constant"}}},
		{Forest: directory.Target, Op: directory.Modify, DN: "CN=nobody's"},
		{Forest: directory.Target, Op: directory.Add, DN: "CN=refused", Person: bert},
		{Forest: directory.Target, Op: directory.Add, DN: "CN=open", Person: bert},
	}
	for i := range changes {
		id, err := j.Intend(t.Context(), changes[i])
		check(t, err)
		changes[i].ID = id
		switch i {
		case 3:
			check(t, j.Drop(t.Context(), id))
		case 4: // left open
		default:
			check(t, j.Commit(t.Context(), id))
		}
	}
	diff(t, "staged, the newest first", collect(t, s.Staged(t.Context())), []directory.Change{changes[4], changes[1], changes[0]})
	check(t, s.Undone(t.Context(), bert, []int64{changes[4].ID, changes[1].ID}))
	diff(t, "left", collect(t, s.Staged(t.Context())), []directory.Change{changes[0]})
	wantAnyErr(t, "an unknown change", s.Undone(t.Context(), bert, []int64{changes[4].ID + 1000}))

	// A later job takes over what was left open, and fences the earlier one.
	check(t, s.BeginJob(t.Context(), batch.Job{ID: "2026-03-15T02", Kind: batch.JobUndo, BeganAt: now}))
	_, err := j.Intend(t.Context(), changes[0])
	wantErr(t, err, batch.ErrLostClaim)
	wantErr(t, j.Commit(t.Context(), changes[4].ID), batch.ErrLostClaim)
	next := s.Changes("2026-03-15T02")
	diff(t, "left open", collect(t, next.Open(t.Context())), []directory.Change{changes[4]})
	check(t, next.Commit(t.Context(), changes[4].ID))
	check(t, s.EndJob(t.Context(), "2026-03-15T02", now, batch.Complete))
	wantAnyErr(t, "ended twice", s.EndJob(t.Context(), "2026-03-15T02", now, batch.Complete))
}

// beginAnew checks that undoing a person's staging lets a move begin anew unless it has
// come further.
func beginAnew(t *testing.T, o Options) {
	s := o.New(t)
	_, _ = planned(t, s, 2)
	for i, phase := range []batch.Phase{batch.PhaseSettle, batch.PhaseSwitch} {
		c := claim(t, s, night, []batch.MoveID{"m000", "m001"}[1-i])
		move := c.Move
		move.Phase, move.State, move.SourceGUID, move.TargetGUID = phase, batch.Moving, anna, migrate.GUID{9}
		check(t, s.Commit(t.Context(), c, move))
		if i == 0 {
			defer func() { wantErr(t, s.Commit(t.Context(), c, move), batch.ErrLostClaim) }()
		}
	}
	check(t, s.Undone(t.Context(), anna, nil))
	var got []batch.Phase
	for _, move := range collect(t, s.Moves(t.Context(), batch.Query{Batch: "b1"})) {
		got = append(got, move.Phase)
		if begun := move.Phase != batch.PhaseMatch; begun == move.TargetGUID.IsZero() {
			t.Errorf("%s has phase %s and twin %s", move.ID, move.Phase, move.TargetGUID)
		}
	}
	diff(t, "phases", got, []batch.Phase{batch.PhaseMatch, batch.PhaseSwitch})
}
