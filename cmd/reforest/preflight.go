package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
	"reforest/migrate/imap"
)

// A preflight is what was found before anything is written.
type preflight struct {
	findings []migrate.Finding
	pairs    []directory.Pair     // of moves that have not begun, in the order of the batch
	begun    int                  // moves under way whose mailboxes were tried
	looked   []migrate.GUID       // source objects that were matched
	open     []directory.Question // what only a person can answer about them
	switches []string             // what the configuration means for the switch; none: it was not asked
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
	if err := p.directories(ctx, conn.directories, st, moves); err != nil {
		return nil, err
	}
	findings, err := conn.directories.CheckAccess(ctx, p.pairs)
	if err != nil {
		return nil, err
	}
	mail, err := newRoutes(conn.config).check(ctx)
	if err != nil {
		return nil, err
	}
	p.findings = slices.Concat(p.findings, findings, checkFiles(conn.config), mail)
	p.switches = conn.config.switchWords()
	if err := p.prove(ctx, conn, moves); err != nil {
		return nil, err
	}
	return p, p.mail(ctx, conn)
}

// directories checks forests and people, in the directories or in files of them.
func (p *preflight) directories(ctx context.Context, forests *directory.Directories, st *store.Store, moves []batch.Move) error {
	findings, err := forests.CheckForests(ctx)
	if err != nil {
		return fmt.Errorf("check the forests: %w", err)
	}
	p.findings = append(p.findings, findings...)
	people := batch.Preflight{
		Directories: forests,
		Look: func(move batch.Move, pair directory.Pair) {
			p.patience.say("Checked %d of %d mailboxes in the directories.", move.Seq+1, len(moves))
			if pair.Source != nil && pair.Source.IsMailbox() {
				p.pairs = append(p.pairs, pair)
			}
		},
	}
	if st != nil {
		people.Store = st
	}
	findings, err = people.Run(ctx, moves)
	p.findings = append(p.findings, findings...)
	p.looked, p.open = people.Questions()
	p.findings = distinct(p.findings)
	return err
}

// distinct leaves out findings that say the same again: what concerns a forest is found
// for everyone of a batch.
func distinct(findings []migrate.Finding) []migrate.Finding {
	seen := map[migrate.Finding]bool{}
	return slices.DeleteFunc(findings, func(f migrate.Finding) bool {
		again := seen[f]
		seen[f] = true
		return again
	})
}

// mostProofs is how many mailboxes of people under way are tried, until one opens.
const mostProofs = 5

// prove opens mailboxes of people who are under way or moved, until both mail servers
// have let us in: then a refusal is about one mailbox, not about the credentials.
func (p *preflight) prove(ctx context.Context, conn *connection, moves []batch.Move) error {
	tries := 0
	for _, move := range moves {
		if move.TargetGUID.IsZero() || tries == mostProofs || conn.mailboxes.proven() {
			continue
		}
		tries++
		p.begun++
		source, err := conn.directories.Resolve(ctx, move.SourceGUID.String())
		if err != nil {
			continue // the move itself meets this and says so
		}
		pair, err := conn.directories.Match(ctx, source, move.TargetGUID)
		if err != nil || pair.Target == nil {
			continue
		}
		err = errors.Join(conn.mailboxes.trySource(ctx, pair.Source), conn.mailboxes.target.try(ctx, conn.mailboxes.target.of(pair.Target).Mailbox))
		if e := migrate.AsError(err); e != nil && !e.Auth && e.Retry == migrate.Never && e.Reach >= migrate.OneServer {
			return err
		}
	}
	return ctx.Err()
}

// mail logs in to every source mailbox of moves that have not begun, and to one
// mailbox of the target. A mailbox that does not let us in while others do is a
// finding; if none does, the credentials are wrong.
func (p *preflight) mail(ctx context.Context, conn *connection) error {
	var refused error
	var findings []migrate.Finding
	if len(p.pairs) == 0 && p.begun > 0 {
		return nil
	}
	if len(p.pairs) == 0 {
		return p.probes(ctx, conn)
	}
	errs, err := p.openAll(ctx, conn)
	if err != nil {
		return err
	}
	for i, pair := range p.pairs {
		if err := errs[i]; err != nil {
			refused = fmt.Errorf("open the source mailbox of %s: %w", pair.Source, err)
			findings = append(findings, migrate.Finding{
				Rule: "mail.mailbox", Severity: migrate.Forbid, Whom: pair.Source.String(), What: "Its mailbox on the source's mail server cannot be opened: " + err.Error() + ".",
				Mend: "See whether it is there, and whether the migration account may open it.",
			})
		}
	}
	if len(findings) == len(p.pairs) && !conn.mailboxes.source.proven.Load() {
		return refused
	}
	p.findings = append(p.findings, findings...)
	return conn.mailboxes.probeTarget(ctx, p.pairs[0])
}

