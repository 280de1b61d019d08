package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
	"reforest/migrate/imap"
)

// A preflight is what was found before anything is written.
type preflight struct {
	findings []migrate.Finding
	pairs    []directory.Pair // of moves that have not begun, in the order of the batch
	patience *patience
}

// A patience talks about work that takes long, every two seconds.
type patience struct {
	env  *environment
	last time.Time
}

func newPatience(env *environment) *patience { return &patience{env, time.Now()} }

func (p *patience) say(format string, args ...any) {
	if time.Since(p.last) >= 2*time.Second {
		p.last = time.Now()
		p.env.say(format, args...)
	}
}

// look checks forests, people and mail servers. It writes nothing.
func look(ctx context.Context, env *environment, conn *connection, st *store.Store, moves []batch.Move) (*preflight, error) {
	p := &preflight{patience: newPatience(env)}
	findings, err := conn.directories.CheckForests(ctx)
	if err != nil {
		return nil, fmt.Errorf("check the forests: %w", err)
	}
	p.findings = findings
	people := batch.Preflight{
		Directories: conn.directories,
		Look: func(move batch.Move, pair directory.Pair) {
			p.patience.say("Checked %d of %d mailboxes in the directories.", move.Seq+1, len(moves))
			if pair.Source != nil {
				p.pairs = append(p.pairs, pair)
			}
		},
	}
	if st != nil {
		people.Store = st
	}
	findings, err = people.Run(ctx, moves)
	p.findings = append(p.findings, findings...)
	if err != nil {
		return nil, err
	}
	return p, p.mail(ctx, conn)
}

// mail logs in to every source mailbox of moves that have not begun, and to one
// mailbox of the target. A mailbox that does not let us in while others do is a
// finding; if none does, the credentials are wrong.
func (p *preflight) mail(ctx context.Context, conn *connection) error {
	var refused error
	var findings []migrate.Finding
	for i, pair := range p.pairs {
		p.patience.say("Opened %d of %d source mailboxes.", i, len(p.pairs))
		err := conn.mailboxes.trySource(ctx, pair.Source)
		if e := migrate.AsError(err); err != nil && (e == nil || !e.Auth && e.Reach > migrate.OneMailbox) {
			return fmt.Errorf("open the source mailbox of %s: %w", pair.Source.DisplayName, err)
		}
		if err != nil {
			refused = fmt.Errorf("open the source mailbox of %s: %w", pair.Source.DisplayName, err)
			findings = append(findings, migrate.Finding{
				Rule: "mail.mailbox", Severity: migrate.Forbid, Whom: string(pair.Source.Mail), What: "its mailbox on the source's mail server cannot be opened: " + err.Error(),
				Mend: "see whether it is there, and whether the migration account may open it",
			})
		}
	}
	if len(p.pairs) == 0 {
		return nil
	}
	if len(findings) == len(p.pairs) {
		return refused
	}
	p.findings = append(p.findings, findings...)
	return conn.mailboxes.probeTarget(ctx, p.pairs[0])
}

// trySource opens a source mailbox and lists its folders.
func (m *mailboxes) trySource(ctx context.Context, person *directory.Recipient) error {
	source, closer, err := m.OpenSource(ctx, person)
	if err != nil {
		return err
	}
	_, err = source.Folders(ctx)
	return errors.Join(err, closer.Close())
}

// probeTarget logs in to one mailbox of the target, so that a wrong password is known
// before anything is written.
func (m *mailboxes) probeTarget(ctx context.Context, first directory.Pair) error {
	person := first.Target
	if person == nil || m.target.of(person).Mailbox == "" {
		person = first.Source
	}
	c := m.target.of(person)
	if m.target.probe != "" {
		c.Mailbox = m.target.probe
	}
	target, err := imap.OpenTarget(ctx, c)
	if err != nil {
		return fmt.Errorf("log in to the target's mail server for %s: %w", c.Mailbox, err)
	}
	return target.Close() //nolint:contextcheck // it has its own short time
}

// forbidden returns an error if a finding forbids the run.
func (p *preflight) forbidden() error {
	if stop := (directory.Plan{Findings: p.findings}).Forbidden(); len(stop) > 0 {
		return &exitError{exitForbidden, fmt.Errorf("preflight forbids the run: %d findings; nothing was changed", len(stop))}
	}
	return nil
}

// printFindings writes one finding a line, the gravest first.
func printFindings(w io.Writer, findings []migrate.Finding) error {
	for _, severity := range []migrate.Severity{migrate.Forbid, migrate.Warn, migrate.Note} {
		for _, f := range findings {
			if f.Severity != severity {
				continue
			}
			if _, err := fmt.Fprintln(w, f.String()); err != nil {
				return err
			}
		}
	}
	return nil
}
