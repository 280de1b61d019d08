package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// A changes is what has become of the items of one folder. nil is a folder in which
// nothing has changed.
type changes struct {
	every bool // an item that is not in flags is gone
	flags map[ItemID][]string
	gone  map[ItemID]bool
}

// take returns the item's flags, if they are told of, and whether it is gone. What is told
// of and never taken is in no pair. An item without an ID is found by its digest only.
func (c *changes) take(item ItemID) (now []string, told, gone bool) {
	if item == "" {
		return nil, false, true
	}
	if c == nil {
		return nil, false, false
	}
	now, told = c.flags[item]
	delete(c.flags, item)
	return now, told, c.gone[item] || c.every && !told
}

// changes asks the source about the folders of which the ledger knows something and that
// are not as they were seen last. Of a folder that is no longer there every item is gone.
func (p *pass) changes(ctx context.Context, folders []knownFolder) (map[FolderID]*changes, error) {
	known, err := p.following.ledger.Known(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the folders of the ledger: %w", err)
	}
	unlisted := make(map[FolderID]bool, len(known))
	for _, id := range known {
		unlisted[id] = true
	}
	all := map[FolderID]*changes{}
	for i, f := range folders {
		if f.Container || !unlisted[f.ID] {
			continue
		}
		if delete(unlisted, f.ID); f.same {
			continue
		}
		if p.Stop() {
			return nil, errStopped
		}
		found, renumbered, err := p.changesIn(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("find what has changed in folder %q: %w", f.ID, err)
		}
		all[f.ID] = found
		p.following.gone[f.ID] = renumbered || f.state.Seen == seenAnew
		if renumbered {
			if err := p.startAnew(ctx, &folders[i]); err != nil {
				return nil, err
			}
		}
	}
	return all, p.vanished(ctx, unlisted, all)
}

// seenAnew is FolderState.Seen of a folder that was numbered anew, as long as something is
// left in the ledger under an ID of before. It is no State.
const seenAnew = "anew"

// startAnew has a folder read from its beginning, of whose new IDs the cursor says nothing.
// That it was numbered anew is noted before the cursor says nothing of that any more.
func (p *pass) startAnew(ctx context.Context, f *knownFolder) error {
	f.since = ""
	if f.state.Seen == seenAnew {
		return nil
	}
	f.state.Seen = seenAnew
	state := f.state
	state.Folder = f.ID
	if err := p.journal.PutFolder(ctx, state); err != nil {
		return f.failed(fmt.Errorf("note that it was numbered anew: %w", err))
	}
	return nil
}

// seenGone is FolderState.Seen of a folder that is no longer there, and of which nothing
// is left in the ledger. It is no State.
const seenGone = "gone"

// vanished adds the folders that are no longer there, unless nothing is left of them.
func (p *pass) vanished(ctx context.Context, unlisted map[FolderID]bool, all map[FolderID]*changes) error {
	for id := range unlisted {
		state, err := p.journal.Folder(ctx, id)
		if err != nil {
			return fmt.Errorf("journal of folder %q: %w", id, err)
		}
		if state.Seen != seenGone {
			all[id] = &changes{every: true}
			p.following.gone[id], p.following.vanished[id] = true, true
		}
	}
	return nil
}

func (p *pass) changesIn(ctx context.Context, f knownFolder) (found *changes, renumbered bool, err error) {
	found = &changes{flags: map[ItemID][]string{}, gone: map[ItemID]bool{}}
	for change, err := range p.following.changer.Changes(ctx, f.ID, f.state.Cursor, f.state.Seen) {
		switch {
		case err != nil:
			return nil, false, err
		case change.Every:
			found.every, renumbered = true, change.Renumbered
		case change.Gone:
			found.gone[change.Item] = true
		default:
			found.flags[change.Item] = change.Flags
		}
	}
	return found, renumbered, nil
}

// reappear has a folder read from its beginning in which something shows again that was
// gone: a source may list a folder as empty for once, and what it forgot then lies before
// the cursor.
func (p *pass) reappear(ctx context.Context, folders []knownFolder, all map[FolderID]*changes) error {
	for i := range folders {
		f := &folders[i]
		found := all[f.ID]
		if found == nil || f.since == "" {
			continue
		}
		for some := range slices.Chunk(slices.Collect(maps.Keys(found.flags)), lookItems) {
			written, err := p.journal.Written(ctx, f.ID, some)
			if err != nil {
				return fmt.Errorf("look into the ledger: %w", err)
			}
			if slices.ContainsFunc(written, func(d Done) bool { return d.Gone }) {
				f.since = ""
				break
			}
		}
	}
	return nil
}
