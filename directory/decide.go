package directory

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"reforest/migrate"
)

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

// A Decision is the operator's answer to a Question.
type Decision struct {
	Choice Choice
	// Target names whom to adopt among the candidates: a DN, an objectGUID, or any of its
	// addresses; "" is the only candidate there is.
	Target string
	Place  string // where it stands, for messages: file:line:column
}

// Decisions answer what is on record about the source object with the objectGUID.
// Questions of the rules AskAdopt and AskSeveral have one answer, those of AskContact
// another.
type Decisions interface {
	Decision(source migrate.GUID, rule string) (Decision, bool)
}

// The rules of findings that a person decides, which are those of Questions as well.
const (
	AskAdopt   = "match.adopt"   // one object matches, by evidence that is not enough to change it
	AskSeveral = "match.several" // several objects match
	AskContact = "match.contact" // a contact matches, by evidence that is not enough to replace it
)

// A Question is one that only a person can answer: who at the target is the source object?
type Question struct {
	Rule       string // AskAdopt, AskSeveral or AskContact
	Source     string // how the source object is called: its primary address, else its DN
	SourceGUID migrate.GUID
	Evidence   string // what the candidates have in common with it
	Candidates []Candidate
}

// A Candidate is a target object that may stand for the source object.
type Candidate struct {
	DN       DN
	GUID     migrate.GUID
	Class    string // one of the Class constants, else the most special objectClass
	Evidence string // what it shares with the source object
}

// QuestionOf returns what is left open by a Match that returned the pair and err. False:
// nothing that a person could decide in the decision file.
func QuestionOf(pair Pair, err error) (Question, bool) {
	var ambiguous *AmbiguousError
	if errors.As(err, &ambiguous) && pair.Source != nil && len(ambiguous.Candidates) > 0 {
		return ask(AskSeveral, pair.Source, ambiguous.Candidates), true
	}
	if err != nil || pair.open == nil {
		return Question{}, false
	}
	return *pair.open, true
}

func ask(rule string, source *Recipient, candidates []Candidate) Question {
	q := Question{Rule: rule, Source: source.String(), SourceGUID: source.GUID, Candidates: candidates}
	var evidence []string
	for _, c := range candidates {
		evidence = append(evidence, c.Evidence)
	}
	q.Evidence = strings.Join(distinct(evidence), "; ")
	return q
}

// A DecisionError says that a decision cannot be carried out as it stands. Nothing is
// done about its source object until it is corrected.
type DecisionError struct {
	Decision Decision
	Source   string // whom it is about
	What     string // what is wrong with it
}

func (e *DecisionError) Error() string {
	return fmt.Sprintf("%s: decision about %s: %s", e.Decision.Place, e.Source, e.What)
}

// choose returns the only one of the candidates that the decision means.
func (d Decision) choose(source *Recipient, candidates []*Recipient) (*Recipient, error) {
	var meant []*Recipient
	for _, r := range candidates {
		if d.Target == "" || r.called(d.Target) {
			meant = append(meant, r)
		}
	}
	switch {
	case len(meant) == 1:
		return meant[0], nil
	case len(candidates) == 0:
		return nil, d.wrong(source, "nothing at the target matches any more")
	case len(meant) == 0:
		return nil, d.wrong(source, fmt.Sprintf("%q is not, or no longer, one of the candidates: %s", d.Target, names(candidates)))
	}
	return nil, d.wrong(source, fmt.Sprintf("it leaves open which of these is meant: %s", names(meant)))
}

func (d Decision) wrong(source *Recipient, what string) error {
	return &DecisionError{Decision: d, Source: source.String(), What: what}
}

func names(recipients []*Recipient) string {
	var dns []string
	for _, r := range recipients {
		dns = append(dns, string(r.DN))
	}
	slices.Sort(dns)
	return strings.Join(dns, "; ")
}

// guidShape finds an objectGUID in text that was copied with what stands around it.
var guidShape = regexp.MustCompile(`[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`)

// called reports whether the text names the recipient: its DN, objectGUID, one of its
// addresses, or a Candidate as a decision file shows it.
func (r *Recipient) called(text string) bool {
	text = strings.TrimSpace(text)
	if dnShape.MatchString(text) && r.DN.Equal(DN(text)) {
		return true
	}
	if guid, err := migrate.ParseGUID(guidShape.FindString(text)); err == nil {
		return r.GUID == guid
	}
	addr := text
	if kind, bare := splitProxy(text); kind == "smtp" {
		addr = bare
	}
	legacy := migrate.LegacyDN(trimX500(text))
	return r.Proxies.HasSMTP(migrate.SMTPAddress(addr)) || strings.EqualFold(string(r.Mail), addr) ||
		r.Proxies.HasX500(legacy) || r.Legacy != "" && r.Legacy.Key() == legacy.Key()
}

// markPrefix begins the mark that says which objects reforest made or was told to adopt;
// the source's objectGUID follows it.
const markPrefix = "reforest:"

// Mark returns what the target object that stands for source carries in adminDescription.
func Mark(source migrate.GUID) string { return markPrefix + source.String() }

// retiredPrefix begins the mark of a contact that a user has replaced.
const retiredPrefix = markPrefix + "retired:"

// RetiredMark returns what the target contact that a user has replaced carries in
// adminDescription; source is the objectGUID of the source object they stood for.
func RetiredMark(source migrate.GUID) string { return retiredPrefix + source.String() }

// isRetired reports whether the object is a contact that a user has replaced. One that
// has got an address again since is a contact like any other.
func (r *Recipient) isRetired() bool {
	return strings.HasPrefix(r.Mark, retiredPrefix) &&
		len(r.Proxies) == 0 && r.Mail == "" && r.Legacy == "" && r.TargetAddress == ""
}

// MarkedFor returns the objectGUID of the source object for which the recipient was
// made or adopted. False: it does not carry our mark.
func (r *Recipient) MarkedFor() (migrate.GUID, bool) {
	if len(r.Mark) <= len(markPrefix) || r.Mark[:len(markPrefix)] != markPrefix {
		return migrate.GUID{}, false
	}
	guid, err := migrate.ParseGUID(r.Mark[len(markPrefix):])
	return guid, err == nil
}
