package migrate

import (
	"context"
	"iter"
)

// A Changer is a Source that can tell what has become of items that it has listed before.
type Changer interface {
	// Changes yields what has become of the folder's items since its State was seen, in
	// any order: other flags, and items that are gone. It may yield items that are as they
	// were, and others than the folder had. Where it cannot tell what has changed, or
	// where seen is "", a Change with Every comes first. since is how far the folder has
	// been read, "" if it has not.
	Changes(ctx context.Context, folder FolderID, since Cursor, seen string) iter.Seq2[Change, error]
}

// A Change is what has become of one item that stays where it is.
type Change struct {
	Item  ItemID
	Flags []string // as they are now
	Gone  bool     // it is no longer in the folder

	// Every says, in place of an item, that all items follow which are in the folder:
	// any other is gone. With Renumbered the items have other IDs than those by which
	// they were listed up to the cursor; an ID of before says nothing any more.
	Every, Renumbered bool
}
