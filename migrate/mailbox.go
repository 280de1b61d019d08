package migrate

import (
	"context"
	"io"
	"iter"
	"time"
)

// The identifiers are opaque outside the adapter that made them.
type (
	// A FolderID names a source folder.
	FolderID string
	// An ItemID names a source item; it is unique and never reused within its folder.
	ItemID string
	// A Ref names a target folder.
	Ref string
	// An ItemRef names a target item, as far as the target's protocol tells.
	ItemRef string
	// A Cursor says how far one source folder has been read.
	Cursor string
	// A Mark says where a target folder stood.
	Mark string
)

// A Format is the form in which an item travels.
type Format string

// MIME is a message as RFC 5322 has it.
const MIME Format = "mime"

// A Folder is one source folder, or what a target folder should become.
type Folder struct {
	ID         FolderID
	Path       []string // names from the root, Unicode; the inbox is {"INBOX"}
	Subscribed bool
	Container  bool   // holds folders only, no items (\NoSelect)
	SpecialUse string // RFC 6154 attribute such as \Sent; "" if none
	Items      int64  // how many items the source says it holds; for progress
	Bytes      int64  // how large they are together; 0 where the source does not say

	// State is equal to what it was before only if nothing in the folder has changed
	// since: no item is new, gone or has other flags. "" says nothing. It is opaque.
	State string
}

// A Delta is one item that a pass has found at the source and has to bring over.
// A Delta whose Cursor is set ends a page: everything up to and including it is
// covered by that cursor. A Delta with a Cursor and no Item only ends a page.
type Delta struct {
	Item   ItemID
	Size   int64 // bytes, as the source says
	Cursor Cursor
}

// An Item is one message on its way.
type Item struct {
	ID       ItemID
	Format   Format
	Received time.Time // IMAP's INTERNALDATE: to the second, with its zone
	Flags    []string  // system flags and keywords, spelt as the source spells them
	Size     int64     // bytes of Body
	Digest   Digest    // of Body's canonical form; set by Copy
	// Body is the item's bytes. From a Source it is read once and is valid until
	// the next item is asked for. To a Target it is an io.ReadSeeker at its start.
	Body io.Reader
}

// A Skip is one item that could not be moved.
type Skip struct {
	Folder   []string // path of its source folder
	Item     ItemID
	Received time.Time // zero where the source did not say
	Size     int64     // bytes; 0 where the source did not say
	Kind     string    // "unreadable", "refused", "too large"
	Reason   string    // the server's own words where there are any
}

// A Done is what became of one item of an intent.
type Done struct {
	Item  ItemID
	Ref   ItemRef  // where it is at the target, if the protocol tells
	Flags []string // the flags the target holds for it, as written: the base of later passes
	Skip  *Skip    // set if it was not written
	Was   Place    // where it was at the target before it was moved or deleted; zero if it was written
	Gone  bool     // it is no longer at the target, since it is gone at the source
}

// A Planned is one item that an intent announces.
type Planned struct {
	Item     ItemID
	Size     int64 // bytes of the canonical form
	Digest   Digest
	Received time.Time
	Flags    []string
	Was      Place // where it is at the target, if it is to be moved and not written
}

// A Place is where an item is at the target.
type Place struct {
	Ref  Ref
	Item ItemRef
}

// IntentID names an intent within its journal.
type IntentID int64

// An Intent is the durable note of a chunk that is about to be written.
type Intent struct {
	ID     IntentID // given by the journal
	Folder FolderID
	Ref    Ref
	Mark   Mark
	Items  []Planned // in the order of writing
	At     time.Time // when it was noted; given by the journal
	Edit   bool      // nothing is added: items that the target holds are moved or get other flags

	// Others are items of the target folder that are known to be none of the intent's, such
	// as those of chunks that were on their way together with it. They are handed to
	// Target.Landed and never stored.
	Others map[ItemRef]bool
}

