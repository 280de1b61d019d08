package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/batchtest"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
)

func TestStore(t *testing.T) {
	t.Parallel()
	batchtest.Run(t, batchtest.Options{New: newStore, Crash: crashed})
}

// TestRefusals checks that what a caller did is told from what the store did.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := planOne(t)
	claim, _, err := s.Claim(t.Context(), batch.Want{Run: "r", Batch: "b", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	journals := s.Journals(claim)
	content, changes := journals.Content, journals.Changes
	intent, err := content.Intend(t.Context(), migrate.Intent{Folder: "f"})
	if err != nil {
		t.Fatal(err)
	}
	change, err := changes.Intend(t.Context(), directory.Change{DN: "CN=a"})
	if err != nil {
		t.Fatal(err)
	}
	stranger := claim
	stranger.Move.ID = "nobody"
	for name, test := range map[string]struct {
		do   func() error
		want []error // of the first call, the second, …
	}{
		"content":        {func() error { return content.Commit(t.Context(), intent, nil) }, []error{nil, store.ErrCommitted}},
		"unknown intent": {func() error { return content.Commit(t.Context(), intent+9, nil) }, []error{store.ErrNotFound}},
		"change":         {func() error { return changes.Commit(t.Context(), change) }, []error{nil, store.ErrCommitted}},
		"unknown change": {func() error { return changes.Commit(t.Context(), change+9) }, []error{store.ErrNotFound}},
		"unknown move":   {func() error { return s.Commit(t.Context(), stranger, stranger.Move) }, []error{store.ErrNotFound}},
	} {
		for _, want := range test.want {
			err := test.do()
			var failure *batch.StoreError
			if !errors.Is(err, want) || errors.As(err, &failure) {
				t.Errorf("%s: error is %v, want %v", name, err, want)
			}
		}
	}
}

func newStore(t *testing.T) batchtest.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "reforest.db"))
}

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// crashed opens a copy of the files as they lie there while the store is open.
func crashed(t *testing.T, of batchtest.Store) batchtest.Store {
	t.Helper()
	return open(t, leftBy(t, of.(*store.Store)))
}

// leftBy copies the files of a store that is open, and returns where they are: it
// is what a process leaves that dies.
func leftBy(t *testing.T, of *store.Store) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(of.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return left
}
