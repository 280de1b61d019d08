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
// again. A phase is a step; every step looks at the present state, does what is
// still missing and may be run again. What a step came to is committed with its
// events in one transaction. One Advance carries a move from step to step until it
// has to wait, ends, or others of its batch are not staged yet: everyone is staged
// before anyone's content is touched.
package batch
