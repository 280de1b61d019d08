package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// An Annotation is one entry of a folder's metadata (RFC 5464).
type Annotation struct {
	Entry string // its name, such as /private/comment; case does not matter (RFC 5464 3.1)
	Value string // any bytes
}

// Annotations are what a server holds of one folder.
type Annotations struct {
	List []Annotation
	Err  error // why they cannot be read; nil if they were
}

// An Annotator reads and sets the metadata of folders. Source and Target may be
// Annotators; of a Source nothing but reading is asked.
type Annotator interface {
	// Annotates reports whether the server keeps metadata.
	Annotates(ctx context.Context) (bool, error)
	// Annotations returns what the folders hold, in their order: their IDs at a Source,
	// their Refs at a Target.
	Annotations(ctx context.Context, folders []string) ([]Annotations, error)
	// Annotate sets entries of one folder and says of each why it was refused; nil where it
	// was not. It may be repeated.
	Annotate(ctx context.Context, folder string, entries []Annotation) ([]error, error)
}

// An Unannotated is an entry that did not come along, or a folder of which none could be
// read.
type Unannotated struct {
	Path  []string // of the folder at the source
	Entry string   // "" is all
	Why   string   // in the server's own words where there are any
}

// Annotate brings the metadata of every folder that has a place at the target. An entry
// that the target does not hold is set; one that it holds with another value is set only
// with replace, which is for as long as nobody works in the target mailbox. What the
// target has beyond that stays. It returns what it could not bring.
func Annotate(ctx context.Context, source Source, target Target, journal Journal, replace bool) ([]Unannotated, error) {
	from, to, err := annotators(ctx, source, target)
	if err != nil || from == nil {
		return nil, err
	}
	folders, err := annotated(ctx, source, journal)
	if err != nil || len(folders) == 0 {
		return nil, err
	}
	ids, refs := make([]string, len(folders)), make([]string, len(folders))
	for i, f := range folders {
		ids[i], refs[i] = string(f.Folder), string(f.Ref)
	}
	want, err := from.Annotations(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the metadata of the source: %w", err)
	}
	have, err := to.Annotations(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("read the metadata of the target: %w", err)
	}
	var left []Unannotated
	for i, f := range folders {
		some, err := annotate(ctx, to, f, want[i], have[i], replace)
		if err != nil {
			return nil, fmt.Errorf("set metadata of folder %q: %w", strings.Join(f.Path, "/"), err)
		}
		left = append(left, some...)
	}
	return left, nil
}

// annotators returns both sides, or nil where one of them keeps no metadata.
func annotators(ctx context.Context, source Source, target Target) (from, to Annotator, err error) {
	from, reads := source.(Annotator)
	to, writes := target.(Annotator)
	if !reads || !writes {
		return nil, nil, nil
	}
	for _, side := range []Annotator{from, to} {
		if able, err := side.Annotates(ctx); err != nil || !able {
			return nil, nil, err
		}
	}
	return from, to, nil
}

// annotated returns the folders of the source that have a place at the target.
func annotated(ctx context.Context, source Source, journal Journal) ([]FolderState, error) {
	all, err := source.Folders(ctx)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	var placed []FolderState
	for _, f := range all {
		if f.Container {
			continue // it need not exist, and metadata is of a mailbox
		}
		state, err := journal.Folder(ctx, f.ID)
		if err != nil {
			return nil, fmt.Errorf("journal of folder %q: %w", f.ID, err)
		}
		if state.Ref != "" {
			state.Folder, state.Path = f.ID, f.Path
			placed = append(placed, state)
		}
	}
	return placed, nil
}

// annotate brings the metadata of one folder.
func annotate(ctx context.Context, to Annotator, f FolderState, want, have Annotations, replace bool) (left []Unannotated, err error) {
	if unread := errors.Join(want.Err, have.Err); unread != nil {
		left = append(left, Unannotated{Path: f.Path, Why: unread.Error()})
		return left, nil //nolint:nilerr // what cannot be read of one folder is told, and stops nothing
	}
	missing, left := lacking(f.Path, want.List, have.List, replace)
	if len(missing) == 0 {
		return left, nil
	}
	refused, err := to.Annotate(ctx, string(f.Ref), missing)
	if err != nil {
		return nil, err
	}
	for i, why := range refused {
		if why != nil {
			left = append(left, Unannotated{f.Path, missing[i].Entry, why.Error()})
		}
	}
	return left, nil
}

// lacking returns what has to be set, and what is left because the target's value differs.
func lacking(path []string, want, have []Annotation, replace bool) (missing []Annotation, left []Unannotated) {
	held := map[string]string{}
	for _, a := range have {
		held[strings.ToLower(a.Entry)] = a.Value
	}
	for _, a := range want {
		value, known := held[strings.ToLower(a.Entry)]
		switch {
		case known && value == a.Value:
		case known && !replace:
			left = append(left, Unannotated{path, a.Entry, "it has another value at the target, which is left"})
		default:
			missing = append(missing, a)
		}
	}
	return missing, left
}
