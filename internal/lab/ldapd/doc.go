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
// Not there: replication, trusts, SASL, access control below "administrator or
// not", inheritance of ACEs, tombstones, DirSync.
package ldapd
