// Package imap reads and writes one mailbox over IMAP, as a migrate.Source and a
// migrate.Target. It speaks RFC 9051 and RFC 3501 through its own thin wire layer,
// which streams messages of any size and uses what a server offers: LITERAL+
// (RFC 7888), MULTIAPPEND (RFC 3502), UIDPLUS (RFC 4315), MOVE (RFC 6851), LIST-EXTENDED
// (RFC 5258), LIST-STATUS (RFC 5819), SPECIAL-USE (RFC 6154), CONDSTORE and QRESYNC
// (RFC 7162), ACL (RFC 4314), METADATA (RFC 5464), QUOTA (RFC 9208), COMPRESS=DEFLATE
// (RFC 4978). A mailbox is opened over TLS, with a password or an access token, or through
// a command that is a connection already (Config.Tunnel), which is sent neither.
//
// # How messages are written
//
//	UIDPLUS, LITERAL+, MULTIAPPEND   chunks on their way together, each in one APPEND
//	UIDPLUS, LITERAL+                up to 64 APPENDs of one message on their way
//	LITERAL- without MULTIAPPEND     the same within a chunk, of messages up to 4 KB
//	neither                          one APPEND after another
//	no UIDPLUS, or no APPENDUID      chunk by chunk, each of which is then looked for
//
// # What the identifiers hold
//
//	FolderID, Ref   the mailbox name as the server spells it, in modified UTF-7
//	ItemID, ItemRef "uidvalidity.uid"
//	Cursor          "uidvalidity.lastuid"
//	Mark            "uidvalidity.uidnext"
//	State           "uidvalidity.uidnext.messages.highestmodseq", and ".s" if subscribed
//
// A UIDVALIDITY that has changed makes every one of them void (RFC 9051 2.3.1.1). A pass
// that follows reads such a folder of the source from its beginning and knows its messages
// again by their bytes; so does Edit at the target. Landed does not guess: where it cannot
// tell, that is an error for a person.
//
// # Which failures mean what
//
//	no TLS, unknown certificate      one server, never
//	credentials refused              the whole run, never
//	a mailbox that may not be opened one mailbox, never
//	too many connections, throttled  one server, later, and no failed attempt
//	BYE, connection lost, timeout    one server, later
//	UNAVAILABLE, INUSE, LIMIT        one server, later
//	OVERQUOTA, TRYCREATE, SERVERBUG  one mailbox, later
//	any other NO or BAD to an APPEND the item is skipped with the server's words
//	NO to a FETCH of one item        one item, never
//
// A Source or Target whose connection is gone dials again on its next use.
package imap
