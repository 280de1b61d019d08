package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
)

type checkOptions struct {
	*globalOptions
	rules   bool
	all     bool
	mend    bool
	yes     bool
	dryRun  bool
	collect string   // the side to collect
	out     string   // the file to collect to
	offline []string // files to judge from
}

func newCheckCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &checkOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "check [BATCH]",
		Short: "Preflight: look at forests, rights and mailboxes; change nothing",
		Long: `Check connections, certificates, rights to the target OU, the schema, mail domains and
the target database; with a batch file also that each mailbox in it can be resolved,
matched and opened, and every rule about its person. Nothing is changed in either forest.
What was found goes into the store; after seven days, or with other rows, it says nothing
any more. Whom only a person can tell apart is asked in the decision file
(match.decisions), whose answers the next command reads.

With --all both forests are looked through whole: who would get a bounce because no
object on the other side has the name that old mail is answered to (X500), and mailboxes
that two objects claim.

With --mend what can be mended by a plain directory change is offered, one by one, and
journalled; then everything is read and judged again. What is not mended then, or was
declined, forbids the run.

With --rules the rules are listed: id, severity, meaning, mend and source.

Where no one person may see both forests, each side is collected to a file by somebody
who may, with a configuration that has that side's directory alone; whoever has both
files then judges a batch from them, with a configuration that needs no directory, no
mail server and no password: source.domain, target.domain, target.ou, target.legacy_dn
and target.database. The rules are the same; the mail servers are not tried. A file that
is older than seven days is a warning. It holds names, addresses and permissions of
everybody in the forest, and no password: treat it as what it is.

EXIT STATUS
  0 nothing forbids a run, or the forest is collected; 4 something forbids a run;
  10 usage or configuration; 11 another run is working on the store (--mend);
  12 a server refused the credentials; 1 any other error`,
		Example: `  reforest check tonight.csv
  reforest check tonight.csv --mend
  reforest check --all
  reforest check --rules
  reforest check --collect source --out alpine.forest
  reforest check --collect target --out fabrikam.forest
  reforest check tonight.csv --offline alpine.forest,fabrikam.forest`,
		Args: between(0, 1, "at most one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCheck(cmd.Context(), env, options, args)
		},
	}
	cmd.Flags().BoolVar(&options.rules, "rules", false, "list the rules")
	cmd.Flags().BoolVar(&options.all, "all", false, "look through both forests whole: X500 names, split mailboxes")
	cmd.Flags().BoolVar(&options.mend, "mend", false, "offer to mend what a plain directory change mends")
	cmd.Flags().BoolVar(&options.dryRun, "dry-run", false, "with --mend: print what would be mended, and change nothing")
	cmd.Flags().BoolVarP(&options.yes, "yes", "y", false, "with --mend: do not ask before writing")
	cmd.Flags().StringVar(&options.collect, "collect", "", "collect one `side`, source or target, to a file, and judge nothing")
	cmd.Flags().StringVar(&options.out, "out", "", "`file` to collect to; an older one of the same side is replaced")
	cmd.Flags().StringSliceVar(&options.offline, "offline", nil, "judge from two collected `files`, in any order, separated by a comma")
	return cmd
}

func runCheck(ctx context.Context, env *environment, options *checkOptions, args []string) error {
	if err := options.fit(args); err != nil {
		return usage(err)
	}
	switch {
	case options.rules:
		return printRules(env, options.globalOptions)
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
	if options.mend {
		return checkAndMend(ctx, env, options, c, b)
	}
	return onlyLook(ctx, env, c, b, func(conn *connection, p *preflight) error {
		if err := p.sweep(ctx, conn.directories, conn.mailboxes, options.all, len(args) == 1); err != nil {
			return err
		}
		asked := ask(env, c, p.looked, p.open)
		return errors.Join(printCheck(env, options.globalOptions, p, len(b.moves)), saveCheck(ctx, c, b, p), asked)
	})
}

// fit refuses flags that do not go together: what is asked for is done or refused, never
// passed over.
func (o *checkOptions) fit(args []string) error {
	elsewhere := o.collect != "" || o.out != "" || len(o.offline) > 0
	switch {
	case o.rules && (elsewhere || o.all || o.mend || len(args) > 0):
		return errors.New("--rules lists the rules and looks at nothing; give it alone")
	case o.mend && elsewhere:
		return errors.New("--mend needs both forests, and not files of them")
	case o.mend && o.all:
		return errors.New("--mend and --all do not go together: mend the batch, then look through both forests")
	case o.mend && len(args) == 0:
		return errors.New("--mend needs a batch file")
	case !o.mend && (o.yes || o.dryRun):
		return errors.New("--yes and --dry-run belong to --mend; without it nothing is changed")
	}
	return nil
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
	return withRecord(ctx, c, &b, func(st *store.Store) error { return withLook(ctx, env, c, st, b, fn) })
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

// withLook makes the preflight and hands it to fn.
func withLook(ctx context.Context, env *environment, c *config, st *store.Store, b plannedBatch, fn func(*connection, *preflight) error) error {
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every write has been answered before
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
		_, printErr := fmt.Fprint(env.stdout, byRule(p.findings))
		return errors.Join(err, printErr)
	}
	what, switches := "both forests", ""
	if mailboxes > 0 {
		what += " and " + mailboxesText(mailboxes)
		for _, line := range p.switches {
			switches += "  switch: " + line + "\n"
		}
	}
	_, err := fmt.Fprintf(env.stdout, "%sChecked %s: nothing forbids a run.\n%s", byRule(p.findings), what, switches)
	return err
}

func mailboxesText(n int) string {
	if n == 1 {
		return "1 mailbox"
	}
	return fmt.Sprintf("%d mailboxes", n)
}

// manyFindings is from how many findings of one rule on they are summed up.
const manyFindings = 10

// byRule sums up the rules that were found broken often: nobody counts lines at night.
func byRule(findings []migrate.Finding) string {
	count := map[string]int{}
	for _, f := range findings {
		count[f.Rule]++
	}
	var text strings.Builder
	for _, r := range directory.AllRules() {
		if n := count[r.ID]; n >= manyFindings {
			fmt.Fprintf(&text, "%d of [%s]: %s\n", n, r.ID, r.Means)
		}
	}
	return text.String()
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
	if err := printFindingsJSON(env, p.findings); err != nil {
		return err
	}
	line := map[string]any{"message_type": "check", "mailboxes": mailboxes, "forbidden": p.forbidden() != nil}
	if len(p.switches) > 0 {
		line["switch"] = p.switches
	}
	if err := json.NewEncoder(env.stdout).Encode(line); err != nil {
		return err
	}
	return p.forbidden()
}

func printFindingsJSON(env *environment, findings []migrate.Finding) error {
	out := json.NewEncoder(env.stdout)
	for _, f := range findings {
		if err := out.Encode(findingJSON(f)); err != nil {
			return err
		}
	}
	return nil
}
