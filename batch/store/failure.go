package store

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"reforest/batch"
)

// Sentinels that callers branch on.
var (
	// ErrNewer is returned when the store was written by a newer version of reforest.
	ErrNewer = errors.New("the store was written by a newer version of reforest")
	// ErrOlder is returned by OpenReadOnly when the store has yet to be brought up to
	// this version by Open.
	ErrOlder = errors.New("the store was written by an older version of reforest")
	// ErrEmpty is returned by OpenReadOnly when the file is there and no run has written
	// to it.
	ErrEmpty = errors.New("nothing has been run yet")
	// ErrNotStore is returned when the file holds something else.
	ErrNotStore = errors.New("it is not a store")
	// ErrReadOnly is returned by writes to a store that OpenReadOnly opened.
	ErrReadOnly = errors.New("the store is open for reading only")
	// ErrClosed is returned by writes after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrNotFound is returned for a run, batch, move, intent or change that is not in
	// the store.
	ErrNotFound = errors.New("not in the store")
	// ErrCommitted is returned for a second commit of an intent or change.
	ErrCommitted = errors.New("it has been committed already")

	errNotText = errors.New("identifier is not UTF-8")
)

// A refusedError is the store's answer to a request, as opposed to a failure of the
// store.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func refuse(format string, args ...any) error { return &refusedError{fmt.Errorf(format, args...)} }

// ended is the answer to a caller whose ctx has ended.
func ended(ctx context.Context) error { return &refusedError{context.Cause(ctx)} }

// failed names the operation, and the file where it is to blame: that is what an
// operator has to know when the disk is full or may not be written.
func (s *Store) failed(op string, err error) error {
	var refused *refusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("%s: %w", op, err)
	}
	if tip := advice(err); tip != "" {
		err = fmt.Errorf("%w; %s", err, tip)
	}
	return &batch.StoreError{Path: s.path, Op: op, Err: err}
}

// advice says what the operator can do about SQLite's result codes
// (https://sqlite.org/rescode.html).
func advice(err error) string {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_FULL:
		return "the disk is full: make room and start again, all that was committed is there"
	case sqlite3.SQLITE_IOERR:
		return "the disk is full, a quota or file size limit is reached, or the disk is broken: " +
			"make room and start again, all that was committed is there"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return "check that the directory is there and that this account may read and write it and the file"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another process has been writing to it for long"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return "it is damaged, or not a store: restore it from a copy"
	}
	return ""
}
