package memory

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"

	"reforest/migrate"
)

var (
	_ migrate.Editor  = (*Target)(nil)
	_ migrate.Looker  = (*Source)(nil)
	_ migrate.Changer = (*Source)(nil)
)

// Changes lists every message: a mailbox in memory does not remember what has changed.
func (s *Source) Changes(_ context.Context, folder migrate.FolderID, _ migrate.Cursor, _ string) iter.Seq2[migrate.Change, error] {
	return func(yield func(migrate.Change, error) bool) {
		all := []migrate.Change{{Every: true}}
		err := s.Mailbox.look(string(folder), func(f *Folder) error {
			for _, m := range f.Messages {
				all = append(all, migrate.Change{Item: itemID(m.UID), Flags: slices.Clone(m.Flags)})
			}
			return nil
		})
		if err != nil {
			yield(migrate.Change{}, err)
			return
		}
		for _, change := range all {
			if !yield(change, nil) {
				return
			}
		}
	}
}

// state names what the folder holds, and whether it is subscribed to.
func (f *Folder) state() string {
	sum := fnv.New64a()
	for _, m := range f.Messages {
		_, _ = fmt.Fprintf(sum, "%d %q\n", m.UID, m.Flags)
	}
	return fmt.Sprintf("%d.%x.%t", f.next, sum.Sum64(), f.Subscribed)
}

// Look returns the flags of the messages that are there.
func (s *Source) Look(_ context.Context, folder migrate.FolderID, items []migrate.ItemID) (map[migrate.ItemID][]string, error) {
	s.Mailbox.mu.Lock()
	defer s.Mailbox.mu.Unlock()
	flags := map[migrate.ItemID][]string{}
	f := s.Mailbox.find(string(folder))
	if f == nil {
		return flags, nil
	}
	wanted := make(map[migrate.ItemID]bool, len(items))
	for _, item := range items {
		wanted[item] = true
	}
	for _, m := range f.Messages {
		if id := itemID(m.UID); wanted[id] {
			flags[id] = slices.Clone(m.Flags)
		}
	}
	return flags, nil
}

// Edit changes flags and moves messages.
func (t *Target) Edit(_ context.Context, ref migrate.Ref, edits []migrate.Edit) (done []migrate.Done, err error) {
	err = t.Mailbox.look(string(ref), func(f *Folder) error {
		for _, e := range edits {
			if d, ok := t.edit(f, e); ok {
				done = append(done, d)
			}
		}
		return nil
	})
	return done, err
}

// edit carries out one change. The caller holds the lock.
func (t *Target) edit(f *Folder, e migrate.Edit) (migrate.Done, bool) {
	i := slices.IndexFunc(f.Messages, func(m Message) bool { return itemRef(m.UID) == e.At })
	switch {
	case e.Delete:
		return remove(f, i, e)
	case i < 0:
		return migrate.Done{Item: e.Item, Ref: e.Copied, Flags: e.Base}, e.Copied != ""
	}
	if e.To != "" {
		m := f.Messages[i]
		f.Messages = slices.Delete(f.Messages, i, i+1)
		return t.land(m, e)
	}
	m := &f.Messages[i]
	want := e.With(e.Base)
	if !migrate.SameFlags(m.Flags, e.Base) && !migrate.SameFlags(m.Flags, want) {
		return migrate.Done{}, false
	}
	m.Flags = want
	return migrate.Done{Item: e.Item, Ref: e.At, Flags: slices.Clone(want)}, true
}

// remove deletes the i-th message, if it is there and as it was.
func remove(f *Folder, i int, e migrate.Edit) (migrate.Done, bool) {
	if i >= 0 && !e.Deletes(f.Messages[i].Flags) {
		return migrate.Done{}, false
	}
	if i >= 0 {
		f.Messages = slices.Delete(f.Messages, i, i+1)
	}
	return migrate.Done{Item: e.Item, Gone: true}, true
}

// land puts a message that is being moved into its folder.
func (t *Target) land(m Message, e migrate.Edit) (migrate.Done, bool) {
	to := t.Mailbox.ensure(unkey(string(e.To)))
	to.next++
	m.UID = to.next
	to.Messages = append(to.Messages, m)
	return migrate.Done{Item: e.Item, Ref: itemRef(m.UID), Flags: slices.Clone(m.Flags)}, true
}
