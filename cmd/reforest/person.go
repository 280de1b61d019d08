package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/reports"
)

// A person is all that status tells of one move.
type person struct {
	move    batch.Move
	facts   []batch.Fact
	shared  batch.Shared
	working bool // a run is at work on the batch
	now     time.Time
}

// personOf reads what every run of the move did of its switch.
func personOf(ctx context.Context, st *store.Store, move batch.Move, working bool) (person, error) {
	events, err := st.Switch(ctx, move.ID)
	if err != nil {
		return person{}, err
	}
	shared, err := st.Shared(ctx, move.ID)
	return person{move, batch.Timeline(events), shared, working, time.Now()}, err
}

// lines answers "have I been moved?" in the first, and tells the switch in the others.
func (p person) lines() []string {
	lines := []string{p.sentence()}
	if story := reports.Story(p.facts, p.now); story != "" {
		lines = append(lines, story)
	}
	if deadline := p.deadline(); deadline != "" {
		lines = append(lines, upperFirst(deadline)+": "+p.rollback())
	}
	if p.shared.Folders > 0 {
		lines = append(lines, fmt.Sprintf("Folders of the old mailbox that others could use: %d, with %d entries: %s",
			p.shared.Folders, p.shared.Entries, reports.ListsCommand(p.move, string(p.move.Batch))))
	}
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

// sentence says in which mailbox the person works, and if nobody is at work on the move how
// it goes on.
func (p person) sentence() string {
	if p.working {
		return reports.Sentence(p.move, p.facts, p.now)
	}
	text := reports.Sentence(atRest(p.move), p.facts, p.now)
	switch {
	case p.move.State == batch.Failed:
		return text + " Once that is mended it is tried again with: " + goOnWith(p.move, string(p.move.Batch))
	case p.move.State.Ended() || !begun(p.move):
		return text
	}
	return text + " No run is at work on it now; it goes on with: " + goOnWith(p.move, string(p.move.Batch))
}

func (p person) deadline() string { return reports.Deadline(p.move, p.facts, p.now) }

func (p person) rollback() string { return reports.RollbackCommand(p.move, string(p.move.Batch)) }

// line is the move as --json prints it.
func (p person) line() map[string]any {
	move := p.move
	line := map[string]any{
		"message_type": "status", "batch": move.Batch, "identity": move.Identity, "display_name": move.DisplayName, "mail": move.Mail,
		"state": move.State, "phase": move.Phase, "items": move.Items, "bytes": move.Bytes, "skips": move.Skips,
		"sentence": p.sentence(), "run_at_work": p.working, "primary": reports.Primary(move, p.facts),
	}
	if move.Reason != "" {
		line["reason"], line["attempt"], line["of"] = move.Reason, move.Attempt, move.Of
	}
	story, deadline := reports.Story(p.facts, p.now), p.deadline()
	if move.Phase == batch.PhaseRollback {
		move.Cause = "" // of no switch that steps back
	}
	for name, text := range map[string]string{"step": move.Step, "cause": move.Cause, "hint": move.Hint, "timeline": story, "deadline": deadline} {
		if text != "" {
			line[name] = text
		}
	}
	if deadline != "" || move.Phase == batch.PhaseRollback && !move.State.Ended() {
		line["rollback"] = p.rollback()
	}
	if !p.working {
		move = atRest(move)
	}
	for name, at := range map[string]time.Time{
		"next_at": move.NextAt, "started_at": move.StartedAt, "ended_at": move.EndedAt, "kept_until": move.KeptUntil,
	} {
		if !at.IsZero() {
			line[name] = at
		}
	}
	if p.shared.Folders > 0 {
		line["shared_folders"], line["shared_entries"] = p.shared.Folders, p.shared.Entries
	}
	if len(p.facts) > 0 {
		line["facts"] = factLines(p.facts)
	}
	return line
}

// A factLine is a fact of a switch as --json prints it.
type factLine struct {
	Run      batch.RunID    `json:"run"`
	At       time.Time      `json:"at"`
	Kind     batch.FactKind `json:"kind"`
	Messages *int64         `json:"messages,omitempty"` // where mail was fetched or copied back
	Cause    string         `json:"cause,omitempty"`
}

func factLines(facts []batch.Fact) (lines []factLine) {
	for _, f := range facts {
		line := factLine{Run: f.Run, At: f.At, Kind: f.Kind, Cause: f.Cause}
		if f.Kind == batch.FactFetched || f.Kind == batch.FactCopiedBack {
			line.Messages = &f.N
		}
		lines = append(lines, line)
	}
	return lines
}

// upperFirst begins a sentence with what is ASCII.
func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
