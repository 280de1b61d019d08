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
	looked   []migrate.GUID          // source objects that were matched
	open     []directory.Question    // what only a person can answer about them
	wrong    []error                 // decisions that cannot be carried out
	sources  map[migrate.GUID]string // who of the batch is which source object
	targets  map[migrate.GUID]string
}

// Run returns what it noticed about the moves. Moves that are under way or have
// ended are left out: what they have changed already is not a reason to forbid
// them. The error is one that says nothing about any move, a server out of reach, or
// joins each *directory.DecisionError: a decision that cannot be carried out is a fault of
// the file, and nothing may be written before it is mended.
func (p *Preflight) Run(ctx context.Context, moves []Move) ([]migrate.Finding, error) {
	p.sources, p.targets = map[migrate.GUID]string{}, map[migrate.GUID]string{}
	p.looked, p.open, p.wrong = nil, nil, nil
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
	if err := context.Cause(ctx); err != nil {
		return p.findings, err // not everybody was looked at
	}
	return p.findings, errors.Join(p.wrong...)
}

// take adds what was found about one move, and what it shares with those before it.
func (p *Preflight) take(looked looked) {
	identity, pair := looked.move.Identity, looked.pair
	if pair.Source != nil {
		p.once(p.sources, "batch.same", pair.Source.GUID, identity, "the same mailbox as")
	}
	for _, found := range []*directory.Recipient{pair.Target, pair.Contact} {
		if found != nil {
			p.once(p.targets, "match.shared", found.GUID, identity, "matched to the same target object as")
		}
	}
	p.findings = append(p.findings, looked.by.findings...)
	p.looked = append(p.looked, looked.by.looked...)
	p.open = append(p.open, looked.by.open...)
	p.wrong = append(p.wrong, looked.by.wrong...)
}

// Questions returns the source objects that the last Run has matched, and what it left
// open about them.
func (p *Preflight) Questions() (looked []migrate.GUID, open []directory.Question) {
	return p.looked, p.open
}

// look checks one move. What concerns it alone is a finding.
func (p *Preflight) look(ctx context.Context, move Move) (pair directory.Pair, err error) {
	source, err := p.Directories.Resolve(ctx, move.Identity)
	if err != nil {
		return pair, p.about(move, "match.source", "Give the mail address, UPN, DOMAIN\\name, DN or objectGUID of one mailbox.", err)
	}
	pair, err = p.Directories.Match(ctx, source, migrate.GUID{})
	pair.Source = source
	var wrong *directory.DecisionError
	if errors.As(err, &wrong) {
		p.wrong = append(p.wrong, wrong)
		return pair, nil
	}
	p.ask(pair, err)
	if err != nil {
		return pair, p.about(move, directory.AskSeveral, "Decide it in the decision file, or take the shared address or X500 value off all but the right one.", err)
	}
	others, err := elsewhere(ctx, p.Store, move, source.GUID)
	if err != nil {
		return pair, err
	}
	findings, err := p.Directories.Check(ctx, pair, move.TargetDatabase)
	p.findings = append(append(p.findings, others...), findings...)
	return pair, err
}

// ask keeps what a Match left open.
func (p *Preflight) ask(pair directory.Pair, err error) {
	p.looked = append(p.looked, pair.Source.GUID)
	if question, open := directory.QuestionOf(pair, err); open {
		p.open = append(p.open, question)
	}
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
			What: fmt.Sprintf("Its mailbox belongs to batch %q, where it is %s.", other.Batch, other.State),
			Mend: fmt.Sprintf("Take it off this batch; batch %q can be run again, and goes on with it.", other.Batch),
		})
	}
	return findings, nil
}

// once notes a finding when two moves of the batch mean the same object.
func (p *Preflight) once(seen map[migrate.GUID]string, rule string, id migrate.GUID, identity, what string) {
	if other, ok := seen[id]; ok {
		p.findings = append(p.findings, migrate.Finding{
			Rule: rule, Severity: migrate.Forbid, Whom: identity,
			What: fmt.Sprintf("It is %s %s of this batch.", what, other), Mend: "Leave one of them in the batch file.",
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
	what := words(err)
	if ambiguous == nil && rule == "match.source" {
		what = "No object of the source has this name or address."
	}
	p.findings = append(p.findings, migrate.Finding{
		Rule: rule, Severity: migrate.Forbid, Whom: move.Identity, What: what, Mend: mend,
	})
	return nil
}
