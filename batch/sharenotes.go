package batch

import (
	"fmt"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// The rules of findings about who may use folders.
const (
	PermissionBrought     = "permission.brought"
	PermissionMissing     = "permission.missing"
	PermissionLegacy      = "permission.legacy"
	PermissionUnmapped    = "permission.unmapped"
	PermissionRefused     = "permission.refused"
	PermissionUnreadable  = "permission.unreadable"
	PermissionConflict    = "permission.conflict"
	PermissionExtra       = "permission.extra"
	PermissionUnsupported = "permission.unsupported"
)

// namedFolders is how many folders a finding names; of more it says how many.
const namedFolders = 5

// shareNotes collects what is to be said of a mailbox's lists: of each identifier once,
// with the folders that it is about.
type shareNotes struct {
	whom        string
	order       []shareNote
	folders     map[shareNote][]string
	given, gone int
}

// A shareNote is one thing to be said.
type shareNote struct {
	rule, what, mend string
	severity         migrate.Severity
}

func newShareNotes(pair directory.Pair) *shareNotes {
	return &shareNotes{whom: pair.Source.String(), folders: map[shareNote][]string{}}
}

func (n *shareNotes) add(path []string, note shareNote) {
	folder := fmt.Sprintf("%q", strings.Join(path, "/"))
	known := n.folders[note]
	if known == nil {
		n.order = append(n.order, note)
	}
	for _, other := range known {
		if other == folder {
			return
		}
	}
	n.folders[note] = append(known, folder)
}

func (n *shareNotes) warn(path []string, rule, what, mend string) {
	n.add(path, shareNote{rule, what, mend, migrate.Warn})
}

func (n *shareNotes) gave(count int) { n.given += count }

func (n *shareNotes) took(count int) { n.gone += count }

func (n *shareNotes) missing(path []string, want wanted, lacks migrate.Rights) {
	n.warn(path, PermissionMissing, fmt.Sprintf("%q, who is %s there, lacks the rights %q", want.of, trustee(want.Grant), string(lacks)),
		"Clean the move, or set the rights by hand.")
}

func (n *shareNotes) unknown(path []string, want wanted, rights migrate.Rights) {
	n.add(path, shareNote{PermissionUnsupported, fmt.Sprintf("the target's mail server knows no rights %q, which %q has at the source", string(rights), want.of), "", migrate.Note})
}

func (n *shareNotes) legacy(path []string, g migrate.Grant) {
	n.warn(path, PermissionLegacy, fmt.Sprintf("%s, a name of the source, is still on the list", trustee(g)), "Clean the move.")
}

func (n *shareNotes) unmapped(path []string, g migrate.Grant, h directory.Holder) {
	n.warn(path, PermissionUnmapped, fmt.Sprintf("%s has the rights %q and is left as it is: %s", trustee(g), string(g.Rights.Ordered()), h.Why), h.Mend)
}

func (n *shareNotes) conflict(path []string, want wanted) {
	n.warn(path, PermissionConflict, fmt.Sprintf("%q is denied the rights %q at the source, and its twin %q has some of them at the target by itself; it keeps them", want.of, string(want.Rights), want.Who),
		"Decide which of the two counts, and set it by hand.")
}

func (n *shareNotes) extra(path []string, g migrate.Grant) {
	n.warn(path, PermissionExtra, fmt.Sprintf("%s has the rights %q, which nobody had whom it stands for", trustee(g), string(g.Rights.Ordered())),
		"Ask the owner, who may have given them since, or take them away.")
}

func (n *shareNotes) unsupported(path []string, g migrate.Grant) {
	n.warn(path, PermissionUnsupported, fmt.Sprintf("%s has the rights %q at the source, and the target's mail server keeps no such lists", trustee(g), string(g.Rights.Ordered())),
		"Turn them on there (ACL), and clean the move.")
}

func (n *shareNotes) refused(path []string, who string, err error) {
	n.warn(path, PermissionRefused, fmt.Sprintf("what %q may do was not changed: %s", who, words(err)), hint(err))
}

func (n *shareNotes) unreadable(path []string, side string, err error) {
	if err != nil {
		n.warn(path, PermissionUnreadable, fmt.Sprintf("the list of the %s folder cannot be read, so that nothing is changed on it: %s", side, words(err)), hint(err))
	}
}

func hint(err error) string {
	if e := migrate.AsError(err); e != nil {
		return e.Hint
	}
	return ""
}

// trustee names whom a grant is about, as one word whatever it holds.
func trustee(g migrate.Grant) string {
	if g.Denied {
		return fmt.Sprintf("%q (denied)", g.Who)
	}
	return fmt.Sprintf("%q", g.Who)
}

// findings returns what is to be said, in the order in which it was found.
func (n *shareNotes) findings() []migrate.Finding {
	var all []migrate.Finding
	if n.given+n.gone > 0 {
		all = append(all, migrate.Finding{
			Rule: PermissionBrought, Severity: migrate.Note, Whom: n.whom,
			What: fmt.Sprintf("%d rights on folders were given to twins, %d entries of the source's were taken off", n.given, n.gone),
		})
	}
	for _, note := range n.order {
		folders := n.folders[note]
		where := "folder "
		if len(folders) > 1 {
			where = "folders "
		}
		where += strings.Join(folders[:min(len(folders), namedFolders)], ", ")
		if more := len(folders) - namedFolders; more > 0 {
			where += fmt.Sprintf(" and %d more", more)
		}
		all = append(all, migrate.Finding{Rule: note.rule, Severity: note.severity, Whom: n.whom, What: where + ": " + note.what, Mend: note.mend})
	}
	return all
}
