package store_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
)

func TestFileIsPrivateAndAnyNameWill(t *testing.T) {
	t.Parallel()
	name := "a b%41#c.db"
	if runtime.GOOS != "windows" {
		name = "what? " + name
	}
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, name))
	if err := s.Begin(t.Context(), batch.Run{ID: "r", Batch: "b"}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(file.Name(), name) {
			t.Errorf("there is a file %q", file.Name())
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%q has mode %v, want 0600", file.Name(), info.Mode())
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reforest.db")
	_, err := store.OpenReadOnly(t.Context(), store.Config{Path: path})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no store: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("opening for reading made a file")
	}

	writing := open(t, path)
	reading, err := store.OpenReadOnly(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reading.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, id := range []batch.RunID{"r1", "r2"} { // read while another handle writes
		if err := writing.Begin(t.Context(), batch.Run{ID: id, Batch: "b"}); err != nil {
			t.Fatal(err)
		}
		runs, err := reading.Runs(t.Context(), "b")
		if err != nil || len(runs) == 0 || runs[0].ID != id {
			t.Errorf("read %+v, %v", runs, err)
		}
	}
	if err := reading.Begin(t.Context(), batch.Run{ID: "r3"}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("writing: %v", err)
	}
}

// TestReadOnlyAfterCrash asks for what is in the store before anyone has opened it
// for writing again.
func TestReadOnlyAfterCrash(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "reforest.db"))
	if err := s.Begin(t.Context(), batch.Run{ID: "r1", Batch: "b"}); err != nil {
		t.Fatal(err)
	}
	left := leftBy(t, s)
	for range 2 {
		reading, err := store.OpenReadOnly(t.Context(), store.Config{Path: left})
		if err != nil {
			t.Fatal(err)
		}
		if runs, err := reading.Runs(t.Context(), ""); err != nil || len(runs) != 1 {
			t.Errorf("read %+v, %v", runs, err)
		}
		if err := reading.Close(); err != nil {
			t.Error(err)
		}
	}
	again := open(t, left)
	if runs, err := again.Runs(t.Context(), ""); err != nil || len(runs) != 1 {
		t.Errorf("opened for writing: %+v, %v", runs, err)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reforest.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	for name, open := range map[string]func() (*store.Store, error){
		"open":           func() (*store.Store, error) { return store.Open(t.Context(), store.Config{Path: path}) },
		"open read-only": func() (*store.Store, error) { return store.OpenReadOnly(t.Context(), store.Config{Path: path}) },
	} {
		_, err := open()
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "install the newer version") ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNeverWritten opens for reading what is no store, or not yet.
func TestNeverWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	begun, foreign := filepath.Join(dir, "begun.db"), filepath.Join(dir, "places.db")
	raw(t, begun, `PRAGMA journal_mode = WAL; CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER, is_applied INTEGER); INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`)
	raw(t, foreign, `CREATE TABLE bookmarks (id INTEGER)`)
	for name, test := range map[string]struct {
		path string
		want error
		says string
	}{
		"empty":            {file("empty.db", ""), store.ErrEmpty, "nothing has been run yet"},
		"died in creating": {begun, store.ErrEmpty, "nothing has been run yet"},
		"one byte":         {file("one.db", "1"), store.ErrNotStore, "too short, its size is 1"},
		"another program":  {foreign, store.ErrNotStore, "another program"},
		"directory":        {dir, store.ErrNotStore, "it is a directory"},
	} {
		_, err := store.OpenReadOnly(t.Context(), store.Config{Path: test.path})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "disk") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{foreign, dir} {
		if _, err := store.Open(t.Context(), store.Config{Path: path}); !errors.Is(err, store.ErrNotStore) {
			t.Errorf("%s: open for writing: %v", path, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "empty.db"), begun} { // is mended by the next run
		if err := open(t, path).Close(); err != nil {
			t.Error(err)
		}
	}
}

// raw runs one statement on the file.
func raw(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFailuresNameTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, dir, filepath.Join(dir, "no", "such", "directory.db")} {
		_, err := store.Open(t.Context(), store.Config{Path: path})
		var failure *batch.StoreError
		if !errors.As(err, &failure) || failure.Path != path || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := store.Open(t.Context(), store.Config{}); err == nil {
		t.Error("no path: no error")
	}
}

// TestOpenAtOnce lets several processes' worth of handles create one store.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reforest.db")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), store.Config{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestTwoWriters lets two handles, as of two processes, write at once.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reforest.db")
	stores := []*store.Store{open(t, path), open(t, path)}
	var wg sync.WaitGroup
	for i, s := range stores {
		for n := range 50 {
			wg.Go(func() {
				id := batch.RunID(time.Unix(int64(n), int64(i)).UTC().Format(time.RFC3339Nano))
				if err := s.Begin(t.Context(), batch.Run{ID: id, Batch: "b"}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	runs, err := stores[0].Runs(t.Context(), "b")
	if err != nil || len(runs) != 100 {
		t.Errorf("%d runs, want 100; %v", len(runs), err)
	}
}

func TestBatchesAndRuns(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "reforest.db"))
	for _, name := range []string{"wave-1", "wave-2"} {
		if err := s.Plan(t.Context(), batch.Batch{ID: batch.ID("id of " + name), Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Begin(t.Context(), batch.Run{ID: "r1", Batch: "id of wave-2"}); err != nil {
		t.Fatal(err)
	}
	b, err := s.Batch(t.Context(), "wave-2")
	if err != nil || b.ID != "id of wave-2" {
		t.Errorf("batch: %+v, %v", b, err)
	}
	if run, of, err := s.Run(t.Context(), "r1"); err != nil || run.ID != "r1" || of != b {
		t.Errorf("run: %+v of %+v, %v", run, of, err)
	}
	all, err := s.Batches(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != "wave-1" {
		t.Errorf("batches: %+v, %v", all, err)
	}
	if _, err := s.Batch(t.Context(), "wave-3"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such batch: %v", err)
	}
	if _, _, err := s.Run(t.Context(), "r9"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such run: %v", err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "reforest.db"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Begin(t.Context(), batch.Run{ID: "r"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("writing: %v", err)
	}
	if _, err := s.Runs(t.Context(), ""); err == nil {
		t.Error("reading: no error")
	}
}
