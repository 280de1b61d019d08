package batch

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"reforest/directory"
	"reforest/migrate"
)

// A Verification compares both sides of everyone of a batch again, whenever that is. It
// writes nothing.
type Verification struct {
	Directories *directory.Directories
	Store       Store     // whose journals the content is compared with
	Mailboxes   Mailboxes // nil: the content is not compared
}

// A Verified is what was found about one move.
type Verified struct {
	Move     Move
	Findings []migrate.Finding
	Err      error // why it could not be compared
}

// Run yields each move with what does not agree, in their order: whoever is switched by
// the rules of a whole move, and who is only staged by those of staging.
func (v *Verification) Run(ctx context.Context, moves []Move) iter.Seq[Verified] {
	return sideBySide(ctx, moves, func(ctx context.Context, move Move) Verified {
		findings, err := v.one(ctx, move)
		if err != nil {
			err = fmt.Errorf("verify %s: %w", move.Identity, err)
		}
		return Verified{move, findings, err}
	})
}

func (v *Verification) one(ctx context.Context, move Move) ([]migrate.Finding, error) {
	if move.TargetGUID.IsZero() {
		return []migrate.Finding{{
			Rule: "verify.not-staged", Severity: migrate.Note, Whom: move.Identity,
			What: fmt.Sprintf("is %s and not staged yet: there is nothing to compare", move.State),
		}}, nil
	}
	pair, gone, err := v.pair(ctx, move)
	if err != nil || gone != nil {
		return gone, err
	}
	if !switched(move.Phase) {
		return v.Directories.VerifyStaged(ctx, pair)
	}
	findings, err := v.Directories.Verify(ctx, pair, move.TargetDatabase)
	if err != nil || v.Mailboxes == nil {
		return findings, err
	}
	content, err := v.content(ctx, move, pair)
	return append(findings, content...), err
}

// pair finds both sides of the move by what it knows them by. Who is gone is a finding.
func (v *Verification) pair(ctx context.Context, move Move) (directory.Pair, []migrate.Finding, error) {
	source, err := v.Directories.Resolve(ctx, move.SourceGUID.String())
	var pair directory.Pair
	if err == nil {
		pair, err = v.Directories.Match(ctx, source, move.TargetGUID)
	}
	if errors.Is(err, directory.ErrNotFound) {
		return pair, []migrate.Finding{{
			Rule: "verify.gone", Severity: migrate.Forbid, Whom: move.Identity,
			What: fmt.Sprintf("an object that the move knows is gone (source %s %s, target %s %s)", move.SourceDN, move.SourceGUID, move.TargetDN, move.TargetGUID),
			Mend: "restore it from the recycle bin: one that is made anew is another object",
		}}, nil
	}
	return pair, nil, err
}

// switched reports whether a move in the phase has its mailbox at the target.
func switched(p Phase) bool { return p == PhaseClean || p == PhaseVerify || p == PhaseDone }

// content compares the mailboxes with what the store says was moved.
func (v *Verification) content(ctx context.Context, move Move, pair directory.Pair) (findings []migrate.Finding, err error) {
	journals := v.Store.Journals(Claim{Move: move})
	err = withPair(ctx, v.Mailboxes, pair, func(source migrate.Source, target migrate.Target) error {
		if findings, err = migrate.Compare(ctx, source, target, journals.Content); err != nil {
			return err
		}
		shared, err := newSharing(v.Directories, v.Mailboxes, journals.Content, journals.Lists).Compare(ctx, pair, source, target)
		findings = append(findings, shared...)
		return err
	})
	return findings, err
}

// withPair runs fn on both mailboxes of the pair and closes them.
func withPair(ctx context.Context, mailboxes Mailboxes, pair directory.Pair, fn func(migrate.Source, migrate.Target) error) error {
	source, closeSource, err := mailboxes.OpenSource(ctx, directory.Source, pair.Source)
	if err != nil {
		return fmt.Errorf("open the source mailbox: %w", err)
	}
	// A connection that cannot be closed politely has been closed all the same.
	defer func() { _ = closeSource.Close() }()
	target, closeTarget, err := mailboxes.OpenTarget(ctx, directory.Target, pair.Target)
	if err != nil {
		return fmt.Errorf("open the target mailbox: %w", err)
	}
	defer func() { _ = closeTarget.Close() }()
	return fn(source, target)
}
