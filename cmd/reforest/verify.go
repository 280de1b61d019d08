package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
)

type verifyOptions struct {
	*globalOptions
	content bool
}

func newVerifyCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &verifyOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "verify BATCH",
		Short: "Compare both sides of everyone of a batch again; change nothing",
		Long: `Compare both directories again for everyone of a batch that has begun, whenever that was:
whoever is moved by the rules of a whole move, whoever is only staged by those of staging,
attribute by attribute against what would be planned now. With --content the mailboxes of
those who are moved are compared with the record of what was copied as well, item by item,
and so is who could use which folder before and can now.
The batch is named by its file or by its name. Nothing is changed.

EXIT STATUS
  0 everything agrees; 3 something does not and needs a person; 10 usage or configuration;
  12 a server refused the credentials; 1 any other error`,
		Example: "  reforest verify tonight.csv\n  reforest verify tonight --content",
		Args:    exactly(1, "one batch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), env, options, args[0])
		},
	}
	cmd.Flags().BoolVar(&options.content, "content", false, "compare the mailboxes of those who are moved, too")
	return cmd
}

func runVerify(ctx context.Context, env *environment, options *verifyOptions, name string) error {
	return withStore(ctx, options.globalOptions, func(st *store.Store) error {
		found, err := st.Batch(ctx, givenName(name))
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("batch %q has not begun, so that nothing of it can be verified; what was staged is compared by: reforest stage BATCH --dry-run", printable(givenName(name)))
		}
		if err != nil {
			return err
		}
		moves, err := movesOf(ctx, st, batch.Query{Batch: found.ID})
		if err != nil {
			return err
		}
		c, err := loadConfig(options.config)
		if err != nil {
			return err
		}
		conn, err := connect(ctx, env, c)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // read only: nothing can be lost
		return verifyMoves(ctx, env, options, conn, st, moves)
	})
}

// verifyMoves compares the moves and prints what does not agree.
func verifyMoves(ctx context.Context, env *environment, options *verifyOptions, conn *connection, st *store.Store, moves []batch.Move) error {
	v := &batch.Verification{Directories: conn.directories, Store: st}
	var findings []migrate.Finding
	if options.content {
		v.Mailboxes = conn.mailboxes
	} else {
		findings = append(findings, migrate.Finding{
			Rule: "verify.content-untold", Severity: migrate.Note, Whom: "all mailboxes", What: "Their content was not compared.", Mend: "Give --content to compare it.",
		})
	}
	patience := newPatience(env)
	done := 0
	for verified := range v.Run(ctx, moves) {
		if verified.Err != nil {
			return verified.Err
		}
		findings = append(findings, verified.Findings...)
		done++
		patience.say("Compared %d of %d mailboxes.", done, len(moves))
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return printVerified(env, options, findings, len(moves))
}

func printVerified(env *environment, options *verifyOptions, findings []migrate.Finding, mailboxes int) error {
	left := 0
	for _, f := range findings {
		if disagrees(f) {
			left++
		}
	}
	var err error
	if options.json {
		err = errors.Join(printFindingsJSON(env, findings), json.NewEncoder(env.stdout).Encode(map[string]any{
			"message_type": "verify", "mailboxes": mailboxes, "findings": len(findings), "needs_person": left > 0,
		}))
	} else if err = printFindings(env.stdout, findings); err == nil {
		_, err = fmt.Fprintf(env.stdout, "Compared both sides of %s: %s.\n", mailboxesText(mailboxes), agreement(left))
	}
	if err == nil && left > 0 {
		return &exitError{exitNeedsPerson, fmt.Errorf("%s: that will need a person; nothing was changed", agreement(left))}
	}
	return err
}

// disagrees reports whether the finding is one of both sides not being as they should: it
// forbids something, or a comparison found it. Other warnings are about what is known,
// such as rights that wait for somebody who is not moved yet.
func disagrees(f migrate.Finding) bool {
	compared := strings.HasPrefix(f.Rule, "verify.") || f.Rule == batch.PermissionMissing || f.Rule == batch.PermissionLegacy
	return f.Severity == migrate.Forbid || f.Severity == migrate.Warn && compared
}

func agreement(left int) string {
	switch left {
	case 0:
		return "everything agrees"
	case 1:
		return "1 thing does not agree"
	}
	return fmt.Sprintf("%d things do not agree", left)
}
