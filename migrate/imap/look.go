package imap

import (
	"context"
	"slices"

	"reforest/migrate"
)

var _ migrate.Looker = (*Source)(nil)

// Look returns the flags of those messages that are in the folder under the UIDs that
// they are asked for by.
func (s *Source) Look(ctx context.Context, folder migrate.FolderID, items []migrate.ItemID) (map[migrate.ItemID][]string, error) {
	c, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	sel, err := c.examineLanding(ctx, string(folder))
	if err != nil {
		return nil, err
	}
	var uids []uint32
	for _, item := range items {
		if at, err := parsePlace(string(item)); err == nil && at.uidValidity == sel.uidValidity {
			uids = append(uids, at.uid)
		}
	}
	flags, err := c.flags(ctx, uids)
	here := make(map[migrate.ItemID][]string, len(flags))
	for uid, f := range flags {
		here[migrate.ItemID(place{sel.uidValidity, uid}.String())] = f
	}
	return here, err
}

// flags asks for the flags of messages of the open folder; those that are gone are not
// in the answer.
func (c *Conn) flags(ctx context.Context, uids []uint32) (map[uint32][]string, error) {
	here := make(map[uint32][]string, len(uids))
	if len(uids) == 0 || c.selected.exists == 0 {
		return here, nil
	}
	slices.Sort(uids)
	uids = slices.Compact(uids)
	each := func(f fetched) {
		// What another session has just done to other messages may be told as well.
		if _, asked := slices.BinarySearch(uids, f.uid); asked {
			here[f.uid] = keptFlags(f.flags)
		}
	}
	s, err := c.uidFetch(ctx, uidSet(uids), "UID FLAGS", each, nil)
	if err == nil && !s.ok() {
		err = refused("imap.Fetch", s, migrate.OneMailbox, migrate.Later)
	}
	return here, err
}
