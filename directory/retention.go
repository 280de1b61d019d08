package directory

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// attrRetention is how many seconds a database keeps a disconnected mailbox.
const attrRetention = "msExchMailboxRetentionPeriod"

// Retention returns how long the source's database keeps its mailbox once that is
// disconnected, and so can be connected again; 0 where it does not say. Of a source that is
// disconnected already, was names the database: see MailboxWas.
func (d *Directories) Retention(ctx context.Context, source *Recipient, was ...Mod) (time.Duration, error) {
	database := source.HomeMDB
	for _, m := range was {
		if database == "" && m.Attr == attrHomeMDB && len(m.Values) > 0 {
			database = DN(m.Values[0])
		}
	}
	if database == "" {
		return 0, nil
	}
	entry, err := d.Source.Reader.Get(ctx, database, attrRetention)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read how long %q keeps mailboxes: %w", database, err)
	}
	p := recipientParser{entry: entry}
	seconds := p.number(attrRetention)
	if p.err != nil {
		return 0, fmt.Errorf("read how long %q keeps mailboxes: %w", database, p.err)
	}
	return time.Duration(max(seconds, 0)) * time.Second, nil
}
