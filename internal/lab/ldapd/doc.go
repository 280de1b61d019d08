// Package ldapd is an LDAP server in memory that behaves like an Active Directory
// domain controller where a mailbox migration depends on it. The rehearsal runs on
// it, and so do the tests; it is at least as strict as Active Directory.
//
// # What it holds
//
//	DC=alpine,DC=test                       domain naming context, with objectSid
//	├─ CN=Users, CN=Computers, CN=Builtin
//	└─ CN=Configuration                     a naming context of its own
//	   ├─ CN=Partitions                     crossRef, uPNSuffixes
//	   ├─ CN=Sites                          the server's own object
//	   ├─ CN=Services,CN=Microsoft Exchange the organization and its databases
//	   └─ CN=Schema                         one object a class and attribute
//
// # How a request runs
//
//	conn.serve ─► message ─► conn.handle ─► store (one RWMutex) ─► responses
//
// A connection's requests run one after the other. A write prepares a draft of the
// one object it concerns, checks it whole, and commits it, so it happens entirely
// or not at all. Attributes of DN syntax hold pointers to objects: a rename needs
// no rewriting of links, and back links are read off the target.
//
// # What tests get
//
//	GlobalURL          a global catalog: all domains, read only, some attributes
//	AddDomain          a second domain, which shows in the global catalog alone
//	OnWrite            a call before and after each write: to look, to refuse, to hang up
//	Snapshot, Restore  the whole content, GUIDs, SIDs and passwords included; restored on
//	                   a second server it plays a replica that lags until then
//	StartReplica       a read-only server of a directory that is written elsewhere, fed by
//	                   Replicate; package replica does so from any LDAP server
//	Dump               the whole content as text, to compare two states
//	Grant              rights for accounts that are no administrators
//
// Rights come from Grant alone: everyone who has logged on may read everything, and
// security descriptors are kept but not obeyed. What is deleted leaves a tombstone, which the
// show-deleted control shows; a DN that is no link vanishes with what it names.
//
// Not there: replication by itself (a replica is fed by others), trusts, SASL, inheritance of
// ACEs, reanimation, DirSync.
package ldapd
