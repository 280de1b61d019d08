package migrate

import "context"

// A Streamer is a Target that takes a chunk before it has confirmed the one before it. Its
// chunks of one folder arrive in the order in which they were begun.
type Streamer interface {
	// Begin sends the items and returns without waiting for the target's answer; what
	// became of them is known once Wait has said so. A Streamer that cannot stream at
	// present, such as one whose server does not tell where items come to lie, writes
	// them before it returns.
	Begin(ctx context.Context, ref Ref, items []*Item) (Writing, error)
}

// A Writing is a chunk on its way. The items and their bodies stay as they are until Wait
// returns, which may send them again.
type Writing interface {
	// Wait returns what Target.Write returns. Of several, the one that was begun first
	// is waited for first, and each once, also when one before it has failed. Where it
	// returns no error, every Done that is no Skip has a Ref.
	Wait(ctx context.Context) ([]Done, error)
}

// A Marker is a Writing that can tell where its folder stands, so that after a crash less
// has to be looked through than what lies past the mark of the pass.
type Marker interface {
	// Mark is asked after Wait: whatever is begun later comes to lie at or past it. "" if
	// that is not known.
	Mark() Mark
}

// A Placer is a Target that places many folders in as few round trips as it can.
type Placer interface {
	// PutFolders does what PutFolder does with each, in their order, and says where the
	// folder stands now as Mark does: "" for containers.
	PutFolders(ctx context.Context, want []Wanted) ([]Put, error)
}

// A Wanted is a folder to be placed.
type Wanted struct {
	Folder
	Have Ref // the Ref it got before, or ""
}

// A Put is a folder that was placed.
type Put struct {
	Placed
	Mark Mark // where it stands
}

// A Settler is a Journal that makes the end of a chunk and its folder's cursor behind it
// durable at once.
type Settler interface {
	// Settle does what Commit does and then PutFolder, or nothing of either.
	Settle(ctx context.Context, id IntentID, done []Done, state FolderState) error
}
