package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// matchBatch is how many values one search asks for; a person with more addresses
// than that is searched for in several.
const matchBatch = 40

// Match finds the target object that stands for source. twin is its objectGUID where
// an earlier step of this move made or found it, zero otherwise.
//
// Without a twin, an object that carries our mark for source is it. Else the operator's
// decision counts, and else Rules.Match, the first rule that finds anything deciding.
// What weaker rules say of the same object goes into the evidence; what they say of
// another is noticed, as is an object that carries the mark of somebody else, which
// never matches. Computers and retired contacts do not count.
//
// A contact never is the target of a user: it becomes the pair's Contact, beside the
// user if one matches too. The pair's target may be changed, and its contact is there to
// be replaced, only if a mark, a decision, the twin or one of Rules.Adopt says so; what
// else is found is left to a person (QuestionOf).
//
// Several objects by one rule are an *AmbiguousError, a decision that cannot be carried
// out a *DecisionError. A twin that is no longer there is ErrNotFound: a second object is
// never made for a move that has one. With an error the pair holds its Source alone.
func (d *Directories) Match(ctx context.Context, source *Recipient, twin migrate.GUID) (Pair, error) {
	m := matching{Directories: d, pair: Pair{Source: source}}
	for _, step := range []func(context.Context, migrate.GUID) error{m.look, m.target, m.contact} {
		err := step(ctx, twin)
		var ambiguous *AmbiguousError
		var decision *DecisionError
		switch {
		case errors.As(err, &ambiguous), errors.As(err, &decision):
			return Pair{Source: source}, err
		case err != nil:
			return Pair{Source: source}, fmt.Errorf("match %s: %w", source, err)
		}
	}
	m.noticeOthers()
	return m.pair, nil
}

// A matching is one Match under way.
type matching struct {
	*Directories
	pair  Pair
	clues clues

	marked   []*Recipient // carry our mark for the source object
	objects  []*Recipient // what else was found, but contacts that stand for a user
	contacts []*Recipient
	known    bool         // the target carries our mark, or is the twin of an earlier step
	decided  bool         // the operator has said who the target is
	told     []*Recipient // about whom something is noticed
}

// look searches for everything that any rule points to, and sorts it.
func (m *matching) look(ctx context.Context, _ migrate.GUID) (err error) {
	source := m.pair.Source
	if m.clues, err = m.Directories.clues(source); err != nil {
		return err
	}
	found, err := m.Target.seek(ctx, m.clues.terms(), m.clues.point)
	for _, r := range found {
		owner, marked := r.MarkedFor()
		switch {
		case m.Target.index.isReserved(r): // somebody else's, who was matched before
		case marked && owner == source.GUID:
			m.marked = append(m.marked, r)
		case marked:
			m.notice(migrate.Warn, "match.marked-other", r, fmt.Sprintf("carries the mark of the source object %s, which it stands for.", owner),
				"Take what they share off the one that it does not belong to.")
		case r.isRetired():
		case r.Class == ClassContact && m.twinClass(source) == ClassUser:
			m.contacts = append(m.contacts, r)
		default:
			m.objects = append(m.objects, r)
		}
	}
	return err
}

// target finds the target object.
func (m *matching) target(ctx context.Context, twin migrate.GUID) error {
	if !twin.IsZero() {
		return m.takeTwin(ctx, twin)
	}
	decision, decided := m.decision(AskAdopt)
	if decided && decision.Choice == Leave {
		m.pair.Choice = Leave
	}
	switch {
	case len(m.marked) > 1:
		return m.ambiguous(m.marked)
	case len(m.marked) == 1:
		m.take(m.marked[0])
		m.known, m.pair.Ours = true, true
		return m.agrees(decision, decided)
	case decided:
		return m.decide(decision)
	}
	return m.byRules()
}

