package main

import (
	"context"
	"fmt"
	"iter"

	"reforest/directory"
	"reforest/migrate"
)

// A storeLister is a mail driver that can list mailboxes nobody is connected to.
type storeLister interface {
	Stores(directory.Side) directory.Stores
}

// sweep looks for what no single person's check can see: with everyone, names that
// nobody owns and mailboxes that two claim, in both forests; with a batch or everyone,
// empty mailboxes beside full ones, where the mail driver can list them. Without a mail
// driver nothing can.
func (p *preflight) sweep(ctx context.Context, forests *directory.Directories, mail any, everyone, batch bool) error {
	if everyone {
		if err := p.sweepForests(ctx, forests); err != nil {
			return err
		}
	}
	if !everyone && !batch {
		return nil
	}
	lister, can := mail.(storeLister)
	if !can {
		p.findings = append(p.findings, directory.Unswept("both sides"))
		return nil
	}
	for _, side := range []directory.Side{directory.Source, directory.Target} {
		if err := p.collect(directory.SweepStores(ctx, side, lister.Stores(side))); err != nil {
			return err
		}
	}
	return nil
}

func (p *preflight) sweepForests(ctx context.Context, d *directory.Directories) error {
	err := p.collect(d.AuditNames(ctx, func(side directory.Side, read int) {
		p.patience.say("Read the names of %d recipients of the %s forest.", read, side)
	}))
	if err != nil {
		return err
	}
	for _, f := range []*directory.Forest{&d.Source, &d.Target} {
		err := p.collect(f.SweepMailboxes(ctx, func(read int) {
			p.patience.say("Looked at %d mailboxes of the %s forest.", read, f.Side)
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

// collect adds what the sequence yields.
func (p *preflight) collect(findings iter.Seq2[migrate.Finding, error]) error {
	for f, err := range findings {
		if err != nil {
			return fmt.Errorf("look through the forests: %w", err)
		}
		p.findings = append(p.findings, f)
	}
	return nil
}
