package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// A spool is a transport's directory. See the package comment.
type spool struct {
	dir  string
	lock *flock.Flock

	log   lineFile
	takes lineFile // the file taken

	taking sync.Mutex // held while a transfer is taken, so that its repetition waits
	mu     sync.Mutex
	taken  map[string]bool
}

// openSpool makes the directory ready and takes it for this process alone.
func openSpool(dir string) (*spool, error) {
	for _, sub := range []string{"pickup", "queue", "bounced", "badmail"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make spool: %w", err)
		}
	}
	s := &spool{dir: dir, lock: flock.New(filepath.Join(dir, "lock")), taken: map[string]bool{}}
	held, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock spool: %w", err)
	}
	if !held {
		return nil, fmt.Errorf("lock spool: another transport works in %s", dir)
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *spool) open() (err error) {
	if s.log, err = openLines(filepath.Join(s.dir, "log.jsonl")); err != nil {
		return err
	}
	if s.takes, err = openLines(filepath.Join(s.dir, "taken")); err != nil {
		return err
	}
	for id, err := range readLines(filepath.Join(s.dir, "taken")) {
		if err != nil {
			return err
		}
		s.taken[string(id)] = true
	}
	return nil
}

func (s *spool) close() error {
	return errors.Join(s.log.close(), s.takes.close(), s.lock.Unlock())
}

func (s *spool) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// wasTaken reports whether a transfer of the other site is here already.
func (s *spool) wasTaken(transfer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[transfer]
}

// noteTaken makes it known, durably, that a transfer is here.
func (s *spool) noteTaken(transfer string) error {
	if err := s.takes.append([]byte(transfer)); err != nil {
		return fmt.Errorf("note transfer: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[transfer] = true
	return nil
}

// queued returns the ids of the queue, oldest first, and removes what a process that
// died left half written or half removed there.
func (s *spool) queued() ([]string, error) {
	files, err := os.ReadDir(s.path("queue"))
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	var ids []string
	for _, file := range files {
		name := file.Name()
		entry, state := strings.CutSuffix(name, stateSuffix)
		switch {
		case strings.HasPrefix(name, "."):
			err = os.Remove(s.path("queue", name))
		case !state:
			ids = append(ids, name)
		default:
			if _, missing := os.Stat(s.path("queue", entry)); errors.Is(missing, fs.ErrNotExist) {
				err = os.Remove(s.path("queue", name))
			}
		}
		if err != nil {
			return nil, fmt.Errorf("tidy queue: %w", err)
		}
	}
	return ids, nil
}

// pickUp moves what lies in Pickup into the queue and returns the new ids.
func (s *spool) pickUp() ([]string, error) {
	files, err := os.ReadDir(s.path("pickup"))
	if err != nil {
		return nil, fmt.Errorf("read pickup: %w", err)
	}
	var ids []string
	for _, file := range files {
		name, ours := strings.CutSuffix(file.Name(), pickupSuffix)
		if !ours || strings.HasPrefix(name, ".") {
			continue
		}
		id := newID()
		if err := os.Rename(s.path("pickup", file.Name()), s.path("queue", id)); err != nil {
			return ids, fmt.Errorf("pick up %q: %w", file.Name(), err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// remove ends an entry. The state goes last: without it the entry would begin anew.
func (s *spool) remove(id string) error {
	if err := os.Remove(s.path("queue", id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove from queue: %w", err)
	}
	if err := os.Remove(s.path("queue", id+stateSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove from queue: %w", err)
	}
	return nil
}

// keep links an entry into a directory where nobody touches it.
func (s *spool) keep(id, sub string) error {
	err := os.Link(s.path("queue", id), s.path(sub, id))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep message in %s: %w", sub, err)
	}
	return nil
}
