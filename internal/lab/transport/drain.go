package transport

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// drainPoll is the time between two looks at the spools.
const drainPoll = 20 * time.Millisecond

// Drain returns nil as soon as nothing is under way in any of the spools, or the cause
// when ctx ends. Their transports may run in other processes. All sites between which
// mail goes have to be named.
func Drain(ctx context.Context, dirs ...string) error {
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for {
		empty, err := drained(dirs)
		if empty || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// drained looks at one spool after the other. What moves between them meanwhile leaves
// a record, so the logs must not have grown.
func drained(dirs []string) (bool, error) {
	before, err := logSizes(dirs)
	if err != nil {
		return false, err
	}
	for _, dir := range dirs {
		n, err := waiting(dir)
		if err != nil {
			return false, fmt.Errorf("read queue of %s: %w", dir, err)
		}
		if n > 0 {
			return false, nil
		}
	}
	after, err := logSizes(dirs)
	return slices.Equal(before, after), err
}

func logSizes(dirs []string) ([]int64, error) {
	sizes := make([]int64, len(dirs))
	for i, dir := range dirs {
		info, err := os.Stat(filepath.Join(dir, "log.jsonl"))
		if err != nil {
			return nil, fmt.Errorf("read log of %s: %w", dir, err)
		}
		sizes[i] = info.Size()
	}
	return sizes, nil
}
