package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"reforest/batch/batchtest"
	"reforest/batch/store"
)

func TestStore(t *testing.T) {
	t.Parallel()
	batchtest.Run(t, batchtest.Options{New: newStore, Crash: crashed})
}

func newStore(t *testing.T) batchtest.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "reforest.db"))
}

func open(t *testing.T, path string) *store.Store {
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
