package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// Apply carries out the plan, change by change. Each is intended in the journal, with
// the values that stand there now, before the directory is touched, and committed
// after; what is there already is neither journalled nor written. So Apply may be
// repeated after it was stopped anywhere. A plan that holds a finding of severity
// Forbid is refused whole.
func (d *Directories) Apply(ctx context.Context, journal Journal, plan Plan) error {
	if err := d.Resume(ctx, journal); err != nil {
		return err
	}
	return d.Carry(ctx, journal, plan)
}

// Carry is Apply of a journal that Resume has been called with. Many may carry out plans
// with one journal at the same time.
func (d *Directories) Carry(ctx context.Context, journal Journal, plan Plan) error {
	if stop := plan.Forbidden(); len(stop) > 0 {
		return &migrate.Error{
			Op: "directory.Apply", Reach: migrate.OneMailbox, Retry: migrate.Never,
			Err: errors.New(stop[0].String()), Hint: stop[0].Mend,
		}
	}
	for _, change := range plan.Changes {
		if err := d.applyOne(ctx, journal, change); err != nil {
			return fmt.Errorf("%s %q on the %s: %w", change.Op, change.DN, change.Forest, err)
		}
	}
	return nil
}

// Resume closes what a process intended and died over. Whether it was written or
// not makes no difference to what comes next: the plan has been computed anew from
// what stands in the directory, so a change that was not written is in it again, and
// one that was is not. It does to the record, and so the directory has to answer for
// the entry first: an intent stays open as long as nobody can say what became of it.
func (d *Directories) Resume(ctx context.Context, journal Journal) error {
	var open []Change
	for change, err := range journal.Open(ctx) {
		if err != nil {
			return fmt.Errorf("read open changes: %w", err)
		}
		open = append(open, change)
	}
	for _, change := range open {
		if err := d.closeIntent(ctx, journal, change); err != nil {
			return fmt.Errorf("close the open change of %q: %w", change.DN, err)
		}
	}
	return nil
}

// closeIntent closes the intent of the change by what stands in the directory: as done
// if all of it is there, else as not carried out. One that was carried out and altered
// by somebody since counts as not carried out: it cannot be told from it.
func (d *Directories) closeIntent(ctx context.Context, journal Journal, change Change) error {
	entry, there, err := d.lookAt(ctx, change)
	if err != nil {
		return fmt.Errorf("look at it: %w", err)
	}
	done := there && len(remaining(change.Mods, entry)) == 0
	if change.Op == Delete {
		done = !there
	}
	if done {
		return journal.Commit(ctx, change.ID)
	}
	return journal.Drop(ctx, change.ID)
}

// lookAt reads what the change is about. The second result is false, and the entry
// without attributes, if it is not there.
func (d *Directories) lookAt(ctx context.Context, change Change) (*Entry, bool, error) {
	return look(ctx, d.forest(change.Forest).Reader, change.spot())
}

// look reads the spot. The second result is false, and the entry without attributes, if
// it is not there.
func look(ctx context.Context, reader Reader, spot Spot) (*Entry, bool, error) {
	entry, err := reader.Get(ctx, spot.DN, spot.Attrs...)
	if errors.Is(err, ErrNotFound) {
		return NewEntry(spot.DN, nil), false, nil
	}
	return entry, err == nil, err
}

// spot returns what the change is about.
func (c Change) spot() Spot {
	spot := Spot{Forest: c.Forest, DN: c.DN}
	for _, mod := range c.Mods {
		attr := mod.Attr
		if mod.Op == RandomPassword {
			attr = attrAccountControl // the password itself can be read by nobody
		}
		if !slices.Contains(spot.Attrs, attr) {
			spot.Attrs = append(spot.Attrs, attr)
		}
	}
	return spot
}

func (d *Directories) applyOne(ctx context.Context, journal Journal, change Change) error {
	entry, there, err := d.lookAt(ctx, change)
	switch {
	case err != nil:
		return err
	case change.Op == Add && there:
		return ours(change, entry)
	case change.Op == Delete && !there:
		return nil
	case change.Op == Delete:
		change.Before = image(entry)
		return d.record(ctx, journal, change)
	case change.Op != Add && !there:
		return ErrNotFound
	}
	if change.Op == Modify {
		if err := unchanged(change, entry); err != nil {
			return err
		}
	}
	change.Mods = remaining(change.Mods, entry)
	if len(change.Mods) == 0 {
		return nil
	}
	change.Before = before(entry, change.Mods)
	return d.record(ctx, journal, change)
}