// takeTwin takes the object that an earlier step has made or found.
func (m *matching) takeTwin(ctx context.Context, twin migrate.GUID) error {
	target, err := m.Target.byGUID(ctx, twin)
	if errors.Is(err, ErrNotFound) {
		return &migrate.Error{
			Op: "directory.Match", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: err,
			Hint: "the target object that this move used is gone: restore it, or plan the move anew",
		}
	}
	if err != nil {
		return err
	}
	m.pair.Target, m.pair.Evidence, m.known, m.pair.Ours = target, EvidenceTwin, true, true
	if owner, marked := target.MarkedFor(); marked && owner != m.pair.Source.GUID {
		m.pair.Ours = false
		m.notice(migrate.Forbid, "match.marked-other", target, fmt.Sprintf("carries the mark of the source object %s, which it stands for.", owner),
			"Find out whose it is: correct adminDescription, or take the person off the batch.")
	}
	decision, decided := m.decision(AskAdopt)
	m.decided = decided
	m.namedContact(decision)
	return nil
}

// namedContact takes the contact that the decision names, if it is still there.
func (m *matching) namedContact(decision Decision) {
	if decision.Choice != Adopt || decision.Target == "" {
		return
	}
	for _, r := range m.contacts {
		if r.called(decision.Target) {
			m.pair.Contact = r
		}
	}
}

// agrees checks that a decision does not contradict the mark. One about what is no longer
// to be found has been carried out.
func (m *matching) agrees(decision Decision, decided bool) error {
	m.decided = decided
	if !decided || decision.Choice != Adopt || decision.Target == "" || m.pair.Target.called(decision.Target) {
		return nil
	}
	for _, r := range m.objects {
		if r.called(decision.Target) {
			return decision.wrong(m.pair.Source, fmt.Sprintf("%s is to be adopted, but %s carries the mark already", r.DN, m.pair.Target.DN))
		}
	}
	m.namedContact(decision)
	return nil
}

// decide does what the operator decided.
func (m *matching) decide(decision Decision) error {
	m.decided, m.pair.Choice = true, decision.Choice
	if decision.Choice != Adopt {
		return nil
	}
	candidates := slices.Concat(m.objects, m.contacts)
	if decision.Target == "" { // a contact is only ever meant by its name
		candidates = m.objects
	}
	chosen, err := decision.choose(m.pair.Source, candidates)
	if err != nil {
		return err
	}
	if slices.Contains(m.contacts, chosen) {
		m.pair.Contact = chosen
		return nil
	}
	m.take(chosen)
	m.pair.Ours = true
	return nil
}

// byRules takes what the first rule finds that finds anything. A contact and another
// object by one and the same rule are as ambiguous as two users.
func (m *matching) byRules() error {
	rule, hits := m.clues.first(m.objects)
	if len(hits) == 0 {
		return nil
	}
	if contactRule, contacts := m.clues.first(m.contacts); contactRule == rule {
		hits = append(hits, contacts...)
	}
	if len(hits) > 1 {
		return m.ambiguous(hits)
	}
	m.take(hits[0])
	m.pair.Ours = m.adopts(hits[0])
	if !m.pair.Ours && hits[0].Class == m.twinClass(m.pair.Source) && !hits[0].IsMailbox() {
		m.leaveOpen(AskAdopt, hits[0])
	}
	return nil
}

// contact finds the contact that the target user is to replace. One that turns up beside
// a user who is known already is no more than noticed: it may be another's.
func (m *matching) contact(context.Context, migrate.GUID) error {
	if m.pair.Choice == Create || m.pair.Choice == Leave || m.pair.Contact != nil {
		return nil
	}
	if decision, decided := m.decision(AskContact); decided {
		return m.decideContact(decision)
	}
	_, hits := m.clues.first(m.contacts)
	switch {
	case len(hits) > 1 && !m.known && !m.decided:
		return m.ambiguous(hits)
	case len(hits) == 1 && m.adopts(hits[0]) && !m.decided:
		m.pair.Contact = hits[0]
	case len(hits) > 0 && !m.known:
		m.askContact(hits)
	}
	return nil
}

