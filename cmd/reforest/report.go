package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/reports"
)

type reportOptions struct {
	*globalOptions
	format string
}

func newReportCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &reportOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "report [RUN]",
		Short: "Write the report of a run to standard output",
		Long: `Write the report of a run, made from the store, to standard output. Without a run: of the
latest. Every run, sync, switch and rollback has saved the same report already; this makes
it again, also of a run that was killed. With --json it is one line, as all results are. The XML is described by reports/run.xsd (--format xsd writes it).

EXIT STATUS
  0 written; 1 there is no such run; 10 usage or configuration`,
		Example: "  reforest report --format csv",
		Args:    between(0, 1, "at most one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runReport(cmd.Context(), env, options, args)
		},
	}
	cmd.Flags().StringVarP(&options.format, "format", "f", "xml", "xml, csv, html, json or xsd")
	return cmd
}

func runReport(ctx context.Context, env *environment, options *reportOptions, args []string) error {
	if options.json {
		options.format = string(reports.JSON)
	}
	if !oneOf(options.format, "xml", "csv", "html", "json", "xsd") {
		return usage(fmt.Errorf("no format %q; there are xml, csv, html, json and xsd", options.format))
	}
	if options.format == "xsd" {
		_, err := env.stdout.Write(reports.Schema)
		return err
	}
	return withStore(ctx, options.globalOptions, func(st *store.Store) error { return writeReport(ctx, env, options, st, args) })
}

func writeReport(ctx context.Context, env *environment, options *reportOptions, st *store.Store, args []string) error {
	id, err := runOf(ctx, st, args)
	if err != nil {
		return err
	}
	report, err := reports.Build(ctx, st, id)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no run %q; reforest status lists the batches", id)
	}
	if err != nil {
		return err
	}
	if options.json {
		return json.NewEncoder(env.stdout).Encode(struct {
			MessageType string `json:"message_type"`
			*reports.Report
		}{"report", report})
	}
	return report.Write(env.stdout, reports.Format(options.format))
}

// runOf returns the run that is named, or the latest.
func runOf(ctx context.Context, st *store.Store, args []string) (batch.RunID, error) {
	if len(args) == 1 {
		return batch.RunID(args[0]), nil
	}
	runs, err := st.Runs(ctx, "") // the latest first
	if err != nil {
		return "", err
	}
	if len(runs) == 0 {
		return "", errors.New("the store holds no run yet")
	}
	return runs[0].ID, nil
}
