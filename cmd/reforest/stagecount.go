package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// A stageCount counts what staging, cleaning or taking back came to: people once each,
// whatever was planned for them.
type stageCount struct {
	added, changed, unchanged, linked, gone, undone, lost int

	refused, failed map[migrate.GUID]bool
	leftOut         map[string]int // recipients, by reason
	notes           map[string]int // findings that nobody has to act on, by rule
	planned         int            // directory writes of the plans
	written         atomic.Int64   // directory writes that were carried out
}

func newStageCount() *stageCount {
	return &stageCount{refused: map[migrate.GUID]bool{}, failed: map[migrate.GUID]bool{}, notes: map[string]int{}}
}

func (c *stageCount) add(s batch.Staged) {
	for _, f := range s.Plan.Findings {
		if f.Severity == migrate.Note {
			c.notes[f.Rule]++
		}
	}
	switch {
	case s.Refused():
		c.refused[s.Pair.Source.GUID] = true
		return
	case s.Err != nil:
		c.failed[s.Pair.Source.GUID] = true
		return
	case s.Links:
		c.linked += min(len(s.Plan.Changes), 1)
	case s.New:
		c.added++
	case len(s.Plan.Changes) > 0:
		c.changed++
	default:
		c.unchanged++
	}
	c.planned += len(s.Plan.Changes)
}

func (c *stageCount) addUndone(u batch.Undone) {
	switch {
	case len(u.Plan.Forbidden()) > 0:
		c.refused[u.Person] = true
	case u.Err != nil:
		c.failed[u.Person] = true
	default:
		c.undone++
		c.planned += len(u.Plan.Changes)
	}
}

// leave counts one who is left out.
func (c *stageCount) leave(reason string) {
	if c.leftOut == nil {
		c.leftOut = map[string]int{}
	}
	c.leftOut[reason]++
}

// needy returns how many people somebody has to look after.
func (c *stageCount) needy() int { return len(c.refused) + c.lost }

// verdict returns the error to end with.
func (c *stageCount) verdict() error {
	if c.needy()+len(c.failed) == 0 {
		return nil
	}
	return &exitError{exitNeedsPerson, errors.New("some recipients need a person; they are named above")}
}

// print writes the result. A dry run has planned what else has been written.
func (c *stageCount) print(env *environment, options *stageOptions, kind batch.JobKind) error {
	writes := int(c.written.Load())
	if options.dryRun {
		writes = c.planned
	}
	if options.json {
		return json.NewEncoder(env.stdout).Encode(map[string]any{
			"message_type": "staged", "job": kind, "dry_run": options.dryRun, "added": c.added, "changed": c.changed, "unchanged": c.unchanged,
			"linked": c.linked, "refused": c.needy(), "failed": len(c.failed), "gone": c.gone, "undone": c.undone, "writes": writes,
			"left_out": c.leftOut, "notes": c.notes,
		})
	}
	_, err := fmt.Fprint(env.stdout, c.text(options.dryRun, kind, writes))
	return err
}

// text says in words what it came to, for who was not there.
func (c *stageCount) text(dryRun bool, kind batch.JobKind, writes int) string {
	did := map[batch.JobKind]string{
		batch.JobStage: fmt.Sprintf("%d added, %d changed, %d unchanged", c.added, c.changed, c.unchanged),
		batch.JobClean: fmt.Sprintf("%d cleaned, %d had nothing to clean", c.changed, c.unchanged),
		batch.JobUndo:  fmt.Sprintf("%d taken back", c.undone),
	}[kind]
	lines := []string{fmt.Sprintf("%s, %d need a person, %d failed; %s.", did, c.needy(), len(c.failed), counted(writes, "directory write"))}
	if kind == batch.JobStage {
		lines[0] = fmt.Sprintf("%s, %d need a person, %d failed; links set for %d; %s.", did, c.needy(), len(c.failed), c.linked, counted(writes, "directory write"))
	}
	if dryRun {
		lines[0] = "It would be: " + lines[0]
	}
	for _, reason := range slices.Sorted(maps.Keys(c.leftOut)) {
		lines = append(lines, fmt.Sprintf("Left out: %s (%s).", counted(c.leftOut[reason], "recipient"), reason))
	}
	for _, r := range directory.AllRules() {
		if n := c.notes[r.ID]; n > 0 {
			lines = append(lines, fmt.Sprintf("Noted for %d: %s [%s]", n, r.Means, r.ID))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// counted returns the number with the noun in its number.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A countedJournal counts the changes that have been carried out. Those that an earlier
// process was killed over are not among them.
type countedJournal struct {
	directory.Journal
	intended *sync.Map // by ID
	written  *atomic.Int64
}

func (c *stageCount) journal(j directory.Journal) directory.Journal {
	return countedJournal{j, new(sync.Map), &c.written}
}

func (j countedJournal) Intend(ctx context.Context, change directory.Change) (int64, error) {
	id, err := j.Journal.Intend(ctx, change)
	if err == nil {
		j.intended.Store(id, true)
	}
	return id, err
}

func (j countedJournal) Commit(ctx context.Context, id int64) error {
	err := j.Journal.Commit(ctx, id)
	if _, ours := j.intended.LoadAndDelete(id); ours && err == nil {
		j.written.Add(1)
	}
	return err
}
