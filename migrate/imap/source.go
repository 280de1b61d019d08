package imap

import (
	"context"

	"reforest/migrate"
)

// A Source reads one mailbox. It opens folders read-only and changes nothing, not
// even \Seen or \Recent.
type Source struct{ *session }

var _ migrate.Source = (*Source)(nil)

// OpenSource connects to the mailbox and logs in.
func OpenSource(ctx context.Context, config Config) (*Source, error) {
	s, err := openSession(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Source{s}, nil
}
