// Package batch carries many mailboxes through their phases, night after night.
//
// # States and phases
//
//	Planned ─► Moving ─► Ready ─► Switching ─► Moved | Moved with skips
//	    │         │                    │
//	    └────► Waiting (reason, attempt n of m, next at) ◄┘      Failed: a person is needed
//
//	phases: match, stage, settle, open, copy, switch, clean, verify
//
// The store is the only truth: a process may be killed anywhere and started
// again. A phase is a Step; every Step looks at the present state, does what is
// still missing and may be run again. One Advance carries a move forward by one
// Step and commits what came of it, with its events, in one transaction.
package batch
