package batchtest

import (
	"slices"
	"testing"

	"reforest/migrate"
)

// gone checks that what was deleted on both sides is no pair any more, still counts as
// written, and no longer counts among what there is; and that totals go with what is moved.
func gone(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 1)
	forth, back := ledgers(t, s.Journals(claim(t, s, night)))
	items := somePlanned(1, 3)
	state := migrate.FolderState{Folder: inbox, Path: []string{"INBOX"}, Ref: there}
	check(t, forth.PutFolder(t.Context(), state))
	send(t, forth, migrate.Intent{Folder: inbox, Ref: there, Items: items}, doneOf(items))
	was := func(p migrate.Planned) migrate.Place {
		return migrate.Place{Ref: there, Item: "9." + migrate.ItemRef(p.Item)}
	}

	send(t, forth, migrate.Intent{Folder: inbox, Ref: there, Edit: true, Items: items[:1]},
		[]migrate.Done{{Item: items[0].Item, Was: was(items[0]), Gone: true}})
	want := []migrate.Pair{pairOf(items[1]), pairOf(items[2])}
	diff(t, "pairs after one is gone", all(t, forth.Pairs), want)
	diff(t, "seen from the way back", all(t, back.Pairs), facing(want))
	diff(t, "what is gone counts as written", ids(written(t, forth, inbox, []migrate.ItemID{items[0].Item})), []migrate.ItemID{items[0].Item})
	if got := folder(t, forth, inbox); got.Items != 2 || got.Bytes != items[1].Size+items[2].Size {
		t.Errorf("after one of 3 is gone: %d items of %d bytes", got.Items, got.Bytes)
	}

	moved := items[1]
	moved.Item, moved.Was = "7.moved", was(items[1])
	send(t, forth, migrate.Intent{Folder: "f:archive", Ref: "T.archive", Edit: true, Items: []migrate.Planned{moved}},
		[]migrate.Done{{Item: moved.Item, Ref: "9.moved", Flags: moved.Flags, Was: moved.Was}})
	if got, to := folder(t, forth, inbox), folder(t, forth, "f:archive"); got.Items != 1 || to.Items != 1 || to.Bytes != moved.Size {
		t.Errorf("after one of 2 was moved: %d items, and %d of %d bytes where it is", got.Items, to.Items, to.Bytes)
	}
	known := func(l migrate.Ledger) []migrate.FolderID {
		ids, err := l.Known(t.Context())
		check(t, err)
		slices.Sort(ids)
		return ids
	}
	diff(t, "folders of the source", known(forth), []migrate.FolderID{inbox, "f:archive"})
	diff(t, "folders of the target", known(back), []migrate.FolderID{migrate.FolderID(there), "T.archive"})
}
