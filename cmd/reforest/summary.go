package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"reforest/batch"
)

// summary prints what became of each mailbox, and where the reports are.
func (d *display) summary(ctx context.Context, id batch.RunID, paths []string) error {
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
			Run     batch.RunID `json:"run"`
			Reports []string    `json:"reports"`
		}{s, id, paths})
	}
	lines := []string{
		movesTable(moves),
		fmt.Sprintf("%d of %d moved, %d failed, %d not finished; %d items, %s, %d skipped.",
			s.Moved, s.Mailboxes, s.Failed, s.Mailboxes-s.Moved-s.Failed, s.Items, size(s.Bytes), skips(moves)),
	}
	for _, p := range paths {
		lines = append(lines, "Report: "+p)
	}
	_, err = fmt.Fprintln(d.env.stdout, strings.Join(lines, "\n"))
	return err
}

func skips(moves []batch.Move) (n int64) {
	for _, move := range moves {
		n += move.Skips
	}
	return n
}

// movesTable draws one line a mailbox.
func movesTable(moves []batch.Move) string {
	text.DisableColors() // colours would end up in files and mails
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Format.Header = text.FormatDefault
	w.Style().Options.DrawBorder = false
	w.AppendHeader(table.Row{"Mailbox", "State", "Items", "Size", "Skipped", "Why"})
	right := []table.ColumnConfig{}
	for _, number := range []int{3, 4, 5} {
		right = append(right, table.ColumnConfig{Number: number, Align: text.AlignRight})
	}
	w.SetColumnConfigs(append(right, table.ColumnConfig{Number: 6, WidthMax: 60}))
	for _, move := range moves {
		w.AppendRow(table.Row{printable(nameOf(move)), move.State, move.Items, size(move.Bytes), move.Skips, printable(why(move))})
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
