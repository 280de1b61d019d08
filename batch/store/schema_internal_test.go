package store

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"reforest/batch"
)

// A store of the first version goes on with what it holds.
func TestAStoreOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := newProvider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO folders (move_id, way, folder_id, path, ref, mapped, cursor, items, bytes, skips)
		VALUES ('m', '', 'INBOX', '["INBOX"]', 'INBOX', '', '9.7', 3, 30, 0)`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	err = s.view(t.Context(), "look", func(v view) error {
		states, err := selectFolders(t.Context(), v, `move_id = ? AND way = ?`, string(batch.MoveID("m")), string(forth))
		if err != nil || len(states) != 1 || states[0].Cursor != "9.7" || states[0].Seen != "" || states[0].Items != 3 {
			t.Errorf("folders %+v, %v; want the inbox as it was", states, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for have, want := range map[int64]error{1: ErrOlder, 2: nil, 3: ErrNewer} {
		if err := compare(have, 2); !errors.Is(err, want) {
			t.Errorf("schema %d where 2 is known: %v, want %v", have, err, want)
		}
	}
}
