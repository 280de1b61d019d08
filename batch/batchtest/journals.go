package batchtest

import (
	"fmt"
	"testing"
	"time"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

const inbox migrate.FolderID = "f:INBOX"

// somePlanned returns n planned items, numbered from first, of 10 bytes and their
// number each.
func somePlanned(first, n int) []migrate.Planned {
	var items []migrate.Planned
	for i := first; i < first+n; i++ {
		items = append(items, migrate.Planned{
			Item: itemID(i), Size: int64(10 + i), Digest: migrate.Digest{byte(i), 31: 1},
			Received: time.Date(2003, 2, 24, 14, 10, i, 0, time.FixedZone("", -8*3600)), Flags: []string{`\Seen`, "$Label1"},
		})
	}
	return items
}

func itemID(i int) migrate.ItemID { return migrate.ItemID(fmt.Sprintf("7.%d", i)) }

func doneOf(items []migrate.Planned) []migrate.Done {
	var done []migrate.Done
	for _, p := range items {
		done = append(done, migrate.Done{Item: p.Item, Ref: migrate.ItemRef("9." + p.Item), Flags: p.Flags})
	}
	return done
}

func skipOf(item migrate.ItemID) migrate.Done {
	return migrate.Done{Item: item, Skip: &migrate.Skip{
		Folder: []string{"INBOX", "Año"}, Item: item, Size: 99, Kind: "refused", Reason: "554 5.7.1 <virus> & more",
		Received: time.Date(2003, 2, 24, 14, 10, 37, 0, time.FixedZone("", 3600)),
	}}
}

// write notes an intent and commits what became of it.
func write(t *testing.T, j migrate.Journal, items []migrate.Planned, done []migrate.Done) migrate.IntentID {
	t.Helper()
	id, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox, Ref: "INBOX", Mark: "1", Items: items})
	check(t, err)
	check(t, j.Commit(t.Context(), id, done))
	return id
}

// both returns the journals of the way forth.
func both(j batch.Journals) (migrate.Journal, directory.Journal) { return j.Content, j.Changes }

func folder(t *testing.T, j migrate.Journal, id migrate.FolderID) migrate.FolderState {
	t.Helper()
	state, err := j.Folder(t.Context(), id)
	check(t, err)
	return state
}

func contentJournal(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	j := s.Journals(c).Content
	diff(t, "unknown folder", folder(t, j, inbox), migrate.FolderState{})

	want := migrate.FolderState{Folder: inbox, Path: []string{"INBOX", `a/b"`}, Ref: "INBOX.a_b", Mapped: "no / there", Cursor: "c1", Seen: "s1"}
	check(t, j.PutFolder(t.Context(), want))
	diff(t, "folder", folder(t, j, inbox), want)

	items := somePlanned(1, 3)
	before := time.Now().Add(-time.Millisecond)
	first, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox, Ref: "INBOX.a_b", Mark: "m\x001", Items: items})
	check(t, err)
	second, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox, Ref: "INBOX.a_b", Mark: "m2", Items: somePlanned(4, 1)})
	check(t, err)
	open := folder(t, j, inbox).Open
	if len(open) != 2 || open[0].At.Before(before) || time.Until(open[0].At) > 0 {
		t.Fatalf("open intents: %+v", open)
	}
	open[0].At, open[1].At = time.Time{}, time.Time{}
	diff(t, "open intents", open, []migrate.Intent{
		{ID: first, Folder: inbox, Ref: "INBOX.a_b", Mark: "m\x001", Items: items},
		{ID: second, Folder: inbox, Ref: "INBOX.a_b", Mark: "m2", Items: somePlanned(4, 1)},
	})

	check(t, j.Commit(t.Context(), first, append(doneOf(items[:2]), skipOf(items[2].Item))))
	check(t, j.Commit(t.Context(), second, nil)) // nothing landed
	want.Items, want.Bytes, want.Skips = 2, 11+12, 1
	diff(t, "after commit", folder(t, j, inbox), want)

	want.Cursor, want.Seen = "c2", "s2"
	check(t, j.PutFolder(t.Context(), migrate.FolderState{Folder: inbox, Path: want.Path, Ref: want.Ref, Mapped: want.Mapped, Cursor: "c2", Seen: "s2", Items: 77}))
	diff(t, "totals are the journal's own", folder(t, j, inbox), want)

	if settler, able := j.(migrate.Settler); able {
		third, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox, Ref: "INBOX.a_b", Mark: "m3", Items: somePlanned(5, 1)})
		check(t, err)
		place := want
		place.Cursor = "c3"
		wantAnyErr(t, "settle what was not announced", settler.Settle(t.Context(), third, doneOf(somePlanned(6, 1)), place))
		state := folder(t, j, inbox)
		if state.Cursor != "c2" || len(state.Open) != 1 {
			t.Errorf("what was refused left a trace: %+v", state)
		}
		check(t, settler.Settle(t.Context(), third, doneOf(somePlanned(5, 1)), place))
		want.Cursor, want.Items, want.Bytes = "c3", want.Items+1, want.Bytes+15
		diff(t, "after settling", folder(t, j, inbox), want)
		place.Cursor = "c4"
		wantAnyErr(t, "second settling", settler.Settle(t.Context(), third, doneOf(somePlanned(5, 1)), place))
		diff(t, "after a second settling", folder(t, j, inbox), want)
	}

	other := s.Journals(claim(t, s, night, c.Move.ID)).Content
	diff(t, "another move's folder", folder(t, other, inbox), migrate.FolderState{})
	again := s.Journals(claim(t, s, later)).Content
	diff(t, "after another claim", folder(t, again, inbox), want)
}

