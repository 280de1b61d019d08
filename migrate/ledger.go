package migrate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// ErrUnresolved is returned by Journal.Intend while an intent of the other direction is
// open: what landed of it would be taken for the owner's and be written back.
var ErrUnresolved = errors.New("what was sent in the other direction has not been confirmed")

// A Ledger is a Journal of a mailbox that is copied in both directions, each of which has
// a Journal of its own. What the other direction wrote counts as written in this one.
type Ledger interface {
	Journal
	// Open returns the intents of this direction that are not closed, the oldest first.
	Open(ctx context.Context) ([]Intent, error)
	// Known returns the folders of the source in which there are items that the target
	// holds, whichever direction has written them. It may return others.
	Known(ctx context.Context) ([]FolderID, error)
	// Pairs yields the items that both sides are known to hold, each once and as it was
	// noted last, in runs of the same folder. The ledger may be used meanwhile.
	Pairs(ctx context.Context) iter.Seq2[Pair, error]
}

// A Pair is one item that both sides held when it was noted, seen in the direction of the
// Ledger that yields it.
type Pair struct {
	Folder FolderID // where it is at the source
	Item   ItemID   // "" where the other direction wrote it and was not told its place
	There  Place    // where it is at the target

	Size     int64 // bytes of the canonical form
	Digest   Digest
	Received time.Time

	Flags      []string // at the source, when it was noted
	ThereFlags []string // at the target, when it was noted
}

// Resolve closes the intents that are open in the ledger, whichever process left them:
// what the target holds of them is committed, the rest counts as not sent. It brings
// nothing. A mailbox is resolved in one direction before it is copied in the other.
func Resolve(ctx context.Context, target Target, ledger Ledger, options Options) (Summary, error) {
	p := &pass{target: target, journal: ledger, began: time.Now(), Options: options.withDefaults()}
	p.Limit = -1 // what was given up is no reason not to find out about the rest
	open, err := ledger.Open(ctx)
	if err != nil {
		return p.sum, fmt.Errorf("list open intents: %w", err)
	}
	return p.sum, p.resolve(ctx, FolderState{Open: open})
}