// openers is how many mailboxes are tried at once.
const openers = 4

// openAll tries every pair's source mailbox, a few at a time. The errors are those of
// single mailboxes, in the order of the pairs; the last result is one that concerns more.
func (p *preflight) openAll(ctx context.Context, conn *connection) ([]error, error) {
	errs := make([]error, len(p.pairs))
	var told sync.Mutex
	opened := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(openers)
	for i, pair := range p.pairs {
		group.Go(func() error {
			err := conn.mailboxes.trySource(ctx, pair.Source)
			if e := migrate.AsError(err); err != nil && (e == nil || !e.Auth && e.Reach > migrate.OneMailbox) {
				return fmt.Errorf("open the source mailbox of %s: %w", pair.Source, err)
			}
			errs[i] = err
			told.Lock()
			defer told.Unlock()
			opened++
			p.patience.say("Opened %d of %d source mailboxes.", opened, len(p.pairs))
			return nil
		})
	}
	return errs, group.Wait()
}

// probes logs in to the mailboxes that the configuration names for it, where there is
// nobody whose mailbox could be opened.
func (p *preflight) probes(ctx context.Context, conn *connection) error {
	for _, side := range []directory.Side{directory.Source, directory.Target} {
		server := conn.mailboxes.of(side)
		if server.probe == "" {
			p.findings = append(p.findings, migrate.Finding{
				Rule: "mail.untried", Severity: migrate.Note, Whom: string(side), What: "The mail server was not tried: no mailbox is named that could be opened.",
				Mend: fmt.Sprintf("Name one in %s.mail.probe, or check with a batch file.", side),
			})
			continue
		}
		if err := server.try(ctx, server.probe); err != nil {
			return fmt.Errorf("log in to the %s mail server for %s: %w", side, server.probe, err)
		}
	}
	return nil
}

// try logs in to a mailbox and out again.
func (s mailServer) try(ctx context.Context, mailbox string) error {
	c := s.Config
	c.Mailbox = mailbox
	return s.patiently(ctx, func() error {
		conn, err := imap.Dial(ctx, c)
		if err != nil {
			return err
		}
		s.proven.Store(true)
		return conn.Close() //nolint:contextcheck // it has its own short time
	})
}

// trySource opens a source mailbox and lists its folders.
func (m *mailboxes) trySource(ctx context.Context, person *directory.Recipient) error {
	if m.source.of(person).Mailbox == "" {
		return &migrate.Error{Op: "check", Reach: migrate.OneMailbox, Err: errors.New("it has no mail address, or none of the kind that source.mail.mailbox names")}
	}
	return m.source.patiently(ctx, func() error {
		source, closer, err := m.OpenSource(ctx, directory.Source, person)
		if err != nil {
			return err
		}
		_, err = source.Folders(ctx)
		return errors.Join(err, closer.Close())
	})
}

// probeTarget logs in to one mailbox of the target, so that a wrong password is known
// before anything is written.
func (m *mailboxes) probeTarget(ctx context.Context, first directory.Pair) error {
	person := first.Target
	if person == nil || m.target.of(person).Mailbox == "" {
		person = first.Source
	}
	mailbox := cmp.Or(m.target.probe, m.target.of(person).Mailbox)
	err := m.target.try(ctx, mailbox)
	if e := migrate.AsError(err); e != nil && e.Auth && m.target.proven.Load() {
		return nil // others were opened with these credentials
	}
	if err != nil {
		return fmt.Errorf("log in to the target's mail server for %s: %w", mailbox, err)
	}
	return nil
}

// forbidden returns an error if a finding forbids the run.
func (p *preflight) forbidden() error {
	if stop := (directory.Plan{Findings: p.findings}).Forbidden(); len(stop) > 0 {
		return &exitError{exitForbidden, fmt.Errorf("preflight forbids the run: %s; nothing was changed", counted(len(stop), "finding"))}
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
