package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"reforest/batch"
	"reforest/reports"
)

// mostSkips is how many skipped items the closing lines list; the report lists all.
const mostSkips = 20

// summary prints what became of each mailbox, and where the reports are.
func (d *display) summary(ctx context.Context, report *reports.Report, paths []string) error {
	d.over = true
	moves, err := movesOf(ctx, d.store, batch.Query{Batch: d.batch})
	if err != nil {
		return err
	}
	s, err := d.snapshot(ctx)
	if err != nil {
		return err
	}
	if d.json {
		s.MessageType = "summary"
		return json.NewEncoder(d.env.stdout).Encode(struct {
			snapshot
			Run     string   `json:"run"`
			Kind    string   `json:"kind"`
			Reports []string `json:"reports"`
		}{s, report.Run, report.Kind, paths})
	}
	lines := []string{
		movesTable(moves, waitsOf(report), false),
		s.ending(skips(moves)),
	}
	lines = append(lines, goOnLines(report.Batch, moves)...)
	lines = append(lines, deadlineLines(report.Batch, moves, time.Now())...)
	lines = append(lines, skipLines(report)...)
	for _, p := range paths {
		lines = append(lines, "Report: "+p)
	}
	_, err = fmt.Fprintln(d.env.stdout, strings.Join(lines, "\n"))
	return err
}

// ending is how the batch stands when a run is over.
func (s snapshot) ending(skipped int64) string {
	left := s.Mailboxes - s.Moved - s.Failed - s.RolledBack - s.Ready
	text := fmt.Sprintf("%d of %d moved, %d failed, %d not finished", s.Moved, s.Mailboxes, s.Failed, left) + s.more()
	if s.HeldWhy != "" {
		text += " (" + printable(s.HeldWhy) + ")"
	}
	return text + fmt.Sprintf("; %d items, %s, %d skipped.", s.Items, size(s.Bytes), skipped)
}

// deadlineLines say how many of a batch can be taken back, until when the first of them,
// and how.
func deadlineLines(batchName string, moves []batch.Move, now time.Time) (lines []string) {
	can, past, first := 0, 0, time.Time{}
	for _, move := range moves {
		switch {
		case reports.Deadline(move, nil, now) == "" || move.KeptUntil.IsZero():
		case !now.Before(move.KeptUntil):
			past++
		default:
			can++
			if first.IsZero() || move.KeptUntil.Before(first) {
				first = move.KeptUntil
			}
		}
	}
	if can > 0 {
		lines = append(lines, fmt.Sprintf("%d can be taken back, the first until %s: %s",
			can, first.In(now.Location()).Format("2 January 2006, 15:04"), reports.RollbackCommand(batch.Move{}, batchName)))
	}
	if past > 0 {
		lines = append(lines, fmt.Sprintf("%d could be taken back until the deadline, which has passed.", past))
	}
	return lines
}

// waitsOf says for each move, by its place in the batch, how often it waited in this
// run after a failed attempt, and why the last time.
func waitsOf(report *reports.Report) map[int]string {
	waits := map[int]string{}
	for _, move := range report.Moves {
		times, reason := 0, ""
		for _, w := range move.Waits {
			if w.Attempt > 0 {
				times, reason = times+1, w.Reason
			}
		}
		switch times {
		case 0:
		case 1:
			waits[move.Seq] = "waited once: " + reason
		default:
			waits[move.Seq] = fmt.Sprintf("waited %d times, last: %s", times, reason)
		}
	}
	return waits
}

// skipLines lists the items that were not moved.
func skipLines(report *reports.Report) (lines []string) {
	left := 0
	for _, move := range report.Moves {
		for _, skip := range move.Skips {
			if len(lines) == mostSkips {
				left++
				continue
			}
			lines = append(lines, printable(fmt.Sprintf("Skipped: %s, %s, item of %s, %s, %s: %s",
				move.DisplayName, skip.Folder, skip.Received.Format(time.DateTime), size(skip.Size), skip.Kind, skip.Reason)))
		}
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("Skipped: %d more; the report lists them all.", left))
	}
	return lines
}

func skips(moves []batch.Move) (n int64) {
	for _, move := range moves {
		n += move.Skips
	}
	return n
}

// plain keeps colours out of tables: they would end up in files and mails.
var plain = sync.OnceFunc(text.DisableColors)

// movesTable draws one line a mailbox. notes are by the move's place in the batch; working
// says that a run is at work on it.
func movesTable(moves []batch.Move, notes map[int]string, working bool) string {
	plain()
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Format.Header = text.FormatDefault
	w.Style().Options.DrawBorder = false
	w.AppendHeader(table.Row{"Mailbox", "State", "Items", "Size", "Skipped", "Notes"})
	right := []table.ColumnConfig{}
	for _, number := range []int{3, 4, 5} {
		right = append(right, table.ColumnConfig{Number: number, Align: text.AlignRight})
	}
	w.SetColumnConfigs(append(right, table.ColumnConfig{Number: 6, WidthMax: 60, WidthMaxEnforcer: text.WrapSoft}))
	names := namesOf(moves)
	for i, move := range moves {
		if !working {
			move = atRest(move)
		}
		w.AppendRow(table.Row{printable(names[i]), move.State, move.Items, size(move.Bytes), move.Skips, printable(cmp.Or(why(move), notes[move.Seq]))})
	}
	return w.Render()
}

// why says in one line what has to be known of a move beside its state.
func why(move batch.Move) string {
	switch {
	case move.State == batch.RolledBack:
		return "rolled back at " + clock(move.EndedAt) + "; works in the old mailbox"
	case move.State == batch.Ready && move.Reason != "":
		return "held back: " + move.Reason
	case move.State == batch.Planned && move.Phase == batch.PhaseRollback:
		return "the way back is due"
	case move.State == batch.Switching:
		return stepping(move)
	case move.State == batch.Waiting:
		return joined(stepping(move), move.Reason, nextWords(move))
	case move.State == batch.Failed && move.Hint != "":
		return joined(move.Reason, "what to do: "+move.Hint)
	}
	return move.Reason
}

// nextWords tell when an attempt is made again; "" where that is not known.
func nextWords(move batch.Move) string {
	if move.NextAt.IsZero() {
		return ""
	}
	return "next at " + clock(move.NextAt)
}

// stepping says where in a switch or a rollback the move is, and why if it steps back.
func stepping(move batch.Move) string {
	switch {
	case reports.StepsBack(move):
		return joined("steps back: "+move.Cause, reports.StepWords(move))
	case move.Phase == batch.PhaseRollback:
		return joined("on the way back", reports.StepWords(move))
	case move.Step == batch.StepGate:
		return "" // it has not begun: the reason says all
	}
	return reports.StepWords(move)
}

// joined leaves out what is empty.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "; ")
}

// printable replaces control characters: names come from a directory that others
// write, and a terminal obeys what it is sent.
func printable(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			runes[i] = '\ufffd'
		}
	}
	return string(runes)
}
