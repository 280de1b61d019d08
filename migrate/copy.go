package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Defaults of Options.
const (
	DefaultChunkItems = 500
	DefaultChunkBytes = 4 << 20
	DefaultSpoolBytes = DefaultChunkBytes
	DefaultQueueBytes = 16 << 20
	DefaultGrace      = 5 * time.Second
)

// Options bound one pass. The zero value is a pass with the defaults that allows
// no skip.
type Options struct {
	ChunkItems int     // most items written under one intent; 0 is DefaultChunkItems
	ChunkBytes int64   // most bytes written under one intent, but for an item that is larger; 0 is DefaultChunkBytes
	SpoolBytes int64   // an item larger than this, or than ChunkBytes, waits in a file, not in memory; 0 is DefaultSpoolBytes
	QueueBytes int64   // bodies that one pass holds in memory, read and not written yet; 0 is DefaultQueueBytes, least is two ChunkBytes
	Memory     *Memory // shared with passes beside this one, in place of QueueBytes where ChunkBytes is the default; nil is none
	TempDir    string  // where such files lie; "" is the system's
	Limit      int64   // skips allowed in all passes of this move together; -1 is any number

	// Grace is how long a pass waits, from its beginning, before it asks the target
	// what of an open intent has landed: a server may still be storing what a killed
	// process sent it a moment ago. 0 is DefaultGrace, negative is none.
	Grace time.Duration

	// Whole makes the pass look at every item of the source, past or before the
	// cursors. What the ledger lists as written is not written again.
	Whole bool

	// Follow makes the pass do at the target what the owner did at the source with items
	// that both sides hold: what was moved is moved and not brought a second time, flags
	// that were changed are changed. What was deleted stays, and is counted. The journal
	// must be a Ledger, the source a Looker and a Changer; a target that is no Editor is
	// only told of. What anybody has changed at the target since is left as it is.
	Follow bool

	// Delete makes a pass that follows delete at the target what is gone at the source and
	// has not come up elsewhere in it, where the target still holds it as it was written.
	// Of a folder that is gone as a whole or was numbered anew, and of one with more than
	// 100 items of which more than half are gone, nothing is deleted; nor of any while the
	// move has skips, since what is gone may be what could not be read where it is now. It
	// is for as long as nobody works in the target mailbox.
	Delete bool

	// Stop is asked between chunks, on the goroutine that called Copy. True ends the pass
	// when what is on its way has arrived; what has been read ahead is forgotten.
	Stop func() bool
	// Progress is told of what has been committed, on the goroutine that called Copy.
	Progress func(Summary)
}

// Copy makes one pass: everything the source holds that the journal does not list
// as written is written to the target. It may be killed at any instant and called
// again; see the package comment. The error is an *Error where an adapter made it.
func Copy(ctx context.Context, source Source, target Target, journal Journal, options Options) (Summary, error) {
	format, err := commonFormat(source, target)
	if err != nil {
		return Summary{}, err
	}
	p := &pass{source: source, target: target, journal: journal, format: format, began: time.Now(), Options: options.withDefaults()}
	err = p.run(ctx)
	if errors.Is(err, errStopped) {
		p.sum.Stopped, err = true, nil
	}
	return p.sum, err
}

// run makes the pass.
func (p *pass) run(ctx context.Context) error {
	if err := p.follow(); err != nil {
		return err
	}
	folders, err := p.begin(ctx)
	if err != nil {
		return err
	}
	if err := p.resolveOpen(ctx, folders); err != nil {
		return err
	}
	if err := p.survey(ctx, folders); err != nil {
		return err
	}
	if slices.ContainsFunc(folders, func(f knownFolder) bool { return !f.same }) {
		if err := p.bring(ctx, folders); err != nil {
			return err
		}
	}
	return p.conclude(ctx, folders)
}

// errStopped leaves a pass that Options.Stop has ended.
var errStopped = errors.New("stopped")

// A pass is the state of one Copy.
type pass struct {
	Options
	source  Source
	target  Target
	journal Journal
	format  Format
	began   time.Time
	sum     Summary

	following *following // nil: the pass does not follow the owner
}

// A knownFolder is a source folder with what the journal knows of it.
type knownFolder struct {
	Folder
	state FolderState
	since Cursor // where reading begins
	same  bool   // nothing in it has changed since a pass brought everything
	fresh bool   // no pass has brought anything of it before
}

// failed says in which folder it was.
func (f *knownFolder) failed(err error) error {
	return fmt.Errorf("folder %q: %w", strings.Join(f.Path, "/"), err)
}

