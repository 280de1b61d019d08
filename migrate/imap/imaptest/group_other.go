//go:build !unix

package imaptest

import "os/exec"

// ownGroup does nothing where there are no process groups, and no such servers.
func ownGroup(*exec.Cmd) {}
