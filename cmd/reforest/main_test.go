package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"reforest/internal/lab/transport"
)

func TestMain(m *testing.M) {
	testscript.Main(shipped{m}, map[string]func(){"crowd": crowd, "transport": func() { transport.Main(os.Args[1]) }})
}

// A shipped runs the tests with the program as it is shipped, and not as the tests
// themselves are built: looking for data races takes many times as long, and is done by
// the tests that call it in their own process.
type shipped struct{ *testing.M }

// Run builds the program, puts it first in PATH and runs the tests.
func (s shipped) Run() int {
	dir, err := os.MkdirTemp("", "reforest-shipped")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // left behind, it is the system's to remove
	build := exec.Command("go", "build", "-o", dir+string(os.PathSeparator), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return s.M.Run()
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and expects its exit code: exits CODE COMMAND [ARG ...]. Its
// output goes to the files out and err.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}
