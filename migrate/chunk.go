package migrate

import (
	"errors"
	"fmt"
)

// A chunk is what is written under one intent: items, and what is to be said of others.
type chunk struct {
	*pass
	folder *knownFolder
	state  FolderState // the folder's, when the chunk is written
	items  []*Item
	spools []*spool // of the items, in their order
	skips  []Done
	gone   int64 // items that vanished before they were read
	bytes  int64 // of the items' bodies, wherever they are

	arena *arena
	from  *arenas // where the arena goes when the chunk has been written
}

// empty reports whether there is nothing to write down.
func (c *chunk) empty() bool { return len(c.items)+len(c.skips) == 0 }

// full reports whether nothing more is to be added.
func (c *chunk) full() bool {
	return len(c.items)+len(c.skips) >= c.ChunkItems || c.bytes >= c.ChunkBytes
}

// fits reports whether a body of so many bytes may be added.
func (c *chunk) fits(size int64) bool { return c.bytes == 0 || c.bytes+size <= c.ChunkBytes }

// add adds an item that has been read.
func (c *chunk) add(item *Item, s *spool) {
	kept := *item
	kept.Body, kept.Size, kept.Digest = nil, s.size, s.digest
	c.items, c.spools = append(c.items, &kept), append(c.spools, s)
	c.bytes += s.size
}

// leave takes down why an item is not in the chunk. An error that reaches further than
// the item is returned.
func (c *chunk) leave(item *Item, err error) error {
	e := AsError(err)
	switch {
	case errors.Is(err, ErrGone):
		c.gone++
	case e != nil && e.Reach == OneItem && item != nil:
		c.skips = append(c.skips, Done{Item: item.ID, Skip: &Skip{
			Folder: c.folder.Path, Item: item.ID, Received: item.Received, Size: item.Size,
			Kind: "unreadable", Reason: e.Error(),
		}})
	default:
		return err
	}
	return nil
}

// intent announces the chunk, and that the target folder stands at the mark.
func (c *chunk) intent(mark Mark) Intent {
	intent := Intent{Folder: c.state.Folder, Ref: c.state.Ref, Mark: mark}
	for i, item := range c.items {
		intent.Items = append(intent.Items, Planned{
			Item: item.ID, Size: c.spools[i].canonical, Digest: item.Digest,
			Received: item.Received, Flags: item.Flags,
		})
	}
	return intent
}

// open puts each item's body at its start.
func (c *chunk) open() error {
	for i, item := range c.items {
		body, err := c.spools[i].open()
		if err != nil {
			return err
		}
		item.Body = body
	}
	return nil
}

// outcome is what became of all that is in the chunk, done being what the target said.
func (c *chunk) outcome(done []Done) []Done {
	for _, d := range done {
		if d.Skip != nil {
			d.Skip.Folder = c.state.Path
		}
	}
	return append(done, c.skips...)
}

// accounted returns an error unless the target has said of each item what became of it: one
// of which nothing is said would count neither as written nor as skipped, and lie before
// the cursor.
func (c *chunk) accounted(done []Done) error {
	if missing := len(without(idsOf(c.items), done)); missing > 0 {
		err := fmt.Errorf("the target did not say what became of %d items of %d", missing, len(c.items))
		return &Error{Op: "migrate.Write", Reach: OneMailbox, Retry: Later, Err: err}
	}
	return nil
}

func idsOf(items []*Item) []ItemID {
	ids := make([]ItemID, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	return ids
}

// drop forgets the items, removes their spools and gives the memory back.
func (c *chunk) drop() {
	for _, s := range c.spools {
		s.close()
	}
	if c.arena != nil {
		c.from.give(c.arena)
	}
	c.items, c.spools, c.skips, c.arena, c.bytes = nil, nil, nil, nil, 0
}
