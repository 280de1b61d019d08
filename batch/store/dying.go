//go:build dying && !windows

package store

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// The tests that kill the program after each of its journal entries build it so.

var left = func() *atomic.Int64 {
	n, err := strconv.ParseInt(os.Getenv("REFOREST_DIE_AFTER"), 10, 64)
	if err != nil {
		n = 1 << 62
	}
	left := new(atomic.Int64)
	left.Store(n)
	return left
}()

// entered kills the process, as SIGKILL does, when the journal entry has become durable
// after which it is to die.
func entered(n int64) {
	if left.Add(-n) <= 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens here
	}
}
