package migrate

import (
	"context"
	"fmt"
)

// A flagged is an item of which the owner has changed the flags at the source.
type flagged struct {
	Pair
	now []string // its flags at the source
}

// reflag makes the changes at the target, where nobody has changed the flags meanwhile.
// What became of it is journalled, so that the next change is told from this one.
func (p *pass) reflag(ctx context.Context, changed []flagged) error {
	groups := map[Ref][]flagged{}
	var order []Ref
	for _, f := range changed {
		if groups[f.There.Ref] == nil {
			order = append(order, f.There.Ref)
		}
		groups[f.There.Ref] = append(groups[f.There.Ref], f)
	}
	for _, ref := range order {
		if err := p.reflagIn(ctx, ref, groups[ref]); err != nil {
			return err
		}
	}
	return nil
}

// reflagIn reflags items of one folder of the source, in one folder of the target.
func (p *pass) reflagIn(ctx context.Context, ref Ref, items []flagged) error {
	if _, able := p.target.(Editor); !able {
		p.sum.Kept += int64(len(items))
		return nil
	}
	intent := Intent{Folder: items[0].Folder, Ref: ref, Edit: true}
	var edits []Edit
	for _, f := range items {
		intent.Items = append(intent.Items, Planned{Item: f.Item, Size: f.Size, Digest: f.Digest, Received: f.Received, Flags: f.now})
		edit := editOf(f.Pair)
		edit.Add, edit.Drop = carried(less(f.now, f.Flags)), f.dropped(f.now)
		edits = append(edits, edit)
	}
	var err error
	if intent.ID, err = p.journal.Intend(ctx, intent); err != nil {
		return fmt.Errorf("note the intent: %w", err)
	}
	done, err := p.edit(ctx, ref, edits)
	if err != nil {
		return err
	}
	p.sum.Kept += int64(len(items) - len(done))
	return p.commit(ctx, intent, done)
}