func contentRefusals(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	j := s.Journals(c).Content
	items := somePlanned(1, 2)
	id := write(t, j, items, doneOf(items))
	wantAnyErr(t, "second commit", j.Commit(t.Context(), id, doneOf(items)))
	wantAnyErr(t, "unknown intent", j.Commit(t.Context(), id+1000, nil))
	other := s.Journals(claim(t, s, night, c.Move.ID)).Content
	wantAnyErr(t, "another move's closed intent", other.Commit(t.Context(), id, nil))

	open, err := j.Intend(t.Context(), migrate.Intent{Folder: inbox, Items: items})
	check(t, err)
	wantAnyErr(t, "another move's open intent", other.Commit(t.Context(), open, nil))
	wantAnyErr(t, "not announced", j.Commit(t.Context(), open, doneOf(somePlanned(3, 1))))
	wantAnyErr(t, "twice", j.Commit(t.Context(), open, append(doneOf(items), doneOf(items)...)))
	state := folder(t, j, inbox)
	if state.Items != 2 || len(state.Open) != 1 {
		t.Errorf("what was refused left a trace: %+v", state)
	}
}

// ledger fills many chunks and asks for items across them, in the order of asking.
func ledger(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	j := s.Journals(claim(t, s, night)).Content
	var want []migrate.Done
	for chunk := range 20 {
		items := somePlanned(chunk*10, 10)
		done := doneOf(items)
		done[3] = skipOf(items[3].Item)
		write(t, j, items, done)
		want = append(want, done[7], done[3])
	}
	ask := []migrate.ItemID{"never heard of"}
	for _, d := range want {
		ask = append(ask, d.Item)
	}
	fresh := s.Journals(claim(t, s, later)).Content
	got, err := fresh.Written(t.Context(), inbox, ask)
	check(t, err)
	diff(t, "written", got, want)
	got, err = fresh.Written(t.Context(), "f:other", ask)
	check(t, err)
	diff(t, "in another folder", got, nil)

	items := somePlanned(1000, 2)
	write(t, fresh, items, doneOf(items[:1]))
	got, err = fresh.Written(t.Context(), inbox, []migrate.ItemID{items[1].Item, items[0].Item})
	check(t, err)
	diff(t, "written since the first question", got, doneOf(items[:1]))
}

// skips checks that an item counts once, however often it is skipped, and no longer
// when it has been written after all.
func skips(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	c := claim(t, s, night)
	j := s.Journals(c).Content
	items := somePlanned(1, 2)
	unread := skipOf("7.unread") // an item that cannot be read is never announced
	write(t, j, items, []migrate.Done{skipOf(items[0].Item), skipOf(items[1].Item), unread})
	write(t, j, items, []migrate.Done{skipOf(items[0].Item)})
	if got := folder(t, j, inbox); got.Skips != 3 || got.Items != 0 {
		t.Errorf("skipped twice: %+v", got)
	}
	c = claim(t, s, later)
	check(t, s.Begin(t.Context(), batch.Run{ID: later, Batch: "b1", BeganAt: now}))
	j = s.Journals(c).Content
	write(t, j, items, doneOf(items[:1]))
	if got := folder(t, j, inbox); got.Skips != 2 || got.Items != 1 {
		t.Errorf("written after all: %+v", got)
	}
	got, err := j.Written(t.Context(), inbox, []migrate.ItemID{items[0].Item})
	check(t, err)
	diff(t, "the later entry counts", got, doneOf(items[:1]))

	for run, want := range map[batch.RunID][]migrate.Done{
		night: {skipOf(items[0].Item), skipOf(items[1].Item), unread},
		later: {skipOf(items[1].Item), unread},
	} {
		record := collect(t, s.Records(t.Context(), run))[0]
		var got []migrate.Skip
		for _, r := range record.Skips {
			if r.Run != night || r.At.IsZero() {
				t.Errorf("skip of run %q at %v", r.Run, r.At)
			}
			got = append(got, r.Skip)
		}
		var skips []migrate.Skip
		for _, d := range want {
			skips = append(skips, *d.Skip)
		}
		diff(t, "skips on record", got, skips)
		if record.Move.Skips != int64(len(want)) {
			t.Errorf("run %s: move has %d skips, %d are listed", run, record.Move.Skips, len(want))
		}
	}
}

