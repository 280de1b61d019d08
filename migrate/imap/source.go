package imap

import (
	"context"

	"reforest/migrate"
)

// A Source reads one mailbox. It opens folders read-only and changes nothing, not
// even \Seen or \Recent.
type Source struct {
	*session
	listed listing // what Deltas has listed last
}

// A listing is what a folder holds past a cursor.
type listing struct {
	folder      string
	uidValidity uint32
	found       []sized // by UID
}

var _ migrate.Source = (*Source)(nil)

// OpenSource connects to the mailbox and logs in.
func OpenSource(ctx context.Context, config Config) (*Source, error) {
	s, err := openSession(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Source{session: s}, nil
}
