package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/migrate"
)

// seek returns the objects of the whole forest, each once, that one of the terms finds
// and that answer: of every domain that the server answers for, and of those of the
// Catalog. Computers are left out.
func (f *Forest) seek(ctx context.Context, terms []term, answers func(*Recipient) bool) ([]*Recipient, error) {
	if f.index != nil {
		q := question{keys: []nameKey{}, answers: answers}
		for _, t := range terms {
			q.keys = append(q.keys, t.keys...)
		}
		return f.ask(ctx, q)
	}
	terms = slices.DeleteFunc(slices.Clone(terms), func(t term) bool { return t.filter == "" })
	var found []*Recipient
	for chunk := range slices.Chunk(terms, matchBatch) {
		var filters []Filter
		for _, t := range chunk {
			filters = append(filters, t.filter)
		}
		hits, err := f.askEverywhere(ctx, question{filter: Or(filters...), answers: answers})
		if err != nil {
			return nil, err
		}
		found = appendNew(found, hits)
	}
	return found, nil
}

// askEverywhere asks in every domain that the server answers for, and in the Catalog.
// Both count: a domain controller shows nothing of other domains, and a catalog learns
// late of what has just been written.
func (f *Forest) askEverywhere(ctx context.Context, q question) ([]*Recipient, error) {
	var found []*Recipient
	for _, q.base = range f.Info.domainsHeld() {
		hits, err := f.ask(ctx, q)
		if err != nil {
			return nil, err
		}
		found = appendNew(found, hits)
	}
	if f.Catalog == nil {
		return found, nil
	}
	more, err := f.askCatalog(ctx, q.filter, found)
	if err != nil {
		return nil, err
	}
	more = slices.DeleteFunc(more, func(r *Recipient) bool { return r.Class == ClassComputer || !q.answers(r) })
	return appendNew(found, more), nil
}

// askCatalog returns what the catalog finds and is not known yet. An object of a domain
// that the forest's own server answers for is read from there, so that it is whole and as
// it is now; one that is not there any more is left out.
func (f *Forest) askCatalog(ctx context.Context, filter Filter, known []*Recipient) ([]*Recipient, error) {
	var found []*Recipient
	for entry, err := range f.Catalog.Find(ctx, Query{Filter: filter, Attrs: RecipientAttrs}) {
		if err != nil {
			return nil, fmt.Errorf("search the catalog of the %s forest: %w", f.Side, err)
		}
		r, err := ParseRecipient(entry)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(known, r.same) {
			continue
		}
		if r, err = f.whole(ctx, r); err != nil {
			return nil, err
		}
		if r != nil {
			found = append(found, r)
		}
	}
	return found, nil
}

// whole reads what a catalog has shown again from the forest's own server, if that
// answers for it; nil if it is not there.
func (f *Forest) whole(ctx context.Context, shown *Recipient) (*Recipient, error) {
	if !f.Info.holdsDN(shown.DN) {
		return shown, nil
	}
	entry, err := f.Reader.Get(ctx, shown.DN, RecipientAttrs...)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", shown.DN, err)
	}
	return ParseRecipient(entry)
}

// holdsDN reports whether the server answers for the domain that dn lies in.
func (i *Info) holdsDN(dn DN) bool {
	domain := i.domainOf(dn)
	return domain.DN != "" && slices.ContainsFunc(i.domainsHeld(), domain.DN.Equal)
}

// catalogHolds reports whether the catalog finds anything; false if there is none.
func (f *Forest) catalogHolds(ctx context.Context, filter Filter) (bool, error) {
	if f.Catalog == nil {
		return false, nil
	}
	for _, err := range f.Catalog.Find(ctx, Query{Filter: filter, Attrs: []string{"cn"}}) {
		return err == nil, err
	}
	return false, nil
}

// An addressSet is a set of names under which mail arrives.
type addressSet struct {
	smtp []migrate.SMTPAddress
	x500 []migrate.LegacyDN
}

// terms returns one term for each name, wherever it may stand.
func (s addressSet) terms() []term { return append(x500Clue(s.x500).terms, smtpClue(s.smtp).terms...) }

// shared returns the first of the names that r has, as it is stored; "" if none.
func (s addressSet) shared(r *Recipient) string {
	for _, a := range s.smtp {
		if r.Proxies.HasSMTP(a) {
			return "smtp:" + string(a)
		}
	}
	for _, x := range s.x500 {
		if r.Proxies.HasX500(x) {
			return "X500:" + string(x)
		}
		if r.Legacy.Key() == x.Key() {
			return attrLegacy + " " + string(x)
		}
	}
	return ""
}

// holders returns the objects of the whole forest that have one of the names, each once.
func (f *Forest) holders(ctx context.Context, names addressSet) ([]*Recipient, error) {
	return f.seek(ctx, names.terms(), func(r *Recipient) bool { return names.shared(r) != "" })
}

// appendNew appends the recipients that are not there yet.
func appendNew(found, hits []*Recipient) []*Recipient {
	for _, hit := range hits {
		if !slices.ContainsFunc(found, hit.same) {
			found = append(found, hit)
		}
	}
	return found
}

// same reports whether both were read from one object.
func (r *Recipient) same(other *Recipient) bool {
	return r != nil && other != nil && r.GUID == other.GUID && r.DN.Equal(other.DN)
}
