// Package directory decides what has to change in two Active Directory forests so
// that a mailbox can move from one to the other, and applies it.
//
// # Read, plan, apply
//
// A step reads both sides, computes a Plan as plain data, and Apply carries it
// out. The plan of a step that has already been carried out is empty, so any step
// may run again after a crash. Apply writes every change with its before-image
// into the Journal before the directory is touched; an intent is closed as done only if
// the change is in the directory. Settled waits until every server that was named
// (Forest.Watch) shows what the step looks after.
//
//	Reader(source) ─┐
//	                ├─► Match ─► PlanX (pure) ─► Plan{Changes, Findings} ─► Apply
//	Reader(target) ─┘                                │                      │
//	                                             --dry-run            Journal, Writer
//
// # Who is who
//
// Match asks all rules at once and believes the first that finds anything; evidence is
// told in words, and what points elsewhere is a finding. An object of the target is
// changed only if it carries our mark for the source object, an earlier step made or found
// it, the operator adopted it (Decisions), or a rule listed in Rules.Adopt points to it.
// All else is a Question. A contact that stands for a person never is the target; the
// target user takes its place.
//
// # The steps of a move
//
// Each is one PlanX of Directories, in this order. What a step must not do yet, its
// plan forbids by a finding, whoever asks for it.
//
//	PlanStage       a mail user at the target that sends mail to the source; every name
//	                of each side is known at the other
//	PlanOpen        the target mailbox, with the rights that others have on the source's;
//	                mail still goes to the source
//	PlanShutOut     the owner cannot use the source's client protocols
//	PlanDeliver     the target takes mail
//	PlanForward     the source sends mail on, and still has its mailbox
//	PlanDisconnect  the source becomes a mail user, in one modification
//	PlanTwinRights  who has rights on the source, or by a legacy SID on the target, has
//	                them on the target by the twin's SID as well
//	PlanStrip       the explicit legacy entries go
//
// CheckSwitch says before the first of them is written what would stop one of the steps
// from PlanShutOut to PlanDisconnect.
//
// # The way back
//
// PlanStepBack and PlanLetIn undo a switch that has not reached PlanForward. Afterwards
// the way back mirrors the switch: a side delivers before the other sends mail to it.
//
//	PlanReturn      the source has its mailbox and delivers, in one modification
//	PlanSendBack    the target sends its mail to the source
//	PlanClose       the target is the staged mail user again, in one modification
//	PlanLetIn       the owner can use the source's client protocols
//
// Each takes back what the move's journal says that the step it mirrors has written since
// the last way back, and stops where somebody else has changed that since. Names, X500 and
// translated permissions stay; so the same switch can be made again and ends as the first
// time. Call Resume before the journal is read for it.
//
// Mailboxes themselves are given and taken by a MailboxAdmin.
//
// Names, GUIDs and addresses that are made up follow from the source alone, so a plan
// that is computed again, after a crash or on another machine, is the same plan.
//
// The package decides and never speaks LDAP itself: directory/ldap is the adapter,
// directory/ntsd the codec of security descriptors.
package directory
