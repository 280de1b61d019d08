package migrate

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// A spool holds one item between reading and writing: in memory while it is
// small, in a temporary file that only we may read once it is not.
type spool struct {
	memory bytes.Buffer
	file   *os.File // nil while the item is in memory
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
	// os.CreateTemp makes the file with mode 0600.
	if s.file, err = os.CreateTemp(dir, "reforest-spool-*"); err != nil {
		return fmt.Errorf("spool an item: %w", err)
	}
	n, err = io.Copy(s.file, io.MultiReader(&s.memory, body))
	s.size = n
	s.memory = bytes.Buffer{}
	if err != nil {
		return fmt.Errorf("spool an item to %s: %w", s.file.Name(), err)
	}
	return nil
}

// open returns the item's bytes from their start.
func (s *spool) open() (io.ReadSeeker, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read back a spooled item: %w", err)
	}
	return s.file, nil
}

func (s *spool) close() {
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}
