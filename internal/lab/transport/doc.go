// Package transport is the rehearsal's mail transport: it delivers as Exchange's does.
//
// One Transport is the transport of one site. It asks its own view of its own directory
// whom an address means, at every attempt anew; a targetAddress forwards to the other
// site, a home is delivered to. So it shows what happens to mail while a home changes
// and the views lag behind.
//
//	Pickup ─┐                   ┌─► Store (LMTP on Dovecot, or a mailbox in this process)
//	        ├─► queue ─► route ─┼─► SMTP to the other site
//	SMTP ───┘     ▲             └─► bounced/
//	              └── deferred: again after RetryInterval
//
// # Exactly once
//
// The spool survives SIGKILL at any instant; it is not made to survive the loss of
// power. Each message is one file, and the state of its recipients a file beside it that
// only grows. Three places could lose or double a message:
//
//   - Taking it: a file in Pickup becomes the queue's by one rename. A message from the
//     other site bears a transfer id; it is queued under it, and the id is noted in taken
//     before the answer, so that the same transfer is answered again and not taken again.
//   - Delivering it: the mailbox is noted first. Whoever finds such a note without an
//     outcome (the process died, or the answer was lost) waits Settle, for the server may
//     still be at it, and looks into that very mailbox before anything else.
//   - Handing it to the other site: likewise noted first; without an outcome the same
//     transfer is repeated to the same address until it is answered, and only a refusal
//     allows to resolve anew.
//
// A message of several recipients reaches each mailbox once, whichever addresses lead
// there. Two messages with one Message-ID are two messages, but after a crash the second
// of them may be taken for the first.
//
// # Hops
//
// A site that handles a message writes a Received field above it. Exchange counts all of
// them against its limit, and so does MaxHops; records count the rehearsal's sites alone.
// Mail that enters at the site of its address passes three at most while a home changes:
// there, to the former home, back to the new one.
//
// # The spool
//
//	pickup/       NAME.eml is taken up (see Inject)
//	queue/        ID, the message under a line of JSON; ID.state, what has become of it
//	bounced/      what nobody may have, as it stood in the queue
//	badmail/      what was put into Pickup and is no message
//	taken         the transfers that were taken, one a line
//	log.jsonl     what happened (see ReadLog)
//	smtp.addr     where the listener is
//	lock          held by the one process that may work here
//
// Not there: distribution groups are not expanded, bounces are recorded and kept but no
// report is mailed to the sender, and mail waits without end.
package transport
