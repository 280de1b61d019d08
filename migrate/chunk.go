package migrate

import (
	"context"
	"errors"
	"fmt"
)

// A chunk collects items until they are written under one intent.
type chunk struct {
	*pass
	state  FolderState
	items  []*Item
	spools []*spool
	skips  []Done
	bytes  int64
}

// read reads items into the chunk, which it writes whenever it is full, and returns how
// many of them it is done with. Where the pass has questions to the source before it
// writes, a full chunk ends the reading.
func (c *chunk) read(ctx context.Context, items []ItemID) (n int, err error) {
	for item, err := range c.source.Read(ctx, c.state.Folder, items, c.format) {
		if err := c.add(item, err); err != nil {
			return n, err
		}
		n++
		switch {
		case !c.full():
		case c.following.asks():
			return n, nil
		default:
			if err := c.flush(ctx); err != nil {
				return n, err
			}
		}
	}
	return len(items), nil
}

func (c *chunk) full() bool {
	return len(c.items)+len(c.skips) >= c.ChunkItems || c.bytes >= c.ChunkBytes
}

// add takes over one result of Source.Read.
func (c *chunk) add(item *Item, err error) error {
	if err == nil {
		err = c.spool(item)
	}
	switch e := AsError(err); {
	case err == nil:
	case errors.Is(err, ErrGone):
		c.sum.Gone++
	case e != nil && e.Reach == OneItem && item != nil:
		c.skips = append(c.skips, Done{Item: item.ID, Skip: &Skip{
			Folder: c.state.Path, Item: item.ID, Received: item.Received, Size: item.Size,
			Kind: "unreadable", Reason: e.Error(),
		}})
	default:
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// spool reads the item's body to its end, so that the intent can name its digest.
func (c *chunk) spool(item *Item) error {
	s, err := newSpool(item.Body, item.Format, c.SpoolBytes, c.TempDir)
	if err != nil {
		return err
	}
	c.spools = append(c.spools, s)
	kept := *item
	kept.Size, kept.Digest = s.size, s.digest.Digest()
	c.items = append(c.items, &kept)
	c.bytes += s.size
	return nil
}

// flush writes the chunk: intent, write, commit. An error leaves the intent open;
// the next pass finds out what landed.
func (c *chunk) flush(ctx context.Context) error {
	if len(c.items)+len(c.skips) == 0 {
		return nil
	}
	defer c.drop()
	if err := c.follow(ctx); err != nil {
		return err
	}
	if err := c.store(ctx); err != nil {
		return err
	}
	if c.Stop() {
		return errStopped
	}
	return nil
}

// store writes what is in the chunk.
func (c *chunk) store(ctx context.Context) error {
	if len(c.items)+len(c.skips) == 0 {
		return nil
	}
	intent, err := c.intend(ctx)
	if err != nil {
		return err
	}
	done, err := c.write(ctx)
	if err != nil {
		return err
	}
	return c.commit(ctx, intent, append(done, c.skips...))
}

func (c *chunk) intend(ctx context.Context) (Intent, error) {
	intent := Intent{Folder: c.state.Folder, Ref: c.state.Ref}
	if len(c.items) > 0 {
		mark, err := c.target.Mark(ctx, c.state.Ref)
		if err != nil {
			return intent, fmt.Errorf("mark the target folder: %w", err)
		}
		intent.Mark = mark
	}
	for i, item := range c.items {
		intent.Items = append(intent.Items, Planned{
			Item: item.ID, Size: c.spools[i].digest.Size(), Digest: item.Digest,
			Received: item.Received, Flags: item.Flags,
		})
	}
	id, err := c.journal.Intend(ctx, intent)
	if err != nil {
		return intent, fmt.Errorf("note the intent: %w", err)
	}
	intent.ID = id
	return intent, nil
}

func (c *chunk) write(ctx context.Context) ([]Done, error) {
	if len(c.items) == 0 {
		return nil, nil
	}
	for i, item := range c.items {
		body, err := c.spools[i].open()
		if err != nil {
			return nil, err
		}
		item.Body = body
	}
	done, err := c.target.Write(ctx, c.state.Ref, c.items)
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	for _, d := range done {
		if d.Skip != nil {
			d.Skip.Folder = c.state.Path
		}
	}
	return done, nil
}

// drop forgets the items and removes their spools.
func (c *chunk) drop() {
	for _, s := range c.spools {
		s.close()
	}
	c.items, c.spools, c.skips, c.bytes = nil, nil, nil, 0
}
