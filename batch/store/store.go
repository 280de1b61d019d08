package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Config says where the store is.
type Config struct {
	// Path is the file on a local disk. Open creates it with mode 0600 if it is not
	// there; its directory has to be there. Two more files, Path-wal and Path-shm,
	// belong to it while it is open, and after a crash.
	Path string
	// Busy is how long a write waits for another process that is writing.
	// Default 10 s.
	Busy time.Duration
	// Group is the most writes that go into one transaction. Default 512.
	Group int
}

const (
	defaultBusy  = 10 * time.Second
	defaultGroup = 512
	idleReaders  = 8
)

func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		return c, errors.New("open store: no path given")
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return c, fmt.Errorf("open store %q: %w", c.Path, err)
	}
	c.Path = path
	if c.Busy == 0 {
		c.Busy = defaultBusy
	}
	if c.Group == 0 {
		c.Group = defaultGroup
	}
	return c, nil
}

// A Store is a batch.Store and batch.Runs in one SQLite file. It may be used by
// many goroutines, and by several processes on one machine.
type Store struct {
	path   string
	write  *writer // nil if open for reading only
	writes *sql.DB
	read   *reader
}

// Open opens the store for reading and writing, creates it if it is not there and
// brings it up to this version's schema. A store of a newer version is ErrNewer, the
// database of another program ErrNotStore.
func Open(ctx context.Context, config Config) (*Store, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{path: config.Path}
	if err := s.openWriter(ctx, config); err != nil {
		return nil, errors.Join(s.failed("open", err), s.Close())
	}
	if err := s.openReader(ctx, config); err != nil {
		return nil, errors.Join(s.failed("open", err), s.Close())
	}
	return s, nil
}

// OpenReadOnly opens a store that is there, for reports and questions. It changes
// nothing, and a run may write meanwhile. A store of another version is ErrNewer
// or ErrOlder; no store is fs.ErrNotExist, one that nothing was written to ErrEmpty.
func OpenReadOnly(ctx context.Context, config Config) (*Store, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{path: config.Path}
	if err := isFile(config.Path); err != nil {
		return nil, s.failed("open", err)
	}
	if err := s.openReader(ctx, config); err != nil {
		return nil, errors.Join(s.failed("open", err), s.Close())
	}
	if err := checkVersion(ctx, s.read.db, config.Path); err != nil {
		return nil, errors.Join(s.failed("open", err), s.Close())
	}
	return s, nil
}

func (s *Store) openWriter(ctx context.Context, config Config) error {
	if err := create(config.Path); err != nil {
		return err
	}
	if err := isFile(config.Path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(config, "mode=rw", "_txlock=immediate",
		"_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)"))
	if err != nil {
		return err
	}
	s.writes = db
	db.SetMaxOpenConns(1)
	if err := upgrade(ctx, db, config.Busy); err != nil {
		return err
	}
	s.write, err = newWriter(ctx, db, config.Group)
	return err
}

func (s *Store) openReader(ctx context.Context, config Config) error {
	db, err := sql.Open("sqlite", dsn(config, "mode=ro", "_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	// Not bounded: whoever reads while it iterates needs a second connection.
	db.SetMaxIdleConns(idleReaders)
	s.read = newReader(db)
	return db.PingContext(ctx)
}

// Close waits for the writes under way and closes the store.
func (s *Store) Close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.close())
	}
	if s.write != nil {
		errs = append(errs, s.write.close())
	}
	if s.writes != nil {
		errs = append(errs, s.writes.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return s.failed("close", err)
	}
	return nil
}

// Path returns the absolute path of the store's file.
func (s *Store) Path() string { return s.path }

// change runs fn in a transaction that is durable when change returns nil.
func (s *Store) change(ctx context.Context, op string, fn func(context.Context, *tx) error) error {
	if s.write == nil {
		return s.failed(op, ErrReadOnly)
	}
	return s.failed(op, s.write.do(ctx, fn))
}

// view reads one instant of the store.
func (s *Store) view(ctx context.Context, op string, fn func(view) error) error {
	return s.failed(op, s.read.view(ctx, fn))
}

// create makes an empty file that only its owner can read: SQLite would use the
// umask. The journal files take their mode from it.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// isFile refuses a directory: SQLite would blame the disk.
func isFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%w: it is a directory; name a file in it, such as %s", ErrNotStore,
			filepath.Join(path, "reforest.db"))
	}
	return nil
}

// syncDir makes a new name in the directory durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// dsn writes the path as a file: URI, so that no character of it is taken for a
// parameter (https://sqlite.org/uri.html 3.1).
func dsn(config Config, params ...string) string {
	path := filepath.ToSlash(config.Path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/reforest becomes file:///C:/reforest
	}
	busy := fmt.Sprintf("_pragma=busy_timeout(%d)", config.Busy.Milliseconds())
	uri := url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(append([]string{busy}, params...), "&")}
	return uri.String()
}
