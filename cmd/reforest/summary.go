package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
			Reports []string `json:"reports"`
		}{s, report.Run, paths})
	}
	lines := []string{
		movesTable(moves, waitsOf(report)),
		fmt.Sprintf("%d of %d moved, %d failed, %d not finished; %d items, %s, %d skipped.",
			s.Moved, s.Mailboxes, s.Failed, s.Mailboxes-s.Moved-s.Failed, s.Items, size(s.Bytes), skips(moves)),
	}
	lines = append(lines, skipLines(report)...)
	for _, p := range paths {
		lines = append(lines, "Report: "+p)
	}
	_, err = fmt.Fprintln(d.env.stdout, strings.Join(lines, "\n"))
	return err
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

// movesTable draws one line a mailbox. notes are by the move's place in the batch.
func movesTable(moves []batch.Move, notes map[int]string) string {
	text.DisableColors() // colours would end up in files and mails
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
	names := map[string]int{}
	for _, move := range moves {
		names[nameOf(move)]++
	}
	for _, move := range moves {
		name := nameOf(move)
		if names[name] > 1 {
			name += " (" + move.Identity + ")"
		}
		w.AppendRow(table.Row{printable(name), move.State, move.Items, size(move.Bytes), move.Skips, printable(cmp.Or(why(move), notes[move.Seq]))})
	}
	return w.Render()
}

// why says why a move waits or failed.
func why(move batch.Move) string {
	reason := move.Reason
	if move.State == batch.Waiting && !move.NextAt.IsZero() {
		reason += "; next at " + clock(move.NextAt)
	}
	return reason
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
