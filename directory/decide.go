package directory

import "reforest/migrate"

// A MatchRule is one way to find the twin of a source object.
type MatchRule string

// The rules, the strongest evidence first.
const (
	MatchMark       MatchRule = "mark"         // the target carries our mark with the source's objectGUID
	MatchSIDHistory MatchRule = "sid-history"  // the target's sIDHistory has the source's objectSid
	MatchMaster     MatchRule = "master-sid"   // msExchMasterAccountSid of the one is the account or master of the other
	MatchMailbox    MatchRule = "mailbox-guid" // both have the same msExchMailboxGuid
	MatchX500       MatchRule = "x500"         // an X500 address or legacyExchangeDN of the one is the other's
	MatchSMTP       MatchRule = "smtp"         // an SMTP address of the one is the other's
	MatchMail       MatchRule = "mail"         // the target's mail is one of the source's addresses
	MatchEmployeeID MatchRule = "employee-id"  // the same employeeID
	MatchSam        MatchRule = "sam"          // the same sAMAccountName
)

// DefaultMatch are the rules that are asked unless told otherwise.
func DefaultMatch() []MatchRule {
	return []MatchRule{MatchSIDHistory, MatchMaster, MatchMailbox, MatchX500, MatchSMTP, MatchMail}
}

// A Choice is what the operator decided about one source object.
type Choice string

// The choices.
const (
	Adopt  Choice = "adopt"  // the target object that is named stands for it, and may be changed
	Create Choice = "create" // nothing of what was found stands for it: a new object is made
	Leave  Choice = "leave"  // it is not staged
)

// A Decision is the operator's answer about one source object.
type Decision struct {
	Choice Choice
	Target migrate.GUID // whom to adopt; zero: the only one that matches
	Line   int          // where it stands in the file
}

// Decisions answer what is on record about the source object with the objectGUID.
type Decisions interface {
	Decision(source migrate.GUID) (Decision, bool)
}

// markPrefix begins the mark that says which objects reforest made or was told to adopt;
// the source's objectGUID follows it.
const markPrefix = "reforest:"

// Mark returns what the target object that stands for source carries in adminDescription.
func Mark(source migrate.GUID) string { return markPrefix + source.String() }

// MarkedFor returns the objectGUID of the source object for which the recipient was
// made or adopted. False: it does not carry our mark.
func (r *Recipient) MarkedFor() (migrate.GUID, bool) {
	if len(r.Mark) <= len(markPrefix) || r.Mark[:len(markPrefix)] != markPrefix {
		return migrate.GUID{}, false
	}
	guid, err := migrate.ParseGUID(r.Mark[len(markPrefix):])
	return guid, err == nil
}