// decideContact does what the operator decided about a contact. With a user that is known
// and no contact, it has been done.
func (m *matching) decideContact(decision Decision) error {
	switch {
	case decision.Choice == Leave:
		m.pair.Choice = Leave
		return nil
	case decision.Choice == Create:
		m.contacts = nil
		return nil
	case m.known && len(m.contacts) == 0:
		return nil
	}
	chosen, err := decision.choose(m.pair.Source, m.contacts)
	m.pair.Contact = chosen
	return err
}

// askContact leaves it to a person whether the contact is to be replaced.
func (m *matching) askContact(hits []*Recipient) {
	for _, r := range hits {
		m.notice(migrate.Forbid, AskContact, r,
			fmt.Sprintf("is a contact that may stand for it (%s), and is not to be replaced by that alone.", m.clues.evidence(r)),
			"Decide it in the decision file, or list one of the rules under match.adopt.")
	}
	if m.pair.open == nil {
		m.leaveOpen(AskContact, hits...)
	}
}

// noticeOthers notes what weaker rules point to beside the pair, unless a person has
// already decided: it may be a second object for the same person.
func (m *matching) noticeOthers() {
	if m.decided || m.pair.Evidence == EvidenceTwin || m.pair.Choice != "" {
		return
	}
	for _, r := range slices.Concat(m.objects, m.contacts) {
		if r == m.pair.Target || r == m.pair.Contact || slices.Contains(m.told, r) {
			continue
		}
		m.notice(migrate.Warn, "match.other", r,
			fmt.Sprintf("points to it as well (%s), and is not %s: there may be two objects for one person.", m.clues.evidence(r), m.chosen()),
			"Remove the one that is too much, or take what they share off it.")
	}
}

func (m *matching) chosen() string {
	switch {
	case m.pair.Target != nil:
		return fmt.Sprintf("%s (%s)", m.pair.Target.DN, m.pair.Evidence)
	case m.pair.Contact != nil:
		return fmt.Sprintf("%s (%s)", m.pair.Contact.DN, m.clues.evidence(m.pair.Contact))
	}
	return "the one that is made"
}

// take makes the object the pair's target.
func (m *matching) take(target *Recipient) {
	m.pair.Target, m.pair.Evidence = target, m.clues.evidence(target)
	m.pair.Rule, _ = m.clues.first([]*Recipient{target})
}

// adopts reports whether one of the rules that point to the object is enough to change it.
func (m *matching) adopts(r *Recipient) bool {
	return slices.ContainsFunc(m.clues.rules(r), func(rule MatchRule) bool { return slices.Contains(m.Rules.Adopt, rule) })
}

// decision returns what the operator answered to questions of the rule.
func (m *matching) decision(rule string) (Decision, bool) {
	if m.Rules.Decisions == nil {
		return Decision{}, false
	}
	return m.Rules.Decisions.Decision(m.pair.Source.GUID, rule)
}

func (m *matching) notice(severity migrate.Severity, rule string, r *Recipient, what, mend string) {
	m.told = append(m.told, r)
	m.pair.noticed = append(m.pair.noticed, migrate.Finding{
		Rule: rule, Severity: severity, Whom: m.pair.Source.String(), What: string(r.DN) + " at the target " + what, Mend: mend,
	})
}

func (m *matching) leaveOpen(rule string, objects ...*Recipient) {
	q := ask(rule, m.pair.Source, m.candidates(objects))
	m.pair.open = &q
}

func (m *matching) ambiguous(objects []*Recipient) error {
	err := &AmbiguousError{Identity: m.pair.Source.String(), Candidates: m.candidates(objects)}
	for _, c := range err.Candidates {
		err.DNs = append(err.DNs, c.DN)
	}
	return err
}

// candidates describes the objects, by their DNs in order.
func (m *matching) candidates(objects []*Recipient) []Candidate {
	var all []Candidate
	for _, r := range objects {
		all = append(all, Candidate{DN: r.DN, GUID: r.GUID, Class: r.Class, Evidence: m.clues.evidence(r)})
	}
	slices.SortFunc(all, func(a, b Candidate) int { return strings.Compare(string(a.DN), string(b.DN)) })
	return all
}
