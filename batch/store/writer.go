package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A writer owns the one connection that writes.
type writer struct {
	jobs    chan job
	closing chan struct{}
	stop    sync.Once
	ended   chan struct{}
	group   int
	coming  atomic.Int64 // callers that are about to hand over a job
	tx      tx
}

// comingFor bounds how long a transaction waits for callers that are about to join it. It
// is much less than most disks take to sync.
const comingFor = time.Millisecond

// A job is one caller's part of a transaction.
type job struct {
	run  func(*tx) error
	done chan error // buffered; gets one value, when the outcome is durable
}

// A tx is the transaction under way on the writer's connection, with statements
// that stay compiled from one transaction to the next.
type tx struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	entries    int64 // journal entries that are not durable yet
}

func newWriter(ctx context.Context, db *sql.DB, group int) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		jobs: make(chan job), closing: make(chan struct{}), ended: make(chan struct{}), group: group,
		tx: tx{conn: conn, statements: map[string]*sql.Stmt{}},
	}
	go w.loop(context.WithoutCancel(ctx))
	return w, nil
}

// do runs fn in a transaction and returns when that is durable, or has failed. A
// ctx that ends before fn has begun keeps it from beginning; after that do waits,
// so that its answer is true. fn runs without ctx's cancellation: SQLite rolls the
// whole transaction back when a statement is interrupted, the others' parts too.
func (w *writer) do(ctx context.Context, fn func(context.Context, *tx) error) error {
	run := func(t *tx) error {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		return fn(context.WithoutCancel(ctx), t)
	}
	j := job{run: run, done: make(chan error, 1)}
	if err := w.hand(ctx, j); err != nil {
		return err
	}
	return <-j.done
}

func (w *writer) hand(ctx context.Context, j job) error {
	defer w.announce()()
	select {
	case <-w.closing:
		return ErrClosed
	case <-ctx.Done():
		return ended(ctx)
	case w.jobs <- j:
		return nil
	}
}

// announce tells the writer that a job is being prepared, until what it returns is called:
// a transaction that begins meanwhile waits for it a little, so that one sync serves both.
func (w *writer) announce() func() {
	w.coming.Add(1)
	return func() { w.coming.Add(-1) }
}

// close waits for the transaction under way.
func (w *writer) close() error {
	w.stop.Do(func() { close(w.closing) })
	<-w.ended
	var errs []error
	for _, statement := range w.tx.statements {
		errs = append(errs, statement.Close())
	}
	clear(w.tx.statements)
	if err := w.tx.conn.Close(); !errors.Is(err, sql.ErrConnDone) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (w *writer) loop(ctx context.Context) {
	defer close(w.ended)
	for {
		select {
		case <-w.closing:
			return
		case first := <-w.jobs:
			w.commit(ctx, w.collect(first))
		}
	}
}

// collect takes the jobs that are waiting and those that are announced. Most have gathered
// while the transaction before was synced, so there is no need to wait for others.
func (w *writer) collect(first job) []job {
	group := []job{first}
	var late <-chan time.Time
	for len(group) < w.group {
		select {
		case next := <-w.jobs:
			group = append(group, next)
			continue
		default:
		}
		if w.coming.Load() == 0 {
			return group
		}
		if late == nil {
			late = time.After(comingFor)
		}
		select {
		case next := <-w.jobs:
			group = append(group, next)
		case <-late:
			return group
		}
	}
	return group
}

// commit carries out the group in one transaction and tells everyone.
func (w *writer) commit(ctx context.Context, group []job) {
	errs, failure := w.tx.all(ctx, group)
	for i, j := range group {
		if failure != nil {
			j.done <- failure
			continue
		}
		j.done <- errs[i]
	}
}

// all returns each job's own error, or the failure of the whole transaction, after
// which nothing of it is in the store.
func (t *tx) all(ctx context.Context, group []job) ([]error, error) {
	if _, err := t.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	errs := make([]error, len(group))
	for i, j := range group {
		var failure error
		if errs[i], failure = t.one(ctx, j); failure != nil {
			return nil, t.rollback(ctx, failure)
		}
	}
	if _, err := t.exec(ctx, "COMMIT"); err != nil {
		return nil, t.rollback(ctx, fmt.Errorf("write: %w", err))
	}
	if t.entries > 0 {
		entered(t.entries)
		t.entries = 0
	}
	return errs, nil
}

// one runs a job in its savepoint. The second error says that the transaction
// cannot go on: SQLite ends it by itself when the disk is full.
func (t *tx) one(ctx context.Context, j job) (own, failure error) {
	if _, err := t.exec(ctx, "SAVEPOINT part"); err != nil {
		return nil, err
	}
	own = j.run(t)
	if own != nil {
		if _, err := t.exec(ctx, "ROLLBACK TO part"); err != nil {
			return nil, own
		}
	}
	_, failure = t.exec(ctx, "RELEASE part")
	return own, failure
}

// rollback returns the cause: that there is no transaction any more is no news.
func (t *tx) rollback(ctx context.Context, cause error) error {
	_, _ = t.exec(ctx, "ROLLBACK")
	return cause
}

func (t *tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := t.prepare(ctx, query) //nolint:sqlclosecheck // close does it
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(ctx, args...)
}

// affected runs the statement and returns how many rows it changed.
func (t *tx) affected(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := t.exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := t.prepare(ctx, query) //nolint:sqlclosecheck // close does it
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

// row reads one row into dest; sql.ErrNoRows if there is none.
func (t *tx) row(ctx context.Context, query string, args []any, dest ...any) error {
	statement, err := t.prepare(ctx, query) //nolint:sqlclosecheck // close does it
	if err != nil {
		return err
	}
	return statement.QueryRowContext(ctx, args...).Scan(dest...)
}

func (t *tx) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if statement, ok := t.statements[query]; ok {
		return statement, nil
	}
	statement, err := t.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	t.statements[query] = statement
	return statement, nil
}

// count adds to the number of journal entries.
func (t *tx) count(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE counters SET n = n + 1 WHERE name = 'entries'`)
	t.entries++
	return err
}
