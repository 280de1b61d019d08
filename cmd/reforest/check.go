package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"reforest/batch/store"
	"reforest/migrate"
)

type checkOptions struct {
	*globalOptions
	collect string   // the side to collect
	out     string   // the file to collect to
	offline []string // files to judge from
}

func newCheckCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &checkOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "check [BATCH]",
		Short: "Preflight: look at forests, rights and mailboxes; change nothing",
		Long: `Check connections, certificates, rights to the target OU, the schema and the target
database; with a batch file also that each mailbox in it can be resolved, matched and
opened. Nothing is changed in either forest. Whom only a person can tell apart is asked
in the decision file (match.decisions), whose answers the next command reads.

Where no one person may see both forests, each side is collected to a file by somebody
who may, with a configuration that has that side's directory alone; whoever has both
files then judges a batch from them, with a configuration that needs no directory, no
mail server and no password: source.domain, target.domain, target.ou, target.legacy_dn
and target.database. The rules are the same; the mail servers are not tried. A file that
is older than seven days is a warning. It holds names, addresses and permissions of
everybody in the forest, and no password: treat it as what it is.

EXIT STATUS
  0 nothing forbids a run, or the forest is collected; 4 something forbids a run;
  10 usage or configuration; 12 a server refused the credentials; 1 any other error`,
		Example: `  reforest check tonight.csv
  reforest check --collect source --out alpine.forest
  reforest check --collect target --out fabrikam.forest
  reforest check tonight.csv --offline alpine.forest,fabrikam.forest`,
		Args: between(0, 1, "at most one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCheck(cmd.Context(), env, options, args)
		},
	}
	cmd.Flags().StringVar(&options.collect, "collect", "", "collect one `side`, source or target, to a file, and judge nothing")
	cmd.Flags().StringVar(&options.out, "out", "", "`file` to collect to; an older one of the same side is replaced")
	cmd.Flags().StringSliceVar(&options.offline, "offline", nil, "judge from two collected `files`, in any order, separated by a comma")
	return cmd
}

func runCheck(ctx context.Context, env *environment, options *checkOptions, args []string) error {
	switch {
	case options.collect != "" || options.out != "":
		return runCollect(ctx, env, options, args)
	case len(options.offline) > 0:
		return runOffline(ctx, env, options, args)
	}
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	b, err := batchOf(c, args)
	if err != nil {
		return err
	}
	return onlyLook(ctx, env, c, b, func(_ *connection, p *preflight) error {
		asked := ask(env, c, p.looked, p.open)
		return errors.Join(printCheck(env, options.globalOptions, p, len(b.moves)), asked)
	})
}

// batchOf reads the batch file, if one is named.
func batchOf(c *config, args []string) (plannedBatch, error) {
	if len(args) == 0 {
		return plannedBatch{}, nil
	}
	return readBatch(c, args[0])
}

// onlyLook makes the preflight of a batch, as far as it has come, and hands it to fn.
// Nothing is written.
func onlyLook(ctx context.Context, env *environment, c *config, b plannedBatch, fn func(*connection, *preflight) error) error {
	return withRecord(ctx, c, &b, func(st *store.Store) error {
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
	})
}

// withRecord hands the store to fn, nil if there is none yet, with the batch as far as
// the store knows it.
func withRecord(ctx context.Context, c *config, b *plannedBatch, fn func(*store.Store) error) error {
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
	return fn(st)
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