// image returns all of the entry as a before-image.
func image(entry *Entry) []Mod {
	var mods []Mod
	for _, attr := range entry.Attrs() {
		mods = append(mods, Mod{Op: ReplaceValues, Attr: attr, Values: entry.Bytes(attr)})
	}
	return mods
}

// record notes the change in the journal, writes it and commits it. What the server
// refuses is closed at once; what became of it after any other error is for the next
// Apply to see.
func (d *Directories) record(ctx context.Context, journal Journal, change Change) error {
	return d.recordAs(ctx, journal, change, change)
}

// recordAs is record of a change that is written in the words of another.
func (d *Directories) recordAs(ctx context.Context, journal Journal, change, wire Change) (err error) {
	if change.ID, err = journal.Intend(ctx, change); err != nil {
		return fmt.Errorf("note in the journal: %w", err)
	}
	if err := d.write(ctx, wire); err != nil {
		if refused(err) {
			// The refusal may be the echo of an earlier, unanswered write of the same.
			err = errors.Join(err, d.closeIntent(ctx, journal, change))
		}
		return err
	}
	if err := journal.Commit(ctx, change.ID); err != nil {
		return fmt.Errorf("commit in the journal: %w", err)
	}
	return nil
}

// refused reports whether the error of a Write means that nothing was written.
func refused(err error) bool {
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) {
		return true
	}
	e := migrate.AsError(err)
	return e != nil && e.Reach == migrate.OneMailbox
}

// write writes the change. An Add that the server says is there already is looked at:
// the answer to an earlier attempt may have been lost on the way.
func (d *Directories) write(ctx context.Context, change Change) error {
	err := d.forest(change.Forest).Writer.Write(ctx, change)
	if change.Op != Add || !errors.Is(err, ErrExists) {
		return err
	}
	entry, there, lookErr := d.lookAt(ctx, change)
	switch {
	case lookErr != nil:
		return lookErr
	case !there:
		return taken(err) // one of its unique names is another entry's
	}
	return ours(change, entry)
}

// ours returns nil if the entry is what the Add would have made of it.
func ours(change Change, entry *Entry) error {
	if len(remaining(change.Mods, entry)) == 0 {
		return nil
	}
	return taken(fmt.Errorf("another entry has this name: %w", ErrExists))
}

// taken marks a name that somebody took since the plan was computed; the next plan
// finds another one.
func taken(err error) error {
	return &migrate.Error{
		Op: "directory.Apply", Reach: migrate.OneMailbox, Retry: migrate.Now, Err: err,
		Hint: "the name was taken in the meantime; it is planned anew",
	}
}

// unchanged refuses to write an attribute whole that was computed from other values than
// are there now: what somebody set in between would be lost. Between this look and the
// write a moment remains, which only a deletion of the values that were seen could close.
func unchanged(change Change, entry *Entry) error {
	for _, mod := range change.Mods {
		whole := mod.Op == ReplaceValues || mod.Op == DeleteValues && len(mod.Values) == 0
		present := entry.Bytes(mod.Attr)
		if !whole || satisfied(mod, present) || satisfied(change.was(mod.Attr), present) {
			continue
		}
		return &migrate.Error{
			Op: "directory.Apply", Reach: migrate.OneMailbox, Retry: migrate.Now,
			Err:  fmt.Errorf("%s was changed by someone else since it was read", mod.Attr),
			Hint: "it is planned anew",
		}
	}
	return nil
}

// was returns the replacement that leads back to what the attribute had before.
func (c Change) was(attr string) Mod {
	for _, b := range c.Before {
		if strings.EqualFold(b.Attr, attr) {
			return b
		}
	}
	return Mod{Op: ReplaceValues, Attr: attr}
}

// remaining returns what the mods still have to do to the entry. A password is set when
// the account is enabled, which happens in the same operation.
func remaining(mods []Mod, entry *Entry) []Mod {
	var rest []Mod
	for _, mod := range mods {
		if mod.Op == RandomPassword && enabled(entry) {
			continue
		}
		if m, left := remainder(mod, entry.Bytes(mod.Attr)); left {
			rest = append(rest, m)
		}
	}
	return rest
}
