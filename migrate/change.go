package migrate

import (
	"context"
	"iter"
)

// A Changer is a Source that can tell what has become of items that it has listed before.
type Changer interface {
	// Changes yields what has changed since the cursor was taken of the items up to it,
	// in any order: flags, and items that are gone. It may yield items that are as they
	// were. With "" it yields every item's flags.
	Changes(ctx context.Context, folder FolderID, since Cursor) iter.Seq2[Change, error]
}

// A Change is what has become of one item that stays where it is.
type Change struct {
	Item  ItemID
	Flags []string // as they are now
	Gone  bool     // it is no longer in the folder
}
