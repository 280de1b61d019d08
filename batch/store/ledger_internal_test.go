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
