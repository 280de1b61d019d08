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
	DefaultSpoolBytes = 1 << 20
	DefaultGrace      = 5 * time.Second
)

// Options bound one pass. The zero value is a pass with the defaults that allows
// no skip.
type Options struct {
	ChunkItems int    // most items written under one intent; 0 is DefaultChunkItems
	ChunkBytes int64  // a chunk is closed when it holds this many bytes; 0 is DefaultChunkBytes
	SpoolBytes int64  // an item larger than this waits in a file, not in memory; 0 is DefaultSpoolBytes
	TempDir    string // where such files lie; "" is the system's
	Limit      int64  // skips allowed in all passes of this move together; -1 is any number

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
	// 100 items of which more than half are gone, nothing is deleted. It is for as long as
	// nobody works in the target mailbox.
	Delete bool

	Stop     func() bool   // asked between chunks; true ends the pass after the present one
	Progress func(Summary) // told after each chunk and folder, on the pass's goroutine
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
	if err := p.survey(ctx, folders); err != nil {
		return err
	}
	for _, f := range folders {
		if p.asSeen(f) {
			continue
		}
		if err := p.folder(ctx, f.Folder, f.state); err != nil {
			return fmt.Errorf("folder %q: %w", strings.Join(f.Path, "/"), err)
		}
	}
	return p.settle(ctx, folders)
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
	for _, f := range list {
		state, err := p.journal.Folder(ctx, f.ID)
		if err != nil {
			return nil, fmt.Errorf("journal of folder %q: %w", f.ID, err)
		}
		p.sum.TotalItems += f.Items
		p.sum.TotalBytes += f.Bytes
		p.sum.Items += state.Items
		p.sum.Bytes += state.Bytes
		p.sum.Skips += state.Skips
		known = append(known, knownFolder{f, state})
	}
	slices.SortStableFunc(known, containersLast)
	p.Progress(p.sum)
	return known, p.withinLimit()
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

// folder brings one folder up to date.
func (p *pass) folder(ctx context.Context, f Folder, state FolderState) error {
	if p.Stop() {
		return errStopped
	}
	state, err := p.place(ctx, f, state)
	if err != nil {
		return err
	}
	if err := p.resolve(ctx, state); err != nil {
		return err
	}
	if f.Container {
		return nil
	}
	since := state.Cursor
	if p.Whole {
		since = ""
	}
	var page []ItemID
	for delta, err := range p.source.Deltas(ctx, f.ID, since) {
		if err != nil {
			return fmt.Errorf("find what is new: %w", err)
		}
		if delta.Item != "" {
			page = append(page, delta.Item)
		}
		if delta.Cursor == "" {
			continue
		}
		if err := p.page(ctx, state, page); err != nil {
			return err
		}
		page, state.Cursor = page[:0], delta.Cursor
		if err := p.journal.PutFolder(ctx, state); err != nil {
			return fmt.Errorf("store cursor: %w", err)
		}
	}
	return p.page(ctx, state, page)
}

// place makes sure that the target folder is there and that the journal knows it.
func (p *pass) place(ctx context.Context, f Folder, state FolderState) (FolderState, error) {
	placed, err := p.target.PutFolder(ctx, f, state.Ref)
	if err != nil {
		return state, fmt.Errorf("place it at the target: %w", err)
	}
	if state.Ref == placed.Ref && placed.Mapped != "" && state.Mapped != "" {
		placed.Mapped = state.Mapped // the first time the server said why, in its own words
	}
	same := state.Ref == placed.Ref && state.Mapped == placed.Mapped && slices.Equal(state.Path, f.Path)
	if same && state.Folder == f.ID {
		return state, nil
	}
	state.Folder, state.Path, state.Ref, state.Mapped = f.ID, f.Path, placed.Ref, placed.Mapped
	if err := p.journal.PutFolder(ctx, state); err != nil {
		return state, fmt.Errorf("store its place: %w", err)
	}
	return state, nil
}

// resolve closes the intents that an earlier process left open: what the target
// holds of them is committed, the rest will be found and sent again.
func (p *pass) resolve(ctx context.Context, state FolderState) error {
	for _, intent := range state.Open {
		if err := sleepUntil(ctx, later(intent.At, p.began).Add(p.Grace)); err != nil {
			return err
		}
		done, err := p.landed(ctx, intent)
		if err != nil {
			return fmt.Errorf("find out what landed: %w", err)
		}
		if err := p.commit(ctx, intent, done); err != nil {
			return err
		}
	}
	return nil
}

// landed says what became of an open intent. New flags leave no trace of their own: the
// next survey sees what is still to be done.
func (p *pass) landed(ctx context.Context, intent Intent) ([]Done, error) {
	if intent.Edit && (len(intent.Items) == 0 || intent.Items[0].Was == Place{}) {
		return nil, nil
	}
	done, err := p.target.Landed(ctx, intent)
	if err == nil && intent.Edit {
		done, err = p.finish(ctx, intent, done)
	}
	return done, err
}

// page brings over those items of a page that are not written yet.
func (p *pass) page(ctx context.Context, state FolderState, items []ItemID) error {
	if len(items) == 0 {
		return nil
	}
	written, err := p.journal.Written(ctx, state.Folder, items)
	if err != nil {
		return fmt.Errorf("look into the ledger: %w", err)
	}
	missing := without(items, written)
	if len(missing) == 0 {
		return nil
	}
	c := &chunk{pass: p, state: state}
	defer c.drop()
	for len(missing) > 0 {
		n, err := c.read(ctx, missing)
		if err == nil {
			err = c.flush(ctx)
		}
		if err != nil {
			return err
		}
		missing = missing[n:]
	}
	return nil
}

func without(items []ItemID, written []Done) []ItemID {
	if len(written) == 0 {
		return items
	}
	have := make(map[ItemID]bool, len(written))
	for _, d := range written {
		have[d.Item] = true
	}
	var missing []ItemID
	for _, id := range items {
		if !have[id] {
			missing = append(missing, id)
		}
	}
	return missing
}

// commit closes the intent and counts what became of its items.
func (p *pass) commit(ctx context.Context, intent Intent, done []Done) error {
	if err := p.journal.Commit(ctx, intent.ID, done); err != nil {
		return fmt.Errorf("commit chunk: %w", err)
	}
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
