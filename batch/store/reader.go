package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// A reader reads on connections that cannot write.
type reader struct {
	db         *sql.DB
	mu         sync.Mutex
	statements map[string]*sql.Stmt
}

func newReader(db *sql.DB) *reader {
	return &reader{db: db, statements: map[string]*sql.Stmt{}}
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, statement := range r.statements {
		errs = append(errs, statement.Close())
	}
	clear(r.statements)
	return errors.Join(append(errs, r.db.Close())...)
}

// A view is one instant of the store: every query through it sees the same.
type view struct {
	tx *sql.Tx
	r  *reader
}

// view calls fn with one instant of the store.
func (r *reader) view(ctx context.Context, fn func(view) error) error {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return fn(view{tx: tx, r: r})
}

func (v view) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := v.r.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return v.tx.StmtContext(ctx, statement).QueryContext(ctx, args...)
}

func (v view) row(ctx context.Context, query string, args []any, dest ...any) error {
	statement, err := v.r.prepare(ctx, query)
	if err != nil {
		return err
	}
	return v.tx.StmtContext(ctx, statement).QueryRowContext(ctx, args...).Scan(dest...)
}

func (r *reader) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if statement, ok := r.statements[query]; ok {
		return statement, nil
	}
	statement, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.statements[query] = statement
	return statement, nil
}

// collect reads all rows with scan and closes them.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
