package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/reports"
)

func newStatusCommand(env *environment, options *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "status [WHO|BATCH]",
		Short: "Say where a mailbox is, or how a batch stands",
		Long: `With a person, by any address they ever had, X500 name, login name, display name, DN,
GUID or the address in a bounce: one line that says whether they have been moved and in
which mailbox they work, then when their mailbox was switched, step by step, and until
when that can be taken back, with the command. With a batch: a table of its mailboxes and
its runs. Without either: how every batch stands. Works while a run is under way. Times
are those of this machine's zone.

EXIT STATUS
  0 found; 1 nobody and no batch of that name is known; 10 usage or configuration`,
		Example: "  reforest status anna.berg@alpine.test\n  reforest status tonight",
		Args:    between(0, 1, "at most one person or batch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStatus(cmd.Context(), env, options, args)
		},
	}
}

func runStatus(ctx context.Context, env *environment, options *globalOptions, args []string) error {
	return withStore(ctx, options, func(st *store.Store) error {
		if len(args) == 0 {
			return statusOfAll(ctx, env, options, st)
		}
		return statusOf(ctx, env, options, st, args[0])
	})
}

// withStore opens the configured store for reading and hands it to fn.
func withStore(ctx context.Context, options *globalOptions, fn func(*store.Store) error) error {
	c, err := loadConfig(options.config)
	if err != nil {
		return err
	}
	st, err := openToRead(ctx, c)
	if err != nil {
		return err
	}
	if st == nil {
		return fmt.Errorf("there is no store at %s yet; nothing has been run", c.storePath())
	}
	defer func() { _ = st.Close() }() // read only: nothing can be lost
	return fn(st)
}

// statusOf tells of the person or the batch of that name.
func statusOf(ctx context.Context, env *environment, options *globalOptions, st *store.Store, name string) error {
	moves, err := movesOf(ctx, st, batch.Query{Who: name})
	if err != nil {
		return err
	}
	if err := onePerson(name, moves); err != nil {
		return err
	}
	if len(moves) > 0 {
		return statusOfOne(ctx, env, options, st, latest(moves))
	}
	found, err := st.Batch(ctx, givenName(name))
	if errors.Is(err, store.ErrNotFound) {
		if last, checked, err := st.LastCheck(ctx, batch.ID(givenName(name))); checked || err != nil {
			return errors.Join(err, statusOfChecked(env, options, name, last))
		}
		return fmt.Errorf("nobody in any batch is known by %s, and there is no batch of that name", printable(name))
	}
	if err != nil {
		return err
	}
	return statusOfBatch(ctx, env, options, st, found)
}

// statusOfChecked tells of a batch that was checked and has not begun.
func statusOfChecked(env *environment, options *globalOptions, name string, last batch.Check) error {
	if options.json {
		return json.NewEncoder(env.stdout).Encode(checkLine(last, last.Digest))
	}
	_, err := fmt.Fprintf(env.stdout, "Batch %s has not begun. %s.\n", printable(name), checkWords(last, last.Digest))
	return err
}

// checkLine is a check as --json prints it.
func checkLine(c batch.Check, digest string) map[string]any {
	return map[string]any{
		"message_type": "last_check", "batch": c.Batch, "at": c.At, "version": c.Version, "mailboxes": c.Mailboxes,
		"findings": len(c.Findings), "forbidden": c.Forbidden() > 0, "stale": c.Stale(digest, time.Now()) != "",
	}
}

// openToRead opens the store without writing to it; nil if there is none yet.
func openToRead(ctx context.Context, c *config) (*store.Store, error) {
	if _, err := os.Stat(c.storePath()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no store is an answer
	}
	return store.OpenReadOnly(ctx, store.Config{Path: c.storePath()})
}

// onePerson refuses to guess which of several people is meant.
func onePerson(name string, moves []batch.Move) error {
	people := map[string]bool{}
	for _, move := range moves {
		people[strings.ToLower(cmp.Or(string(move.Mail), move.Identity))] = true
	}
	if len(people) <= 1 {
		return nil
	}
	return fmt.Errorf("%s is several people; give one of: %s", printable(name), strings.Join(slices.Sorted(maps.Keys(people)), ", "))
}

// latest returns the move of the newest journey: a person may have been in an earlier
// batch. One that has made a twin counts before one that was refused.
func latest(moves []batch.Move) batch.Move {
	last := moves[0]
	for _, move := range moves[1:] {
		if move.TargetGUID.IsZero() && !last.TargetGUID.IsZero() {
			continue
		}
		if !move.StartedAt.Before(last.StartedAt) || last.TargetGUID.IsZero() && !move.TargetGUID.IsZero() {
			last = move
		}
	}
	return last
}

