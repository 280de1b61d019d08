package batchtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

func plan(t *testing.T, o Options) {
	s := o.New(t)
	b, moves := planned(t, s, 3)
	check(t, s.Plan(t.Context(), b, moves))
	diff(t, "moves", collect(t, s.Moves(t.Context(), batch.Query{Batch: b.ID})), moves)
	claim(t, s, night)
	check(t, s.Plan(t.Context(), b, nil)) // the same again changes nothing
	if got := collect(t, s.Moves(t.Context(), batch.Query{})); len(got) != 3 || got[0].Epoch != 1 {
		t.Errorf("after planning again: %+v", got)
	}
}

func planLocked(t *testing.T, o Options) {
	s := o.New(t)
	b, moves := planned(t, s, 2)
	b.ID, b.Digest = "b2", "d2"
	wantErr(t, s.Plan(t.Context(), b, nil), batch.ErrBatchChanged)
	diff(t, "moves", collect(t, s.Moves(t.Context(), batch.Query{})), moves)

	other := batch.Batch{ID: "b3", Name: "wave-3", Digest: "d3", At: now}
	err := s.Plan(t.Context(), other, []batch.Move{{ID: "x1", Batch: "b3"}, {ID: "x1", Batch: "b3", Seq: 1}})
	wantAnyErr(t, "two moves of one ID", err)
	check(t, s.Plan(t.Context(), other, nil)) // nothing of it was stored
}

// fullMove has every field set that Commit stores.
func fullMove(m batch.Move) batch.Move {
	m.TargetDatabase, m.BadItemLimit = "DB \x00 '07'", 7
	m.DisplayName, m.Mail = "Åsa \"O'Hara\"; DROP TABLE moves", "asa@source.example"
	m.SourceDN, m.TargetDN = `CN=O\,Hara,OU=Köln,DC=source`, "CN=Asa,DC=target"
	m.SourceGUID, m.TargetGUID = migrate.GUID{1, 2, 3, 255}, migrate.GUID{15: 9}
	m.State, m.Phase, m.Step = batch.Waiting, batch.PhaseSettle, "tail"
	m.Reason, m.Hint, m.Attempt, m.Of = "not replicated", "wait", 2, 20
	m.NextAt = now.Add(30 * time.Second)
	m.TotalItems, m.TotalBytes, m.Items, m.Bytes, m.Skips = 1<<40, 1<<50, 5, 6, 7
	m.Passes, m.Quiet, m.QuietAt = 3, 1, now.Add(time.Microsecond)
	m.Brought, m.KeptUntil = 4, now.Add(30*24*time.Hour)
	m.StartedAt, m.EndedAt = now.Add(-time.Hour), now.Add(time.Hour)
	return m
}

func roundTrip(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	want := fullMove(c.Move)
	check(t, s.Commit(t.Context(), c, want))
	diff(t, "moves", collect(t, s.Moves(t.Context(), batch.Query{})), []batch.Move{want})

	zoned := want
	zoned.NextAt = want.NextAt.In(time.FixedZone("", 2*3600))
	check(t, s.Commit(t.Context(), c, zoned))
	got := collect(t, s.Moves(t.Context(), batch.Query{}))[0]
	if got.NextAt.Location() != time.UTC || !got.NextAt.Equal(want.NextAt) {
		t.Errorf("NextAt is %v, want %v", got.NextAt, want.NextAt)
	}
}

func claimOrder(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 4)
	for i, state := range []batch.State{batch.Moved, batch.Waiting} {
		c := claim(t, s, night, batch.MoveID(fmt.Sprintf("m%03d", i-1)))
		c.Move.State, c.Move.NextAt = state, now.Add(time.Microsecond)
		check(t, s.Commit(t.Context(), c, c.Move))
	}
	// m000 has ended, m001 is not due, m002 is in hand.
	c := claim(t, s, night, "m002")
	if c.Move.ID != "m003" || c.Move.Epoch != 1 || c.Run != night {
		t.Errorf("claimed %+v", c)
	}
	if c = claim(t, s, night); c.Move.ID != "m002" {
		t.Errorf("claimed %q, want m002", c.Move.ID)
	}
	// m002 is settled, and comes after m003; m001 is due, and comes after both.
	c.Move.Phase = batch.PhaseOpen
	check(t, s.Commit(t.Context(), c, c.Move))
	want := batch.Want{Run: night, Batch: "b1", Now: now.Add(time.Microsecond)}
	for _, id := range []batch.MoveID{"m003", "m001", "m002"} {
		c, found, err := s.Claim(t.Context(), want)
		if err != nil || !found || c.Move.ID != id {
			t.Errorf("when all are due: claimed %+v, %v, %v, want %s", c, found, err, id)
		}
		want.Not = append(want.Not, id)
	}
	want.Not = []batch.MoveID{"m001", "m002", "m003"}
	if c, found, err := s.Claim(t.Context(), want); found || err != nil {
		t.Errorf("all in hand: claimed %+v, %v", c, err)
	}
	want = batch.Want{Run: night, Batch: "no such batch", Now: now}
	if c, found, err := s.Claim(t.Context(), want); found || err != nil {
		t.Errorf("of no batch: claimed %+v, %v", c, err)
	}
}

