package directory

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"reforest/migrate"
)

// linkedBy is what is read of a recipient with its links: what the Index does not have.
var linkedBy = []string{"objectGUID", "displayName", attrHomeServer}

// withEntry returns what the Index knows of a recipient with the entry that was read with
// linkedBy.
func (r *Recipient) withEntry(read *Recipient) *Recipient {
	both := *r
	both.DN, both.DisplayName, both.Entry = read.DN, read.DisplayName, read.Entry
	return &both
}

// A reading is what is made of a recipient of the Index and of what was read of it.
type reading func(known, read *Recipient) *Recipient

// walk reads the people and their twins, some at a time, and yields what
// plan makes of each. While those are dealt with it reads the next.
func (s *Staging) walk(ctx context.Context, people []*chosen, source, target []string, join reading, plan planning) iter.Seq2[PersonPlan, error] {
	return func(yield func(PersonPlan, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		parts := s.ahead(ctx, people, source, target, join)
		defer func() {
			stop()
			for range parts { // until the reader has ended
			}
		}()
		for part := range parts {
			if part.err != nil {
				yield(PersonPlan{}, part.err)
				return
			}
			for _, c := range part.full {
				p, err := plan(ctx, c)
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

// A planning is planOne or linkOne.
type planning func(context.Context, *chosen) (PersonPlan, error)

// A readPart is what one search of each forest came to.
type readPart struct {
	full []*chosen
	err  error
}

// ahead reads the people part by part until ctx ends, after an error no more.
func (s *Staging) ahead(ctx context.Context, people []*chosen, source, target []string, join reading) <-chan readPart {
	parts := make(chan readPart)
	go func() {
		defer close(parts)
		for some := range slices.Chunk(people, stageBatch) {
			full, err := s.read(ctx, some, source, target, join)
			select {
			case parts <- readPart{full, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return parts
}

// read returns copies of the chosen with their recipients as join makes them. Who has
// gone since is left out.
func (s *Staging) read(ctx context.Context, part []*chosen, source, target []string, join reading) ([]*chosen, error) {
	var sources, targets []migrate.GUID
	for _, c := range part {
		sources = append(sources, c.source.GUID)
		if c.pair.Target != nil {
			targets = append(targets, c.pair.Target.GUID)
		}
	}
	fullSources, err := s.d.Source.byGUIDs(ctx, sources, source)
	if err != nil {
		return nil, err
	}
	fullTargets, err := s.d.Target.byGUIDs(ctx, targets, target)
	if err != nil {
		return nil, err
	}
	var full []*chosen
	for _, c := range part {
		r := fullSources[c.source.GUID]
		if r == nil {
			continue
		}
		one := *c
		one.source = join(c.source, r)
		one.pair.Source = one.source
		if c.pair.Target != nil {
			t := fullTargets[c.pair.Target.GUID]
			if t == nil {
				continue
			}
			one.pair.Target = join(c.pair.Target, t)
		}
		full = append(full, &one)
	}
	return full, nil
}

// byGUIDs reads the recipients with the objectGUIDs, by which they are returned.
func (f *Forest) byGUIDs(ctx context.Context, guids []migrate.GUID, attrs []string) (map[migrate.GUID]*Recipient, error) {
	found := map[migrate.GUID]*Recipient{}
	if len(guids) == 0 {
		return found, nil
	}
	var filters []Filter
	for _, g := range guids {
		filters = append(filters, EqBytes("objectGUID", g[:]))
	}
	for _, domain := range f.Info.domainsHeld() {
		for entry, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: Or(filters...), Attrs: attrs}) {
			if err != nil {
				return nil, fmt.Errorf("read the %s forest: %w", f.Side, err)
			}
			r, err := ParseRecipient(entry)
			if err != nil {
				return nil, err
			}
			found[r.GUID] = r
		}
		if len(found) == len(guids) {
			break
		}
	}
	return found, nil
}
