package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"reforest/migrate"
)

func newCheckCommand(env *environment, options *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "check [BATCH]",
		Short: "Preflight: look at forests, rights and mailboxes; change nothing",
		Long: `Check connections, certificates, rights to the target OU, the schema and the target
database; with a batch file also that each mailbox in it can be resolved, matched and
opened. Nothing is changed in either forest. Whom only a person can tell apart is asked
in the decision file (match.decisions), whose answers the next command reads.

EXIT STATUS
  0 nothing forbids a run; 4 something does; 10 usage or configuration;
  12 a server refused the credentials; 1 any other error`,
		Example: "  reforest check tonight.csv",
		Args:    between(0, 1, "at most one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCheck(cmd.Context(), env, options, args)
		},
	}
}

func runCheck(ctx context.Context, env *environment, options *globalOptions, args []string) error {
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	b := plannedBatch{}
	if len(args) == 1 {
		if b, err = readBatch(c, args[0]); err != nil {
			return err
		}
	}
	return onlyLook(ctx, env, c, b, func(_ *connection, p *preflight) error {
		asked := ask(env, c, p.looked, p.open)
		return errors.Join(printCheck(env, options, p, len(b.moves)), asked)
	})
}

// onlyLook makes the preflight of a batch, as far as it has come, and hands it to fn.
// Nothing is written.
func onlyLook(ctx context.Context, env *environment, c *config, b plannedBatch, fn func(*connection, *preflight) error) error {
	st, err := openToRead(ctx, c)
	if err != nil {
		return err
	}
	if st != nil {
		defer func() { _ = st.Close() }() // read only: nothing can be lost
		if err := b.known(ctx, st); err != nil {
			return err
		}
	}
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // read only: nothing can be lost
	p, err := look(ctx, env, conn, st, b.moves)
	if err != nil {
		return err
	}
	return fn(conn, p)
}

func printCheck(env *environment, options *globalOptions, p *preflight, mailboxes int) error {
	if options.json {
		return printCheckJSON(env, p, mailboxes)
	}
	if err := printFindings(env.stdout, p.findings); err != nil {
		return err
	}
	if err := p.forbidden(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "Checked both forests and %d mailboxes: nothing forbids a run.\n", mailboxes)
	return err
}

// A findingLine is a finding as --json prints it.
type findingLine struct {
	MessageType string `json:"message_type"`
	Rule        string `json:"rule"`
	Severity    string `json:"severity"`
	Whom        string `json:"whom"`
	What        string `json:"what"`
	Mend        string `json:"mend,omitempty"`
}

func findingJSON(f migrate.Finding) findingLine {
	return findingLine{"finding", f.Rule, f.Severity.String(), f.Whom, f.What, f.Mend}
}

func printCheckJSON(env *environment, p *preflight, mailboxes int) error {
	out := json.NewEncoder(env.stdout)
	for _, f := range p.findings {
		if err := out.Encode(findingJSON(f)); err != nil {
			return err
		}
	}
	if err := out.Encode(map[string]any{"message_type": "check", "mailboxes": mailboxes, "forbidden": p.forbidden() != nil}); err != nil {
		return err
	}
	return p.forbidden()
}
