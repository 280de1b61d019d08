package batchtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// lists keeps what folders' lists said, each only when it says something new.
func lists(t *testing.T, options Options) {
	s := options.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	j := s.Journals(c).Lists
	source := batch.FolderList{Side: directory.Source, Folder: "A", Others: 3, Path: []string{"A", "Año"}, Grants: []migrate.Grant{
		{Who: "O=OLD/OU=EX/CN=bob smith", Rights: "lr"}, {Who: "u3", Rights: "s", Denied: true}, {Who: "latin\xe9", Rights: "l"},
	}}
	target := batch.FolderList{Side: directory.Target, Folder: "A", Path: []string{"A", "Año"}}
	check(t, j.Keep(t.Context(), []batch.FolderList{source, target}))
	before := entriesOf(t, s)
	again := source
	again.Grants = []migrate.Grant{source.Grants[2], source.Grants[0], source.Grants[1]} // the server's order differs
	again.Grants[1].Rights = "rl"
	check(t, j.Keep(t.Context(), []batch.FolderList{again, target}))
	if after := entriesOf(t, s); after != before {
		t.Errorf("%d entries were made for lists that say the same", after-before)
	}
	target.Grants = []migrate.Grant{{Who: "bob", Rights: "lrs"}}
	check(t, j.Keep(t.Context(), []batch.FolderList{target}))
	got, err := j.Kept(t.Context())
	check(t, err)
	first := target
	first.Grants = nil
	want := []batch.KeptList{{FolderList: source, Run: night}, {FolderList: first, Run: night}, {FolderList: target, Run: night}}
	byWho := cmpopts.SortSlices(func(a, b migrate.Grant) bool { return a.Who < b.Who })
	if diff := cmp.Diff(want, got, equateEmpty, byWho, cmpopts.IgnoreTypes(time.Time{})); diff != "" {
		t.Error(diff)
	}
	record, err := s.Record(t.Context(), c.Move.ID)
	check(t, err)
	if diff := cmp.Diff(batch.Shared{Folders: 1, Entries: 3}, record.Shared); diff != "" {
		t.Error(diff)
	}
	other := claim(t, s, night, c.Move.ID)
	if kept, err := s.Journals(other).Lists.Kept(t.Context()); err != nil || len(kept) > 0 {
		t.Errorf("another move has %v, %v", kept, err)
	}
	claim(t, s, later)
	if err := j.Keep(t.Context(), []batch.FolderList{source}); !errors.Is(err, batch.ErrLostClaim) {
		t.Errorf("a lost claim keeps a list: %v", err)
	}
}

func entriesOf(t *testing.T, s Store) int64 {
	t.Helper()
	n, err := s.Entries(t.Context())
	check(t, err)
	return n
}
