package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/migrate"
)

// examineLanding opens the folder of an intent. One that is not there has
// UIDVALIDITY 0, which no folder has (RFC 9051 9, nz-number).
func (c *Conn) examineLanding(ctx context.Context, name string) (selection, error) {
	return c.existing(ctx, name, c.examine)
}

// existing opens the folder if it is there.
func (c *Conn) existing(ctx context.Context, name string, open func(context.Context, string) (selection, error)) (selection, error) {
	sel, err := open(ctx, name)
	var s status
	if err == nil || !errors.As(err, &s) || s.kind != "NO" {
		return sel, err
	}
	if s.code == "" {
		// Not every server names the cause by a code, but all list what they have.
		all, listErr := c.list(ctx, false)
		here := slices.ContainsFunc(all, func(l listed) bool { return l.name == name })
		if listErr != nil || here {
			return sel, errors.Join(err, listErr)
		}
		s.code = "NONEXISTENT"
	}
	if s.code == "NONEXISTENT" || s.code == "TRYCREATE" {
		return selection{}, nil
	}
	return sel, err
}

// noneLanded returns nil if the target certainly holds nothing of an intent whose
// folder is gone, was made anew, or has been renumbered; then all of it can be sent
// again. The mark says nothing any more, so a message of the intent that is found
// may have landed, or may be an equal one from before: an earlier chunk's, where
// the source holds it twice, or somebody's delivery. To count it as landed could
// lose one, not to count it could double one. So:
//
//   - deleted, with or without another in its place: nothing is found, what had
//     landed went with the folder. Nothing is lost or doubled.
//   - restored from a backup older than the intent: the same.
//   - renumbered, and nothing is found: nothing had landed.
//   - renumbered, and something is found: an error, for a person to decide.
//   - renamed, perhaps with another in its place: the one that carries the mark's
//     UIDVALIDITY holds what landed. If that is something, an error, since it can be
//     named back.
//
// Folders that Cyrus makes within one second share their UIDVALIDITY; there an equal
// message in one of the others ends in that error, too.
//
// Left open is a folder that was renamed on a server that renumbers it then, and one
// of which the messages were moved elsewhere: as with a folder that is still the one
// marked, what was moved away is sent again.
func (c *Conn) noneLanded(ctx context.Context, sel selection, mark place, intent migrate.Intent) error {
	if sel.uidValidity != 0 {
		n, err := c.countLanded(ctx, sel, 1, intent)
		if err != nil {
			return err
		}
		if n > 0 {
			return staleError("imap.Landed", string(intent.Ref), mark.uidValidity, sel.uidValidity)
		}
	}
	all, err := c.list(ctx, false)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.container() || l.name == string(intent.Ref) {
			continue
		}
		if err := c.noneIn(ctx, l.name, mark, intent); err != nil {
			return err
		}
	}
	return c.unselect(ctx)
}

// noneIn returns nil unless the folder is the marked one under another name and
// holds something of the intent.
func (c *Conn) noneIn(ctx context.Context, name string, mark place, intent migrate.Intent) error {
	numbers, err := c.status(ctx, name, "UIDVALIDITY")
	if err != nil || numbers["UIDVALIDITY"] != uint64(mark.uidValidity) {
		return err
	}
	sel, err := c.examine(ctx, name)
	if err != nil {
		return err
	}
	n, err := c.countLanded(ctx, sel, mark.uid, intent)
	if err != nil || n == 0 {
		return err
	}
	return &migrate.Error{
		Op: "imap.Landed", Reach: migrate.OneMailbox,
		Err:  fmt.Errorf("folder %q has the UIDVALIDITY that folder %q had, and %d of its messages", decodeName(name), decodeName(string(intent.Ref)), n),
		Hint: "if the folder was renamed at the target while mail was being written to it, name it back; else compare both sides before you start it over",
	}
}

// countLanded returns how many messages of the intent the open folder may hold.
func (c *Conn) countLanded(ctx context.Context, sel selection, from uint32, intent migrate.Intent) (int, error) {
	found, err := c.landings(ctx, sel, from, intent.Items, intent.Others)
	if err != nil {
		return 0, err
	}
	return len(matchLandings(sel.uidValidity, intent.Items, found)), nil
}
