package reports

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func save(t *testing.T, r *Report, dir string, formats ...Format) []string {
	t.Helper()
	paths, err := r.Save(dir, formats...)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestSave(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there yet")
	r := report(t)
	save(t, r, dir)
	save(t, r, dir) // the same run's are replaced
	other := *r
	other.Run = "2026-03-14T01-59-26.999Z"
	paths := save(t, &other, dir, XML)
	if want := []string{filepath.Join(dir, "MailboxMove-2026-03-14 02-59-26 (2).xml")}; !cmp.Equal(paths, want) {
		t.Errorf("another run of that second is saved as %q, want %q", paths, want)
	}
	want := []string{
		"MailboxMove-2026-03-14 02-59-26 (2).xml", "MailboxMove-2026-03-14 02-59-26.csv",
		"MailboxMove-2026-03-14 02-59-26.html", "MailboxMove-2026-03-14 02-59-26.json", "MailboxMove-2026-03-14 02-59-26.xml",
	}
	if d := cmp.Diff(want, names(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	for name, format := range map[string]Format{want[1]: CSV, want[2]: HTML, want[3]: JSON, want[4]: XML} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, write(t, r, format)) {
			t.Errorf("%s is not the report; %v", name, err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600; %v", name, info.Mode(), err)
		}
	}
}

// TestSaveEmpty saves a report that names no run in its CSV.
func TestSaveEmpty(t *testing.T) {
	t.Parallel()
	r := report(t)
	r.Moves = nil
	dir := t.TempDir()
	if first, again := save(t, r, dir), save(t, r, dir); !cmp.Equal(first, again) {
		t.Errorf("saved as %q, then as %q", first, again)
	}
}

// TestSaveWholeOrNotAtAll lets writing fail: the report that was there stays, and
// nothing else is left.
func TestSaveWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := report(t)
	path := save(t, r, dir, XML)[0]
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.saveFile(path, "no such format"); err == nil || !strings.Contains(err.Error(), "no such format") {
		t.Errorf("error is %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the report was touched; %v", err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left: %q", got)
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var pathError *os.PathError
	if _, err := r.Save(file); !errors.As(err, &pathError) || !strings.Contains(err.Error(), file) {
		t.Errorf("saving into a file: %v", err)
	}
}
