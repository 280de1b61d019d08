package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
)

// checkOf is what the preflight of a batch found, for the record.
func checkOf(b plannedBatch, p *preflight) batch.Check {
	return batch.Check{
		Batch: b.ID, Digest: b.Digest, At: time.Now().UTC(), Version: version, Mailboxes: len(b.moves), Findings: p.findings,
	}
}

// saveCheck puts the preflight of a batch on record. Without a batch, or where the store
// cannot be written, which is a finding, there is nothing to keep.
func saveCheck(ctx context.Context, c *config, b plannedBatch, p *preflight) (err error) {
	if b.Name == "" || has(p.findings, "files.unwritable") {
		return nil
	}
	st, err := store.Open(ctx, store.Config{Path: c.storePath()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return st.SaveCheck(ctx, checkOf(b, p))
}

func has(findings []migrate.Finding, rule string) bool {
	for _, f := range findings {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

// saysOfLastCheck says when the batch was checked last, before it is checked again.
func saysOfLastCheck(ctx context.Context, env *environment, st *store.Store, b plannedBatch) error {
	last, found, err := st.LastCheck(ctx, b.ID)
	if err != nil || !found {
		return err
	}
	at := last.At.Local().Format(time.DateTime)
	if why := last.Stale(b.Digest, time.Now()); why != "" {
		env.say("The check of %s is stale (%s); everything is checked again.", at, why)
		return nil
	}
	env.say("Checked on %s (%s); everything is checked again.", at, outcomeOf(last))
	return nil
}

// outcomeOf says what a check came to.
func outcomeOf(c batch.Check) string {
	if n := c.Forbidden(); n > 0 {
		return fmt.Sprintf("%d findings forbid the run", n)
	}
	return "nothing forbids a run"
}

// checkWords is the line of status about a batch's last check.
func checkWords(c batch.Check, digest string) string {
	text := fmt.Sprintf("Last check: %s, %d mailboxes, %s", c.At.Local().Format(time.DateTime), c.Mailboxes, outcomeOf(c))
	if why := c.Stale(digest, time.Now()); why != "" {
		return text + "; it is stale: " + why
	}
	return text
}

// checkFiles looks at whether the store, the reports and the decision file can be written where they are to
// be, by making a file there and removing it.
func checkFiles(c *config) []migrate.Finding {
	var findings []migrate.Finding
	for _, place := range []struct{ key, dir string }{
		{"store", filepath.Dir(c.storePath())}, {"reports", c.reportsPath()}, {"match.decisions", filepath.Dir(c.decisionsPath())},
	} {
		if err := tryWriting(place.dir); err != nil {
			findings = append(findings, migrate.Finding{
				Rule: "files.unwritable", Severity: migrate.Forbid, Whom: place.key,
				What: fmt.Sprintf("%s cannot be written: %v", place.dir, err),
				Mend: fmt.Sprintf("Make it writable, or name another place under %s in the configuration.", place.key),
			})
		}
	}
	return findings
}

// tryWriting makes a file in the directory and removes it. A directory that is not there
// yet is made by who writes to it: the nearest one above it counts.
func tryWriting(dir string) error {
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "write", Path: dir, Err: errors.New("it is no directory")}
		}
		above := filepath.Dir(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || above == dir {
			break
		}
		dir = above
	}
	file, err := os.CreateTemp(dir, ".reforest-check-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
