// Package migrate moves the content of one mailbox and holds the words that the
// rest of reforest shares.
//
// # Words
//
// One word per thing, in code, tables, help and reports alike.
//
//	forest     an Active Directory forest and its mail system: source or target
//	source     where the mailbox comes from; with target it is the direction, and fixed
//	target     where the mailbox goes
//	primary    the forest where the mailbox is authoritative now; flips at the switch
//	move       the journey of one mailbox from source to target; outlives runs
//	pass       one round of content copying
//	delta      one thing a pass finds at the source
//	cursor     how far a pass has read one source folder; opaque
//	chunk      the items written to the target in one go, at most 500
//	intent     the durable note, before a chunk is written, of what will be written
//	mark       where the target folder stood when the intent was noted
//	ledger     what has been written, one row per chunk
//	way back   what is copied from target to source when a move is rolled back
//	pair       one item that both sides are known to hold
//	skip       one item that could not be moved, and why
//	finding    one thing that preflight or verification noticed
//	twin       the target identity that stands for a source one
//	legacy     a SID of the source forest's domains, or one that is listed as such
//
// # The life of a chunk
//
//	reader     source ── Deltas ──► page ── Written? ──► Read ──► arena or file, hash
//	(its own goroutine)                                                │
//	                                        queue, bounded in bytes ◄──┘ chunk
//	                                                  │
//	writer     Journal.Intend (mark, what, hashes: durable) ──► Target.Write, or Begin
//	(Copy's goroutine)   ▲                                    │
//	                     │ two at most are on their way       │   process dies here?
//	                     └──────────── Wait ◄─────────────────┤   on start Target.Landed
//	                                     │                    └─► says which items are there;
//	clerk      Journal.Commit ◄──────────┘                        those are committed, the
//	(its own goroutine)  └─► cursor, when all before it            rest is sent again
//	                         is committed
//
// The reader runs ahead of the writer, from one folder into the next, for as long as there
// is a free arena; the memory of a chunk is free again when it has arrived. The clerk
// commits a chunk while the next one is noted, so that the journal makes both durable at
// once. Source and Target are each used by one goroutine at a time.
//
// Invariants: nothing is written to a target that is not covered by a durable
// intent; an intent is closed exactly once, in the order of writing; a cursor is stored
// only when every delta before it is committed. So nothing is lost and nothing is doubled,
// whenever the process dies.
//
// # Several chunks on their way
//
// After a crash several intents of one folder may be open, with equal items, and any of
// them may have arrived, a part of it or nothing. A mark is a lower bound: it was true
// before the first of them, and what lies past it may be another chunk's. So
//
//   - the intents are resolved in the order in which they were noted, which is that of
//     writing, whether the source still has their folders or not;
//   - each is told which items of the target are taken (Intent.Others): those that the
//     ledger lists, and those that the intents before it have just claimed;
//   - an item of the target is claimed once, and of equal ones the first goes first.
//
// Of n equal messages that arrived, n are claimed, whichever chunk they came with, and the
// others are sent again. If an answer is lost, the chunks behind it are still waited for
// and committed, and no cursor is stored any more. Where the journal is no Ledger nobody
// could tell the items apart: there, as with a target that does not stream, a chunk is
// written when the one before it is committed, under a mark of its own.
//
// # A pass that finds nothing
//
// A folder whose State is what it was when a pass last brought everything (FolderState.Seen)
// is not read. Seen is the State that was listed before the folder was read, so what came in
// meanwhile is found by the next pass. If no folder has changed, the source
// is asked for its folders and the target for nothing.
//
// # What the owner does meanwhile
//
// A pass that follows (Options.Follow) does at the target what the owner has done at the
// source since. Which folders have changed their States tell; what has changed in them the
// source tells (Changer), and only then the ledger is read, once:
//
//	at the source                      at the target
//	new, equal to nothing that is gone  is written
//	new, equal to something gone        that is moved to where the new one is
//	other flags                         gets them, unless somebody changed it
//	gone, and equal to nothing new      is left, and counted; with Options.Delete it is
//	                                    deleted, unless somebody changed it or the move
//	                                    has skips: it may be one of those
//	there again, after it was deleted   is written again
//
// How a folder stood (FolderState.Seen) is noted at the end of the pass, when everything
// that follows from its changes is committed: what is gone from one folder may come up in
// another. A pass that dies is told of the same changes again, and each of them is found
// done or not done. A folder of which something was left is never noted, so that every
// pass tells of it.
//
// A folder whose items have other IDs than before is compared as a whole: each item is
// read, and one that is equal to one that is gone and lies where it belongs takes its
// place in the ledger without being sent.
//
// # The way back
//
// A move that is rolled back copies in the other direction, with a journal of its own.
// Both journals share what they know: what one lists as written counts as written in the
// other, under the names of that side. While one has an open intent the other takes none
// (ErrUnresolved), since what landed of it would look like the owner's; Resolve closes it.
//
// The owner has worked in the mailbox meanwhile, so a way back follows, and deletes nothing.
//
// A move within a mailbox is an intent too, which names where the item was: if it is
// found in its new place only, it was moved; if in both, the move is finished.
package migrate
