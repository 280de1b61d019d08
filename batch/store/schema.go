package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// upgrade applies the migrations that the store lacks. Two processes may open a
// new store at the same time; the one that comes second finds the tables there and
// looks again, for at most the time that it would wait for a lock.
func upgrade(ctx context.Context, db *sql.DB, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	for {
		have, err := version(ctx, db)
		if err != nil {
			return err
		}
		if want := newest(provider); have >= want {
			return compare(have, want)
		}
		_, failure := provider.Up(ctx)
		if failure == nil {
			continue
		}
		if !contended(failure) || time.Now().After(deadline) {
			return fmt.Errorf("create tables: %w", failure)
		}
		select {
		case <-ctx.Done():
			return ended(ctx)
		case <-time.After(patience / 50):
		}
	}
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
func checkVersion(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	have, err := version(ctx, db)
	if err != nil {
		return err
	}
	return compare(have, newest(provider))
}

func compare(have, want int64) error {
	switch {
	case have > want:
		return fmt.Errorf("%w: its schema is %d, this version knows %d; install the newer version, "+
			"or name another store", ErrNewer, have, want)
	case have < want:
		return fmt.Errorf("%w: its schema is %d, this version needs %d; run a command that writes, "+
			"such as check, to upgrade it", ErrOlder, have, want)
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
// provider itself would do; 0 is an empty file.
func version(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	const find = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	if err := db.QueryRowContext(ctx, find).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	var number int64
	err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&number)
	return number, err
}
