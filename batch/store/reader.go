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
func (r *reader) view(ctx context.Context, fn func(view) error) (err error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ended(ctx)
		}
	}()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	return fn(view{tx: tx, r: r})
}

// ignoreDone drops the news that the transaction has ended with its ctx.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func (v view) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := v.r.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	//nolint:sqlclosecheck // the end of the transaction closes it
	return v.tx.StmtContext(ctx, statement).QueryContext(ctx, args...)
}

func (v view) row(ctx context.Context, query string, args []any, dest ...any) error {
	statement, err := v.r.prepare(ctx, query)
	if err != nil {
		return err
	}
	//nolint:sqlclosecheck // the end of the transaction closes it
	return v.tx.StmtContext(ctx, statement).QueryRowContext(ctx, args...).Scan(dest...)
}

func (r *reader) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if statement, ok := r.statements[query]; ok {
		return statement, nil
	}
	statement, err := r.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // close does it
	if err != nil {
		return nil, err
	}
	r.statements[query] = statement
	return statement, nil
}

// each calls fn with one row after another, until it returns false, and closes them.
func each[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error), fn func(T) (bool, error)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return err
		}
		if more, err := fn(one); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

// collect reads all rows with scan and closes them. It takes the error of the query
// as well.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var all []T
	err = each(rows, scan, func(one T) (bool, error) {
		all = append(all, one)
		return true, nil
	})
	return all, err
}
