package store_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFileSizeLimit lets a process write until its files may grow no more. It must
// live to say so, naming the file; what it had said was durable is there, and a
// process with more room goes on.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reforest.db")
	for _, blocks := range []string{"1000", "2500"} { // of 512 bytes, as POSIX has it
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "ulimit -f "+blocks+" && exec "+os.Args[0])
		cmd.Env = append(os.Environ(), childStore+"="+path, childUntil+"=error")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("the process ended with %v", err)
		}
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() || status.ExitStatus() != 3 {
			t.Fatalf("the process ended with %v: %s", exit, stderr.String())
		}
		if !strings.Contains(stderr.String(), path) {
			t.Errorf("the error does not name the file: %s", stderr.String())
		}
		printed := strings.Fields(stdout.String())
		if len(printed) == 0 {
			t.Fatalf("with %s blocks nothing was written", blocks)
		}
		got := stored(t, path)
		for _, number := range printed {
			if got[number] == 0 {
				t.Errorf("event %s was durable and is not there", number)
			}
		}
		t.Logf("with %s blocks: %d events, then %q", blocks, len(printed), firstLine(stderr.String()))
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
