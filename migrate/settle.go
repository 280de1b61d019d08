package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Where more than half of a folder with more than this many items is gone at once, a
// person has to look: it may be a mailbox that is being restored or emptied by mistake.
const guardedItems = 100

// conclude does what can be done only when everything new has been looked at: what is gone
// at the source and has not come up elsewhere is deleted, and how the folders stood is
// noted. A folder of which something is gone and left at the target is not noted, so that
// every pass tells of it.
func (p *pass) conclude(ctx context.Context, folders []knownFolder) error {
	left := map[FolderID]bool{}
	lost := p.following.leftovers()
	deletes, err := p.mayDelete(ctx, folders, lost)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(lost)) {
		n, err := p.remove(ctx, id, lost[id], deletes)
		if err != nil {
			return fmt.Errorf("delete what is gone from folder %q: %w", id, err)
		}
		left[id] = n > 0
	}
	for id := range p.following.nowhere() {
		if !left[id] {
			folders = append(folders, knownFolder{Folder: Folder{ID: id, State: seenGone}})
		}
	}
	return p.remember(ctx, folders, left)
}

// nowhere returns the folders that are no longer there.
func (f *following) nowhere() map[FolderID]bool {
	if f == nil {
		return nil
	}
	return f.vanished
}

// mayDelete reports whether what is lost can be deleted. It may have come up where this
// pass has not looked: in a folder that it passed over, or that is new since, or in one
// where it was gone again; then the next pass decides. Or as an item that could not be
// read, in this pass or before: as long as the move has skips, a person decides.
func (p *pass) mayDelete(ctx context.Context, folders []knownFolder, lost map[FolderID][]Pair) (bool, error) {
	if !p.Delete || len(lost) == 0 || p.sum.Skips > 0 || p.sum.Gone > 0 {
		return false, nil
	}
	now, err := p.source.Folders(ctx)
	if err != nil {
		return false, fmt.Errorf("list folders again: %w", err)
	}
	before := make(map[FolderID]knownFolder, len(folders))
	for _, f := range folders {
		before[f.ID] = f
	}
	for _, f := range now {
		was, listed := before[f.ID]
		if !listed || was.same && f.State != was.State {
			return false, nil
		}
	}
	return true, nil
}

// leftovers are the lost items that were not found again, by their folders.
func (f *following) leftovers() map[FolderID][]Pair {
	byFolder := map[FolderID][]Pair{}
	if f == nil {
		return byFolder
	}
	for _, pairs := range f.lost {
		for _, pair := range pairs {
			byFolder[pair.Folder] = append(byFolder[pair.Folder], pair)
		}
	}
	return byFolder
}

// remove deletes items at the target that are gone from one folder of the source, and
// returns how many it has left.
func (p *pass) remove(ctx context.Context, id FolderID, lost []Pair, deletes bool) (left int64, err error) {
	if !deletes {
		p.sum.Deleted += int64(len(lost))
		return int64(len(lost)), nil
	}
	if p.following.guards(id, len(lost)) {
		return int64(len(lost)), p.guard(ctx, id, lost)
	}
	byRef := map[Ref][]Pair{}
	for _, pair := range lost {
		if pair.Item == "" { // nobody knows where it was, nor whether it is gone
			p.sum.Deleted++
			left++
			continue
		}
		byRef[pair.There.Ref] = append(byRef[pair.There.Ref], pair)
	}
	for _, ref := range slices.Sorted(maps.Keys(byRef)) {
		for some := range slices.Chunk(byRef[ref], lookItems) {
			n, err := p.removeIn(ctx, ref, some)
			if left += n; err != nil {
				return left, err
			}
			if p.Stop() {
				return left, errStopped
			}
		}
	}
	return left, nil
}

// guards reports whether so much of a folder is gone that a person has to look.
func (f *following) guards(id FolderID, lost int) bool {
	held := f.held[id]
	return f.gone[id] || held > guardedItems && 2*int64(lost) > held
}

// guard counts what a person has to look at.
func (p *pass) guard(ctx context.Context, id FolderID, lost []Pair) error {
	state, err := p.journal.Folder(ctx, id)
	if err != nil {
		return fmt.Errorf("journal of folder %q: %w", id, err)
	}
	name := strings.Join(state.Path, "/")
	if name == "" {
		name = string(id)
	}
	if p.sum.Guarded += int64(len(lost)); p.sum.GuardedIn != "" {
		name = p.sum.GuardedIn + ", " + name
	}
	p.sum.GuardedIn = name
	return nil
}

// removeIn deletes items that were in one folder of the source and are in one folder of
// the target. The intent names no place: it is not asked what of it landed, for the next
// survey sees what is still to be done.
func (p *pass) removeIn(ctx context.Context, ref Ref, lost []Pair) (left int64, err error) {
	if _, able := p.target.(Editor); !able {
		p.sum.Kept += int64(len(lost))
		return int64(len(lost)), nil
	}
	intent := Intent{Folder: lost[0].Folder, Ref: ref, Edit: true}
	var edits []Edit
	for _, pair := range lost {
		intent.Items = append(intent.Items, Planned{Item: pair.Item, Size: pair.Size, Digest: pair.Digest, Received: pair.Received, Flags: pair.Flags})
		edit := editOf(pair)
		edit.Delete = true
		edits = append(edits, edit)
	}
	if intent.ID, err = p.journal.Intend(ctx, intent); err != nil {
		return 0, fmt.Errorf("note the intent: %w", err)
	}
	done, err := p.edit(ctx, ref, edits)
	if err != nil {
		return 0, err
	}
	left = int64(len(lost) - len(done))
	p.sum.Kept += left
	return left, p.commit(ctx, intent, done)
}

// remember notes how the folders stood before they were read, so that the next pass can
// pass over those that stand so still. Only a pass that follows may: another has not
// brought what became of items that were there before.
func (p *pass) remember(ctx context.Context, folders []knownFolder, left map[FolderID]bool) error {
	store, storeCtx := errgroup.WithContext(ctx)
	store.SetLimit(storing)
	for _, f := range folders {
		if f.Container || f.State == f.state.Seen || left[f.ID] || p.following == nil && !f.fresh {
			continue
		}
		if f.State == "" && f.state.Seen != seenAnew {
			continue // it says nothing
		}
		store.Go(func() error { return p.see(storeCtx, f) })
	}
	return store.Wait()
}

func (p *pass) see(ctx context.Context, f knownFolder) error {
	state, err := p.journal.Folder(ctx, f.ID)
	if err == nil {
		state.Folder, state.Seen = f.ID, f.State
		err = p.journal.PutFolder(ctx, state)
	}
	if err != nil {
		return fmt.Errorf("store how folder %q stood: %w", f.ID, err)
	}
	return nil
}
