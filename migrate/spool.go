package migrate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A spool holds one item between reading and writing: in memory while it is
// small, in a temporary file that only we may read once it is not. Where the system
// allows it the file has no name, so that nothing of it is left however we end.
type spool struct {
	memory bytes.Buffer
	file   *os.File // nil while the item is in memory
	named  bool     // the file still has its name, since the system keeps open files
	size   int64    // bytes as they travel
	digest *Digester
}

// newSpool reads body to its end. An error of body itself is returned as it is.
func newSpool(body io.Reader, format Format, limit int64, dir string) (*spool, error) {
	s := &spool{digest: NewDigester(format)}
	source := &sourceReader{r: io.TeeReader(body, s.digest)}
	err := s.fill(source, limit, dir)
	if source.err != nil {
		err = source.err
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
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

func (s *spool) fill(body io.Reader, limit int64, dir string) error {
	n, err := io.CopyN(&s.memory, body, limit)
	s.size = n
	if err == io.EOF { //nolint:errorlint // io.CopyN's contract is io.EOF itself
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.create(dir); err != nil {
		return spoolError(dir, fmt.Errorf("create spool file: %w", err))
	}
	if err := s.spill(body); err != nil {
		return spoolError(dir, fmt.Errorf("write spool file: %w", err))
	}
	return nil
}

// spill moves what is in memory to the file, and the rest of body after it.
func (s *spool) spill(body io.Reader) (err error) {
	s.size, err = io.Copy(s.file, io.MultiReader(&s.memory, body))
	s.memory = bytes.Buffer{}
	return err
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
		return bytes.NewReader(s.memory.Bytes()), nil
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
