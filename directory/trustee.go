package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/migrate"
)

// A standIn says what becomes of a legacy trustee's entries. With neither twin, kept
// nor ambiguous set they go without another in their place.
type standIn struct {
	name      string          // the trustee in findings: who it is, as far as that is known, and its SID
	twin      migrate.SID     // who has the same entries at the target; "" if nobody
	kept      *reason         // why the entries stay as they are; nil if they do not
	ambiguous *AmbiguousError // why nobody can say who the twin is; nil if that can be said
}

// A reason says why the entries of a trustee stay.
type reason struct {
	rule string // of the finding that says so
	why  string // completes "X has rights on it and …"
	mend string // "" for what is as it should be
}

// ruleLinked is the rule of accounts that still log on to a linked mailbox.
const ruleLinked = "permissions.linked"

// linked reports whether the trustee itself still logs on at the target.
func (s standIn) linked() bool { return s.kept != nil && s.kept.rule == ruleLinked }

// finding tells of a trustee whose entries on the object are not, or not only, another's
// now. on names what the entries are on, then says what becomes of them.
func (s standIn) finding(object DN, on, then string) migrate.Finding {
	head := s.name + " has rights on " + on + " and "
	switch {
	case s.kept == nil:
		return warn("permissions.unmapped", string(object), head+"no object at the target; "+then+".",
			"Give the rights to somebody else, if they are still needed.")
	case s.kept.mend == "":
		return note(s.kept.rule, string(object), head+s.kept.why+"; "+then+".")
	}
	return warn(s.kept.rule, string(object), head+s.kept.why+"; "+then+".", s.kept.mend)
}

// A cast remembers who stands for whom, so that each trustee is looked for once.
type cast struct {
	find  func(ctx context.Context, sid migrate.SID) (standIn, error)
	known map[migrate.SID]standIn
}

// cast returns who stands for whom in the eyes of the pair, as far as the mode asks.
func (d *Directories) cast(pair Pair, mode PermissionMode) *cast {
	c := &cast{known: map[migrate.SID]standIn{}}
	c.find = func(ctx context.Context, sid migrate.SID) (standIn, error) {
		if mode == StripPermissions {
			return d.linkedTo(ctx, sid, standIn{name: string(sid)})
		}
		return d.standInOf(ctx, pair, sid)
	}
	return c
}

// of returns who stands for the trustee with the SID.
func (c *cast) of(ctx context.Context, sid migrate.SID) (standIn, error) {
	if found, ok := c.known[sid]; ok {
		return found, nil
	}
	found, err := c.find(ctx, sid)
	if errors.As(err, &found.ambiguous) {
		found.name, err = string(sid), nil
	}
	if err != nil {
		return standIn{}, fmt.Errorf("find who stands for %s: %w", sid, err)
	}
	c.known[sid] = found
	return found, nil
}

// name returns the trustee's name in findings, as far as it has been looked for.
func (c *cast) name(sid migrate.SID) string {
	if found, ok := c.known[sid]; ok {
		return found.name
	}
	return string(sid)
}

// standInOf finds out who stands at the target for the trustee with the SID: the object
// that matches the source object with that SID, now or once, else the object that
// carries it in its own sIDHistory, else the one whose linked mailbox it logs on to.
//
// Where there is none, the entries of a source object stay that may still get a twin (a
// mailbox, a mail user, a group with an address), that matches something which is not
// known to be it, or that this server cannot see. Those of everyone else go: no twin is
// ever staged for an account without mail, a computer, a group without an address, or
// what has been deleted.
func (d *Directories) standInOf(ctx context.Context, pair Pair, sid migrate.SID) (standIn, error) {
	source, err := d.Source.bySID(ctx, sid)
	if err != nil {
		return standIn{}, err
	}
	found := standIn{name: string(sid)}
	if source != nil {
		found.name = fmt.Sprintf("%s (%s)", source, sid)
	}
	if sid == pair.Source.SID || source.same(pair.Source) {
		found.twin = pair.Target.SID
		return d.linkedTo(ctx, sid, found)
	}
	match := Pair{Source: source}
	if source != nil {
		match, err = d.Match(ctx, source, migrate.GUID{})
		var decision *DecisionError
		if errors.As(err, &decision) {
			found.kept = &reason{rule: "permissions.doubtful", why: "cannot be matched: " + decision.Error(), mend: "Correct the decision file, and clean again."}
			return d.linkedTo(ctx, sid, found)
		}
		if err != nil {
			return standIn{}, err
		}
	}
	if found.twin, err = d.twinSID(ctx, sid, match); err != nil {
		return standIn{}, err
	}
	if found.twin == "" {
		found.kept = d.keep(sid, match)
	}
	return d.linkedTo(ctx, sid, found)
}

// twinSID returns the SID of who stands at the target for the trustee that the match is
// of; "" if nobody is known to.
func (d *Directories) twinSID(ctx context.Context, sid migrate.SID, match Pair) (migrate.SID, error) {
	if match.Source != nil && d.isTwin(match) {
		return match.Target.SID, nil
	}
	target, err := d.Target.bySID(ctx, sid)
	if err != nil || target == nil {
		return "", err
	}
	return target.SID, nil
}

