package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/migrate"
)

// whom returns the moves of the batch whom --only names, in the batch's order. A name that
// means nobody of the batch, or several, is an error of usage.
func whom(ctx context.Context, conn *connection, st *store.Store, b plannedBatch, names []string) ([]batch.Move, error) {
	f := finder{conn: conn, store: st, batch: b}
	var found []batch.MoveID
	var faults []error
	for _, name := range names {
		ids, err := f.list(ctx, name)
		var wrong *whoError
		switch {
		case errors.As(err, &wrong):
			faults = append(faults, err)
		case err != nil:
			return nil, err
		}
		found = append(found, ids...)
	}
	if len(faults) > 0 {
		return nil, usage(errors.Join(faults...))
	}
	var moves []batch.Move
	for _, move := range b.moves {
		if slices.Contains(found, move.ID) {
			moves = append(moves, move)
		}
	}
	return moves, nil
}

// A finder finds people of a batch by what they are called.
type finder struct {
	conn  *connection  // whose source is asked for who has no name on record yet
	store *store.Store // nil: there is none yet
	batch plannedBatch
}

// A whoError says that a name means nobody of the batch, or several.
type whoError struct{ text string }

func (e *whoError) Error() string { return e.text }

// list finds one value of --only: a name, which may have commas of its own as those of
// directories do, or several names between commas.
func (f finder) list(ctx context.Context, value string) ([]batch.MoveID, error) {
	id, err := f.one(ctx, value)
	var unknown *whoError
	if !errors.As(err, &unknown) || !strings.Contains(value, ",") {
		return []batch.MoveID{id}, err
	}
	var ids []batch.MoveID
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		id, err := f.one(ctx, part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, unknown
	}
	return ids, nil
}

// one finds who is meant by a name: as the store has it, as the batch file has it, and as
// the source's directory has it.
func (f finder) one(ctx context.Context, name string) (batch.MoveID, error) {
	if strings.TrimSpace(name) == "" { // to the store that would be everybody
		return "", &whoError{"--only needs a name; nothing was changed"}
	}
	for _, look := range []func(context.Context, string) ([]batch.Move, error){f.onRecord, f.inFile, f.atSource} {
		moves, err := look(ctx, name)
		switch {
		case err != nil:
			return "", err
		case len(moves) == 1:
			return moves[0].ID, nil
		case len(moves) > 1:
			return "", f.several(name, moves)
		}
	}
	return "", &whoError{fmt.Sprintf("--only %q: nobody of batch %q is known by that name; nothing was changed", printable(name), f.batch.Name)}
}

func (f finder) several(name string, moves []batch.Move) error {
	var identities []string
	for _, move := range moves {
		identities = append(identities, printable(move.Identity))
	}
	return &whoError{fmt.Sprintf("--only %q: several of batch %q are known by that name; give one of: %s", printable(name), f.batch.Name, strings.Join(identities, ", "))}
}

// onRecord finds whom the store knows by the name.
func (f finder) onRecord(ctx context.Context, name string) ([]batch.Move, error) {
	if f.store == nil {
		return nil, nil
	}
	return movesOf(ctx, f.store, batch.Query{Batch: f.batch.ID, Who: name})
}

// inFile finds who has the name in the batch file.
func (f finder) inFile(_ context.Context, name string) (found []batch.Move, _ error) {
	for _, move := range f.batch.moves {
		if strings.EqualFold(strings.TrimSpace(name), move.Identity) {
			found = append(found, move)
		}
	}
	return found, nil
}

// atSource finds the person of that name at the source, and who of the batch it is: by
// its objectGUID, or by another of its names.
func (f finder) atSource(ctx context.Context, name string) (found []batch.Move, err error) {
	if f.conn == nil {
		return nil, nil
	}
	person, err := f.conn.directories.Resolve(ctx, name)
	var ambiguous *directory.AmbiguousError
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, nil
	case errors.As(err, &ambiguous):
		return nil, &whoError{fmt.Sprintf("--only %q: %v", printable(name), ambiguous)}
	case err != nil:
		return nil, err
	}
	names := append(person.Names(f.conn.directories.Source.Info), string(person.DN), person.DisplayName)
	for _, move := range f.batch.moves {
		if move.SourceGUID == person.GUID || move.SourceGUID == (migrate.GUID{}) && named(names, move.Identity) {
			found = append(found, move)
		}
	}
	return found, nil
}

// named reports whether the identity is one of the names.
func named(names []string, identity string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return name != "" && strings.EqualFold(name, identity) })
}