// claimsAtOnce lets eight workers claim and end moves; a move that two of them hold
// would be committed by only one, and a move that none gets would be missing.
func claimsAtOnce(t *testing.T, o Options) {
	s := o.New(t)
	_, moves := planned(t, s, 200)
	var mu sync.Mutex
	taken := map[batch.MoveID]int{}
	hand := map[batch.MoveID]bool{}
	next := func() (batch.Claim, bool, error) {
		// The list of what is in hand and the claim belong together, as in a pool.
		mu.Lock()
		defer mu.Unlock()
		var not []batch.MoveID
		for id := range hand {
			not = append(not, id)
		}
		c, found, err := s.Claim(t.Context(), batch.Want{Run: night, Batch: "b1", Now: now, Not: not})
		if found {
			taken[c.Move.ID]++
			hand[c.Move.ID] = true
		}
		return c, found, err
	}
	atOnce(t, 8, func(int) error {
		for {
			c, found, err := next()
			if err != nil || !found {
				return err
			}
			c.Move.State = batch.Moved
			if err := s.Commit(t.Context(), c, c.Move); err != nil {
				return err
			}
			mu.Lock()
			delete(hand, c.Move.ID)
			mu.Unlock()
		}
	})
	for _, move := range moves {
		if taken[move.ID] != 1 {
			t.Errorf("move %q was claimed %d times", move.ID, taken[move.ID])
		}
	}
	racingClaims(t, o)
}

// racingClaims lets eight processes, which do not know of each other, claim one
// move: each gets an epoch of its own and one commit is accepted.
func racingClaims(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	var mu sync.Mutex
	var claims []batch.Claim
	atOnce(t, 8, func(int) error {
		c, _, err := s.Claim(t.Context(), batch.Want{Run: night, Batch: "b1", Now: now})
		mu.Lock()
		defer mu.Unlock()
		claims = append(claims, c)
		return err
	})
	slices.SortFunc(claims, func(a, b batch.Claim) int { return int(a.Move.Epoch - b.Move.Epoch) })
	for i, c := range claims {
		if c.Move.Epoch != int64(i+1) {
			t.Errorf("claim %d has epoch %d", i, c.Move.Epoch)
		}
		err := s.Commit(t.Context(), c, c.Move)
		if last := i == len(claims)-1; last {
			check(t, err)
		} else {
			wantErr(t, err, batch.ErrLostClaim)
		}
	}
}

// atOnce runs n workers and reports their errors.
func atOnce(t *testing.T, n int, work func(worker int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() {
			if err := work(worker); err != nil {
				t.Errorf("worker %d: %v", worker, err)
			}
		})
	}
	wg.Wait()
}

func fencing(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	first := claim(t, s, night)
	second := claim(t, s, night)
	if first.Move.ID != second.Move.ID {
		t.Fatalf("claimed %q, then %q", first.Move.ID, second.Move.ID)
	}
	first.Move.State = batch.Failed
	wantErr(t, s.Commit(t.Context(), first, first.Move, batch.Event{Kind: batch.EventFailed, At: now}), batch.ErrLostClaim)
	record, err := s.Record(t.Context(), first.Move.ID)
	check(t, err)
	if record.Move.State != batch.Planned || len(record.Events) != 0 {
		t.Errorf("a lost claim left %+v", record)
	}
	second.Move.State = batch.Moving
	check(t, s.Commit(t.Context(), second, second.Move))

	other := second.Move
	other.ID = "m001"
	wantAnyErr(t, "commit of another move than the claimed", s.Commit(t.Context(), second, other))
	err = s.Commit(t.Context(), second, second.Move, batch.Event{Move: "m001", Kind: batch.EventPass})
	wantAnyErr(t, "event of another move", err)
	moved := second.Move
	moved.Batch, moved.Seq, moved.Identity, moved.Epoch = "b9", 99, "someone else", 77
	check(t, s.Commit(t.Context(), second, moved))
	diff(t, "who a move is stays", collect(t, s.Moves(t.Context(), batch.Query{}))[0], second.Move)
}

