package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// lookItems is how many items a Source is asked about at once.
const lookItems = 500

// A Looker is a Source that can tell how items stand without reading them.
type Looker interface {
	// Look returns the flags of those of the items that are in the folder. An item that
	// has been numbered anew, or whose folder is gone, is not there.
	Look(ctx context.Context, folder FolderID, items []ItemID) (map[ItemID][]string, error)
}

// An Editor is a Target that can change what it holds.
type Editor interface {
	// Edit changes items of one folder and says what became of each: nothing of one that
	// is gone, or that somebody else has changed since. It may be repeated.
	Edit(ctx context.Context, ref Ref, edits []Edit) ([]Done, error)
}

// An Edit is one change to an item that a target holds: to its flags, or with To to the
// folder that it is in.
type Edit struct {
	Item ItemID   // what the Done is to call it
	At   ItemRef  // which item of the folder
	Base []string // flags it is changed from; an item with others is left alone, unless it has those it would get
	Add  []string
	Drop []string

	// To is the folder to which the item is moved, whatever its flags. A target that
	// cannot move says so by a Done without Ref.
	To Ref
	// Copied is what an attempt that was cut off may have left in To already.
	Copied ItemRef
}

// moves reports whether the edit is one of folder.
func (e Edit) moves() bool { return e.To != "" }

// A following is what a pass that follows the owner knows beyond the ledger.
type following struct {
	ledger Ledger
	looker Looker
	// lost are the items that are no longer where the ledger has them, by their digest.
	lost map[Digest][]Pair
	// known are the beginnings of the digests of everything in the ledger, sorted.
	known []uint64
}

// follow makes the pass one that follows the owner.
func (p *pass) follow() error {
	if !p.Follow {
		return nil
	}
	ledger, knows := p.journal.(Ledger)
	looker, looks := p.source.(Looker)
	if !knows || !looks {
		return errors.New("follow the owner: the journal is no Ledger, or the source no Looker")
	}
	p.following = &following{ledger: ledger, looker: looker, lost: map[Digest][]Pair{}}
	return nil
}

// survey looks at everything that both sides hold: it notes what is no longer where it
// was, and brings over the flags that have changed.
func (p *pass) survey(ctx context.Context, folders []knownFolder) error {
	if p.following == nil {
		return nil
	}
	if err := p.resolveAll(ctx, folders); err != nil {
		return err
	}
	var run []Pair
	for pair, err := range p.following.ledger.Pairs(ctx) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		if len(run) == lookItems || len(run) > 0 && run[0].Folder != pair.Folder {
			if err := p.look(ctx, run); err != nil {
				return err
			}
			run = run[:0]
		}
		run = append(run, pair)
		p.following.known = append(p.following.known, pair.Digest.head())
	}
	slices.Sort(p.following.known)
	return p.look(ctx, run)
}

// resolveAll closes the open intents of all folders before they are looked at: what one
// of them has moved would seem to be lost.
func (p *pass) resolveAll(ctx context.Context, folders []knownFolder) error {
	open, err := p.following.ledger.Open(ctx)
	if err != nil {
		return fmt.Errorf("list open intents: %w", err)
	}
	if err := p.resolve(ctx, FolderState{Open: open}); err != nil {
		return err
	}
	for i := range folders {
		folders[i].state.Open = nil
	}
	return nil
}

// look compares pairs of one folder with how they stand.
func (p *pass) look(ctx context.Context, pairs []Pair) error {
	if len(pairs) == 0 {
		return nil
	}
	if p.Stop() {
		return errStopped
	}
	items := make([]ItemID, 0, len(pairs))
	for _, pair := range pairs {
		if pair.Item != "" {
			items = append(items, pair.Item)
		}
	}
	flags, err := p.following.looker.Look(ctx, pairs[0].Folder, items)
	if err != nil {
		return fmt.Errorf("look at folder %q: %w", pairs[0].Folder, err)
	}
	var changed []flagged
	for _, pair := range pairs {
		now, here := flags[pair.Item]
		switch {
		case !here:
			p.following.lose(pair)
		case !SameFlags(carried(now), carried(pair.Flags)):
			changed = append(changed, flagged{pair, now})
		}
	}
	return p.reflag(ctx, changed)
}

// carried returns the flags that are brought. \Deleted is not: the next client would
// expunge for good what the owner may still want back.
func carried(flags []string) []string { return less(flags, []string{`\Deleted`}) }

func (f *following) lose(pair Pair) { f.lost[pair.Digest] = append(f.lost[pair.Digest], pair) }

// relook looks once more for the items of the chunk that are equal to ones which the
// survey has seen in their places: the owner may have moved them since.
func (c *chunk) relook(ctx context.Context) error {
	doubtful := map[Digest]bool{}
	for _, item := range c.items {
		_, known := slices.BinarySearch(c.following.known, item.Digest.head())
		if known && len(c.following.lost[item.Digest]) == 0 {
			doubtful[item.Digest] = true
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	for pair, err := range c.following.ledger.Pairs(ctx) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		if !doubtful[pair.Digest] || pair.Item == "" {
			continue
		}
		flags, err := c.following.looker.Look(ctx, pair.Folder, []ItemID{pair.Item})
		if err != nil {
			return fmt.Errorf("look at folder %q: %w", pair.Folder, err)
		}
		if _, here := flags[pair.Item]; !here {
			c.following.lose(pair)
		}
	}
	return nil
}

// found takes what a new item was before it was moved out of the lost ones: of equal
// items each once, and first one that lies where it belongs.
func (f *following) found(d Digest, to Ref) (Pair, bool) {
	lost := f.lost[d]
	if len(lost) == 0 {
		return Pair{}, false
	}
	i := max(0, slices.IndexFunc(lost, func(p Pair) bool { return p.There.Ref == to }))
	pair := lost[i]
	if f.lost[d] = slices.Delete(lost, i, i+1); len(f.lost[d]) == 0 {
		delete(f.lost, d)
	}
	return pair, true
}

// deleted counts what was lost and not found again.
func (f *following) deleted() (n int64) {
	if f == nil {
		return 0
	}
	for _, pairs := range f.lost {
		n += int64(len(pairs))
	}
	return n
}

// SameFlags compares flags as sets and without regard to case. \Recent is a session's
// and no message's (RFC 3501 2.3.2).
func SameFlags(a, b []string) bool { return !lacksFlag(a, b) && !lacksFlag(b, a) }

// less returns the flags of a that b lacks.
func less(a, b []string) []string {
	var rest []string
	for _, flag := range a {
		if lacksFlag([]string{flag}, b) {
			rest = append(rest, flag)
		}
	}
	return rest
}

// With returns the flags that an item gets which has these now.
func (e Edit) With(flags []string) []string {
	return append(slices.DeleteFunc(slices.Clone(flags), func(flag string) bool {
		return slices.ContainsFunc(e.Drop, func(drop string) bool { return strings.EqualFold(drop, flag) })
	}), less(e.Add, flags)...)
}
