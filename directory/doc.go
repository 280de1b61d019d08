// Package directory decides what has to change in two Active Directory forests so
// that a mailbox can move from one to the other, and applies it.
//
// # Read, plan, apply
//
// A step reads both sides, computes a Plan as plain data, and Apply carries it
// out. The plan of a step that has already been carried out is empty, so any step
// may run again after a crash. Apply writes every change with its before-image
// into the Journal before the directory is touched.
//
//	Reader(source) ─┐
//	                ├─► Match ─► PlanX (pure) ─► Plan{Changes, Findings} ─► Apply
//	Reader(target) ─┘                                │                      │
//	                                             --dry-run            Journal, Writer
//
// The package decides and never speaks LDAP itself: directory/ldap is the adapter,
// directory/ntsd the codec of security descriptors.
package directory
