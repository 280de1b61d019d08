package store_test

import (
	"path/filepath"
	"testing"

	"reforest/directory"
)

// TestMending: changes of no move are noted, closed once and kept apart by batch, also
// when the process dies over one of them.
func TestMending(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "reforest.db"))
	j := s.Mending("wave-1")
	ids := map[string]int64{}
	for _, dn := range []string{"CN=a", "CN=b", "CN=c"} {
		id, err := j.Intend(t.Context(), directory.Change{Forest: directory.Source, Op: directory.Modify, DN: directory.DN(dn), Why: "mend"})
		if err != nil {
			t.Fatal(err)
		}
		ids[dn] = id
	}
	if err := j.Commit(t.Context(), ids["CN=a"]); err != nil {
		t.Fatal(err)
	}
	if err := j.Drop(t.Context(), ids["CN=b"]); err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(t.Context(), ids["CN=b"]); err == nil {
		t.Error("a dropped change was committed")
	}
	left := open(t, leftBy(t, s))
	var opened []directory.DN
	for change, err := range left.Mending("wave-1").Open(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, change.DN)
	}
	if len(opened) != 1 || opened[0] != "CN=c" {
		t.Errorf("open are %v, want CN=c", opened)
	}
	mended, err := left.Mended(t.Context(), "wave-1")
	if err != nil || len(mended) != 3 || mended[0].CommittedAt.IsZero() || mended[1].DroppedAt.IsZero() {
		t.Errorf("got %+v, %v", mended, err)
	}
	if others, err := left.Mended(t.Context(), "wave"); err != nil || len(others) != 0 {
		t.Errorf("another batch was mended: %v, %v", others, err)
	}
}
