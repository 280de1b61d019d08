package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// Logins names, for each side, the attribute under whose value its mail system knows the
// owner of a mailbox: mail, mailNickname, sAMAccountName or userPrincipalName.
type Logins struct{ Source, Target string }

// Login returns the recipient's value of such an attribute; "" if it has none.
func (r *Recipient) Login(attr string) string {
	switch attr {
	case "mailNickname":
		return r.Alias
	case "sAMAccountName":
		return r.Sam
	case "userPrincipalName":
		return r.UPN
	case "mail":
		return string(r.Mail)
	}
	return ""
}

// A Holder is who an identifier on a folder's access control list stands for.
type Holder struct {
	Who     string     // the identifier as the list spells it
	Group   string     // what marks a group before its name: "$" or "group:"; "" for all else
	Public  bool       // no identity of a directory: it means the same everywhere
	Owner   bool       // the owner of the mailbox
	Named   bool       // by a login name, an address or a group's name; no SID and no DN
	Local   bool       // on a target list: an identity of the target
	Source  *Recipient // the source object that it names; nil if none is known
	Unknown bool       // nobody of the source is known by it
	Legacy  bool       // it is not of the target: Source, or a SID of an old domain
	Twin    *Recipient // who stands for it at the target; nil if that is not known
	Why     string     // why it is not, in the operator's words
	Mend    string     // what to do about that
}

// publics are the identifiers that stand for no object of a directory (RFC 4314 2, and
// Dovecot's authenticated and owner).
var publics = []string{"anyone", "anonymous", "authenticated", "owner"}

// groupMarks stand before the name of a group: Dovecot's and Cyrus' (group:).
var groupMarks = []string{"$", "group:"}

// maxHolders is how many identifiers are looked for before what was found is told apart.
const maxHolders = matchBatch

// Holders finds out who the identifiers on the lists of one side's folders stand for, by
// what they are: a login name of that side, an SMTP address, a SID with or without
// "legacy-" before it, a DN, a legacyExchangeDN, a group. What means several objects, or
// none, is never guessed: Why says so. The pair owns the folders.
func (d *Directories) Holders(ctx context.Context, pair Pair, on Side, whos []string, logins Logins) (map[string]Holder, error) {
	found := make(map[string]Holder, len(whos))
	for chunk := range slices.Chunk(whos, maxHolders) {
		s := &holding{Directories: d, pair: pair, on: on, logins: logins}
		for _, who := range chunk {
			s.names = append(s.names, nameOf(who))
		}
		if err := s.look(ctx); err != nil {
			return nil, err
		}
		for _, n := range s.names {
			h, err := s.holder(ctx, n)
			if err != nil {
				return nil, fmt.Errorf("find who %q on a folder's list is: %w", n.who, err)
			}
			found[n.who] = h
		}
	}
	return found, nil
}

// A holderName is an identifier, taken for what it looks like.
type holderName struct {
	who    string
	group  string // its mark, cut off text
	text   string
	sid    migrate.SID      // "" if it is none
	legacy migrate.LegacyDN // "" if it is none
	dn     bool
}

func nameOf(who string) holderName {
	n := holderName{who: who, text: who}
	for _, mark := range groupMarks {
		if rest, found := cutFold(who, mark); found && rest != "" {
			n.group, n.text = who[:len(mark)], rest
			return n
		}
	}
	bare := n.text
	if rest, found := cutFold(bare, "legacy-"); found {
		bare = rest
	}
	if sid, err := migrate.ParseSID(bare); err == nil {
		n.sid = sid
		return n
	}
	n.dn = dnShape.MatchString(who)
	switch text := trimX500(who); {
	case strings.HasPrefix(text, "/") && strings.Contains(text, "="):
		n.legacy = migrate.LegacyDN(text)
	case slashedDN(text):
		n.legacy = migrate.LegacyDN("/" + text)
	}
	return n
}

// slashedDN tells a legacyExchangeDN that was written without its first slash:
// O=OLD/OU=EX/CN=RECIPIENTS/CN=bob smith.
func slashedDN(text string) bool {
	parts := strings.Split(text, "/")
	_, organization := cutFold(text, "o=")
	return organization && len(parts) > 1 && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(p, "=") })
}

