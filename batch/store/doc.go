// Package store keeps batches, moves, runs and journals in one SQLite file.
//
// # Durability
//
// The file is in WAL mode with synchronous FULL. There is one writer connection;
// a goroutine owns it and puts whatever is waiting into one transaction, each
// caller's part in a savepoint of its own. A write returns when the transaction
// that holds it has been synced:
//
//	Commit ─┐                 ┌ savepoint: ok        ─► nil
//	Intend ─┼─► jobs ─► BEGIN ┼ savepoint: lost claim ─► rolled back, ErrLostClaim
//	Claim  ─┘                 └ savepoint: ok        ─► nil
//	                          COMMIT + fsync
//
// A failure of the transaction itself is every caller's failure: none of them may
// believe that its part is there.
//
// # Invariants
//
//   - Nothing is deleted. Events, chunks and skips are appended. An intent, a change,
//     a skip and a run are edited once, to close them. The rows of moves and folders
//     are as they stand now; what each run made of a move is kept beside it.
//   - What is written under a claim is written only while the claim's epoch is the
//     move's.
//   - Totals and the rows they count change in one transaction.
//
// Readers have connections of their own, which cannot write; they never wait for
// the writer. A WAL does not work on a network share: the file has to be on a
// local disk.
package store
