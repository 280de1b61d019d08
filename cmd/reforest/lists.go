package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"reforest/batch"
	"reforest/batch/store"
)

// writeLists writes what the lists of the moves' folders said; no moves are everybody's.
func writeLists(ctx context.Context, w io.Writer, options *journalOptions, st *store.Store, ids []batch.MoveID) error {
	for move, err := range st.Moves(ctx, batch.Query{}) {
		if err != nil {
			return fmt.Errorf("read the moves: %w", err)
		}
		if ids != nil && !slices.Contains(ids, move.ID) {
			continue
		}
		kept, err := st.Lists(ctx, move.ID)
		if err != nil {
			return err
		}
		for _, list := range kept {
			if string(list.Side) != options.side {
				continue
			}
			if err := writeList(w, options, move, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeList writes a list as one JSON object, or a line for each entry. Folders and
// identifiers are quoted: they may hold anything.
func writeList(w io.Writer, options *journalOptions, move batch.Move, list batch.KeptList) error {
	if options.format == "json" {
		type entry struct {
			Who    string `json:"who"`
			Rights string `json:"rights"`
			Denied bool   `json:"denied,omitempty"`
		}
		entries := []entry{}
		for _, g := range list.Grants {
			entries = append(entries, entry{g.Who, string(g.Rights), g.Denied})
		}
		return json.NewEncoder(w).Encode(map[string]any{
			"message_type": "list", "mailbox": move.Identity, "side": list.Side, "folder": list.Path, "run": list.Run,
			"at": list.At.UTC(), "entries": entries,
		})
	}
	for _, g := range list.Grants {
		verb := "has"
		if g.Denied {
			verb = "is denied"
		}
		_, err := fmt.Fprintf(w, "%s %s %q: %q %s %s\n", list.At.UTC().Format(time.RFC3339), move.Identity, strings.Join(list.Path, "/"), g.Who, verb, g.Rights)
		if err != nil {
			return err
		}
	}
	return nil
}
