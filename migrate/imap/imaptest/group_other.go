//go:build !unix

package imaptest

import (
	"errors"
	"os/exec"
)

// ownGroup does nothing where there are no process groups, and no such servers.
func ownGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) error { return errors.ErrUnsupported }

func killChildren(*exec.Cmd, string) (int, error) { return 0, errors.ErrUnsupported }

func groupLives(*exec.Cmd) bool { return false }
