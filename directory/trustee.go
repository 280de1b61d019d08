package directory

import (
	"context"
	"fmt"
	"slices"

	"reforest/migrate"
)

// A standIn says what becomes of a legacy trustee's entries. With neither field set they
// go without another in their place.
type standIn struct {
	twin migrate.SID      // who has the same entries at the target; "" if nobody
	kept *migrate.Finding // why the entries stay although nobody has; nil if they do not
}

// standInOf finds out who stands at the target for the trustee with the SID: the object
// that matches the source object with that SID, now or once, else the object that
// carries it in its own sIDHistory.
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
	if sid == pair.Source.SID || source.same(pair.Source) {
		return standIn{twin: pair.Target.SID}, nil
	}
	match := Pair{Source: source}
	if source != nil {
		if match, err = d.Match(ctx, source, migrate.GUID{}); err != nil {
			return standIn{}, fmt.Errorf("find the twin of %s: %w", sid, err)
		}
		if d.isTwin(match) {
			return standIn{twin: match.Target.SID}, nil
		}
	}
	target, err := d.Target.bySID(ctx, sid)
	if err != nil {
		return standIn{}, err
	}
	if target != nil {
		return standIn{twin: target.SID}, nil
	}
	return standIn{kept: d.keep(pair, sid, match)}, nil
}

// isTwin reports whether the target of the match may be given the rights of its source:
// a user for a user and a group for a group, and no mailbox that another way than this
// move led to. Whoever shares an address is not yet the same person.
func (d *Directories) isTwin(match Pair) bool {
	source, target := match.Source, match.Target
	if target == nil || target.SID == "" || source.Class != target.Class {
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
func (d *Directories) keep(pair Pair, sid migrate.SID, match Pair) *migrate.Finding {
	whom := string(pair.Target.DN)
	var f migrate.Finding
	switch source := match.Source; {
	case source == nil && d.Source.Info.cannotSee(sid):
		f = warn("permissions.unseen", whom,
			fmt.Sprintf("%s has rights on it and belongs to a domain that the source's server does not answer for; they are kept.", sid),
			"Name a global catalog as the source's server, or replace the entry by hand.")
	case source == nil:
		return nil
	case match.Target != nil:
		f = warn("permissions.doubtful", whom,
			fmt.Sprintf("%s (%s) has rights on it, and %s (%s) shares an address but is not known to be the same; the rights are kept, and given to nobody else.",
				source, sid, match.Target.DN, match.Target.Class),
			"Remove the shared address from the one that is somebody else, and set the right by hand.")
	case mayBeStaged(source):
		f = warn("permissions.waiting", whom,
			fmt.Sprintf("%s (%s) has rights on it and nothing stands for them at the target yet; the rights are kept, and are replaced once that person or group is staged.", source, sid),
			fmt.Sprintf("Once %s is moved, give its twin the right by hand and remove the old entry.", source))
	default:
		return nil
	}
	return &f
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
	var found []*Recipient
	for _, domain := range f.Info.domainsHeld() {
		hits, err := f.ask(ctx, question{
			base:   domain,
			filter: Or(EqBytes(attrSID, b), EqBytes(attrSIDHistory, b)),
			keys:   []nameKey{keyOf(keySID, string(sid)), keyOf(keyHistory, string(sid))},
			answers: func(r *Recipient) bool {
				return r.isPrincipal() && (r.SID == sid || slices.Contains(r.SIDHistory, sid))
			},
		})
		if err != nil {
			return nil, err
		}
		found = appendNew(found, hits)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return one(string(sid), found)
}
