package migrate

import (
	"slices"
	"strings"
)

// A Summary is what a pass has done.
type Summary struct {
	Brought      int64 // items written in this pass
	BroughtBytes int64
	Skipped      int64  // items given up in this pass
	Reflagged    int64  // of those brought, items that the target holds with fewer flags or keywords
	Lost         string // the flags and keywords that those lack, by name; see lostMost
	Gone         int64  // items that vanished from the source between finding and reading them

	// Of a pass with Options.Follow:
	Moved     int64 // items moved at the target, as the owner has done at the source
	Elsewhere int64 // items that lie in another folder at the target, which cannot move them
	Edited    int64 // items whose flags were changed at the target, as at the source
	Kept      int64 // items that were not flagged or deleted as at the source: both sides changed them, or the target cannot
	Deleted   int64 // items that the source no longer holds and that were left at the target; 0 if the pass did not come to its end

	// Of a pass with Options.Delete:
	Removed   int64  // items deleted at the target, as at the source
	Guarded   int64  // items that were left because so much of their folder is gone that a person has to look
	GuardedIn string // the folders of those, by name

	Items int64 // items written in all passes
	Bytes int64
	Skips int64 // items given up in all passes

	TotalItems int64 // items at the source when the pass began, as the source says
	TotalBytes int64

	Stopped bool // Options.Stop ended the pass early
}

// Quiet reports whether a whole pass found nothing to bring and nothing to do.
func (s Summary) Quiet() bool {
	return !s.Stopped && s.Brought == 0 && s.Skipped == 0 && s.Moved == 0 && s.Elsewhere == 0 && s.Edited == 0 && s.Removed == 0
}

func (s *Summary) count(item Planned, d Done) {
	if d.Skip != nil {
		s.Skipped++
		s.Skips++
		return
	}
	s.Brought++
	s.Items++
	s.BroughtBytes += item.Size
	s.Bytes += item.Size
	if lost := lostFlags(item.Flags, d.Flags); len(lost) > 0 {
		s.Reflagged++
		s.Lost = addLost(s.Lost, lost)
	}
}

// countEdit counts what became of an item that the target held already.
func (s *Summary) countEdit(intent Intent, item Planned, d Done) {
	switch {
	case d.Gone:
		s.Removed++
		s.Items--
		s.Bytes -= item.Size
	case d.Was == Place{}:
		s.Edited++
	case d.Ref == "":
		s.Elsewhere++
	case d.Was.Ref != intent.Ref:
		s.Moved++
	}
}

// lostFlags returns the wanted flags that are not among those the target holds. \Recent is
// the server's own (RFC 3501 2.3.2).
func lostFlags(want, have []string) (lost []string) {
	for _, flag := range want {
		held := func(other string) bool { return strings.EqualFold(flag, other) }
		if !strings.EqualFold(flag, `\Recent`) && !slices.ContainsFunc(have, held) {
			lost = append(lost, flag)
		}
	}
	return lost
}

// lacksFlag reports whether a wanted flag is not among those the target holds.
func lacksFlag(want, have []string) bool { return len(lostFlags(want, have)) > 0 }

// lostMost is how many flags Summary.Lost names, since a mailbox may hold a new one in
// every message.
const lostMost = 20

// addLost adds to the names those that are new. No flag holds a space (RFC 9051 9).
func addLost(names string, lost []string) string {
	for _, flag := range lost {
		known := strings.Fields(names)
		switch {
		case slices.Contains(known, flag) || len(known) > lostMost:
		case len(known) == lostMost:
			names += " …"
		case names == "":
			names = flag
		default:
			names += " " + flag
		}
	}
	return names
}
