package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
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

	// Size and Digest are what its canonical form has, so that a target which has
	// numbered the folder anew since can find it. Received is its date.
	Size     int64
	Digest   Digest
	Received time.Time

	Add  []string
	Drop []string

	// To is the folder to which the item is moved, whatever its flags. A target that
	// cannot move says so by a Done without Ref.
	To Ref
	// Copied is what an attempt that was cut off may have left in To already, with the flags
	// of Base.
	Copied ItemRef

	// Delete removes the item for good, if its flags are those of Base, \Deleted aside. Its
	// Done is Gone, also where nothing was there to remove. A target that cannot remove
	// one item and no other leaves it, and so it does where it cannot tell whether what
	// it holds is the item.
	Delete bool
}

// moves reports whether the edit is one of folder.
func (e Edit) moves() bool { return e.To != "" }

// A following is what a pass that follows the owner knows beyond the ledger.
type following struct {
	ledger  Ledger
	looker  Looker
	changer Changer
	// lost are the items that are no longer where the ledger has them, by their digest.
	lost map[Digest][]Pair
	// known are the beginnings of the digests of everything in the ledger, sorted.
	known []uint64
	// held is how many items the ledger has in each folder.
	held map[FolderID]int64
	// trusts: what the survey has seen is not looked at again.
	trusts bool
	// gone are the folders that are no longer there, or of which every item has another ID.
	gone map[FolderID]bool
	// vanished are those that are no longer there.
	vanished map[FolderID]bool
}

// follow makes the pass one that follows the owner.
func (p *pass) follow() error {
	if !p.Follow {
		return nil
	}
	ledger, knows := p.journal.(Ledger)
	looker, looks := p.source.(Looker)
	changer, changes := p.source.(Changer)
	if !knows || !looks || !changes {
		return errors.New("follow the owner: the journal is no Ledger, or the source no Looker or no Changer")
	}
	p.following = &following{
		ledger: ledger, looker: looker, changer: changer,
		lost: map[Digest][]Pair{}, held: map[FolderID]int64{}, gone: map[FolderID]bool{}, vanished: map[FolderID]bool{},
	}
	return nil
}

// survey finds what has become of what both sides hold: it notes what is no longer where
// it was, and brings over the flags that have changed. Where no folder has changed the
// ledger is not read.
func (p *pass) survey(ctx context.Context, folders []knownFolder) error {
	if p.following == nil {
		return nil
	}
	p.following.trusts = p.Delete && p.sum.Skips == 0 // else nobody deletes, see mayDelete
	changes, err := p.changes(ctx, folders)
	if err != nil || len(changes) == 0 {
		return err
	}
	var changed []flagged
	for pair, err := range p.following.ledger.Pairs(ctx) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		if n := len(changed); n == lookItems || n > 0 && changed[0].Folder != pair.Folder {
			if err := p.reflag(ctx, changed); err != nil {
				return err
			}
			changed = changed[:0]
		}
		if f, other := p.following.judge(pair, changes[pair.Folder]); other {
			changed = append(changed, f)
		}
		if len(p.following.known)%lookItems == 0 && p.Stop() {
			return errStopped
		}
	}
	slices.Sort(p.following.known)
	if err := p.reappear(ctx, folders, changes); err != nil {
		return err
	}
	return p.reflag(ctx, changed)
}

// judge notes what has become of a pair, and reports whether its flags have changed.
func (f *following) judge(pair Pair, changes *changes) (flagged, bool) {
	f.known = append(f.known, pair.Digest.head())
	f.held[pair.Folder]++
	now, told, gone := changes.take(pair.Item)
	if gone {
		f.lose(pair)
		return flagged{}, false
	}
	return flagged{pair, now}, told && pair.reflagged(now)
}

// asks reports whether the pass has questions to the source before it writes a chunk.
func (f *following) asks() bool { return f != nil && !f.trusts && len(f.known) > 0 }

// carried returns the flags that are brought. \Deleted is not: the next client would
// expunge for good what the owner may still want back.
func carried(flags []string) []string { return less(flags, []string{`\Deleted`}) }

// reflagged reports whether the flags that the item has now have to be brought.
func (p Pair) reflagged(now []string) bool {
	return !SameFlags(carried(now), carried(p.Flags)) || len(p.dropped(now)) > 0
}

// dropped returns the flags that the item has no more. \Deleted is one where the target has
// it, as an item that had it when it was first written.
func (p Pair) dropped(now []string) []string {
	dropped := less(p.Flags, now)
	if lacksFlag([]string{`\Deleted`}, p.ThereFlags) {
		return carried(dropped)
	}
	return dropped
}

func (f *following) lose(pair Pair) { f.lost[pair.Digest] = append(f.lost[pair.Digest], pair) }

// relook looks once more for the items of the chunk that are equal to ones which the
// survey has seen in their places: the owner may have moved them since. A pass that
// deletes need not: the next one deletes what this one has taken for a second item.
func (c *chunk) relook(ctx context.Context) error {
	if !c.following.asks() {
		return nil
	}
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
// items each once, and first one that has its date and lies where it belongs.
func (f *following) found(item *Item, to Ref) (Pair, bool) {
	d := item.Digest
	lost := f.lost[d]
	if len(lost) == 0 {
		return Pair{}, false
	}
	i := nearest(lost, item.Received, to)
	pair := lost[i]
	if f.lost[d] = slices.Delete(lost, i, i+1); len(f.lost[d]) == 0 {
		delete(f.lost, d)
	}
	return pair, true
}

// nearest returns the first of the pairs that has the date and lies in the folder; else
// that has the date, else that lies there, else the first. Dates are to the second.
func nearest(pairs []Pair, date time.Time, ref Ref) (best int) {
	score := 0
	for i, p := range pairs {
		now := 0
		if p.Received.Unix() == date.Unix() {
			now += 2
		}
		if p.There.Ref == ref {
			now++
		}
		if now > score {
			best, score = i, now
		}
	}
	return best
}

// concerns reports whether some of the items are equal to ones that are lost.
func (f *following) concerns(items []*Item) bool {
	return slices.ContainsFunc(items, func(item *Item) bool { return len(f.lost[item.Digest]) > 0 })
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

// editOf begins an edit of what a pair is at the target.
func editOf(pair Pair) Edit {
	return Edit{
		Item: pair.Item, At: pair.There.Item, Base: pair.ThereFlags,
		Size: pair.Size, Digest: pair.Digest, Received: pair.Received,
	}
}

// With returns the flags that an item gets which has these now.
func (e Edit) With(flags []string) []string {
	return append(slices.DeleteFunc(slices.Clone(flags), func(flag string) bool {
		return slices.ContainsFunc(e.Drop, func(drop string) bool { return strings.EqualFold(drop, flag) })
	}), less(e.Add, flags)...)
}

// Deletes reports whether an item that has these flags is to be deleted. An attempt that
// was cut off may have marked it with \Deleted.
func (e Edit) Deletes(flags []string) bool {
	return e.Delete && SameFlags(carried(flags), carried(e.Base))
}
