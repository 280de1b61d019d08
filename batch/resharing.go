package batch

import (
	"context"

	"reforest/directory"
	"reforest/migrate"
)

// A Resharing brings who may use the folders to the target again, for moves that have
// ended.
type Resharing struct {
	Directories *directory.Directories
	Store       Store // whose record says where the folders lie, and takes what lists said
	Mailboxes   Mailboxes
}

// Clean does what the clean phase of a move does with the lists of its folders.
func (r *Resharing) Clean(ctx context.Context, move Move, pair directory.Pair) (findings []migrate.Finding, err error) {
	journals := r.Store.Journals(Claim{Move: move})
	sharing := newSharing(r.Directories, r.Mailboxes, journals.Content, journals.Lists)
	err = withPair(ctx, r.Mailboxes, pair, func(source migrate.Source, target migrate.Target) error {
		findings, err = sharing.Bring(ctx, pair, source, target, true)
		return err
	})
	return findings, err
}
