package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// A page of the way back must not cost a look into every chunk of the way forth: of 40
// chunks the two that hold it are opened, and perhaps one for a hash that two items share.
func TestAPageOpensFewChunks(t *testing.T) {
	t.Parallel()
	const chunks, size = 40, 500
	journals := sent(t, chunks, size)
	page, wanted := make([]migrate.ItemID, size), map[migrate.ItemID]bool{}
	for i := range page {
		page[i] = migrate.ItemID(fmt.Sprint("2.", size/2+i))
		wanted[page[i]] = true
	}
	done, err := journals.Back.Written(t.Context(), "there", page)
	if err != nil || len(done) != size || done[0].Ref != "1.250" {
		t.Fatalf("%d of %d items are known: %v", len(done), size, err)
	}
	ledger := journals.Back.(*content).ledger
	if opened := ledger.candidates(shelvesOf(back, "there")[1], wanted); len(opened) > 3 {
		t.Errorf("a page of %d opens %d of %d chunks, want 2 or 3", size, len(opened), chunks)
	}
	keys := 0
	for _, shelf := range ledger.shelves {
		for _, c := range shelf.chunks {
			keys += len(c.keys)
		}
	}
	if keys != chunks*size {
		t.Errorf("the index holds %d hashes of 4 bytes for %d items", keys, chunks*size)
	}
}

// What is committed while a shelf is loaded from a view of the moment before is on it.
func TestACommitDuringALoadIsKnown(t *testing.T) {
	t.Parallel()
	journals := sent(t, 1, 1)
	c := journals.Content.(*content)
	c.ledger = newLedger() // nothing is loaded
	open := func(fn func(view) error) error {
		return c.view(t.Context(), "read ledger", func(v view) error {
			in := migrate.Intent{Folder: "here", Ref: "there", Items: []migrate.Planned{{Item: "late"}}}
			id, err := c.Intend(t.Context(), in)
			if err == nil {
				err = c.Commit(t.Context(), id, []migrate.Done{{Item: "late", Ref: "2.late"}})
			}
			if err != nil {
				return err
			}
			return fn(v)
		})
	}
	if err := c.ledger.load(t.Context(), open, "m", forth, "here"); err != nil {
		t.Fatal(err)
	}
	done, err := c.Written(t.Context(), "here", []migrate.ItemID{"1.0", "late"})
	if err != nil || len(done) != 2 {
		t.Errorf("known: %v, %v; want both items", done, err)
	}
}

// sent returns the journals of a move that has sent chunks of so many items.
func sent(t *testing.T, chunks, size int) batch.Journals {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Plan(t.Context(), batch.Batch{ID: "b", Name: "b"}, []batch.Move{{ID: "m", Batch: "b", State: batch.Moving}}); err != nil {
		t.Fatal(err)
	}
	claim, _, err := s.Claim(t.Context(), batch.Want{Run: "r", Batch: "b", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	journals := s.Journals(claim)
	for c := range chunks {
		in, done := migrate.Intent{Folder: "here", Ref: "there"}, []migrate.Done(nil)
		for i := range size {
			id := fmt.Sprint(c*size + i)
			in.Items = append(in.Items, migrate.Planned{Item: migrate.ItemID("1." + id)})
			done = append(done, migrate.Done{Item: migrate.ItemID("1." + id), Ref: migrate.ItemRef("2." + id)})
		}
		id, err := journals.Content.Intend(t.Context(), in)
		if err == nil {
			err = journals.Content.Commit(t.Context(), id, done)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return journals
}
