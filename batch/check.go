package batch

import (
	"context"
	"fmt"
	"time"

	"reforest/migrate"
)

// CheckAge is how long a check of a batch counts: people come, go and change.
const CheckAge = 7 * 24 * time.Hour

// A Check is what a preflight of a whole batch found.
type Check struct {
	Batch     ID
	Digest    string // of the rows that were checked, as Batch.Digest
	At        time.Time
	Version   string // of the program that checked
	Mailboxes int
	Findings  []migrate.Finding
}

// Forbidden returns how many findings forbid the run.
func (c Check) Forbidden() (n int) {
	for _, f := range c.Findings {
		if f.Severity == migrate.Forbid {
			n++
		}
	}
	return n
}

// Stale returns why the check says nothing any more of a batch with the rows; "" if it
// still does.
func (c Check) Stale(digest string, now time.Time) string {
	switch age := now.Sub(c.At); {
	case c.Digest != digest:
		return "the batch had other rows"
	case age > CheckAge:
		return fmt.Sprintf("it is %d days old", int(age.Hours()/24))
	}
	return ""
}

// Checks keeps the record of checks. Nothing of it is ever taken away.
type Checks interface {
	// SaveCheck adds the check to those of its batch, which need not be planned.
	SaveCheck(ctx context.Context, check Check) error
	// LastCheck returns the check that was saved last for the batch. False: there is none.
	LastCheck(ctx context.Context, id ID) (Check, bool, error)
}