// unchanged reports whether there is nothing to do for the folder. One that holds no items
// has no state; it is there.
func (f *knownFolder) unchanged() bool {
	if f.state.Ref == "" || len(f.state.Open) > 0 || !slices.Equal(f.state.Path, f.Path) {
		return false
	}
	return f.Container || f.State != "" && f.State == f.state.Seen
}

func (o Options) withDefaults() Options {
	if o.ChunkItems == 0 {
		o.ChunkItems = DefaultChunkItems
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = DefaultChunkBytes
	}
	if o.SpoolBytes == 0 {
		o.SpoolBytes = DefaultSpoolBytes
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Stop == nil {
		o.Stop = func() bool { return false }
	}
	if o.Progress == nil {
		o.Progress = func(Summary) {}
	}
	return o
}

// commonFormat picks the richest format both sides speak: the first of the source's.
func commonFormat(source Source, target Target) (Format, error) {
	for _, f := range source.Formats() {
		if slices.Contains(target.Formats(), f) {
			return f, nil
		}
	}
	return "", &Error{
		Op: "migrate.Copy", Reach: WholeRun, Retry: Never,
		Err: fmt.Errorf("source speaks %v, target %v: no format in common", source.Formats(), target.Formats()),
	}
}

// begin lists the folders with their states and adds up what is there and done.
func (p *pass) begin(ctx context.Context) ([]knownFolder, error) {
	list, err := p.source.Folders(ctx)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	known := make([]knownFolder, 0, len(list))
	seen := make(map[FolderID]bool, len(list))
	for _, f := range list {
		if seen[f.ID] {
			continue // what is read ahead of the second is not in the ledger yet
		}
		seen[f.ID] = true
		one, err := p.know(ctx, f)
		if err != nil {
			return nil, err
		}
		known = append(known, one)
	}
	slices.SortStableFunc(known, containersLast)
	p.Progress(p.sum)
	return known, p.withinLimit()
}

// know looks up what the journal knows of a folder.
func (p *pass) know(ctx context.Context, f Folder) (knownFolder, error) {
	state, err := p.journal.Folder(ctx, f.ID)
	if err != nil {
		return knownFolder{}, fmt.Errorf("journal of folder %q: %w", f.ID, err)
	}
	p.sum.TotalItems += f.Items
	p.sum.TotalBytes += f.Bytes
	p.sum.Items += state.Items
	p.sum.Bytes += state.Bytes
	p.sum.Skips += state.Skips
	one := knownFolder{Folder: f, state: state, since: state.Cursor, fresh: state.untouched()}
	if p.Whole {
		one.since = ""
	} else {
		one.same = one.unchanged()
	}
	return one, nil
}

// untouched reports whether nothing of the folder has been brought or tried.
func (s FolderState) untouched() bool {
	return s.Cursor == "" && s.Seen == "" && s.Items == 0 && s.Skips == 0 && len(s.Open) == 0
}

// containersLast puts folders that hold only folders behind the others: most of them
// come into being with what they hold, and not every server makes one by itself.
func containersLast(a, b knownFolder) int {
	switch {
	case a.Container == b.Container:
		return 0
	case a.Container:
		return 1
	}
	return -1
}

// commit closes the intent and counts what became of its items.
func (p *pass) commit(ctx context.Context, intent Intent, done []Done) error {
	if err := p.journal.Commit(ctx, intent.ID, done); err != nil {
		return fmt.Errorf("commit chunk: %w", err)
	}
	return p.count(intent, done)
}

// count counts what has been committed.
func (p *pass) count(intent Intent, done []Done) error {
	planned := make(map[ItemID]Planned, len(intent.Items))
	for _, item := range intent.Items {
		planned[item.Item] = item
	}
	for _, d := range done {
		if intent.Edit {
			p.sum.countEdit(intent, planned[d.Item], d)
		} else {
			p.sum.count(planned[d.Item], d)
		}
	}
	p.Progress(p.sum)
	return p.withinLimit()
}

func (p *pass) withinLimit() error {
	if p.Limit < 0 || p.sum.Skips <= p.Limit {
		return nil
	}
	return &Error{
		Op: "migrate.Copy", Reach: OneMailbox, Retry: Never,
		Hint: "look at the skipped items in the report, then run the batch again and allow more (--bad-items)",
		Err:  fmt.Errorf("%d items could not be moved, %d are allowed", p.sum.Skips, p.Limit),
	}
}
