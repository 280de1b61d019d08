package batch

import (
	"slices"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// A wanted is what somebody has to have on the target's list.
type wanted struct {
	migrate.Grant        // Who as the target knows it
	of            string // the identifier that it comes from
}

// wants returns what has to be on the folder's list: the rights of everybody on the
// source's, and of those who are, or were, on the target's by a name of the source, each
// under the name of the twin. Whoever has no twin, or several, is told of and left alone.
func (w *sharingWork) wants(f *sharedFolder) []wanted {
	var all []wanted
	if !f.target.Shared {
		if f.source.Shared {
			w.unsupported(f)
		}
		return nil
	}
	for _, g := range f.source.Grants {
		all = w.want(all, f, g, w.atSource[g.Who])
	}
	for _, g := range f.target.Grants {
		h := w.atTarget[g.Who]
		theirs := h.Unknown && h.Named // somebody whom the target's mail server alone knows
		if !h.Legacy && !h.Local && !h.Public && !theirs {
			w.notes.unmapped(f.path, g, h)
		}
	}
	for _, g := range slices.Concat(f.target.Grants, w.found(f)) {
		if h := w.atTarget[g.Who]; h.Legacy {
			all = w.want(all, f, g, h)
		}
	}
	return all
}

// want adds what the grant means at the target. The owner needs no entry.
func (w *sharingWork) want(all []wanted, f *sharedFolder, g migrate.Grant, h directory.Holder) []wanted {
	if h.Owner || g.Rights == "" {
		return all
	}
	who := w.spelt(f, h)
	if who == "" {
		if h.Twin != nil {
			h.Why, h.Mend = "has no name at the target's mail system", "Give the twin one, or set the right by hand."
		}
		w.notes.unmapped(f.path, g, h)
		return all
	}
	i := slices.IndexFunc(all, func(other wanted) bool { return other.Who == who && other.Denied == g.Denied })
	if i >= 0 {
		all[i].Rights = all[i].Rights.And(g.Rights).Ordered()
		return all
	}
	return append(all, wanted{migrate.Grant{Who: who, Rights: g.Rights, Denied: g.Denied}, g.Who})
}

// spelt returns the holder's name as the target's mail server spells it. Servers fold
// login names to lower case unless they are told otherwise; one that shows the owner's own
// name with its capitals does not.
func (w *sharingWork) spelt(f *sharedFolder, h directory.Holder) string {
	who := h.Spelt(w.Logins)
	if h.Public || h.Local || h.Group != "" {
		return who
	}
	owner := w.pair.Target.Login(w.Logins.Target)
	kept := slices.ContainsFunc(f.target.Grants, func(g migrate.Grant) bool { return g.Who == owner })
	if kept && owner != strings.ToLower(owner) {
		return who
	}
	return strings.ToLower(who)
}

// entry returns the target's entry of the identifier. A server may have folded it.
func (f *sharedFolder) entry(of migrate.Grant) (migrate.Grant, bool) {
	for _, who := range []string{of.Who, strings.ToLower(of.Who)} {
		i := slices.IndexFunc(f.target.Grants, func(g migrate.Grant) bool { return g.Who == who && g.Denied == of.Denied })
		if i >= 0 {
			return f.target.Grants[i], true
		}
	}
	return migrate.Grant{}, false
}

// known returns the rights that the target's server can set.
func (f *sharedFolder) known() migrate.Rights {
	if f.target.Known != "" {
		return f.target.Known
	}
	return "lrswipkxtea"
}

// conflicts reports whether a denial would take something from the twin that it has at
// the target by itself.
func (w *sharingWork) conflicts(f *sharedFolder, denial wanted) bool {
	have, found := f.entry(migrate.Grant{Who: denial.Who})
	if !found || have.Rights.Common(denial.Rights) == "" {
		return false
	}
	for _, g := range f.source.Grants {
		if !g.Denied && w.spelt(f, w.atSource[g.Who]) == denial.Who && g.Rights.Has(have.Rights.Common(denial.Rights)) {
			return false // it is given and denied at the source as well
		}
	}
	return true
}

// missing tells of wanted rights that are not on the list, or that another entry takes.
func (w *sharingWork) missing(f *sharedFolder) {
	for _, want := range f.wants {
		if want.Denied && w.conflicts(f, want) {
			w.notes.conflict(f.path, want)
			continue
		}
		have, _ := f.entry(want.Grant)
		lacks := want.Rights.Common(f.known()).Without(have.Rights)
		if unknown := want.Rights.Without(f.known()); unknown != "" {
			w.notes.unknown(f.path, want, unknown)
		}
		if denial, found := f.entry(migrate.Grant{Who: want.Who, Denied: true}); found && !want.Denied {
			wanted := slices.ContainsFunc(f.wants, func(other wanted) bool { return other.Denied && other.Who == want.Who })
			if !wanted {
				lacks = lacks.And(want.Rights.Common(denial.Rights))
			}
		}
		if lacks != "" {
			w.notes.missing(f.path, want, lacks.Ordered())
		}
	}
}

// left tells of entries that name somebody of the source although the twin is known.
func (w *sharingWork) left(f *sharedFolder) {
	for _, g := range f.target.Grants {
		if h := w.atTarget[g.Who]; goes(h) && h.Twin != nil {
			w.notes.legacy(f.path, g)
		}
	}
}

// extra tells of who is on the list, was not when the folder was first looked at, and
// stands for nobody of the source's list.
func (w *sharingWork) extra(f *sharedFolder) {
	for _, g := range f.target.Grants {
		h := w.atTarget[g.Who]
		if g.Denied || h.Owner || h.Legacy {
			continue
		}
		had := rightsOf(w.found(f), g.Who)
		for _, want := range f.wants {
			if strings.EqualFold(want.Who, g.Who) && !want.Denied {
				had = had.And(want.Rights)
			}
		}
		if !had.Has(g.Rights) {
			w.notes.extra(f.path, g)
		}
	}
}

// rightsOf returns what the list gives to the identifier.
func rightsOf(list []migrate.Grant, who string) (all migrate.Rights) {
	for _, g := range list {
		if strings.EqualFold(g.Who, who) && !g.Denied {
			all = all.And(g.Rights)
		}
	}
	return all
}

// unsupported tells of everybody on a list that the target has no place for.
func (w *sharingWork) unsupported(f *sharedFolder) {
	for _, g := range f.source.Grants {
		if h := w.atSource[g.Who]; !h.Owner && g.Rights != "" {
			w.notes.unsupported(f.path, g)
		}
	}
}