func contentFencing(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	lost, lostChanges := both(s.Journals(claim(t, s, night)))
	items := somePlanned(1, 1)
	id, err := lost.Intend(t.Context(), migrate.Intent{Folder: inbox, Items: items})
	check(t, err)
	change, err := lostChanges.Intend(t.Context(), directory.Change{Forest: directory.Target, Op: directory.Modify, DN: "CN=a"})
	check(t, err)
	j, changes := both(s.Journals(claim(t, s, night)))

	wantErr(t, lost.Commit(t.Context(), id, doneOf(items)), batch.ErrLostClaim)
	wantErr(t, lost.PutFolder(t.Context(), migrate.FolderState{Folder: inbox, Cursor: "c"}), batch.ErrLostClaim)
	_, err = lost.Intend(t.Context(), migrate.Intent{Folder: inbox})
	wantErr(t, err, batch.ErrLostClaim)
	_, err = lost.Folder(t.Context(), inbox)
	wantErr(t, err, batch.ErrLostClaim)
	_, err = lost.Written(t.Context(), inbox, nil)
	wantErr(t, err, batch.ErrLostClaim)
	_, err = lostChanges.Intend(t.Context(), directory.Change{DN: "CN=b"})
	wantErr(t, err, batch.ErrLostClaim)
	wantErr(t, lostChanges.Commit(t.Context(), change), batch.ErrLostClaim)
	wantErr(t, lostChanges.Drop(t.Context(), change), batch.ErrLostClaim)
	for _, err := range lostChanges.Open(t.Context()) {
		wantErr(t, err, batch.ErrLostClaim)
	}

	// What the lost claim left open is the new one's to close.
	if got := folder(t, j, inbox); len(got.Open) != 1 || got.Cursor != "" {
		t.Errorf("the new claim finds %+v", got)
	}
	check(t, j.Commit(t.Context(), id, doneOf(items)))
	check(t, changes.Commit(t.Context(), change))
}

func directoryJournal(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	j := s.Journals(c).Changes
	want := []directory.Change{
		{
			Forest: directory.Target, Op: directory.Modify, DN: `CN=O\,Hara,DC=target`, Why: "X500 both ways",
			Mods:   []directory.Mod{{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("X500:/o=a"), {0, 255, 10}}}},
			Before: []directory.Mod{{Op: directory.ReplaceValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("SMTP:a@b")}}},
		},
		{Forest: directory.Source, Op: directory.Modify, DN: "CN=b", Mods: []directory.Mod{{Op: directory.DeleteValues, Attr: "mail"}}},
		{Forest: directory.Target, Op: directory.Add, DN: "CN=c"},
		{Forest: directory.Target, Op: directory.Add, DN: "CN=refused"},
	}
	for i := range want {
		id, err := j.Intend(t.Context(), want[i])
		check(t, err)
		want[i].ID = id
	}
	diff(t, "open", collect(t, j.Open(t.Context())), want)
	check(t, j.Commit(t.Context(), want[1].ID))
	wantAnyErr(t, "second commit", j.Commit(t.Context(), want[1].ID))
	wantAnyErr(t, "drop after commit", j.Drop(t.Context(), want[1].ID))
	wantAnyErr(t, "unknown change", j.Commit(t.Context(), want[2].ID+1000))
	wantAnyErr(t, "unknown change", j.Drop(t.Context(), want[2].ID+1000))
	check(t, j.Drop(t.Context(), want[3].ID))
	wantAnyErr(t, "second drop", j.Drop(t.Context(), want[3].ID))
	wantAnyErr(t, "commit after drop", j.Commit(t.Context(), want[3].ID))
	diff(t, "still open", collect(t, j.Open(t.Context())), []directory.Change{want[0], want[2]})
	other := s.Journals(claim(t, s, night, c.Move.ID)).Changes
	wantAnyErr(t, "another move's change", other.Commit(t.Context(), want[0].ID))
	wantAnyErr(t, "another move's change", other.Drop(t.Context(), want[0].ID))
	diff(t, "another move's", collect(t, other.Open(t.Context())), nil)

	// They may be committed while they are listed.
	j = s.Journals(claim(t, s, later)).Changes
	for change, err := range j.Open(t.Context()) {
		check(t, err)
		check(t, j.Commit(t.Context(), change.ID))
	}
	diff(t, "all closed", collect(t, j.Open(t.Context())), nil)
	record, err := s.Record(t.Context(), c.Move.ID)
	check(t, err)
	var got []directory.Change
	for _, r := range record.Changes {
		closed, never := r.CommittedAt, r.DroppedAt
		if r.Change.ID == want[3].ID {
			closed, never = never, closed
		}
		if r.Run != night || r.IntendedAt.IsZero() || closed.Before(r.IntendedAt) || !never.IsZero() {
			t.Errorf("on record: %+v", r)
		}
		got = append(got, r.Change)
	}
	diff(t, "on record", got, want)
}