// A FolderState is what the journal knows of one folder.
type FolderState struct {
	Folder FolderID
	Path   []string
	Ref    Ref    // the target folder; "" if not placed yet
	Mapped string // why the target's name differs from the source's; "" if it does not
	Cursor Cursor // "" if never read to the end of a page
	Seen   string // Folder.State when a pass last brought everything that there was; "" if none has
	Items  int64  // written so far; kept by the journal
	Bytes  int64  // bytes written so far; kept by the journal
	Skips  int64  // skipped so far; kept by the journal
	Open   []Intent
}

// A Placed is where a folder came to lie at the target.
type Placed struct {
	Ref    Ref
	Mapped string // why its name differs from the source's; "" if it does not
}

// A Source reads one mailbox. It is used by one goroutine at a time.
type Source interface {
	Formats() []Format
	// Folders lists all folders, parents before children.
	Folders(ctx context.Context) ([]Folder, error)
	// Deltas yields what is in the folder past the cursor ("" is the beginning), each item once.
	// Source may be used for Read between two deltas that end a page.
	Deltas(ctx context.Context, folder FolderID, since Cursor) iter.Seq2[Delta, error]
	// Read yields every item asked for, in the order asked for. An item that cannot
	// be read is yielded with what is known of it and an *Error that reaches OneItem;
	// one that is gone, with ErrGone. Any other error ends the sequence.
	Read(ctx context.Context, folder FolderID, items []ItemID, format Format) iter.Seq2[*Item, error]
}

// A Target writes one mailbox. It is used by one goroutine at a time.
type Target interface {
	Formats() []Format
	// PutFolder creates, finds or completes the folder, and what has to be above it.
	// Folders that hold messages come parents before children, then containers. have
	// is the Ref it got before, or "". It may be repeated.
	PutFolder(ctx context.Context, want Folder, have Ref) (Placed, error)
	// Mark says where the folder stands now.
	Mark(ctx context.Context, ref Ref) (Mark, error)
	// Write appends the items and says what became of each. On an error the
	// results say which are known to be written; Landed finds out about the rest.
	Write(ctx context.Context, ref Ref, items []*Item) ([]Done, error)
	// Landed says which items of the intent the target holds at or past the intent's mark,
	// but for its Others, in the intent's order wherever they lie. An item of the target
	// stands for one of the intent at most. Of items that are equal one with the planned
	// date is taken first, then the one that lies first: chunks arrive in the order of
	// their intents, so what is left is the next one's.
	Landed(ctx context.Context, intent Intent) ([]Done, error)
}

// A Counter is a Target that can say how many items a folder holds.
type Counter interface {
	Count(ctx context.Context, ref Ref) (items int64, err error)
}

// A Room is a Target that can say how much more it may hold.
type Room interface {
	// Room returns how many bytes are free; limited is false where no limit is set or the
	// server does not tell.
	Room(ctx context.Context) (free int64, limited bool, err error)
}

// A Quota is the limit of a mailbox that leaves least.
type Quota struct {
	Root    string // its name at the server
	Used    int64  // bytes
	Limit   int64  // bytes
	Limited bool   // false where no limit is set or the server does not tell
}

// A Measured is a Source or Target that can say what its mailbox holds and may hold, and
// what of a message no other mailbox can be given.
type Measured interface {
	Quota(ctx context.Context) (Quota, error)
	// SaveDates reports whether the server keeps when a message came into its folder. No
	// protocol sets it (RFC 8514).
	SaveDates(ctx context.Context) (bool, error)
}

// A Journal is bound to one move and one claim on it. Every method that writes is durable
// when it returns. It may be used by several goroutines, and makes durable together what
// they write at the same time.
type Journal interface {
	// Folder returns what is known of a folder; the zero state if nothing is.
	Folder(ctx context.Context, id FolderID) (FolderState, error)
	// PutFolder stores Path, Ref, Mapped, Cursor and Seen; the rest of the state is the
	// journal's own.
	PutFolder(ctx context.Context, state FolderState) error
	Intend(ctx context.Context, intent Intent) (IntentID, error)
	// Commit closes the intent: what is in done has been written or skipped, what
	// is not has to be sent again. A second commit of an intent is an error.
	Commit(ctx context.Context, id IntentID, done []Done) error
	// Written returns what the ledger holds of the items asked for, also of those that
	// are Gone.
	Written(ctx context.Context, folder FolderID, items []ItemID) ([]Done, error)
}