func events(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	want := []batch.Event{
		{Run: night, Move: c.Move.ID, At: now, Kind: batch.EventPhase, Phase: batch.PhaseMatch, State: batch.Moving, Text: "match done"},
		{
			Run: night, Move: c.Move.ID, At: now.Add(time.Second), Kind: batch.EventWait, Phase: batch.PhaseSettle,
			State: batch.Waiting, Text: "not there yet\n'\";", Attempt: 1, Of: 20, NextAt: now.Add(time.Minute),
		},
		{Run: night, Move: c.Move.ID, At: now, Kind: batch.EventPass, Phase: batch.PhaseSwitch, Step: "tail", Items: 12, Bytes: 1 << 40, Brought: 3},
		{Run: night, Move: c.Move.ID, At: now, Kind: batch.EventFinding, Finding: &migrate.Finding{
			Rule: "x500.missing", Severity: migrate.Forbid, Whom: "a", What: "b", Mend: "c",
		}},
	}
	check(t, s.Commit(t.Context(), c, c.Move, want[0]))
	check(t, s.Commit(t.Context(), c, c.Move, want[1:]...))
	record, err := s.Record(t.Context(), c.Move.ID)
	check(t, err)
	diff(t, "events", record.Events, want)
	got := collect(t, s.Records(t.Context(), night))
	if len(got) != 1 {
		t.Fatalf("%d records, want 1", len(got))
	}
	diff(t, "events of the run", got[0].Events, want)
}

// switches tells of a switch that one run began and the next ended: the first run's record
// knows nothing of the second.
func switches(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	event := func(run batch.RunID, kind batch.EventKind, phase batch.Phase, step string, brought int64) batch.Event {
		return batch.Event{
			Run: run, Move: c.Move.ID, At: now, Kind: kind, Phase: phase, State: batch.Switching,
			Step: step, Text: step + " " + batch.StepDone, Brought: brought,
		}
	}
	first := []batch.Event{
		event(night, batch.EventStep, batch.PhaseSwitch, batch.StepForward, 0),
		event(night, batch.EventPass, batch.PhaseSwitch, batch.StepTail, 2),
	}
	other := []batch.Event{
		event(night, batch.EventPass, batch.PhaseCopy, "", 0),
		event(night, batch.EventWait, batch.PhaseSwitch, batch.StepTail, 2),
	}
	check(t, s.Commit(t.Context(), c, c.Move, append(other, first...)...))
	next := batch.RunID("2026-03-15T01-00-00.000Z")
	check(t, s.Begin(t.Context(), batch.Run{ID: next, Batch: "b1", Kind: batch.RunRollback, BeganAt: now}, c.Move.ID))
	c = claimed(t, s, batch.Want{Run: next, Batch: "b1", Now: now, Phases: []batch.Phase{batch.PhaseRollback}})
	second := []batch.Event{
		event(next, batch.EventStep, batch.PhaseRollback, batch.StepReturn, 0),
		event(next, batch.EventPass, batch.PhaseVerify, "", 1),
	}
	check(t, s.Commit(t.Context(), c, c.Move, second...))
	whole := append(first, second...)
	got, err := s.Switch(t.Context(), c.Move.ID)
	check(t, err)
	diff(t, "the switch", got, whole)
	for run, want := range map[batch.RunID][]batch.Event{night: first, next: whole} {
		diff(t, "the switch up to run "+string(run), collect(t, s.Records(t.Context(), run))[0].Switch, want)
	}
}

func claimed(t *testing.T, s Store, want batch.Want) batch.Claim {
	t.Helper()
	c, found, err := s.Claim(t.Context(), want)
	check(t, err)
	if !found {
		t.Fatalf("no move of %+v", want)
	}
	return c
}

