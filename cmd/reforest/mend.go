package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
)

// checkAndMend checks the batch, offers what can be mended, and checks it again.
func checkAndMend(ctx context.Context, env *environment, options *checkOptions, c *config, b plannedBatch) (err error) {
	if options.dryRun {
		return onlyLook(ctx, env, c, b, func(conn *connection, p *preflight) error {
			return printMends(ctx, env, options, conn, p, len(b.moves))
		})
	}
	if !options.yes && !env.terminal {
		return usage(errors.New("nobody is here to ask; give --yes to mend, or --dry-run to look"))
	}
	unlock, err := lockStore(ctx, c.storePath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	st, err := store.Open(ctx, store.Config{Path: c.storePath()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := b.known(ctx, st); err != nil {
		return err
	}
	return withLook(ctx, env, c, st, b, func(conn *connection, p *preflight) error {
		m := &mending{env: env, yes: options.yes, conn: conn, store: st, answers: bufio.NewReader(env.stdin), left: map[string]string{}}
		if err := m.run(ctx, b, p.pairs); err != nil {
			return err
		}
		again, err := look(ctx, env, conn, st, b.moves) // nothing that was read before is believed
		if err != nil {
			return err
		}
		m.judge(again)
		return errors.Join(printCheck(env, options.globalOptions, again, len(b.moves)), st.SaveCheck(ctx, checkOf(b, again)))
	})
}

// printMends prints the check, and what --mend would offer.
func printMends(ctx context.Context, env *environment, options *checkOptions, conn *connection, p *preflight, mailboxes int) error {
	for _, pair := range p.pairs {
		mends, err := conn.directories.Mends(ctx, pair)
		if err != nil {
			return fmt.Errorf("see what can be mended for %s: %w", pair.Source, err)
		}
		for _, m := range mends {
			if err := printPlan(env, &runOptions{globalOptions: options.globalOptions}, "mend "+m.Rule, pair, m.Plan); err != nil {
				return err
			}
		}
	}
	return printCheck(env, options.globalOptions, p, mailboxes)
}

// A mending is one round of offers.
type mending struct {
	env     *environment
	yes     bool
	conn    *connection
	store   *store.Store
	answers *bufio.Reader
	left    map[string]string // why a finding was not mended, by rule and whom
}

// run offers every mend of the pairs, and carries out those that are wanted. All of it
// is one job, so that every change is journalled first.
func (m *mending) run(ctx context.Context, b plannedBatch, pairs []directory.Pair) error {
	id := batch.NewRunID(time.Now())
	if err := m.store.BeginJob(ctx, batch.Job{ID: id, Kind: batch.JobMend, Scope: b.Name, BeganAt: time.Now().UTC()}); err != nil {
		return err
	}
	failure := m.offer(ctx, m.store.Changes(id), pairs)
	outcome := batch.Complete
	switch {
	case ctx.Err() != nil:
		outcome = batch.Interrupted
	case failure != nil:
		outcome = batch.Broken
	case len(m.left) > 0:
		outcome = batch.NeedsPerson
	}
	return errors.Join(failure, m.store.EndJob(context.WithoutCancel(ctx), id, time.Now().UTC(), outcome))
}

func (m *mending) offer(ctx context.Context, journal directory.Journal, pairs []directory.Pair) error {
	for _, pair := range pairs {
		mends, err := m.conn.directories.Mends(ctx, pair)
		if err != nil {
			return fmt.Errorf("see what can be mended for %s: %w", pair.Source, err)
		}
		for _, mend := range mends {
			if err := m.one(ctx, journal, pair, mend); err != nil {
				return err
			}
		}
	}
	return nil
}

// one offers a mend and carries it out. What the server refuses is no error: the finding
// stays.
func (m *mending) one(ctx context.Context, journal directory.Journal, pair directory.Pair, mend directory.Mend) error {
	whom := pair.Source.String()
	wanted, err := m.ask(ctx, fmt.Sprintf("%s: %s [%s]", whom, mend.What, mend.Rule))
	if err != nil {
		return err
	}
	if !wanted {
		m.left[mend.Rule+"\x00"+whom] = "the mend was declined"
		return nil
	}
	err = m.conn.directories.Apply(ctx, journal, mend.Plan)
	var store *batch.StoreError
	if errors.As(err, &store) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		m.left[mend.Rule+"\x00"+whom] = "the mend failed: " + strings.Join(strings.Fields(err.Error()), " ")
	}
	return nil
}

// ask asks for one mend; no answer is no.
func (m *mending) ask(ctx context.Context, question string) (bool, error) {
	if m.yes {
		m.env.say("%s", question)
		return true, nil
	}
	m.env.say("%s Do it? [y/N]", question)
	answers := make(chan string, 1)
	go func() {
		answer, _ := m.answers.ReadString('\n') // no answer is no
		answers <- answer
	}()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case answer := <-answers:
		return strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y"), nil
	}
}

// judge makes every finding that was to be mended and was not forbid the run: a mend that
// was refused is no mend. What is not found any more needs none.
func (m *mending) judge(p *preflight) {
	for i, f := range p.findings {
		if why := m.left[f.Rule+"\x00"+f.Whom]; why != "" {
			p.findings[i].Severity = migrate.Forbid
			p.findings[i].What = strings.TrimSuffix(f.What, ".") + "; " + why + "."
		}
	}
}
