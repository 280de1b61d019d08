// Package ldap reads and writes one Active Directory forest over LDAP: the
// adapter behind directory.Reader and directory.Writer.
//
// # Connections
//
// A Conn is used by any number of goroutines. Each operation has a connection of
// its own: an idle one, or a new one where none is idle; at most four stay open
// between operations. So a caller may read and write while it ranges over Find
// (paging cookies belong to one connection), and an operation whose context ends
// closes its own connection and no one else's.
//
// A name may stand for several domain controllers. The server that the first connection
// reaches is kept: every later one goes to its address, and where it does not answer the
// operation fails rather than read or write elsewhere.
//
// # What a lost connection means
//
//	lost while idle            noticed when it is taken; another is opened
//	lost during Get or Find    asked once more on a new connection, unless entries
//	                           have been handed out since
//	lost during Write          an *migrate.Error with Retry Now: nobody knows
//	                           whether the directory has changed, look first
//
// # Attributes
//
// Values that the server hands out in ranges (MS-ADTS 3.1.1.3.1.3.3) are fetched to
// the end, so an Entry holds whole attributes. nTSecurityDescriptor is read with
// owner, group and DACL, and written as DACL alone (MS-ADTS 3.1.1.3.4.1.11).
package ldap
