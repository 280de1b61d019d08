package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// MailboxWord stands for the mailbox in a Config's Tunnel.
const MailboxWord = "{mailbox}"

const (
	tunnelGrace   = 10 * time.Second // for the command to end by itself when its input has ended
	maxTunnelSaid = 2 << 10          // bytes kept of what the command says on its standard error
)

// safeInTunnel are the characters that a mailbox may hold in a tunnel's command: ssh hands
// it to a shell.
const safeInTunnel = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@_+-="

// A tunnel is a command whose standard input and output are the connection. It has a
// process of its own for each connection.
type tunnel struct {
	in, out *os.File
	command *exec.Cmd
	said    said
	once    sync.Once
	ended   chan struct{} // closed when the command has ended
}

// checkTunnel refuses what cannot be run, or not safely.
func (c Config) checkTunnel() error {
	switch {
	case runtime.GOOS == "windows":
		return configError(errors.New("a tunnel needs pipes that can time out, which Windows lacks; use TLS"))
	case c.Tunnel[0] == "":
		return configError(errors.New("the tunnel names no command"))
	case strings.Trim(c.Mailbox, safeInTunnel) != "" || strings.HasPrefix(c.Mailbox, "-"):
		return configError(fmt.Errorf("mailbox %q holds characters that a tunnel's command might take for more than a name", c.Mailbox))
	case !strings.Contains(strings.Join(c.Tunnel, " "), MailboxWord):
		return configError(fmt.Errorf("the tunnel's command does not say whose mailbox is to be opened: want %s in it", MailboxWord))
	}
	return nil
}

// dig starts the command.
func (c Config) dig() (*tunnel, error) {
	words := make([]string, len(c.Tunnel))
	for i, word := range c.Tunnel {
		words[i] = strings.ReplaceAll(word, MailboxWord, c.Mailbox)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	t := &tunnel{in: in, out: out, ended: make(chan struct{})}
	// It ends with the connection, whoever closes that, and not with the dialling.
	t.command = exec.CommandContext(context.Background(), words[0], words[1:]...) //nolint:gosec // the operator's own command
	t.command.Stdin, t.command.Stdout, t.command.Stderr = theirIn, theirOut, &t.said
	t.command.WaitDelay = tunnelGrace
	err = t.command.Start()
	_, _ = theirIn.Close(), theirOut.Close() // the command has its own
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	go func() {
		defer close(t.ended)
		_ = t.command.Wait() // its connection tells what matters
	}()
	return t, nil
}

func (t *tunnel) Read(b []byte) (int, error)  { return t.out.Read(b) }
func (t *tunnel) Write(b []byte) (int, error) { return t.in.Write(b) }

// Close ends the command's input and output. A server takes that for a hung up connection
// and finishes what it is at; one that does not end is killed after a while.
func (t *tunnel) Close() error {
	var err error
	t.once.Do(func() {
		err = errors.Join(t.in.Close(), t.out.Close())
		go func() {
			timer := time.NewTimer(tunnelGrace)
			defer timer.Stop()
			select {
			case <-t.ended:
			case <-timer.C:
				_ = t.command.Process.Kill()
			}
		}()
	})
	return err
}

func (t *tunnel) SetReadDeadline(at time.Time) error  { return t.out.SetReadDeadline(at) }
func (t *tunnel) SetWriteDeadline(at time.Time) error { return t.in.SetWriteDeadline(at) }

func (t *tunnel) SetDeadline(at time.Time) error {
	return errors.Join(t.SetReadDeadline(at), t.SetWriteDeadline(at))
}

func (t *tunnel) LocalAddr() net.Addr  { return tunnelAddr{} }
func (t *tunnel) RemoteAddr() net.Addr { return tunnelAddr{} }

// tunnelAddr is the address of both ends.
type tunnelAddr struct{}

func (tunnelAddr) Network() string { return "tunnel" }
func (tunnelAddr) String() string  { return "tunnel" }

// explain adds to an error of the connection what the command said when it ended.
func (t *tunnel) explain(err error) error {
	select {
	case <-t.ended:
	case <-time.After(byeTimeout):
	}
	if words := t.said.String(); words != "" {
		return fmt.Errorf("%w; %s said: %s", err, t.command.Args[0], words)
	}
	return err
}

// A said keeps the beginning of what a command says.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b[:min(len(b), maxTunnelSaid-s.text.Len())])
	return len(b), nil
}

// String returns it in one line.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return printable(strings.Join(strings.Fields(s.text.String()), " "))
}
