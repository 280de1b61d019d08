package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/directory"
	"reforest/migrate"
)

// A Preflight looks at every move of a batch before anything is written.
type Preflight struct {
	Directories *directory.Directories
	Store       Store // where other batches are on record; nil: there are none yet
	// Look is told of each move once it has been looked at; nil is nobody.
	Look func(move Move, person directory.Pair)

	findings []migrate.Finding
	sources  map[migrate.GUID]string // who of the batch is which source object
	targets  map[migrate.GUID]string
}

// Run returns what it noticed about the moves. Moves that are under way or have
// ended are left out: what they have changed already is not a reason to forbid
// them. The error is one that says nothing about any move: a server out of reach.
func (p *Preflight) Run(ctx context.Context, moves []Move) ([]migrate.Finding, error) {
	p.sources, p.targets = map[migrate.GUID]string{}, map[migrate.GUID]string{}
	fresh := slices.DeleteFunc(slices.Clone(moves), func(m Move) bool { return m.State.Ended() || !m.TargetGUID.IsZero() })
	for looked := range sideBySide(ctx, fresh, p.alone) {
		p.take(looked)
		if looked.err != nil {
			return p.findings, fmt.Errorf("check %s: %w", looked.move.Identity, looked.err)
		}
		if p.Look != nil {
			p.Look(looked.move, looked.pair)
		}
	}
	return p.findings, context.Cause(ctx) // of one that has ended not everybody was looked at
}

// take adds what was found about one move, and what it shares with those before it.
func (p *Preflight) take(looked looked) {
	identity := looked.move.Identity
	if looked.pair.Source != nil {
		p.once(p.sources, "batch.same", looked.pair.Source.GUID, identity, "the same mailbox as")
	}
	if looked.pair.Target != nil {
		p.once(p.targets, "match.shared", looked.pair.Target.GUID, identity, "matched to the same target object as")
	}
	p.findings = append(p.findings, looked.findings...)
}

// look checks one move. What concerns it alone is a finding.
func (p *Preflight) look(ctx context.Context, move Move) (pair directory.Pair, err error) {
	source, err := p.Directories.Resolve(ctx, move.Identity)
	if err != nil {
		return pair, p.about(move, "match.source", "give the mail address, UPN, DOMAIN\\name, DN or objectGUID of one mailbox", err)
	}
	pair, err = p.Directories.Match(ctx, source, migrate.GUID{})
	pair.Source = source
	if err != nil {
		return pair, p.about(move, "match.several", "take the shared address or X500 value off all but the right one", err)
	}
	others, err := elsewhere(ctx, p.Store, move, source.GUID)
	if err != nil {
		return pair, err
	}
	findings, err := p.Directories.Check(ctx, pair, move.TargetDatabase)
	p.findings = append(append(p.findings, others...), findings...)
	return pair, err
}

// elsewhere looks for another move of the same mailbox that has begun to change things.
// Its ledger is not ours: moving the mailbox a second time would double every message.
func elsewhere(ctx context.Context, store Store, move Move, source migrate.GUID) (findings []migrate.Finding, err error) {
	if store == nil {
		return nil, nil
	}
	for other, err := range store.Moves(ctx, Query{Source: source}) {
		if err != nil {
			return nil, err
		}
		if other.ID == move.ID || other.TargetGUID.IsZero() {
			continue
		}
		findings = append(findings, migrate.Finding{
			Rule: "batch.other", Severity: migrate.Forbid, Whom: move.Identity,
			What: fmt.Sprintf("its mailbox belongs to batch %q, where it is %s", other.Batch, other.State),
			Mend: fmt.Sprintf("take it off this batch; batch %q can be run again, and goes on with it", other.Batch),
		})
	}
	return findings, nil
}

// once notes a finding when two moves of the batch mean the same object.
func (p *Preflight) once(seen map[migrate.GUID]string, rule string, id migrate.GUID, identity, what string) {
	if other, ok := seen[id]; ok {
		p.findings = append(p.findings, migrate.Finding{
			Rule: rule, Severity: migrate.Forbid, Whom: identity,
			What: fmt.Sprintf("is %s %s of this batch", what, other), Mend: "leave one of them in the batch file",
		})
		return
	}
	seen[id] = identity
}

// about turns an error about one move into a finding; any other is returned.
func (p *Preflight) about(move Move, rule, mend string, err error) error {
	var ambiguous *directory.AmbiguousError
	if !errors.As(err, &ambiguous) && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	p.findings = append(p.findings, migrate.Finding{
		Rule: rule, Severity: migrate.Forbid, Whom: move.Identity, What: words(err), Mend: mend,
	})
	return nil
}
