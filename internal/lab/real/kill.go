package real

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Kill ends the server as SIGKILL ends it, all its processes at once. It is started
// again when the test ends, unless the test has done so itself.
func (s MailServer) Kill(t testing.TB) {
	t.Helper()
	s.control(t, "kill")
	t.Cleanup(func() { s.control(t, "start") })
}

// Start starts the server again, on what it held when it was killed, and returns when
// it takes mail and shows it. A server that runs is left alone.
func (s MailServer) Start(t testing.TB) {
	t.Helper()
	s.control(t, "start")
}

// control runs scripts/lab/mail.
func (s MailServer) control(t testing.TB, what string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), operationTime)
	defer cancel()
	script := filepath.Join(filepath.Dir(file), "..", "..", "..", "scripts", "lab", "mail")
	command := exec.CommandContext(ctx, script, s.side, what)
	command.Env = append(os.Environ(), "REFOREST_LAB="+s.lab)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s the %s's mail server: %v\n%s", what, s.side, err, out)
	}
}
