package batch

import (
	"context"
	"fmt"
	"strings"

	"reforest/migrate"
)

// namedMost is how many entries a finding names, since a mailbox may have thousands.
const namedMost = 20

// annotate brings the metadata of folders to the target. The findings name what the target
// does not take.
func (m *Mover) annotate(ctx context.Context, w *work) ([]migrate.Finding, error) {
	var left []migrate.Unannotated
	err := m.withMailboxes(ctx, w, func(source migrate.Source, target migrate.Target) (err error) {
		left, err = migrate.Annotate(ctx, source, target, w.content, w.beforeSwitch())
		return err
	})
	if err != nil || len(left) == 0 {
		return nil, err
	}
	return []migrate.Finding{{
		Rule: "content.metadata", Severity: migrate.Note, Whom: w.move.Identity,
		What: fmt.Sprintf("%d entries of folders' metadata did not come along: %s", len(left), nameEntries(left)),
	}}, nil
}

// nameEntries lists the entries with the reasons.
func nameEntries(left []migrate.Unannotated) string {
	var names []string
	for _, u := range left[:min(len(left), namedMost)] {
		names = append(names, strings.TrimSpace(fmt.Sprintf("%q %s", strings.Join(u.Path, "/"), u.Entry))+" ("+u.Why+")")
	}
	if len(left) > namedMost {
		names = append(names, "…")
	}
	return strings.Join(names, "; ")
}

// measure notes before the first pass what of the mailbox will not fit, or not come along.
func (m *Mover) measure(ctx context.Context, w *work) error {
	if w.move.Passes > 0 || w.move.Items > 0 {
		return nil
	}
	var findings []migrate.Finding
	err := m.withMailboxes(ctx, w, func(source migrate.Source, target migrate.Target) (err error) {
		findings, err = compareMailboxes(ctx, w.move.Identity, source, target)
		return err
	})
	if e := migrate.AsError(err); e != nil && e.Reach < migrate.OneServer {
		return nil // a server that does not say stops nothing
	}
	if err != nil {
		return err
	}
	return m.note(ctx, w, findings)
}

// compareMailboxes says what differs between the mailboxes that no pass can bring over.
func compareMailboxes(ctx context.Context, whom string, source migrate.Source, target migrate.Target) ([]migrate.Finding, error) {
	from, reads := source.(migrate.Measured)
	to, writes := target.(migrate.Measured)
	if !reads || !writes {
		return nil, nil
	}
	here, err := from.Quota(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the source's quota: %w", err)
	}
	there, err := to.Quota(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the target's quota: %w", err)
	}
	if there.Limited && !here.Limited { // a source without a limit tells no usage
		if here.Used, err = held(ctx, source); err != nil {
			return nil, err
		}
	}
	findings := compareQuotas(whom, here, there)
	for _, side := range []migrate.Measured{from, to} {
		if kept, err := side.SaveDates(ctx); err != nil || !kept {
			return findings, err
		}
	}
	return append(findings, migrate.Finding{
		Rule: "content.savedate", Severity: migrate.Note, Whom: whom,
		What: "both servers keep when a message came into its folder (SAVEDATE), and no command sets that: at the target it is the time of the move",
	}), nil
}

// held returns how many bytes the source says that it holds.
func held(ctx context.Context, source migrate.Source) (bytes int64, err error) {
	folders, err := source.Folders(ctx)
	for _, f := range folders {
		bytes += f.Bytes
	}
	return bytes, err
}

// compareQuotas says what the source uses of its quota, and whether that fits the target's.
func compareQuotas(whom string, here, there migrate.Quota) []migrate.Finding {
	if !here.Limited && !there.Limited {
		return nil
	}
	free := there.Limit - there.Used
	f := migrate.Finding{
		Rule: "content.quota", Severity: migrate.Note, Whom: whom,
		What: fmt.Sprintf("the old mailbox holds %d bytes (%s); the new one has %s", here.Used, limitOf(here), limitOf(there)),
	}
	if there.Limited && here.Used > free {
		f.Rule, f.Severity, f.Mend = "content.room", migrate.Warn, "Raise the quota of the new mailbox before it is full."
		f.What += fmt.Sprintf(", of which %d are free", max(free, 0))
	}
	return []migrate.Finding{f}
}

func limitOf(q migrate.Quota) string {
	if !q.Limited {
		return "no limit"
	}
	return fmt.Sprintf("a limit of %d bytes", q.Limit)
}
