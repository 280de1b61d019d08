package migrate

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func spooled(t *testing.T, text, dir string) *spool {
	t.Helper()
	s, err := newSpool(strings.NewReader(text), MIME, 10, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// A process that is killed removes nothing, so the file must have no name while the
// item is in it.
func TestASpoolFileHasNoNameAndIsPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows keeps open files")
	}
	dir, text := t.TempDir(), strings.Repeat("x", 100)
	s := spooled(t, text, dir)
	if s.file == nil {
		t.Fatal("the item is not in a file")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("a kill would leave behind %v, %v", left, err)
	}
	info, err := s.file.Stat()
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	for range 2 { // a target may read it again
		body, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != text || err != nil {
			t.Errorf("read back %q, %v", got, err)
		}
	}
}

// Where the name cannot be taken away, closing removes the file.
func TestASpoolFileWithANameIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, err := os.CreateTemp(dir, "reforest-spool-*")
	if err != nil {
		t.Fatal(err)
	}
	s := &spool{file: file, named: true}
	s.close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestASmallItemNeedsNoFile(t *testing.T) {
	t.Parallel()
	if s := spooled(t, "123456789", "/nowhere"); s.file != nil || s.size != 9 {
		t.Errorf("file %v, size %d; want none and 9", s.file, s.size)
	}
}

func TestAFullDiskIsAboutTheWholeRun(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("/dev/full: ", err)
	}
	s := &spool{file: full}
	defer s.close()
	e := AsError(spoolError("", s.spill(strings.NewReader("x"))))
	if e == nil || e.Reach != WholeRun || e.Retry != Later || !errors.Is(e, syscall.ENOSPC) || !strings.Contains(e.Hint, os.TempDir()) {
		t.Errorf("got %#v, want an error of the whole run that names the directory", e)
	}
}
