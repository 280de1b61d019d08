package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A spool holds one item between reading and writing: in its chunk's arena while it is
// small, in a temporary file that only we may read once it is not. Where the system
// allows it the file has no name, so that nothing of it is left however we end.
type spool struct {
	memory    []byte   // a part of the arena
	file      *os.File // nil while the item is in memory
	named     bool     // the file still has its name, since the system keeps open files
	size      int64    // bytes as they travel
	canonical int64    // bytes of the canonical form
	digest    Digest
}

// A spooler reads bodies to their ends. What it works with is used again for each.
type spooler struct {
	limit    int64  // an item larger than this goes to a file; bytes
	dir      string // for such files; "" is the system's
	digester *Digester
	buf      []byte // between a body and a file; nil until the first
}

func newSpooler(o Options, format Format) *spooler {
	return &spooler{limit: min(o.SpoolBytes, o.ChunkBytes), dir: o.TempDir, digester: NewDigester(format)}
}

// spool reads body to its end. size is how many bytes it is said to have. An error of
// body itself is returned as it is.
func (s *spooler) spool(body io.Reader, size int64, into *arena) (*spool, error) {
	s.digester.reset()
	var space []byte
	if size <= s.limit {
		space = into.rest(s.limit + 1)
	}
	n, err := io.ReadFull(body, space)
	switch {
	case n < len(space) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return s.kept(into.keep(n)), nil
	case err != nil:
		return nil, err
	}
	return s.toFile(space, body)
}

// kept is an item that is in memory as a whole.
func (s *spooler) kept(body []byte) *spool {
	_, _ = s.digester.Write(body)
	return s.digested(&spool{memory: body, size: int64(len(body))})
}

func (s *spooler) digested(one *spool) *spool {
	one.canonical, one.digest = s.digester.Size(), s.digester.Digest()
	return one
}

// toFile spools an item of which head has been read.
func (s *spooler) toFile(head []byte, body io.Reader) (*spool, error) {
	one := &spool{}
	if err := one.create(s.dir); err != nil {
		return nil, spoolError(s.dir, fmt.Errorf("create spool file: %w", err))
	}
	if s.buf == nil {
		s.buf = make([]byte, 64<<10)
	}
	source := &sourceReader{r: io.MultiReader(bytes.NewReader(head), body)}
	err := one.fill(source, s.digester, s.buf)
	if err != nil {
		err = spoolError(s.dir, fmt.Errorf("write spool file: %w", err))
	}
	if source.err != nil {
		err = source.err
	}
	if err != nil {
		one.close()
		return nil, err
	}
	return s.digested(one), nil
}

// fill writes body to the file and to the digester.
func (s *spool) fill(body io.Reader, digester io.Writer, buf []byte) (err error) {
	s.size, err = io.CopyBuffer(io.MultiWriter(s.file, digester), body, buf)
	return err
}

// A sourceReader remembers the error of the source, so that it is not mistaken for
// one of the spool.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// create makes the file with mode 0600, as os.CreateTemp does, and takes its name
// away while it is empty. Windows refuses that; there close removes the file.
func (s *spool) create(dir string) (err error) {
	if s.file, err = os.CreateTemp(dir, "reforest-spool-*"); err != nil {
		return err
	}
	s.named = os.Remove(s.file.Name()) != nil
	return nil
}

// spoolError says that there is no room to work in. It is about this machine and no
// mailbox: every move would meet it, and all can go on once it is mended.
func spoolError(dir string, err error) error {
	if dir == "" {
		dir = os.TempDir()
	}
	return &Error{
		Op: "migrate.Spool", Reach: WholeRun, Retry: Later, Err: err,
		Hint: fmt.Sprintf("make room in %s and make sure that reforest may write there, or choose another directory for temporary files", dir),
	}
}

// open returns the item's bytes from their start.
func (s *spool) open() (io.ReadSeeker, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, spoolError(filepath.Dir(s.file.Name()), fmt.Errorf("read spool file back: %w", err))
	}
	return s.file, nil
}

func (s *spool) close() {
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	if s.named {
		_ = os.Remove(s.file.Name())
	}
}