// linkedTo looks whether the trustee logs on to a linked mailbox of the target, which
// names it in msExchMasterAccountSid. As long as one does, its person works under the
// legacy SID, and the entries of that stay beside those of the twin. The linked account
// is the twin where nothing else is known to be.
func (d *Directories) linkedTo(ctx context.Context, sid migrate.SID, found standIn) (standIn, error) {
	b, err := sid.Bytes()
	if err != nil {
		return standIn{}, err
	}
	linked, err := d.Target.principals(ctx, question{
		filter:  EqBytes(attrMasterSID, b),
		keys:    []nameKey{keyOf(keyMaster, string(sid))},
		answers: func(r *Recipient) bool { return r.MasterSID == sid },
	})
	if err != nil || len(linked) == 0 {
		return found, err
	}
	if found.twin == "" && len(linked) == 1 {
		found.twin = linked[0].SID
	}
	found.kept = &reason{rule: ruleLinked, why: fmt.Sprintf("is still the account that logs on to the linked mailbox of %s", linked[0].DN)}
	return found, nil
}

// isTwin reports whether the target of the match may be given the rights of its source:
// a user for a user and a group for a group, which is ours to change, and no mailbox that
// another way than this move led to. Whoever shares an address is not yet the same person.
func (d *Directories) isTwin(match Pair) bool {
	source, target := match.Source, match.Target
	if target == nil || !match.Ours || target.SID == "" || source.Class != target.Class {
		return false
	}
	switch target.Class {
	case ClassGroup:
		return true
	case ClassUser:
		return !target.IsMailbox() || d.own(match)
	}
	return false
}

// keep returns why the entries of a trustee without a twin stay; nil if they do not.
func (d *Directories) keep(sid migrate.SID, match Pair) *reason {
	switch source := match.Source; {
	case source == nil && d.Source.Info.cannotSee(sid):
		return &reason{
			rule: "permissions.unseen", why: "belongs to a domain that the source's server does not answer for",
			mend: "Name a global catalog as the source's server, or set the right by hand.",
		}
	case source == nil:
		return nil
	case match.Target != nil:
		return &reason{
			rule: "permissions.doubtful",
			why:  fmt.Sprintf("matches %s (%s), which is not known to be the same and is given nothing", match.Target.DN, match.Evidence),
			mend: "Adopt it in the decision file and clean again; or take what they share off the one that is somebody else, and set the right by hand.",
		}
	case mayBeStaged(source):
		return &reason{
			rule: "permissions.waiting", why: "nothing stands for them at the target yet",
			mend: fmt.Sprintf("Once %s is staged, clean the move again.", source),
		}
	}
	return nil
}

// mayBeStaged reports whether an object may come to stand for the source object.
func mayBeStaged(source *Recipient) bool {
	return source.IsMailbox() || source.IsMailUser() || source.Class == ClassGroup && source.Address() != ""
}

// cannotSee reports whether the SID was issued by a domain of the forest that the server
// does not answer for: that it finds nobody then means nothing.
func (i *Info) cannotSee(sid migrate.SID) bool {
	return slices.ContainsFunc(i.Domains, func(d Domain) bool {
		return d.SID == sid.Domain() && !slices.ContainsFunc(i.domainsHeld(), d.DN.Equal)
	})
}

// isPrincipal tells users and groups from what only stands for one of another forest
// under that one's own SID (MS-ADTS 6.1.1.4.10, foreignSecurityPrincipal).
func (r *Recipient) isPrincipal() bool { return r.Class == ClassUser || r.Class == ClassGroup }

// bySID returns the user or group that has the SID, now or in its sIDHistory, in any
// domain that the server answers for; nil if none has.
func (f *Forest) bySID(ctx context.Context, sid migrate.SID) (*Recipient, error) {
	b, err := sid.Bytes()
	if err != nil {
		return nil, err
	}
	found, err := f.principals(ctx, question{
		filter:  Or(EqBytes(attrSID, b), EqBytes(attrSIDHistory, b)),
		keys:    []nameKey{keyOf(keySID, string(sid)), keyOf(keyHistory, string(sid))},
		answers: func(r *Recipient) bool { return r.SID == sid || slices.Contains(r.SIDHistory, sid) },
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return one(string(sid), found)
}

// principals returns the users and groups, of every domain that the server answers for,
// that answer the question.
func (f *Forest) principals(ctx context.Context, q question) ([]*Recipient, error) {
	answers := q.answers
	q.answers = func(r *Recipient) bool { return r.isPrincipal() && answers(r) }
	var found []*Recipient
	for _, q.base = range f.Info.domainsHeld() {
		hits, err := f.ask(ctx, q)
		if err != nil {
			return nil, err
		}
		found = appendNew(found, hits)
	}
	return found, nil
}
