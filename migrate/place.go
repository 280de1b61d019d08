package migrate

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// storing is how many places of folders are stored at once: enough for the journal to
// make them durable together.
const storing = 64

// place makes sure that the target has the folders and that the journal knows them. All
// are named, also those in which nothing has changed, so that the target gives none of
// their names to another. It returns where folders stand, as far as that was told.
func (p *pass) place(ctx context.Context, folders []knownFolder) (map[Ref]Mark, error) {
	puts, err := p.put(ctx, folders)
	if err != nil {
		return nil, err
	}
	marks := make(map[Ref]Mark, len(puts))
	store, storeCtx := errgroup.WithContext(ctx)
	store.SetLimit(storing)
	for i, put := range puts {
		if put.Mark != "" {
			marks[put.Ref] = put.Mark
		}
		f := &folders[i]
		if f.placed(put.Placed) {
			continue
		}
		state := f.state
		store.Go(func() error {
			if err := p.journal.PutFolder(storeCtx, state); err != nil {
				return f.failed(fmt.Errorf("store its place: %w", err))
			}
			return nil
		})
	}
	return marks, store.Wait()
}

// put has the target place the folders.
func (p *pass) put(ctx context.Context, folders []knownFolder) ([]Put, error) {
	if placer, able := p.target.(Placer); able {
		return putTogether(ctx, placer, folders)
	}
	puts := make([]Put, len(folders))
	for i := range folders {
		f := &folders[i]
		placed, err := p.target.PutFolder(ctx, f.Folder, f.state.Ref)
		if err != nil {
			return nil, f.failed(fmt.Errorf("place it at the target: %w", err))
		}
		puts[i].Placed = placed
	}
	return puts, nil
}

func putTogether(ctx context.Context, placer Placer, folders []knownFolder) ([]Put, error) {
	wanted := make([]Wanted, len(folders))
	for i := range folders {
		wanted[i] = Wanted{Folder: folders[i].Folder, Have: folders[i].state.Ref}
	}
	puts, err := placer.PutFolders(ctx, wanted)
	if err == nil && len(puts) != len(wanted) {
		err = fmt.Errorf("%d were placed of %d", len(puts), len(wanted))
	}
	if err != nil {
		return nil, fmt.Errorf("place the folders at the target: %w", err)
	}
	return puts, nil
}

// placed takes down where the folder lies, and reports whether the journal knows that.
func (f *knownFolder) placed(at Placed) (known bool) {
	if f.state.Ref == at.Ref && at.Mapped != "" && f.state.Mapped != "" {
		at.Mapped = f.state.Mapped // the first time the server said why, in its own words
	}
	known = f.state.Folder == f.ID && f.state.Ref == at.Ref && f.state.Mapped == at.Mapped && slices.Equal(f.state.Path, f.Path)
	f.state.Folder, f.state.Path, f.state.Ref, f.state.Mapped = f.ID, f.Path, at.Ref, at.Mapped
	return known
}
