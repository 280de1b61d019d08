package batchtest

import (
	"fmt"
	"testing"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// pastRuns checks that a run's records stay what they were when later runs go on.
func pastRuns(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	c.Move.State, c.Move.Reason = batch.Waiting, "night"
	check(t, s.Commit(t.Context(), c, c.Move, batch.Event{Kind: batch.EventWait, At: now, Text: "night"}))
	want := collect(t, s.Records(t.Context(), night))
	if len(want) != 2 || want[0].Move.Reason != "night" || want[1].Move.State != batch.Planned {
		t.Fatalf("records: %+v", want)
	}

	check(t, s.Begin(t.Context(), batch.Run{ID: later, Batch: "b1", BeganAt: now}))
	for range 2 {
		c := claim(t, s, later)
		j, d := both(s.Journals(c))
		items := somePlanned(1, 2)
		write(t, j, items, append(doneOf(items[:1]), skipOf(items[1].Item)))
		_, err := d.Intend(t.Context(), directory.Change{DN: "CN=a"})
		check(t, err)
		c.Move.State = batch.Moved
		check(t, s.Commit(t.Context(), c, c.Move, batch.Event{Kind: batch.EventEnded, At: now}))
	}
	got := collect(t, s.Records(t.Context(), night))
	for i := range got {
		got[i].Folders, want[i].Folders = nil, nil // folders are as they stand now
	}
	diff(t, "records of the first run", got, want)
	for _, record := range collect(t, s.Records(t.Context(), later)) {
		m := record.Move
		if m.State != batch.Moved || m.Items != 1 || m.Bytes != 11 || m.Skips != 1 || len(record.Changes) != 1 {
			t.Errorf("record of the later run: %+v", record)
		}
	}
	for _, err := range s.Records(t.Context(), "no such run") {
		wantAnyErr(t, "records of no run", err)
	}
}

// entries checks that every kind of journal entry counts, and refusals do not.
func entries(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	j, d := both(s.Journals(c))
	last, err := s.Entries(t.Context())
	check(t, err)
	expect := func(what string, more int64) {
		t.Helper()
		n, err := s.Entries(t.Context())
		check(t, err)
		if n != last+more {
			t.Errorf("after %s there are %d entries, before %d", what, n, last)
		}
		last = n
	}
	id, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox})
	check(t, err)
	expect("an intent", 1)
	check(t, j.Commit(t.Context(), id, nil))
	expect("its commit", 1)
	wantAnyErr(t, "second commit", j.Commit(t.Context(), id, nil))
	expect("a refusal", 0)
	change, err := d.Intend(t.Context(), directory.Change{DN: "CN=a"})
	check(t, err)
	expect("a change", 1)
	check(t, d.Commit(t.Context(), change))
	expect("its commit", 1)
	check(t, s.Commit(t.Context(), c, c.Move))
	expect("a move's commit", 1)
}

// groupCommit lets 64 workers write at once, every third of them what is refused:
// the others' parts must all be there.
func groupCommit(t *testing.T, o Options) {
	const workers, rounds = 64, 10
	s := o.New(t)
	planned(t, s, workers)
	var claims []batch.Claim
	for i := range workers {
		c, found, err := s.Claim(t.Context(), batch.Want{Run: night, Batch: "b1", Now: now, Not: held(claims)})
		check(t, err)
		if !found {
			t.Fatalf("no move for worker %d", i)
		}
		claims = append(claims, c)
	}
	atOnce(t, workers, func(worker int) error {
		c := claims[worker]
		for round := range rounds {
			bad := (worker+round)%3 == 0
			event := batch.Event{Kind: batch.EventStep, Text: fmt.Sprint(round), At: now}
			if bad {
				event.Move = "not mine" // found out after the move's row was written
			}
			c.Move.Step = fmt.Sprint(round)
			if err := s.Commit(t.Context(), c, c.Move, event); (err != nil) != bad {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
		return nil
	})
	for worker, c := range claims {
		record, err := s.Record(t.Context(), c.Move.ID)
		check(t, err)
		var got, want []string
		for _, e := range record.Events {
			got = append(got, e.Text)
		}
		for round := range rounds {
			if (worker+round)%3 != 0 {
				want = append(want, fmt.Sprint(round))
			}
		}
		diff(t, fmt.Sprintf("events of worker %d", worker), got, want)
		if last := want[len(want)-1]; record.Move.Step != last {
			t.Errorf("worker %d: step is %q, want %q", worker, record.Move.Step, last)
		}
	}
}

func held(claims []batch.Claim) []batch.MoveID {
	var ids []batch.MoveID
	for _, c := range claims {
		ids = append(ids, c.Move.ID)
	}
	return ids
}

// crash opens a second store on what a dead process would leave, after every kind
// of write: all that had returned must be there, and can be gone on with.
func crash(t *testing.T, o Options) {
	if o.Crash == nil {
		t.Skip("the store under test cannot be crashed")
	}
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	c.Move.State = batch.Moving
	check(t, s.Commit(t.Context(), c, c.Move, batch.Event{Kind: batch.EventPhase, Text: "match done"}))
	j, d := both(s.Journals(c))
	check(t, j.PutFolder(t.Context(), migrate.FolderState{Folder: inbox, Path: []string{"INBOX"}, Ref: "INBOX", Cursor: "c1"}))
	items := somePlanned(1, 4)
	write(t, j, items[:2], doneOf(items[:2]))
	open, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox, Ref: "INBOX", Mark: "2", Items: items[2:]})
	check(t, err)
	change, err := d.Intend(t.Context(), directory.Change{DN: "CN=a"})
	check(t, err)

	left := o.Crash(t, s)
	again := claim(t, left, later)
	if again.Move.State != batch.Moving || again.Move.Epoch != c.Move.Epoch+1 {
		t.Errorf("claimed after the crash: %+v", again)
	}
	j, d = both(left.Journals(again))
	state := folder(t, j, inbox)
	if state.Cursor != "c1" || state.Items != 2 || len(state.Open) != 1 || state.Open[0].ID != open {
		t.Errorf("folder after the crash: %+v", state)
	}
	done, err := j.Written(t.Context(), inbox, []migrate.ItemID{items[0].Item, items[1].Item, items[2].Item})
	check(t, err)
	diff(t, "ledger after the crash", done, doneOf(items[:2]))
	check(t, j.Commit(t.Context(), open, doneOf(items[2:])))
	check(t, d.Commit(t.Context(), change))
	record, err := left.Record(t.Context(), again.Move.ID)
	check(t, err)
	if len(record.Events) != 1 || record.Move.Items != 4 {
		t.Errorf("record after the crash: %+v", record)
	}
}
