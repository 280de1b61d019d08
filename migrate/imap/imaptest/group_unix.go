//go:build unix

package imaptest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ownGroup starts a server in a process group of its own: Cyrus' master ends its
// whole group when it stops, and with it the servers of other tests.
func ownGroup(process *exec.Cmd) {
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// killGroup kills a process that ownGroup has prepared, and all that it has started.
func killGroup(process *exec.Cmd) error {
	return syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
}

// groupLives reports whether any process of a group is left, be it one that nobody has
// waited for.
func groupLives(process *exec.Cmd) bool {
	return syscall.Kill(-process.Process.Pid, 0) == nil
}

// killChildren kills the children of a process that bear a name, as Linux's /proc
// lists them.
func killChildren(process *exec.Cmd, name string) (n int, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		pid, child := childOf(string(stat), process.Process.Pid, name)
		if !child {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return n, err
		}
		n++
	}
	return n, nil
}

// childOf reads a line of /proc/PID/stat (proc(5)): PID (NAME) STATE PARENT ...
func childOf(stat string, parent int, name string) (pid int, child bool) {
	before, rest, _ := strings.Cut(stat, " (")
	end := strings.LastIndexByte(rest, ')')
	if end < 0 || rest[:end] != name {
		return 0, false
	}
	fields := strings.Fields(rest[end+1:])
	if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
		return 0, false
	}
	pid, err := strconv.Atoi(before)
	return pid, err == nil
}
