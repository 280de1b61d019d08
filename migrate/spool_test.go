package migrate

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

// spooled spools a text that is said to have size bytes; more than 10 go to a file.
func spooled(t *testing.T, text string, size int64, dir string) *spool {
	t.Helper()
	spooler := newSpooler(Options{SpoolBytes: 10, ChunkBytes: 100, TempDir: dir}, MIME)
	s, err := spooler.spool(iotest.OneByteReader(strings.NewReader(text)), size, &arena{buf: make([]byte, 15)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if s.digest != Digest(sha256.Sum256([]byte(text))) || s.size != int64(len(text)) || s.canonical != s.size {
		t.Errorf("size %d, digest %s; want those of the text", s.size, s.digest)
	}
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
	s := spooled(t, text, 100, dir)
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
	for _, said := range []int64{9, 0} {
		if s := spooled(t, "123456789", said, "/nowhere"); s.file != nil || string(s.memory) != "123456789" {
			t.Errorf("file %v, in memory %q; want none and all", s.file, s.memory)
		}
	}
	if s := spooled(t, "1234567890", 10, "/nowhere"); s.file != nil {
		t.Error("an item at the limit is in a file")
	}
}

// What is larger than it was said to be goes to a file as a whole.
func TestAnItemMayBeLargerThanItSays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"12345678901", strings.Repeat("x", 100)} {
		s := spooled(t, text, 3, t.TempDir())
		body, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); s.file == nil || string(got) != text || err != nil {
			t.Errorf("file %v holds %q, %v; want %q", s.file, got, err, text)
		}
	}
}

// Bodies lie in an arena one after the other; one that does not fit goes to a file.
func TestBodiesShareAnArena(t *testing.T) {
	t.Parallel()
	spooler, shared := newSpooler(Options{SpoolBytes: 10, ChunkBytes: 10, TempDir: t.TempDir()}, MIME), &arena{buf: make([]byte, 11)}
	var all []*spool
	for _, text := range []string{"1234", "567890", "x"} {
		s, err := spooler.spool(strings.NewReader(text), int64(len(text)), shared)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		all = append(all, s)
	}
	if string(all[0].memory) != "1234" || string(all[1].memory) != "567890" || all[2].file == nil {
		t.Errorf("%q, %q, file %v", all[0].memory, all[1].memory, all[2].file)
	}
	if all[0].memory = append(all[0].memory, '!'); string(all[1].memory) != "567890" {
		t.Error("a body reaches into the next")
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
	e := AsError(spoolError("", s.fill(strings.NewReader("x"), io.Discard, make([]byte, 10))))
	if e == nil || e.Reach != WholeRun || e.Retry != Later || !errors.Is(e, syscall.ENOSPC) || !strings.Contains(e.Hint, os.TempDir()) {
		t.Errorf("got %#v, want an error of the whole run that names the directory", e)
	}
}
