package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"reforest/batch"
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
func look(ctx context.Context, env *environment, conn *connection, moves []batch.Move) (*preflight, error) {
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
	findings, err = people.Run(ctx, moves)
	p.findings = append(p.findings, findings...)
	if err != nil {
		return nil, err
	}
	return p, p.mail(ctx, conn)
}

// mail logs in to every source mailbox of moves that have not begun, and to one
// mailbox of the target.
func (p *preflight) mail(ctx context.Context, conn *connection) error {
	for i, pair := range p.pairs {
		p.patience.say("Opened %d of %d source mailboxes.", i, len(p.pairs))
		source, closer, err := conn.mailboxes.OpenSource(ctx, pair.Source)
		if err == nil {
			_, err = source.Folders(ctx)
			_ = closer.Close() // it has told what we wanted to know
		}
		if err != nil {
			return fmt.Errorf("open the source mailbox of %s: %w", pair.Source.DisplayName, err)
		}
	}
	if len(p.pairs) == 0 {
		return nil
	}
	return conn.mailboxes.probeTarget(ctx, p.pairs[0])
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
