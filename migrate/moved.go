package migrate

import (
	"context"
	"fmt"
)

// A moved is a new item of a chunk that is one the target holds elsewhere.
type moved struct {
	item  *Item
	spool *spool
	pair  Pair
}

// follow moves at the target what the owner has moved at the source, and leaves in the
// chunk what has to be written. The intent names where each item was, so that whoever
// finds it open can tell one that was moved from one that was not.
func (c *chunk) follow(ctx context.Context) error {
	if c.following == nil {
		return nil
	}
	if err := c.relook(ctx); err != nil {
		return err
	}
	found := c.takeMoved()
	if len(found) == 0 {
		return nil
	}
	var done []Done
	intent, err := c.intendMoves(ctx, found)
	if err == nil {
		done, err = c.move(ctx, intent.Ref, found)
	}
	c.giveBack(found, done)
	if err != nil {
		return err
	}
	if err := c.commit(ctx, intent, done); err != nil {
		return err
	}
	return c.reflagMoved(ctx, found, done)
}

// reflagMoved brings the flags that the owner has changed on what was moved. The intent
// of the move names those of before, so that the next survey sees what a process that
// dies here has not done.
func (c *chunk) reflagMoved(ctx context.Context, found []moved, done []Done) error {
	by := make(map[ItemID]Done, len(done))
	for _, d := range done {
		by[d.Item] = d
	}
	var changed []flagged
	for _, m := range found {
		d, there := by[m.item.ID]
		if !there || !m.pair.reflagged(m.item.Flags) {
			continue
		}
		pair := m.pair
		pair.Folder, pair.Item, pair.ThereFlags = c.state.Folder, d.Item, d.Flags
		if d.Ref != "" {
			pair.There = Place{Ref: c.state.Ref, Item: d.Ref}
		}
		changed = append(changed, flagged{pair, m.item.Flags})
	}
	return c.reflag(ctx, changed)
}

// takeMoved takes the items out of the chunk that were lost elsewhere.
func (c *chunk) takeMoved() (found []moved) {
	items, spools := c.items, c.spools
	c.items, c.spools = nil, nil
	for i, item := range items {
		if pair, was := c.following.found(item, c.state.Ref); was {
			found = append(found, moved{item, spools[i], pair})
			continue
		}
		c.items, c.spools = append(c.items, item), append(c.spools, spools[i])
	}
	return found
}

// giveBack returns to the chunk what the target does not hold any more, so that it is
// written, and drops the others.
func (c *chunk) giveBack(found []moved, done []Done) {
	there := make(map[ItemID]bool, len(done))
	for _, d := range done {
		there[d.Item] = true
	}
	for _, m := range found {
		if there[m.item.ID] {
			m.spool.close()
			continue
		}
		c.items, c.spools = append(c.items, m.item), append(c.spools, m.spool)
	}
}

// intendMoves notes the moves. The flags are those of the pair: what has changed of them
// as well is done afterwards.
func (c *chunk) intendMoves(ctx context.Context, found []moved) (Intent, error) {
	intent := Intent{Folder: c.state.Folder, Ref: c.state.Ref, Edit: true}
	var err error
	if intent.Mark, err = c.target.Mark(ctx, c.state.Ref); err != nil {
		return intent, fmt.Errorf("mark the target folder: %w", err)
	}
	for _, m := range found {
		intent.Items = append(intent.Items, Planned{
			Item: m.item.ID, Size: m.spool.canonical, Digest: m.item.Digest,
			Received: m.item.Received, Flags: m.pair.Flags, Was: m.pair.There,
		})
	}
	if intent.ID, err = c.journal.Intend(ctx, intent); err != nil {
		return intent, fmt.Errorf("note the intent: %w", err)
	}
	return intent, nil
}

// move carries the moves out, folder by folder. An item that lies where it belongs
// already was only numbered anew at the source.
func (c *chunk) move(ctx context.Context, to Ref, found []moved) (done []Done, err error) {
	edits := map[Ref][]Edit{}
	var order []Ref
	for _, m := range found {
		was := m.pair.There
		switch {
		case was.Ref == to:
			done = append(done, Done{Item: m.item.ID, Ref: was.Item, Flags: m.pair.ThereFlags, Was: was})
			continue
		case edits[was.Ref] == nil:
			order = append(order, was.Ref)
		}
		edit := editOf(m.pair)
		edit.Item, edit.To = m.item.ID, to
		edits[was.Ref] = append(edits[was.Ref], edit)
	}
	for _, ref := range order {
		some, err := c.edit(ctx, ref, edits[ref])
		if err != nil {
			return nil, err
		}
		done = append(done, some...)
	}
	return done, nil
}

// edit has the target carry out edits of one folder. One that cannot leaves what is to
// be moved where it is.
func (p *pass) edit(ctx context.Context, ref Ref, edits []Edit) ([]Done, error) {
	var done []Done
	var err error
	if editor, able := p.target.(Editor); able {
		done, err = editor.Edit(ctx, ref, edits)
	} else {
		done = leave(edits)
	}
	if err != nil {
		return nil, fmt.Errorf("edit in folder %q: %w", ref, err)
	}
	by := make(map[ItemID]Edit, len(edits))
	for _, e := range edits {
		by[e.Item] = e
	}
	for i, d := range done {
		e := by[d.Item]
		if e.moves() || e.Delete {
			done[i].Was = Place{Ref: ref, Item: e.At}
		}
		if d.Ref == "" {
			done[i].Flags = e.Base // it was left as it is
		}
	}
	return done, nil
}

// leave is what a target that cannot edit does with items that are to be moved.
func leave(edits []Edit) (done []Done) {
	for _, e := range edits {
		if e.moves() {
			done = append(done, Done{Item: e.Item})
		}
	}
	return done
}

// finish sees to it that what landed of an intent of moves is no longer where it was.
func (p *pass) finish(ctx context.Context, intent Intent, landed []Done) (done []Done, err error) {
	for _, planned := range intent.Items {
		for _, d := range landed {
			if d.Item != planned.Item || planned.Was.Ref == intent.Ref {
				continue
			}
			edit := Edit{
				Item: d.Item, At: planned.Was.Item, To: intent.Ref, Copied: d.Ref, Base: d.Flags,
				Size: planned.Size, Digest: planned.Digest, Received: planned.Received,
			}
			some, err := p.edit(ctx, planned.Was.Ref, []Edit{edit})
			if err != nil {
				return nil, err
			}
			done = append(done, some...)
		}
	}
	return done, nil
}
