package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"reforest/migrate"
)

// A Source reads a Mailbox.
type Source struct {
	Mailbox *Mailbox
	Page    int // deltas per page; 0 is 1000
}

var _ migrate.Source = (*Source)(nil)

// Formats returns MIME.
func (s *Source) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }

// Folders lists the mailbox's folders in the order of creation.
func (s *Source) Folders(context.Context) ([]migrate.Folder, error) {
	var list []migrate.Folder
	for _, f := range s.Mailbox.Folders() {
		folder := migrate.Folder{
			ID: migrate.FolderID(key(f.Path)), Path: f.Path, Subscribed: f.Subscribed, Items: int64(len(f.Messages)), State: f.state(),
		}
		for _, m := range f.Messages {
			folder.Bytes += int64(len(m.Body))
		}
		list = append(list, folder)
	}
	return list, nil
}

// Deltas yields the messages past the cursor, which is the last UID of a page.
func (s *Source) Deltas(ctx context.Context, folder migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	return func(yield func(migrate.Delta, error) bool) {
		fresh, err := s.past(string(folder), since)
		if err != nil {
			yield(migrate.Delta{}, err)
			return
		}
		for page := range slices.Chunk(fresh, s.page()) {
			for i, m := range page {
				d := migrate.Delta{Item: itemID(m.UID), Size: int64(len(m.Body))}
				if i == len(page)-1 {
					d.Cursor = migrate.Cursor(d.Item)
				}
				if ctx.Err() != nil || !yield(d, nil) {
					return
				}
			}
		}
	}
}

func (s *Source) page() int {
	if s.Page > 0 {
		return s.Page
	}
	return 1000
}

func (s *Source) past(folder string, since migrate.Cursor) (fresh []Message, err error) {
	last := int64(0)
	if since != "" {
		if last, err = strconv.ParseInt(string(since), 10, 64); err != nil {
			return nil, fmt.Errorf("cursor %q: %w", since, err)
		}
	}
	err = s.Mailbox.look(folder, func(f *Folder) error {
		for _, m := range f.Messages {
			if m.UID > last {
				fresh = append(fresh, m)
			}
		}
		return nil
	})
	return fresh, err
}

// Read yields the messages asked for.
func (s *Source) Read(ctx context.Context, folder migrate.FolderID, items []migrate.ItemID, format migrate.Format) iter.Seq2[*migrate.Item, error] {
	return func(yield func(*migrate.Item, error) bool) {
		for _, id := range items {
			if ctx.Err() != nil {
				yield(nil, context.Cause(ctx))
				return
			}
			item, err := s.read(string(folder), id, format)
			if !yield(item, err) {
				return
			}
		}
	}
}

func (s *Source) read(folder string, id migrate.ItemID, format migrate.Format) (*migrate.Item, error) {
	item := &migrate.Item{ID: id, Format: format}
	err := s.Mailbox.look(folder, func(f *Folder) error {
		m, found := f.message(string(id))
		if !found {
			return migrate.ErrGone
		}
		item.Received, item.Size, item.Flags = m.Received, int64(len(m.Body)), slices.Clone(m.Flags)
		item.Body = bytes.NewReader(m.Body)
		if m.Broken != "" {
			return &migrate.Error{Op: "memory.Read", Reach: migrate.OneItem, Retry: migrate.Never, Err: errors.New(m.Broken)}
		}
		return nil
	})
	return item, err
}

func itemID(uid int64) migrate.ItemID { return migrate.ItemID(strconv.FormatInt(uid, 10)) }
