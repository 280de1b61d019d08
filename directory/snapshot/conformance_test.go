package snapshot_test

import (
	"context"
	"iter"
	"sync"
	"testing"

	"reforest/directory"
	"reforest/directory/directorytest"
	"reforest/directory/snapshot"
)

// A collected writes to a server, and reads from a file to which the server's forest is
// collected anew after every write: what the suite reads, it reads from files.
type collected struct {
	forest
	t *testing.T

	mu     sync.Mutex
	reader *snapshot.Reader // nil: something was written since
}

func (c *collected) Write(ctx context.Context, change directory.Change) error {
	c.mu.Lock()
	c.reader = nil
	c.mu.Unlock()
	return c.conn.Write(ctx, change)
}

func (c *collected) file() *snapshot.Reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader == nil {
		c.reader = open(c.t, save(c.t, c.conn, config()))
	}
	return c.reader
}

func (c *collected) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	return c.file().Get(ctx, dn, attrs...) //nolint:contextcheck // the file is collected for the whole test
}

func (c *collected) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	return c.file().Find(ctx, query) //nolint:contextcheck // the file is collected for the whole test
}

// TestConformance runs the suite of directories with every read from a file.
func TestConformance(t *testing.T) {
	t.Parallel()
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		f := startForest(t)
		unit := f.server.BaseDN().Child("OU", "test")
		f.seed(t, unit, map[string][]string{"objectClass": {"organizationalUnit"}})
		return directorytest.Fixture{Directory: &collected{forest: f, t: t}, Base: unit}
	})
}
