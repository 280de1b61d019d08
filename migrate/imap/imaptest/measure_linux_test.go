package imaptest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A cost is what some processes took together.
type cost struct {
	seconds float64 // of the clock
	cpu     float64 // seconds of the processes themselves, not of the servers
	rss     float64 // MB, the most that lay in memory at once
}

// spend runs the commands, so many at once, and measures them until the last has ended.
func spend(ctx context.Context, atOnce int, commands ...*exec.Cmd) (cost, error) {
	watched := &watch{peak: map[int]int64{}}
	ctx, cancel := context.WithCancel(ctx)
	var sampling, running sync.WaitGroup
	sampling.Go(func() { watched.sample(ctx) })
	queue := make(chan *exec.Cmd)
	errs := make(chan error, len(commands))
	began := time.Now()
	for range atOnce {
		running.Go(func() {
			for command := range queue {
				errs <- watched.run(command)
			}
		})
	}
	for _, command := range commands {
		queue <- command
	}
	close(queue)
	running.Wait()
	took := time.Since(began)
	cancel()
	sampling.Wait()
	close(errs)
	var err error
	for one := range errs {
		err = errors.Join(err, one)
	}
	return cost{seconds: took.Seconds(), cpu: watched.cpu.Seconds(), rss: float64(watched.most) / (1 << 10)}, err
}

// A watch looks at how much memory processes hold. What the kernel says of a child that
// has ended counts what its parent held when it was started, so it is asked before.
type watch struct {
	mu   sync.Mutex
	peak map[int]int64 // KB by process that runs
	most int64         // KB, of all that ran at once
	cpu  time.Duration
}

func (w *watch) run(command *exec.Cmd) error {
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return err
	}
	pid := command.Process.Pid
	w.note(pid, 0)
	err := command.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.peak, pid)
	w.cpu += command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	if err != nil {
		return fmt.Errorf("%s: %w\n%.4000s", command.Path, err, output.String())
	}
	return nil
}

func (w *watch) note(pid int, kilobytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak[pid] = max(w.peak[pid], kilobytes)
}

// sample asks until ctx ends. The kernel keeps the peak of each process, so that only
// what one gains in its last moments goes unseen.
func (w *watch) sample(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look()
		}
	}
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sum int64
	for pid := range w.peak {
		w.peak[pid] = max(w.peak[pid], peakOf(pid))
		sum += w.peak[pid]
	}
	w.most = max(w.most, sum)
}

// peakOf reads VmHWM of /proc/PID/status (proc(5)), in KB; 0 where the process has ended.
func peakOf(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes
}

// A process of 64 MB is measured as that, whatever the one that started it holds.
func TestSpend(t *testing.T) {
	t.Parallel()
	dd := func() *exec.Cmd {
		return exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=30")
	}
	c, err := spend(t.Context(), 2, dd(), dd())
	if err != nil {
		t.Fatal(err)
	}
	if c.rss < 64 || c.rss > 200 || c.cpu <= 0 || c.seconds <= 0 {
		t.Errorf("two processes of 64 MB each took %+v", c)
	}
	if _, err := spend(t.Context(), 1, exec.CommandContext(t.Context(), "sh", "-c", "echo in vain; exit 3")); err == nil || !strings.Contains(err.Error(), "in vain") {
		t.Errorf("got %v, want what the failing command said", err)
	}
}
