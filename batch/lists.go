package batch

import (
	"context"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// A Lists keeps what the access control lists of folders said before anything was changed
// on them. It is bound to one move and one claim on it.
type Lists interface {
	// Keep stores the lists; it is durable when it returns. One that says the same as what
	// was kept last of that folder is not stored again.
	Keep(ctx context.Context, lists []FolderList) error
	// Kept returns what the move has kept, oldest first.
	Kept(ctx context.Context) ([]KeptList, error)
}

// A FolderList is the access control list of one folder.
type FolderList struct {
	Side   directory.Side
	Folder string   // its ID at the source, its Ref at the target
	Path   []string // of the source folder
	Grants []migrate.Grant
	Others int // entries that are not the owner's; not compared
}

// A Shared counts who else could use the folders of a mailbox at the source.
type Shared struct {
	Folders int64 // that somebody but their owner is on the list of
	Entries int64 // of all others on these
}

// A KeptList is a list with the time and the run in which it was kept.
type KeptList struct {
	FolderList
	Run RunID
	At  time.Time
}
