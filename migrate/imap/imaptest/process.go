package imaptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Process is a server in the foreground, with the processes that it has started.
type Process struct {
	name    string
	command func() *exec.Cmd
	address string // where it answers, TLS from the start
	log     func() string

	running *exec.Cmd
	exited  chan struct{} // closed when running has ended
}

// runServer starts a server, waits until it answers, and stops it at the test's end.
func runServer(t testing.TB, p *Process) *Process {
	t.Helper()
	t.Cleanup(p.stop)
	p.Start(t)
	return p
}

// Start starts the server, also after Kill, and waits until it answers.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	var output bytes.Buffer
	process := p.command()
	process.Stdout, process.Stderr = &output, &output
	ownGroup(process)
	must(t, process.Start())
	exited := make(chan struct{})
	go func() {
		_ = process.Wait()
		close(exited)
	}()
	p.running, p.exited = process, exited
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for !p.answers(ctx) {
		select {
		case <-exited:
			t.Fatalf("%s does not start: %s\n%s", p.name, output.String(), p.log())
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %s", p.name, p.log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks the server to end, and waits until it has.
func (p *Process) stop() {
	if p.running == nil {
		return
	}
	_ = p.running.Process.Signal(syscall.SIGTERM)
	<-p.exited
}

// Kill ends the server and everything it has started with SIGKILL, as a failure of
// power does but for what it has given to the kernel. Start starts it again.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	must(t, killGroup(p.running))
	<-p.exited
	// Until the last one is gone, the ports are taken. One that nobody has waited for yet
	// holds none, so this wait has an end.
	for end := time.Now().Add(5 * time.Second); groupLives(p.running) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	p.running = nil
}

// KillSessions ends those of the server's processes that bear the name with SIGKILL,
// and returns how many there were. The server lives on.
func (p *Process) KillSessions(t testing.TB, name string) int {
	t.Helper()
	n, err := killChildren(p.running, name)
	must(t, err)
	return n
}

func (p *Process) answers(ctx context.Context) bool {
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	greeting := make([]byte, 4)
	_, err = conn.Read(greeting)
	return err == nil && strings.HasPrefix(string(greeting), "* OK")
}