func statusOfOne(ctx context.Context, env *environment, options *globalOptions, st *store.Store, move batch.Move) error {
	working, err := working(ctx, st, move.Batch)
	if err != nil {
		return err
	}
	p, err := personOf(ctx, st, move, working)
	if err != nil {
		return err
	}
	if options.json {
		return json.NewEncoder(env.stdout).Encode(p.line())
	}
	_, err = fmt.Fprintln(env.stdout, strings.Join(p.lines(), "\n"))
	return err
}

// working reports whether a run is at work on the batch: one that has not ended, and
// still holds the store. A run that was killed holds it no longer.
func working(ctx context.Context, st *store.Store, id batch.ID) (bool, error) {
	runs, err := st.Runs(ctx, "") // of all batches, the latest first: one run alone holds the store
	if err != nil || len(runs) == 0 || runs[0].Batch != id || !runs[0].EndedAt.IsZero() {
		return false, err
	}
	return storeIsLocked(st.Path())
}

func statusOfBatch(ctx context.Context, env *environment, options *globalOptions, st *store.Store, b batch.Batch) error {
	moves, err := movesOf(ctx, st, batch.Query{Batch: b.ID})
	if err != nil {
		return err
	}
	working, err := working(ctx, st, b.ID)
	if err != nil {
		return err
	}
	if !options.json {
		return tableOfBatch(ctx, env, st, b, moves, working)
	}
	return linesOfBatch(ctx, env, st, b, moves, working)
}

// linesOfBatch prints a batch's mailboxes and its runs as JSON.
func linesOfBatch(ctx context.Context, env *environment, st *store.Store, b batch.Batch, moves []batch.Move, working bool) error {
	out := json.NewEncoder(env.stdout)
	for _, move := range moves {
		p, err := personOf(ctx, st, move, working)
		if err != nil {
			return err
		}
		if err := out.Encode(p.line()); err != nil {
			return err
		}
	}
	runs, err := st.Runs(ctx, b.ID)
	if err != nil {
		return err
	}
	for i, run := range runs {
		if err := out.Encode(runLine(run, i == 0 && working)); err != nil {
			return err
		}
	}
	return nil
}

// runLine is a run as --json prints it.
func runLine(run batch.Run, working bool) map[string]any {
	line := map[string]any{
		"message_type": "run", "batch": run.Batch, "run": run.ID, "kind": reports.RunWords(run.Kind),
		"began_at": run.BeganAt, "outcome": outcomeWords(run, working),
	}
	if !run.EndedAt.IsZero() {
		line["ended_at"] = run.EndedAt
	}
	return line
}

// outcomeWords says how a run ended, or why it has not.
func outcomeWords(run batch.Run, working bool) string {
	switch {
	case run.Outcome != batch.Unfinished:
		return string(run.Outcome)
	case working:
		return "at work"
	}
	return "killed"
}

// tableOfBatch prints a batch's mailboxes and its runs.
func tableOfBatch(ctx context.Context, env *environment, st *store.Store, b batch.Batch, moves []batch.Move, working bool) error {
	lines := []string{movesTable(moves, nil, working)}
	if !working {
		lines = append(lines, goOnLines(b.Name, moves)...)
	}
	lines = append(lines, deadlineLines(b.Name, moves, time.Now())...)
	last, checked, err := st.LastCheck(ctx, b.ID)
	if err != nil {
		return err
	}
	if checked {
		lines = append(lines, checkWords(last, b.Digest))
	}
	runs, err := st.Runs(ctx, b.ID)
	if err != nil {
		return err
	}
	for i, run := range runs {
		lines = append(lines, fmt.Sprintf("Run %s (%s): %s", run.ID, reports.RunWords(run.Kind), outcomeWords(run, i == 0 && working)))
	}
	_, err = fmt.Fprintln(env.stdout, strings.Join(lines, "\n"))
	return err
}

func statusOfAll(ctx context.Context, env *environment, options *globalOptions, st *store.Store) error {
	batches, err := st.Batches(ctx)
	if err != nil {
		return err
	}
	if len(batches) == 0 && !options.json {
		env.say("No batch has begun. What is staged, and what has changed since, is told by: reforest stage --all --dry-run")
	}
	for _, b := range batches {
		working, err := working(ctx, st, b.ID)
		if err != nil {
			return err
		}
		s, err := (&display{store: st, batch: b.ID, over: !working}).snapshot(ctx)
		if err != nil {
			return err
		}
		if options.json {
			s.MessageType = "batch"
			err = json.NewEncoder(env.stdout).Encode(struct {
				snapshot
				Batch     string `json:"batch"`
				RunAtWork bool   `json:"run_at_work"`
			}{s, b.Name, working})
		} else {
			_, err = fmt.Fprintf(env.stdout, "%s: %s%s\n", b.Name, printable(s.String()), atWork(s, working))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// atWork says that nobody is at work on a batch although somebody has to be.
func atWork(s snapshot, working bool) string {
	if working || s.Moving-s.Ready+s.Waiting == 0 {
		return ""
	}
	return "; no run is at work on it"
}