// cutFold is strings.CutPrefix without regard to the case of ASCII letters.
func cutFold(text, prefix string) (rest string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

func (n holderName) public() bool {
	return n.group == "" && slices.ContainsFunc(publics, func(p string) bool { return strings.EqualFold(p, n.who) })
}

// A holding looks for the holders of some identifiers at once.
type holding struct {
	*Directories
	pair   Pair
	on     Side
	logins Logins
	names  []holderName
	source []*Recipient // all that any of the names may mean there
	target []*Recipient // on a target list: all whose login any of the names is
}

// look reads everybody whom one of the names may mean.
func (s *holding) look(ctx context.Context) (err error) {
	var terms, logins []term
	for _, n := range s.names {
		if n.public() {
			continue
		}
		terms = append(terms, n.terms(s.logins.Source)...)
		logins = append(logins, n.loginTerms(s.logins.Target)...)
	}
	anyone := func(r *Recipient) bool { return r.isPrincipal() }
	if s.source, err = s.Source.seek(ctx, terms, anyone); err != nil {
		return err
	}
	if err := s.readNamed(ctx); err != nil || s.on != Target {
		return err
	}
	s.target, err = s.Target.seek(ctx, logins, anyone)
	return err
}

// readNamed reads the objects that are named by their DN.
func (s *holding) readNamed(ctx context.Context) error {
	for _, n := range s.names {
		if !n.dn {
			continue
		}
		r, err := s.resolveDN(ctx, n.text)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if r.isPrincipal() {
			s.source = appendNew(s.source, []*Recipient{r})
		}
	}
	return nil
}

// terms are how the object that the name means is searched for at the source.
func (n holderName) terms(login string) []term {
	switch {
	case n.sid != "":
		b, err := n.sid.Bytes()
		if err != nil {
			return nil // ParseSID has read it
		}
		return []term{
			{EqBytes(attrSID, b), []nameKey{keyOf(keySID, string(n.sid))}},
			{EqBytes(attrSIDHistory, b), []nameKey{keyOf(keyHistory, string(n.sid))}},
		}
	case n.legacy != "":
		q := askLegacy(n.legacy)
		return []term{{q.filter, q.keys}}
	case n.dn:
		return nil
	}
	terms := n.loginTerms(login)
	if n.group == "" && strings.Contains(n.text, "@") {
		q := askAddress(n.text)
		terms = append(terms, term{q.filter, q.keys})
	}
	return terms
}

// loginTerms are how the object with the login is searched for.
func (n holderName) loginTerms(attr string) []term {
	if n.sid != "" || n.legacy != "" || n.dn || n.text == "" {
		return nil
	}
	if n.group != "" {
		return []term{
			{Eq("sAMAccountName", n.text), []nameKey{keyOf(keySam, n.text)}},
			{Eq("mailNickname", n.text), []nameKey{keyOf(keyAlias, n.text)}},
		}
	}
	return []term{{Eq(attr, n.text), []nameKey{keyOf(loginKeys[attr], n.text)}}}
}

var loginKeys = map[string]byte{
	"mail": keyMail, "mailNickname": keyAlias, "sAMAccountName": keySam, "userPrincipalName": keyUPN,
}

// means reports whether the name stands for the source object.
func (n holderName) means(r *Recipient, login string) bool {
	switch {
	case n.sid != "":
		return r.SID == n.sid || slices.Contains(r.SIDHistory, n.sid)
	case n.legacy != "":
		return r.Legacy.Key() == n.legacy.Key() || r.Proxies.HasX500(n.legacy)
	case n.dn:
		return r.DN.Equal(DN(n.text))
	}
	return n.isLogin(r, login) || n.group == "" && strings.Contains(n.text, "@") && askAddress(n.text).answers(r)
}

// isLogin reports whether the name is the object's login.
func (n holderName) isLogin(r *Recipient, attr string) bool {
	switch {
	case n.sid != "", n.legacy != "", n.dn:
		return false
	case n.group != "":
		return r.Class == ClassGroup && (strings.EqualFold(r.Sam, n.text) || strings.EqualFold(r.Alias, n.text))
	}
	return r.Class == ClassUser && strings.EqualFold(r.Login(attr), n.text)
}

// holder tells who the name stands for, from what was read.
func (s *holding) holder(ctx context.Context, n holderName) (Holder, error) {
	h := Holder{Who: n.who, Group: n.group, Named: n.sid == "" && n.legacy == "" && !n.dn}
	if n.public() {
		h.Public, h.Owner = true, strings.EqualFold(n.who, "owner")
		return h, nil
	}
	if s.isOwner(n) {
		h.Owner, h.Local = true, s.on == Target
		return h, nil
	}
	if s.on == Target && s.isLocal(n) {
		h.Local = true
		return h, nil
	}
	var meant []*Recipient
	for _, r := range s.source {
		if n.means(r, s.logins.Source) {
			meant = append(meant, r)
		}
	}
	switch {
	case len(meant) > 1:
		_, err := one(n.who, meant)
		h.Why, h.Mend = err.Error(), "Leave the name on one of them, or set the right by hand."
		return h, nil
	case len(meant) == 1:
		return s.withTwin(ctx, h, meant[0])
	case n.sid != "" && s.isLegacy(n.sid):
		return s.strange(ctx, h, n.sid)
	}
	h.Unknown, h.Why, h.Mend = true, "nobody in the source forest is known by it", "Set the right by hand, if it is still needed."
	return h, nil
}

// isOwner reports whether the name is the login of the folders' owner. A server may leave
// its mail domain out.
func (s *holding) isOwner(n holderName) bool {
	owner, login := s.pair.Source, s.logins.Source
	if s.on == Target {
		owner, login = s.pair.Target, s.logins.Target
	}
	name := owner.Login(login)
	local, _, _ := strings.Cut(name, "@")
	return n.group == "" && n.sid == "" && name != "" && (strings.EqualFold(n.text, name) || strings.EqualFold(n.text, local))
}

// isLocal reports whether the name on a target list is the target's own.
func (s *holding) isLocal(n holderName) bool {
	if n.sid != "" {
		return slices.Contains(s.Target.Info.domainSIDs(), n.sid.Domain())
	}
	return slices.ContainsFunc(s.target, func(r *Recipient) bool { return n.isLogin(r, s.logins.Target) })
}

// withTwin adds who stands for the source object at the target.
func (s *holding) withTwin(ctx context.Context, h Holder, source *Recipient) (Holder, error) {
	h.Source, h.Legacy = source, true
	if source.same(s.pair.Source) {
		h.Owner, h.Twin = true, s.pair.Target
		return h, nil
	}
	match, err := s.Match(ctx, source, migrate.GUID{})
	var ambiguous *AmbiguousError
	var decision *DecisionError
	switch {
	case errors.As(err, &ambiguous):
		h.Why, h.Mend = ambiguous.Error(), "Decide in the decision file which of them it is, and clean again."
		return h, nil
	case errors.As(err, &decision):
		h.Why, h.Mend = "cannot be matched: "+decision.Error(), "Correct the decision file, and clean again."
		return h, nil
	case err != nil:
		return h, err
	case s.isTwin(match):
		h.Twin = match.Target
		return h, nil
	}
	return s.byHistory(ctx, h, source.SID, s.keep(source.SID, match))
}

// strange is a SID of an old domain that no source object has.
func (s *holding) strange(ctx context.Context, h Holder, sid migrate.SID) (Holder, error) {
	h.Legacy = true
	return s.byHistory(ctx, h, sid, s.keep(sid, Pair{}))
}

// byHistory looks for a target object with the SID in its sIDHistory; without one there
// is no twin, for the reason.
func (s *holding) byHistory(ctx context.Context, h Holder, sid migrate.SID, why *reason) (Holder, error) {
	var err error
	if sid != "" {
		h.Twin, err = s.Target.bySID(ctx, sid)
	}
	var ambiguous *AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		h.Why, h.Mend = ambiguous.Error(), "Leave the SID in the sIDHistory of one of them, and clean again."
	case err != nil:
		return h, err
	case h.Twin != nil:
	case why != nil:
		h.Why, h.Mend = why.why, why.mend
	default:
		h.Why, h.Mend = "no object at the target stands for it", "Give the right to somebody else, if it is still needed."
	}
	return h, nil
}

// PermissionMode returns what the Rules want to become of permissions.
func (d *Directories) PermissionMode() PermissionMode {
	mode, _ := d.permissionMode()
	return mode
}

// Spelt returns the identifier under which the target's mail system knows the twin; ""
// where it knows it under none.
func (h Holder) Spelt(logins Logins) string {
	switch {
	case h.Public || h.Local:
		return h.Who
	case h.Twin == nil:
		return ""
	case h.Twin.Class != ClassGroup:
		return h.Twin.Login(logins.Target)
	case h.Group == "":
		return "" // a group that is no login: the server has no name for it
	case h.Source != nil && strings.EqualFold(h.Source.Alias, h.Who[len(h.Group):]) && h.Twin.Alias != "":
		return h.Group + h.Twin.Alias
	}
	return h.Group + h.Twin.Sam
}
