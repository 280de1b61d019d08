// Package imapd is the rehearsal's mail system: an IMAP server in this process
// that keeps mailboxes in memory and is as strict as real ones.
//
// It keeps what a mover must not lose: the case of keywords (RFC 9051's system
// flags and the registered keywords are spelt canonically by the protocol
// library), the zone of INTERNALDATE, subscriptions apart from folders,
// UIDVALIDITY and UIDNEXT. It refuses what Dovecot and Cyrus refuse: messages
// without a byte or with a NUL, keywords beyond 50 characters, folder names that
// begin with ~ or have an empty component. Faults can be planned: see Fault.
package imapd
