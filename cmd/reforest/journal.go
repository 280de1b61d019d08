package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
)

type journalOptions struct {
	*globalOptions
	only   []string
	side   string
	undo   bool
	lists  bool
	format string
}

func newJournalCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &journalOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "journal [BATCH] --side source|target",
		Short: "Write the directory changes on record, as LDIF or JSON, or who could use which folder",
		Long: `Write to standard output what was changed in one forest: by the moves of a batch and their
rollbacks, or by those of them whom --only names; without a batch everything on record,
staging and cleaning included, but for what "stage --undo" has taken back. The oldest comes
first. With --undo the way back is written instead, the newest first. Only what is known to have been carried out is on
record; passwords are not.

With --permissions it is written instead who could use which folders of that side: what
their access control lists said when they were first looked at, and before each change
that was made to them since.

LDIF is what ldapmodify takes. To give a forest back what a batch changed in it, when
nothing else can:

  reforest journal tonight --side source --undo > undo.ldif
  ldapmodify -H ldaps://dc1.alpine.example -x -D 'ALPINE\admin' -W -f undo.ldif

It says what stood there before, and does not look at what stands there now: prefer
"reforest rollback", which does, and which brings the content back as well. The way back
at the target ends with the deletion of every object that was made there, and with it of
access to its mailbox and to all mail that has arrived in it. reforest is not told what
ldapmodify does: "reforest status" goes on saying what reforest did; "reforest verify"
tells the difference.

EXIT STATUS
  0 written; 1 there is no store; 10 usage or configuration`,
		Example: "  reforest journal tonight --side source\n  reforest journal tonight --only anna.berg@alpine.example --side target --undo\n  reforest journal --side target --format json\n  reforest journal tonight --side source --permissions",
		Args:    between(0, 1, "at most one batch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runJournal(cmd.Context(), env, options, args)
		},
	}
	cmd.Flags().StringArrayVar(&options.only, "only", nil, "of the batch `WHO` alone, by any name that status knows; several: repeat it, or separate them by commas")
	cmd.Flags().StringVar(&options.side, "side", "", "which forest's changes: source or target")
	cmd.Flags().BoolVar(&options.undo, "undo", false, "write what leads back, the newest first")
	cmd.Flags().BoolVar(&options.lists, "permissions", false, "write what the folders' access control lists said, a line for each entry")
	cmd.Flags().StringVarP(&options.format, "format", "f", "ldif", "ldif or json")
	return cmd
}

func runJournal(ctx context.Context, env *environment, options *journalOptions, args []string) error {
	if options.json {
		options.format = "json"
	}
	if err := options.fit(args); err != nil {
		return usage(err)
	}
	return withStore(ctx, options.globalOptions, func(st *store.Store) error {
		ids, err := options.moves(ctx, st, args)
		if err != nil {
			return err
		}
		if options.lists {
			return writeLists(ctx, env.stdout, options, st, ids)
		}
		return writeJournal(env.stdout, options, st.Carried(ctx, ids...))
	})
}

// fit refuses what does not go together.
func (o *journalOptions) fit(args []string) error {
	switch {
	case !oneOf(o.side, string(directory.Source), string(directory.Target)):
		return fmt.Errorf("--side %q: want source or target; a file is for one directory", o.side)
	case !oneOf(o.format, "ldif", "json"):
		return fmt.Errorf("no format %q; there are ldif and json", o.format)
	case o.undo && o.format == "json":
		return errors.New("--undo is written as LDIF alone; JSON has what stood there before in each change")
	case o.undo && o.lists:
		return errors.New("--undo is of directory changes; --permissions says what there was and does not put it back")
	case len(o.only) > 0 && len(args) == 0:
		return errors.New("--only names people of a batch; give the batch, too")
	}
	return nil
}

// moves returns whose changes are written; none: everybody's.
func (o *journalOptions) moves(ctx context.Context, st *store.Store, args []string) (ids []batch.MoveID, err error) {
	if len(args) == 0 {
		return nil, nil
	}
	name := givenName(args[0])
	b := plannedBatch{Batch: batch.Batch{ID: batch.ID(name), Name: name}}
	if err := b.begun(ctx, st); err != nil {
		return nil, err
	}
	moves := b.moves
	if len(o.only) > 0 {
		if moves, err = whom(ctx, nil, st, b, o.only); err != nil {
			return nil, err
		}
	}
	for _, move := range moves {
		ids = append(ids, move.ID)
	}
	return ids, nil
}

func writeJournal(w io.Writer, options *journalOptions, changes iter.Seq2[directory.Change, error]) error {
	side := directory.Side(options.side)
	if options.format == "ldif" {
		return directory.WriteLDIF(w, changes, directory.LDIF{Side: side, Undo: options.undo})
	}
	out := json.NewEncoder(w)
	for change, err := range changes {
		if err != nil {
			return fmt.Errorf("read the changes: %w", err)
		}
		if change.Forest != side {
			continue
		}
		line := struct {
			MessageType string `json:"message_type"`
			directory.Change
		}{"change", change}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
