package memory

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"reforest/migrate"
)

// A Target writes a Mailbox.
type Target struct {
	Mailbox *Mailbox
	// Refuse says why a message is not taken; "" takes it. nil takes all.
	Refuse func(body []byte) string
	// Normalise stores bodies in their canonical form, as Dovecot does.
	Normalise bool
	// Quota is how many bytes the mailbox may hold; 0 is any number.
	Quota int64
}

var (
	_ migrate.Target  = (*Target)(nil)
	_ migrate.Counter = (*Target)(nil)
	_ migrate.Room    = (*Target)(nil)
)

// Formats returns MIME.
func (t *Target) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }

// PutFolder creates or completes the folder.
func (t *Target) PutFolder(_ context.Context, want migrate.Folder, _ migrate.Ref) (migrate.Placed, error) {
	t.Mailbox.PutFolder(want.Path, want.Subscribed)
	return migrate.Placed{Ref: migrate.Ref(key(want.Path))}, nil
}

// Mark returns the next UID.
func (t *Target) Mark(_ context.Context, ref migrate.Ref) (mark migrate.Mark, err error) {
	err = t.Mailbox.look(string(ref), func(f *Folder) error {
		mark = migrate.Mark(strconv.FormatInt(f.next+1, 10))
		return nil
	})
	return mark, err
}

// Write appends the items one by one.
func (t *Target) Write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (done []migrate.Done, err error) {
	for _, item := range items {
		if ctx.Err() != nil {
			return done, context.Cause(ctx)
		}
		body, err := io.ReadAll(item.Body)
		if err != nil {
			return done, fmt.Errorf("read the item's body: %w", err)
		}
		if t.Refuse != nil {
			if reason := t.Refuse(body); reason != "" {
				done = append(done, migrate.Done{Item: item.ID, Skip: &migrate.Skip{
					Item: item.ID, Received: item.Received, Size: item.Size, Kind: "refused", Reason: reason,
				}})
				continue
			}
		}
		if t.Normalise {
			body = canonical(body)
		}
		uids := t.Mailbox.Add(unkey(string(ref)), Message{Body: body, Received: item.Received, Flags: item.Flags})
		done = append(done, migrate.Done{Item: item.ID, Ref: itemRef(uids[0]), Flags: item.Flags})
	}
	return done, nil
}

// canonical returns the form that migrate.Digest is taken of.
func canonical(body []byte) []byte {
	var out []byte
	last := byte(0)
	for _, c := range body {
		switch {
		case c == '\n' && last != '\r':
			out = append(out, '\r', '\n')
		case c == 0:
			out = append(out, 0x80)
		default:
			out = append(out, c)
		}
		last = c
	}
	return out
}

// Landed matches the intent's items against the messages past its mark, each of which
// stands for one item. Messages of others may lie in between.
func (t *Target) Landed(_ context.Context, intent migrate.Intent) (done []migrate.Done, err error) {
	mark, err := strconv.ParseInt(string(intent.Mark), 10, 64)
	if err != nil && len(intent.Items) > 0 {
		return nil, fmt.Errorf("mark %q: %w", intent.Mark, err)
	}
	err = t.Mailbox.look(string(intent.Ref), func(f *Folder) error {
		rest := slices.Clone(intent.Items)
		for _, m := range f.Messages {
			if m.UID < mark || intent.Others[itemRef(m.UID)] {
				continue
			}
			if i := slices.IndexFunc(rest, func(p migrate.Planned) bool { return same(p, m) }); i >= 0 {
				done = append(done, migrate.Done{Item: rest[i].Item, Ref: itemRef(m.UID), Flags: m.Flags})
				rest = slices.Delete(rest, i, i+1)
			}
		}
		return nil
	})
	return done, err
}

func same(p migrate.Planned, m Message) bool {
	d := migrate.NewDigester(migrate.MIME)
	_, _ = d.Write(m.Body)
	return d.Size() == p.Size && d.Digest() == p.Digest && m.Received.Equal(p.Received)
}

func itemRef(uid int64) migrate.ItemRef { return migrate.ItemRef(itemID(uid)) }

// Room returns what Quota leaves.
func (t *Target) Room(context.Context) (free int64, limited bool, err error) {
	free = t.Quota
	for _, f := range t.Mailbox.Folders() {
		for _, m := range f.Messages {
			free -= int64(len(m.Body))
		}
	}
	return max(free, 0), t.Quota > 0, nil
}

// Count returns how many messages the folder holds.
func (t *Target) Count(_ context.Context, ref migrate.Ref) (n int64, err error) {
	err = t.Mailbox.look(string(ref), func(f *Folder) error {
		n = int64(len(f.Messages))
		return nil
	})
	return n, err
}
