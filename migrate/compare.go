package migrate

import (
	"context"
	"fmt"
	"strings"
)

// ContentMissing is the rule of items that are neither moved nor skipped. Mail that
// comes in while both sides are compared breaks it too.
const ContentMissing = "content.missing"

// Compare checks the source against the ledger and the ledger against what the
// target says it holds, and returns what does not agree. It writes nothing.
func Compare(ctx context.Context, source Source, target Target, journal Journal) ([]Finding, error) {
	folders, err := source.Folders(ctx)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	c := &comparison{source: source, journal: journal, written: map[Ref]int64{}}
	for _, f := range folders {
		if err := c.folder(ctx, f); err != nil {
			return nil, fmt.Errorf("compare folder %q: %w", strings.Join(f.Path, "/"), err)
		}
	}
	if counter, ok := target.(Counter); ok {
		err = c.count(ctx, counter)
	}
	return c.findings, err
}

type comparison struct {
	source   Source
	journal  Journal
	findings []Finding
	written  map[Ref]int64
}

func (c *comparison) folder(ctx context.Context, f Folder) error {
	name := strings.Join(f.Path, "/")
	state, err := c.journal.Folder(ctx, f.ID)
	if err != nil {
		return err
	}
	if state.Ref == "" {
		c.forbid("content.folder", name, "the folder has no counterpart at the target", "run the batch again")
		return nil
	}
	c.written[state.Ref] += state.Items
	if len(state.Open) > 0 {
		c.forbid("content.open", name, "a chunk was sent and never confirmed", "run the batch again")
	}
	if f.Container {
		return nil
	}
	listed, missing, err := c.missing(ctx, f.ID)
	if err == nil && missing > 0 {
		c.forbid(ContentMissing, name, fmt.Sprintf("%d items of the source are neither moved nor skipped", missing), "run the batch again")
	}
	if err == nil && int64(listed) < f.Items {
		c.findings = append(c.findings, Finding{
			Rule: "content.unlisted", Severity: Warn, Whom: name, What: fmt.Sprintf("the source says that it holds %d items and lists %d", f.Items, listed),
			Mend: "verify again; if it says so still, have the folder's index rebuilt at the source and run the batch again",
		})
	}
	return err
}

// missing counts the source's items, and those that the ledger does not list.
func (c *comparison) missing(ctx context.Context, id FolderID) (listed, missing int, err error) {
	var page []ItemID
	look := func() error {
		written, err := c.journal.Written(ctx, id, page)
		listed += len(page)
		missing += len(without(page, written))
		page = page[:0]
		return err
	}
	for delta, err := range c.source.Deltas(ctx, id, "") {
		if err != nil {
			return listed, missing, err
		}
		if delta.Item != "" {
			page = append(page, delta.Item)
		}
		if delta.Cursor == "" {
			continue
		}
		if err := look(); err != nil {
			return listed, missing, err
		}
	}
	err = look()
	return listed, missing, err
}

// count compares how many items were written to each target folder with how many
// are there. More is mail that arrived since; fewer is for a person to look at.
func (c *comparison) count(ctx context.Context, target Counter) error {
	for ref, written := range c.written {
		if written == 0 {
			continue
		}
		there, err := target.Count(ctx, ref)
		if err != nil {
			return fmt.Errorf("count %q: %w", ref, err)
		}
		if there < written {
			c.findings = append(c.findings, Finding{
				Rule: "content.fewer", Severity: Warn, Whom: string(ref), What: fmt.Sprintf("%d items were written, %d are there", written, there),
				Mend: "ask whether the owner has deleted or moved mail since",
			})
		}
	}
	return nil
}

// forbid notes what must not be left as it is: something of the source is not moved.
func (c *comparison) forbid(rule, whom, what, mend string) {
	c.findings = append(c.findings, Finding{Rule: rule, Severity: Forbid, Whom: whom, What: what, Mend: mend})
}
