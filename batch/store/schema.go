package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// upgrade applies the migrations that the store lacks. Two processes may open a
// new store at the same time; the one that comes second finds the tables there and
// looks again, for at most the time that it would wait for a lock. SQLite itself does
// not wait where a file is put into WAL mode, which is when it is first looked at.
func upgrade(ctx context.Context, db *sql.DB, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	for {
		failure := catchUp(ctx, db, provider)
		if failure == nil || !contended(failure) || time.Now().After(deadline) {
			return failure
		}
		select {
		case <-ctx.Done():
			return ended(ctx)
		case <-time.After(patience / 50):
		}
	}
}

// catchUp applies what the store lacks, once.
func catchUp(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	have, err := version(ctx, db)
	if err != nil {
		return err
	}
	if want := newest(provider); have >= want {
		return compare(have, want)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	return nil
}

// contended reports whether another process that creates the same tables explains
// the failure: it holds the lock, or the table or its version's row is there.
func contended(failure error) bool {
	var e *sqlite.Error
	if !errors.As(failure, &e) {
		return false
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT:
		return true
	}
	return false
}

// checkVersion reports whether the store has exactly this version's schema.
func checkVersion(ctx context.Context, db *sql.DB, path string) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	have, err := version(ctx, db)
	switch {
	case err != nil:
		return err
	case have == 0:
		return neverWritten(path)
	}
	return compare(have, newest(provider))
}

// headerSize is what every SQLite file begins with, in bytes
// (https://sqlite.org/fileformat.html 1.3). SQLite itself takes a shorter file for an
// empty one if it is short enough.
const headerSize = 100

// neverWritten says what a file without our tables is: a store that was only created,
// by a process that died before it wrote, or something else.
func neverWritten(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 && size < headerSize {
		return fmt.Errorf("%w: the file is too short, its size is %d; name another one", ErrNotStore, size)
	}
	return fmt.Errorf("%w: the store is empty", ErrEmpty)
}

func compare(have, want int64) error {
	switch {
	case have > want:
		return fmt.Errorf("%w: its schema is %d, this version knows %d; install the newer version, "+
			"or name another store", ErrNewer, have, want)
	case have < want:
		return fmt.Errorf("%w: its schema is %d, this version needs %d; the next run upgrades it", ErrOlder, have, want)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
}

func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// version reads the schema's number without creating goose's table, which the
// provider itself would do; 0 is a file without tables. A file with tables of something
// else is ErrNotStore. One statement looks for both: goose's table comes first, so a
// process that is just creating the others is never taken for something else.
func version(ctx context.Context, db *sql.DB) (int64, error) {
	var own, others int
	const find = `SELECT COALESCE(SUM(name = 'goose_db_version'), 0), COALESCE(SUM(name <> 'goose_db_version'), 0)
		FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	err := db.QueryRowContext(ctx, find).Scan(&own, &others)
	switch {
	case err != nil:
		return 0, err
	case own == 0 && others > 0:
		return 0, fmt.Errorf("%w: it is the database of another program; name another file", ErrNotStore)
	case own == 0:
		return 0, nil
	}
	var number int64
	err = db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&number)
	return number, err
}
