package batchtest

import (
	"context"
	"iter"
	"slices"
	"testing"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

const there migrate.Ref = "T.INBOX" // where inbox is at the target

// ledgers returns both directions' journals of a claim.
func ledgers(t *testing.T, j batch.Journals) (forth, back migrate.Ledger) {
	t.Helper()
	forth, ok := j.Content.(migrate.Ledger)
	back, also := j.Back.(migrate.Ledger)
	if !ok || !also {
		t.Fatalf("the journals are %T and %T, want Ledgers", j.Content, j.Back)
	}
	return forth, back
}

// send notes an intent and commits what became of it.
func send(t *testing.T, j migrate.Journal, intent migrate.Intent, done []migrate.Done) {
	t.Helper()
	id, err := j.Intend(t.Context(), intent)
	check(t, err)
	check(t, j.Commit(t.Context(), id, done))
}

// arrived returns items that are new at the target, numbered from first, and where the
// way back writes them.
func arrived(first, n int) (items []migrate.Planned, done []migrate.Done) {
	items = somePlanned(first, n)
	for i := range items {
		items[i].Item = "9.new" + items[i].Item
		done = append(done, migrate.Done{Item: items[i].Item, Ref: migrate.ItemRef("7.back" + items[i].Item), Flags: []string{"back"}})
	}
	return items, done
}

func ids(done []migrate.Done) (items []migrate.ItemID) {
	for _, d := range done {
		items = append(items, d.Item)
	}
	return items
}

// seenFromThere is what one direction answers of what the other has written.
func seenFromThere(done []migrate.Done) (turned []migrate.Done) {
	for _, d := range done {
		turned = append(turned, migrate.Done{Item: migrate.ItemID(d.Ref), Ref: migrate.ItemRef(d.Item)})
	}
	return turned
}

func written(t *testing.T, j migrate.Journal, folder migrate.FolderID, items []migrate.ItemID) []migrate.Done {
	t.Helper()
	done, err := j.Written(t.Context(), folder, items)
	check(t, err)
	return done
}

// ways checks that what one direction wrote counts in the other, and in no other folder,
// and that the totals of each are its own.
func ways(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	forth, back := ledgers(t, s.Journals(c))
	state := migrate.FolderState{Folder: inbox, Path: []string{"INBOX"}, Ref: there, Cursor: "c"}
	check(t, forth.PutFolder(t.Context(), state))
	sent := somePlanned(0, 30)
	for chunk := range 3 {
		items := sent[chunk*10 : chunk*10+10]
		send(t, forth, migrate.Intent{Folder: inbox, Ref: there, Items: items}, append(doneOf(items[1:]), skipOf(items[0].Item)))
	}
	diff(t, "a folder that was placed from the source", folder(t, back, migrate.FolderID(there)), migrate.FolderState{Ref: migrate.Ref(inbox)})
	diff(t, "a folder that nobody knows", folder(t, back, "T.other"), migrate.FolderState{})

	want := seenFromThere(doneOf([]migrate.Planned{sent[25], sent[3], sent[14]}))
	ask := append(ids(want), "9.unknown", "9.7.20", sent[1].Item) // of a skip, and of the other side
	diff(t, "written forth, asked on the way back", written(t, back, migrate.FolderID(there), ask), want)
	diff(t, "in another folder", written(t, back, "T.other", ask), nil)
	diff(t, "in the folder of that name at the source", written(t, back, inbox, ask), nil)

	items, done := arrived(100, 3)
	send(t, back, migrate.Intent{Folder: migrate.FolderID(there), Ref: migrate.Ref(inbox), Items: items}, append(done[:2:2], skipOf(items[2].Item)))
	diff(t, "written back, asked forth", written(t, forth, inbox, ids(seenFromThere(done))), seenFromThere(done[:2]))
	forth, back = ledgers(t, s.Journals(claim(t, s, later)))
	diff(t, "read anew", written(t, forth, inbox, ids(seenFromThere(done))), seenFromThere(done[:2]))
	diff(t, "its own", written(t, back, migrate.FolderID(there), ids(done))[:2], done[:2])
	state.Items, state.Bytes, state.Skips = 27, 27*10+29*30/2-30, 3
	diff(t, "totals forth", folder(t, forth, inbox), state)
	if got := folder(t, back, migrate.FolderID(there)); got.Items != 2 || got.Bytes != 110+111 || got.Skips != 1 {
		t.Errorf("totals of the way back: %+v", got)
	}
	record, err := s.Record(t.Context(), c.Move.ID)
	check(t, err)
	if record.Move.Items != 27 || record.Move.Skips != 3 || len(record.Skips) != 3 || len(record.Folders) != 1 {
		t.Errorf("the record holds %d items, %d skips, %d folders; want those of the way forth", record.Move.Items, len(record.Skips), len(record.Folders))
	}
	diff(t, "the way back on record", []int64{record.Back.Items, record.Back.Bytes, int64(len(record.Back.Skips))}, []int64{2, 110 + 111, 1})
	other, _ := ledgers(t, s.Journals(claim(t, s, night, c.Move.ID)))
	diff(t, "another move", written(t, other, inbox, ids(seenFromThere(done))), nil)
}

// waysAgain goes forward after a way back: a folder that came from the target is placed
// where it came from.
func waysAgain(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	forth, back := ledgers(t, s.Journals(claim(t, s, night)))
	check(t, back.PutFolder(t.Context(), migrate.FolderState{Folder: "T.new", Path: []string{"new"}, Ref: "f:new_", Mapped: "no / here", Cursor: "b1"}))
	diff(t, "placed from the target", folder(t, forth, "f:new_"), migrate.FolderState{Ref: "T.new"})
	check(t, forth.PutFolder(t.Context(), migrate.FolderState{Folder: "f:new_", Path: []string{"new_"}, Ref: "T.new", Cursor: "f1"}))
	diff(t, "the way back's own", folder(t, back, "T.new"), migrate.FolderState{Folder: "T.new", Path: []string{"new"}, Ref: "f:new_", Mapped: "no / here", Cursor: "b1"})
	check(t, back.PutFolder(t.Context(), migrate.FolderState{Folder: "T.twice", Ref: "f:one"}))
	check(t, back.PutFolder(t.Context(), migrate.FolderState{Folder: "T.twice2", Ref: "f:one"}))
	diff(t, "two came from it: nobody guesses", folder(t, forth, "f:one"), migrate.FolderState{})
}

// unresolved checks that no direction takes an intent while the other has an open one.
func unresolved(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	forth, back := ledgers(t, s.Journals(c))
	items := somePlanned(1, 2)
	intent := migrate.Intent{Folder: inbox, Ref: there, Mark: "m", Items: items}
	id, err := forth.Intend(t.Context(), intent)
	check(t, err)
	_, err = back.Intend(t.Context(), migrate.Intent{Folder: migrate.FolderID(there), Items: items})
	wantErr(t, err, migrate.ErrUnresolved)
	_, others := ledgers(t, s.Journals(claim(t, s, night, c.Move.ID)))
	_, err = others.Intend(t.Context(), migrate.Intent{Folder: migrate.FolderID(there), Items: items})
	check(t, err)

	open, err := forth.Open(t.Context())
	check(t, err)
	none, err := back.Open(t.Context())
	check(t, err)
	if len(open) != 1 || len(none) != 0 || open[0].ID != id || open[0].Mark != "m" {
		t.Fatalf("open forth %+v, back %+v", open, none)
	}
	wantAnyErr(t, "commit by the other direction", back.Commit(t.Context(), id, nil))
	check(t, forth.Commit(t.Context(), id, nil))
	send(t, back, migrate.Intent{Folder: migrate.FolderID(there), Items: items}, nil)
}

func all[T any](t *testing.T, seq func(context.Context) iter.Seq2[T, error]) []T {
	t.Helper()
	return collect(t, seq(t.Context()))
}

// pairOf is what doneOf says of an item, seen from the source.
func pairOf(p migrate.Planned) migrate.Pair {
	return migrate.Pair{
		Folder: inbox, Item: p.Item, There: migrate.Place{Ref: there, Item: migrate.ItemRef("9." + p.Item)},
		Size: p.Size, Digest: p.Digest, Received: p.Received, Flags: p.Flags, ThereFlags: p.Flags,
	}
}

// facing are the pairs as the other direction sees them.
func facing(pairs []migrate.Pair) (turned []migrate.Pair) {
	for _, p := range pairs {
		here := migrate.Place{Ref: migrate.Ref(p.Folder), Item: migrate.ItemRef(p.Item)}
		p.Folder, p.Item, p.There = migrate.FolderID(p.There.Ref), migrate.ItemID(p.There.Item), here
		p.Flags, p.ThereFlags = p.ThereFlags, p.Flags
		turned = append(turned, p)
	}
	return turned
}

// pairs checks that each item is yielded once, as it was noted last, and as each side
// sees it.
func pairs(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	forth, back := ledgers(t, s.Journals(claim(t, s, night)))
	items := somePlanned(1, 5)
	done := doneOf(items)
	done[4].Ref = "" // the target did not say where
	send(t, forth, migrate.Intent{Folder: inbox, Ref: there, Items: items}, append(done[:3:3], skipOf(items[3].Item), done[4]))
	send(t, forth, migrate.Intent{Folder: inbox, Ref: there, Items: items[3:4]}, doneOf(items[3:4]))

	want := []migrate.Pair{pairOf(items[0]), pairOf(items[1]), pairOf(items[2]), pairOf(items[3])}
	diff(t, "pairs", all(t, forth.Pairs), want)
	lost := pairOf(items[4])
	lost.Folder, lost.Item, lost.There = migrate.FolderID(there), "", migrate.Place{Ref: migrate.Ref(inbox), Item: migrate.ItemRef(items[4].Item)}

	// On the way back the first got another flag, the second was moved, the third left
	// elsewhere.
	flagged := items[0]
	flagged.Item, flagged.Flags = "9.7.1", []string{"now"}
	send(t, back, migrate.Intent{Folder: migrate.FolderID(there), Ref: migrate.Ref(inbox), Edit: true, Items: []migrate.Planned{flagged}},
		[]migrate.Done{{Item: flagged.Item, Ref: "7.1", Flags: []string{"also"}}})
	moved, left := items[1], items[2]
	moved.Item, moved.Was = "9.moved", migrate.Place{Ref: migrate.Ref(inbox), Item: "7.2"}
	left.Item, left.Was = "9.left", migrate.Place{Ref: migrate.Ref(inbox), Item: "7.3"}
	send(t, back, migrate.Intent{Folder: "T.archive", Ref: "f:archive", Edit: true, Items: []migrate.Planned{moved, left}}, []migrate.Done{
		{Item: moved.Item, Ref: "7.moved", Flags: moved.Flags, Was: moved.Was}, {Item: left.Item, Flags: left.Flags, Was: left.Was},
	})
	want[0].Flags, want[0].ThereFlags = []string{"also"}, []string{"now"}
	want[1].Folder, want[1].Item, want[1].There = "f:archive", "7.moved", migrate.Place{Ref: "T.archive", Item: "9.moved"}
	want[2].There = migrate.Place{Ref: "T.archive", Item: "9.left"}
	want = []migrate.Pair{want[3], want[0], want[1], want[2]}
	diff(t, "pairs after the way back", all(t, forth.Pairs), want)
	want = slices.Insert(facing(want), 0, lost) // its place is not known, and may be found by its digest
	diff(t, "seen from the way back", all(t, back.Pairs), want)
	if got := folder(t, back, "T.archive"); got.Items != 0 || got.Bytes != 0 {
		t.Errorf("what was moved counts as brought: %+v", got)
	}
	diff(t, "what was moved counts as written", ids(written(t, forth, "f:archive", []migrate.ItemID{"7.moved"})), []migrate.ItemID{"7.moved"})
	diff(t, "so does what was left", ids(written(t, back, "T.archive", []migrate.ItemID{"9.left"})), []migrate.ItemID{"9.left"})
}

// changed checks that a move's changes are those it is known to have carried out.
func changed(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	check(t, s.BeginJob(t.Context(), batch.Job{ID: "2026-03-14T02", Kind: batch.JobStage, BeganAt: now}))
	job := s.Changes("2026-03-14T02")
	id, err := job.Intend(t.Context(), directory.Change{DN: "CN=staged", Person: anna})
	check(t, err)
	check(t, job.Commit(t.Context(), id))

	c := claim(t, s, night)
	j := s.Journals(c).Changes
	var want []directory.Change
	for i, dn := range []directory.DN{"CN=a", "CN=dropped", "CN=open", "CN=undone", "CN=b"} {
		change := directory.Change{Forest: directory.Target, Op: directory.Modify, DN: dn, Person: anna}
		change.ID, err = j.Intend(t.Context(), change)
		check(t, err)
		switch i {
		case 1:
			check(t, j.Drop(t.Context(), change.ID))
		case 2: // left open
		default:
			check(t, j.Commit(t.Context(), change.ID))
		}
		if i == 3 {
			check(t, s.Undone(t.Context(), bert, []int64{change.ID}))
		}
		if i == 0 || i == 4 {
			want = append(want, change)
		}
	}
	diff(t, "changed", collect(t, s.Changed(t.Context(), c.Move.ID)), want)
	diff(t, "another move", collect(t, s.Changed(t.Context(), "m001")), nil)
}
