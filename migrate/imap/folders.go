package imap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"reforest/migrate"
)

// Folders lists the personal folders of the mailbox, the inbox first and parents
// before children. Names that are subscribed to and do not exist are left out.
func (s *Source) Folders(ctx context.Context) ([]migrate.Folder, error) {
	c, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	all, spaces, err := c.own(ctx, true)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// A server may take minutes to add up the sizes of a large mailbox. They are
		// worth less than the mailbox.
		if c, err = s.ready(ctx); err == nil {
			all, spaces, err = c.own(ctx, false)
		}
	}
	if err != nil {
		return nil, err
	}
	return makeFolders(all, spaces), nil
}

// own lists the mailbox's folders and the prefixes by which its own are known, in one go.
// No folder is open meanwhile: of one that is, STATUS tells how this connection saw it
// last (RFC 9051 6.3.11).
func (c *Conn) own(ctx context.Context, counts bool) ([]listed, namespaces, error) {
	if err := c.unselect(ctx); err != nil {
		return nil, namespaces{}, err
	}
	asked, err := c.sendNamespaces(ctx)
	if err != nil {
		return nil, namespaces{}, err
	}
	all, err := c.list(ctx, counts)
	spaces, spacesErr := asked.wait(ctx)
	if err == nil {
		err = spacesErr
	}
	if err == nil && counts {
		err = c.addCounts(ctx, all)
	}
	return all, spaces, err
}

// addCounts asks for each folder's numbers where LIST could not tell them. They
// are for progress only: a folder that does not answer keeps 0.
func (c *Conn) addCounts(ctx context.Context, all []listed) error {
	if c.Offers("LIST-EXTENDED") && c.Offers("LIST-STATUS") {
		return nil
	}
	for i := range all {
		if all[i].container() {
			continue
		}
		numbers, err := c.status(ctx, all[i].name, c.countItems())
		if err != nil && (c.broken || ctx.Err() != nil) {
			return err
		}
		all[i].count(numbers)
	}
	return nil
}

func makeFolders(all []listed, spaces namespaces) []migrate.Folder {
	var folders []migrate.Folder
	for _, l := range all {
		if !spaces.owns(l.name) || l.has(`\NonExistent`) && !hasChild(all, l) {
			continue
		}
		folders = append(folders, migrate.Folder{
			ID:         migrate.FolderID(l.name),
			Path:       splitName(l, spaces.personal[0]),
			Subscribed: l.subscribed,
			Container:  l.container(),
			SpecialUse: specialUse(l),
			Items:      l.items,
			Bytes:      l.bytes,
			State:      l.state.String(),
		})
	}
	slices.SortStableFunc(folders, func(a, b migrate.Folder) int {
		return slices.CompareFunc(a.Path, b.Path, compareNames)
	})
	return folders
}

// compareNames puts the inbox before all others.
func compareNames(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == inbox:
		return -1
	case b == inbox:
		return 1
	}
	return strings.Compare(a, b)
}

func hasChild(all []listed, parent listed) bool {
	prefix := parent.name + parent.delim
	return parent.delim != "" && slices.ContainsFunc(all, func(l listed) bool {
		return strings.HasPrefix(l.name, prefix) && !l.has(`\NonExistent`)
	})
}

// splitName takes a mailbox name apart at the delimiter, which is looked for
// before decoding: modified UTF-7 never spells one.
func splitName(l listed, prefix string) []string {
	whole := components(l.name, l.delim)
	if strings.EqualFold(whole[0], inbox) {
		whole[0] = inbox
	}
	rest, found := strings.CutPrefix(l.name, prefix)
	if !found || rest == "" {
		return whole
	}
	// INBOX.INBOX must not become the inbox itself.
	parts := components(rest, l.delim)
	if prefix != "" && !strings.EqualFold(parts[0], inbox) {
		return parts
	}
	return whole
}

func components(name, delim string) []string {
	parts := []string{name}
	if delim != "" {
		parts = strings.Split(strings.TrimSuffix(name, delim), delim)
	}
	for i, part := range parts {
		parts[i] = decodeName(part)
	}
	return parts
}

// decodeName decodes modified UTF-7. A name that is none stays as it is; bytes
// that are no text become =XX, so that two names stay two.
func decodeName(name string) string {
	if text, err := decodeUTF7(name); err == nil {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, "=%02X", name[i])
		} else {
			out.WriteString(name[i : i+n])
		}
		i += n
	}
	return out.String()
}

// specialUse returns the mailbox's use (RFC 6154 2), or "".
func specialUse(l listed) string {
	for _, use := range []string{`\All`, `\Archive`, `\Drafts`, `\Flagged`, `\Junk`, `\Sent`, `\Trash`} {
		if l.has(use) {
			return use
		}
	}
	return ""
}
