package main

import (
	"github.com/spf13/cobra"

	"reforest/batch"
)

func newSyncCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &runOptions{globalOptions: global, kind: batch.RunSync}
	cmd := &cobra.Command{
		Use:   "sync BATCH",
		Short: "Bring the content of a batch up to date, and leave the mailboxes where they are",
		Long: `Stage the mailboxes of the batch file, open them at the target, copy what they hold, and
stop before the switch: everybody goes on working at the source, and mail goes on arriving
there. Each further sync brings what is new since the last, which takes a fraction of the
time. Who is up to date is Ready; "reforest switch" does the rest, on any later night.

The file is that of "reforest run", and the batch is the same: run goes on where sync
has stopped.

EXIT STATUS
  0 everybody is Ready, or switched already; 3 some mailboxes need a person; 4 preflight
  forbids it, nothing was changed; 10 usage or configuration; 11 another run is working on
  the store; 12 a server refused the credentials; 130 interrupted, run it again to go on;
  1 any other error`,
		Example: "  reforest sync tonight.csv --dry-run\n  reforest sync tonight.csv --yes\n  reforest sync tonight.csv --only anna.berg@alpine.example",
		Args:    exactly(1, "one batch file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), env, options, args[0])
		},
	}
	options.addFlags(cmd, "print what would be staged, and change nothing")
	return cmd
}
