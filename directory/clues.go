package directory

import (
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// A clue is how one rule looks for the twin of a source object.
type clue struct {
	rule  MatchRule
	terms []term
	// shares says in words, attribute and value, what an object has in common with the
	// source object; "" if nothing. Servers compare more loosely than people mean, so what
	// the terms find is believed only after this.
	shares func(*Recipient) string
}

// A term is one condition that is searched for: by a server with the filter, in an Index
// by the keys. Both find the same.
type term struct {
	filter Filter // "" asks an Index alone
	keys   []nameKey
}

// clues are what the rules know about one source object, in the order of the rules.
type clues []clue

// clues returns what is looked for to find the twin of source: our mark before all, then
// the rules of the configuration.
func (d *Directories) clues(source *Recipient) (clues, error) {
	rules := d.Rules.Match
	if rules == nil {
		rules = DefaultMatch()
	}
	var all clues
	for _, rule := range append([]MatchRule{MatchMark}, rules...) {
		c, err := clueOf(rule, source)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func clueOf(rule MatchRule, source *Recipient) (clue, error) {
	switch rule {
	case MatchMark:
		return markClue(source), nil
	case MatchSIDHistory:
		return historyClue(source)
	case MatchMaster:
		return masterClue(source)
	case MatchMailbox:
		return mailboxClue(source), nil
	case MatchX500:
		return x500Clue(source.x500()), nil
	case MatchSMTP:
		return smtpClue(source.allSMTP()), nil
	case MatchMail:
		return mailClue(source.allSMTP()), nil
	case MatchEmployeeID:
		return textClue(rule, "employeeID", keyStaff, source.EmployeeID, func(r *Recipient) string { return r.EmployeeID }), nil
	case MatchSam:
		return textClue(rule, "sAMAccountName", keySam, source.Sam, func(r *Recipient) string { return r.Sam }), nil
	}
	return clue{}, fmt.Errorf("unknown match rule %q", rule)
}

// markClue asks an Index alone: Active Directory keeps no index of adminDescription
// (MS-ADA1), and a search for it would read every object there is. On what the other
// rules find the mark is seen all the same.
func markClue(source *Recipient) clue {
	mark := Mark(source.GUID)
	return clue{
		rule: MatchMark, terms: []term{{keys: []nameKey{keyOf(keyMark, mark)}}},
		shares: func(r *Recipient) string {
			if made, ok := r.MarkedFor(); !ok || made != source.GUID {
				return ""
			}
			return attrMark + " " + r.Mark
		},
	}
}

func historyClue(source *Recipient) (clue, error) {
	c := clue{rule: MatchSIDHistory, shares: func(*Recipient) string { return "" }}
	if source.SID == "" {
		return c, nil
	}
	sid, err := source.SID.Bytes()
	if err != nil {
		return c, err
	}
	c.terms = []term{{EqBytes(attrSIDHistory, sid), []nameKey{keyOf(keyHistory, string(source.SID))}}}
	c.shares = func(r *Recipient) string {
		if !slices.Contains(r.SIDHistory, source.SID) {
			return ""
		}
		return attrSIDHistory + " " + string(source.SID)
	}
	return c, nil
}

// masterClue looks for the account that owns a linked mailbox, and for a mailbox that
// the source account owns. SELF, the owner of shared mailboxes, is nobody.
func masterClue(source *Recipient) (clue, error) {
	c := clue{rule: MatchMaster}
	master := source.MasterSID
	if master == migrate.Self {
		master = ""
	}
	for _, look := range []struct {
		sid  migrate.SID
		attr string
		kind byte
	}{{master, attrSID, keySID}, {master, attrMasterSID, keyMaster}, {source.SID, attrMasterSID, keyMaster}} {
		if look.sid == "" {
			continue
		}
		octets, err := look.sid.Bytes()
		if err != nil {
			return c, err
		}
		c.terms = append(c.terms, term{EqBytes(look.attr, octets), []nameKey{keyOf(look.kind, string(look.sid))}})
	}
	c.shares = func(r *Recipient) string {
		switch {
		case master != "" && (r.SID == master || r.MasterSID == master):
			return attrMasterSID + " " + string(master)
		case source.SID != "" && r.MasterSID == source.SID:
			return attrMasterSID + " " + string(source.SID)
		}
		return ""
	}
	return c, nil
}

func mailboxClue(source *Recipient) clue {
	c := clue{rule: MatchMailbox, shares: func(*Recipient) string { return "" }}
	guid := source.MailboxGUID
	if guid.IsZero() {
		return c
	}
	c.terms = []term{{EqBytes(attrMailboxGUID, guid[:]), []nameKey{keyOf(keyMailbox, string(guid[:]))}}}
	c.shares = func(r *Recipient) string {
		if r.MailboxGUID != guid {
			return ""
		}
		return attrMailboxGUID + " " + guid.String()
	}
	return c
}

// x500Clue compares whole names: one that begins alike is another's.
func x500Clue(names []migrate.LegacyDN) clue {
	c := clue{rule: MatchX500, shares: func(r *Recipient) string { return addressSet{x500: names}.shared(r) }}
	for _, name := range names {
		c.terms = append(c.terms, term{
			Or(Eq(attrProxies, "X500:"+string(name)), Eq(attrLegacy, string(name))), []nameKey{keyOf(keyX500, string(name))},
		})
	}
	return c
}

func smtpClue(addrs []migrate.SMTPAddress) clue {
	c := clue{rule: MatchSMTP, shares: func(r *Recipient) string { return addressSet{smtp: addrs}.shared(r) }}
	for _, a := range addrs {
		c.terms = append(c.terms, term{Eq(attrProxies, "smtp:"+string(a)), []nameKey{keyOf(keySMTP, string(a))}})
	}
	return c
}

func mailClue(addrs []migrate.SMTPAddress) clue {
	c := clue{rule: MatchMail}
	for _, a := range addrs {
		c.terms = append(c.terms, term{Eq("mail", string(a)), []nameKey{keyOf(keyMail, string(a))}})
	}
	c.shares = func(r *Recipient) string {
		if !slices.ContainsFunc(addrs, func(a migrate.SMTPAddress) bool { return a.Key() == r.Mail.Key() }) {
			return ""
		}
		return "mail " + string(r.Mail)
	}
	return c
}

// textClue looks for an attribute of one value that is the same but for case.
func textClue(rule MatchRule, attr string, kind byte, value string, of func(*Recipient) string) clue {
	c := clue{rule: rule, shares: func(*Recipient) string { return "" }}
	if value == "" {
		return c
	}
	c.terms = []term{{Eq(attr, value), []nameKey{keyOf(kind, value)}}}
	c.shares = func(r *Recipient) string {
		if !strings.EqualFold(of(r), value) {
			return ""
		}
		return attr + " " + of(r)
	}
	return c
}

// terms returns everything that is searched for.
func (c clues) terms() []term {
	var all []term
	for _, one := range c {
		all = append(all, one.terms...)
	}
	return all
}

// point reports whether one of the rules points to the object.
func (c clues) point(r *Recipient) bool { return c.evidence(r) != "" }

// evidence says what the object shares by each of the rules, the strongest first.
func (c clues) evidence(r *Recipient) string {
	var words []string
	for _, one := range c {
		if shared := one.shares(r); shared != "" {
			words = append(words, shared)
		}
	}
	return strings.Join(words, " and ")
}

// rules returns the rules that point to the object.
func (c clues) rules(r *Recipient) []MatchRule {
	var rules []MatchRule
	for _, one := range c {
		if one.shares(r) != "" {
			rules = append(rules, one.rule)
		}
	}
	return rules
}

// first returns the first rule that points to any of the objects, and those it points to.
func (c clues) first(objects []*Recipient) (MatchRule, []*Recipient) {
	for _, one := range c {
		var hits []*Recipient
		for _, r := range objects {
			if one.shares(r) != "" {
				hits = append(hits, r)
			}
		}
		if len(hits) > 0 {
			return one.rule, hits
		}
	}
	return "", nil
}

// allSMTP returns the SMTP addresses of the recipient, its mail included.
func (r *Recipient) allSMTP() []migrate.SMTPAddress {
	addrs := r.Proxies.SMTP()
	if !r.Proxies.HasSMTP(r.Mail) {
		addrs = append(addrs, r.Mail)
	}
	return slices.DeleteFunc(addrs, func(a migrate.SMTPAddress) bool { return a == "" })
}