func queries(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 3)
	c := claim(t, s, night)
	c.Move.Mail, c.Move.DisplayName, c.Move.State = "Anna.Berg@new.example", "Anna BÄRG", batch.Moved
	c.Move.SourceDN, c.Move.TargetDN = `CN=Berg\, Anna,OU=People,DC=source`, "CN=Anna Berg,DC=target"
	c.Move.SourceGUID, c.Move.Phase = migrate.GUID{1: 9}, batch.PhaseDone
	check(t, s.Commit(t.Context(), c, c.Move))
	check(t, s.Plan(t.Context(), batch.Batch{ID: "a2", Name: "wave-2", At: now.Add(1)}, nil))
	tests := map[string]struct {
		query batch.Query
		want  string
	}{
		"all":                {batch.Query{}, "m000 m001 m002 "},
		"of a batch":         {batch.Query{Batch: "b1"}, "m000 m001 m002 "},
		"of an empty batch":  {batch.Query{Batch: "a2"}, ""},
		"open":               {batch.Query{Open: true}, "m001 m002 "},
		"identity":           {batch.Query{Who: "uSER1@source.example"}, "m001 "},
		"mail":               {batch.Query{Who: "anna.berg@NEW.example"}, "m000 "},
		"display name":       {batch.Query{Who: " anna bärg "}, "m000 "},
		"source DN":          {batch.Query{Who: `cn=Berg\2C Anna, ou=people, dc=SOURCE`}, "m000 "},
		"target DN":          {batch.Query{Who: "cn=anna berg,dc=target"}, "m000 "},
		"who, but open":      {batch.Query{Who: "anna.berg@new.example", Open: true}, ""},
		"who, other batch":   {batch.Query{Who: "anna.berg@new.example", Batch: "a2"}, ""},
		"source object":      {batch.Query{Source: migrate.GUID{1: 9}}, "m000 "},
		"other object":       {batch.Query{Source: migrate.GUID{1: 8}}, ""},
		"phases":             {batch.Query{Phases: []batch.Phase{batch.PhaseMatch, batch.PhaseStage}}, "m001 m002 "},
		"phases, but open":   {batch.Query{Phases: []batch.Phase{batch.PhaseDone}, Open: true}, ""},
		"nobody":             {batch.Query{Who: "nobody"}, ""},
		"part of a name":     {batch.Query{Who: "anna"}, ""},
		"pattern is no name": {batch.Query{Who: "%"}, ""},
		"spaces are no name": {batch.Query{Who: "  "}, ""},
	}
	for name, test := range tests {
		var got string
		for _, move := range collect(t, s.Moves(t.Context(), test.query)) {
			got += string(move.ID) + " "
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	for _, err := range s.Moves(t.Context(), batch.Query{}) {
		check(t, err)
		break // leaving early is allowed
	}
}

func runs(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	wantAnyErr(t, "a run of that ID is there", s.Begin(t.Context(), batch.Run{ID: night, Batch: "b1", BeganAt: now}))
	check(t, s.End(t.Context(), night, now, batch.Complete))
	wantAnyErr(t, "the run has ended", s.End(t.Context(), night, now, batch.Broken))
	wantAnyErr(t, "no such run", s.End(t.Context(), later, now, batch.Broken))
}

// cancelled checks that a ctx that has ended changes nothing and is the answer.
func cancelled(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	cause := errors.New("the operator went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	c.Move.State = batch.Moved
	wantErr(t, s.Commit(ctx, c, c.Move), cause)
	for _, err := range s.Moves(ctx, batch.Query{}) {
		wantErr(t, err, cause)
	}
	if got := collect(t, s.Moves(t.Context(), batch.Query{})); got[0].State != batch.Planned {
		t.Errorf("a cancelled commit left %q", got[0].State)
	}
	var store *batch.StoreError
	if err := s.Commit(ctx, c, c.Move); errors.As(err, &store) {
		t.Errorf("the store is blamed for what the caller did: %v", err)
	}
}

// anotherChance: a new run hands out again what failed in an earlier one, and only that.
func anotherChance(t *testing.T, o Options) {
	s := o.New(t)
	b, _ := planned(t, s, 2)
	for _, state := range []batch.State{batch.Failed, batch.Moved} {
		c := claim(t, s, night)
		c.Move.State, c.Move.Phase, c.Move.Reason, c.Move.Attempt, c.Move.EndedAt = state, batch.PhaseOpen, "why", 3, now
		check(t, s.Commit(t.Context(), c, c.Move))
	}
	if _, found, err := s.Claim(t.Context(), batch.Want{Run: night, Batch: b.ID, Now: now}); found || err != nil {
		t.Fatalf("claim after all have ended: found %v, %v", found, err)
	}
	check(t, s.Begin(t.Context(), batch.Run{ID: "2026-03-15T01-00-00.000Z", Batch: b.ID, BeganAt: now}))
	c := claim(t, s, "2026-03-15T01-00-00.000Z")
	if m := c.Move; m.State != batch.Planned || m.Phase != batch.PhaseOpen || m.Reason != "" || m.Attempt != 0 || !m.EndedAt.IsZero() {
		t.Errorf("handed out again: %+v", m)
	}
	if _, found, err := s.Claim(t.Context(), batch.Want{Run: c.Run, Batch: b.ID, Now: now, Not: []batch.MoveID{c.Move.ID}}); found || err != nil {
		t.Errorf("what was moved is handed out again: %v, %v", found, err)
	}
}
