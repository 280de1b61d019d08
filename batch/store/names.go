package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// whoIs selects the moves m that have one of whoForms names, in any column that holds
// one or among the further names. The first placeholder is whether anything was asked
// for: an empty name would be that of every move that is not matched yet.
var whoIs = fmt.Sprintf(`? AND (m.identity_key IN (%[1]s) OR m.mail_key IN (%[1]s) OR m.name_key IN (%[1]s)
	OR m.source_key = ? OR m.target_key = ?
	OR m.id IN (SELECT n.move_id FROM move_names n WHERE n.key IN (%[1]s)))`, marks(whoForms))

// whoForms is how many forms of a name are looked for.
const whoForms = 3

// whoArgs returns the arguments of whoIs.
func whoArgs(who string) []any {
	forms, dn := whoKeys(who), dnKey(who)
	return slices.Concat([]any{forms[0] != ""}, forms, forms, forms, []any{dn, dn}, forms)
}

// whoKeys returns the forms of who: as it was written, for an identity in a batch file
// may be anything; without its type prefix; and as the legacyExchangeDN that it
// encapsulates. Where there is no such form, the first stands in its place.
func whoKeys(who string) []any {
	forms := []any{key(who), nameKey(who), ""}
	if legacy, ok := encapsulated(bare(who)); ok {
		forms[2] = nameKey(legacy)
	}
	for i := range forms {
		if forms[i] == "" {
			forms[i] = forms[0]
		}
	}
	return forms
}

// addNames adds what the move has of names to those in the store.
func addNames(ctx context.Context, t *tx, move batch.Move) error {
	for _, name := range move.Names {
		k := nameKey(name)
		if k == "" {
			continue
		}
		_, err := t.exec(ctx, `INSERT INTO move_names (move_id, key) VALUES (?, ?)
			ON CONFLICT (move_id, key) DO NOTHING`, string(move.ID), k)
		if err != nil {
			return fmt.Errorf("store a name of move %q: %w", move.ID, err)
		}
	}
	return nil
}

// key returns the form under which two names are the same for a Query. Letters that
// are composed in one way on one system and in another on the next are the same.
func key(name string) string { return strings.ToLower(norm.NFC.String(strings.TrimSpace(name))) }

// nameKey is key without a type prefix. A GUID has one form, with braces or without.
func nameKey(name string) string {
	name = bare(name)
	if guid, err := migrate.ParseGUID(name); err == nil {
		return guid.String()
	}
	return key(name)
}

func dnKey(dn string) string { return directory.DN(norm.NFC.String(dn)).Key() }

// bare cuts the type prefix of an address (MS-OXLDAP 2.2.3.4), and what mail programs
// put around one. X500 names begin with a slash and so never look like a prefix.
func bare(name string) string {
	name = strings.TrimSpace(name)
	if inner, ok := strings.CutPrefix(name, "<"); ok {
		name = strings.TrimSpace(strings.TrimSuffix(inner, ">"))
	}
	kind, rest, found := strings.Cut(name, ":")
	if !found {
		return name
	}
	switch strings.ToLower(kind) {
	case "smtp", "x500", "ex", "mailto":
		return strings.TrimSpace(rest)
	}
	return name
}
