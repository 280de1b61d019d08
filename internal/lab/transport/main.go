package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// startTime bounds the start of a process.
const startTime = 30 * time.Second

// ready is what a process says when it listens.
const ready = "transport ready"

// Main runs the transport that a configuration file describes, until the process is
// killed or its standard input ends; so it does not outlive the process that started it.
// It says "transport ready" when it listens. Test binaries make a command of it by
// testscript.Main.
func Main(configFile string) {
	if err := run(configFile, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "transport:", err)
		os.Exit(1)
	}
}

func run(configFile string, stdin io.Reader, stdout, stderr io.Writer) error {
	config, err := ReadConfig(configFile)
	if err != nil {
		return err
	}
	config.Log = slog.New(slog.NewTextHandler(stderr, nil))
	t, err := Start(context.Background(), config)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, ready); err != nil {
		return errors.Join(err, t.Close())
	}
	_, err = io.Copy(io.Discard, stdin)
	return errors.Join(err, t.Close())
}

// ReadConfig reads what WriteConfig has written.
func ReadConfig(path string) (Config, error) {
	var config Config
	text, err := os.ReadFile(path)
	if err != nil {
		return config, fmt.Errorf("read configuration: %w", err)
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return config, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return config, nil
}

// WriteConfig writes a configuration file that only the owner may read. Store,
// Certificate and Log belong to a process and cannot be written.
func WriteConfig(path string, config Config) error {
	if config.Store != nil || len(config.Certificate.Certificate) > 0 {
		return errors.New("write configuration: Store and Certificate live in one process; use LMTP, CertFile and KeyFile")
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := writeFile(path, text); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// A Process is a transport in a process of its own, which can be killed and started
// again on the same spool. Its methods may be called by several goroutines.
type Process struct {
	command []string
	dir     string

	mu      sync.Mutex
	running *exec.Cmd
	stdin   io.Closer
	stderr  *strings.Builder
}

// Spawn writes the configuration into the spool and starts the process; command is a
// program, with its first arguments, that calls Main with its last argument.
func Spawn(ctx context.Context, config Config, command ...string) (*Process, error) {
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("spawn transport: %w", err)
	}
	file := filepath.Join(config.Dir, "config.json")
	if err := WriteConfig(file, config); err != nil {
		return nil, err
	}
	p := &Process{command: append(command, file), dir: config.Dir}
	return p, p.Start(ctx)
}

// Start starts the process again after Kill, and returns when it listens. It does
// nothing where the process runs.
func (p *Process) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return nil
	}
	command := exec.Command(p.command[0], p.command[1:]...)
	p.stderr = &strings.Builder{}
	command.Stderr = p.stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return fmt.Errorf("spawn transport: %w", err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("spawn transport: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("spawn transport: %w", err)
	}
	p.running, p.stdin = command, stdin
	if err := awaitReady(ctx, command, stdout); err != nil {
		return fmt.Errorf("spawn transport: %w: %s", errors.Join(err, p.end()), p.stderr)
	}
	return nil
}

// awaitReady reads until the process says that it listens. A process that takes too
// long is killed, which ends its output.
func awaitReady(ctx context.Context, command *exec.Cmd, stdout io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = command.Process.Kill() })
	defer stop()
	line := make([]byte, len(ready)+1)
	if _, err := io.ReadFull(stdout, line); err != nil {
		return fmt.Errorf("wait until it is ready: %w", either(context.Cause(ctx), err))
	}
	return nil
}

// Kill ends the process by SIGKILL, and returns when it is gone. What it said on
// standard error is the error if that is more than nothing. It does nothing where the
// process does not run.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	if err := p.end(); err != nil {
		return err
	}
	if said := p.stderr.String(); said != "" {
		return fmt.Errorf("transport in %s said: %s", p.dir, said)
	}
	return nil
}

// end kills the process and waits for it. The mutex is held.
func (p *Process) end() error {
	err := p.running.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = p.running.Wait() // it was killed: that is no news
	_ = p.stdin.Close()
	p.running = nil
	return err
}
