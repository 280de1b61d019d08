//go:build unix

package imaptest

import (
	"os/exec"
	"syscall"
)

// ownGroup starts a server in a process group of its own: Cyrus' master ends its
// whole group when it stops, and with it the servers of other tests.
func ownGroup(process *exec.Cmd) {
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
