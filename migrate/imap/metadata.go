package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

var (
	_ migrate.Annotator = (*Source)(nil)
	_ migrate.Annotator = (*Target)(nil)
)

// Annotates reports whether the server offers METADATA (RFC 5464); METADATA-SERVER alone
// is about no folder.
func (s *session) Annotates(ctx context.Context) (bool, error) {
	c, err := s.ready(ctx)
	return err == nil && c.Offers("METADATA"), err
}

// Annotations returns all private and shared entries of the folders (RFC 5464 4.2).
func (s *session) Annotations(ctx context.Context, folders []string) ([]migrate.Annotations, error) {
	c, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]migrate.Annotations, len(folders))
	for start := 0; start < len(folders); start += aclWindow {
		end := min(start+aclWindow, len(folders))
		if err := c.readAnnotations(ctx, folders[start:end], found[start:end]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// readAnnotations fills in what the folders hold, all of which are asked for before the
// first is read.
func (c *Conn) readAnnotations(ctx context.Context, folders []string, found []migrate.Annotations) error {
	commands := make([]sending, len(folders))
	for i, folder := range folders {
		handle := func(r reply) error {
			if r.name != "METADATA" {
				return nil
			}
			list, err := r.lex.metadataLine(folder)
			found[i].List = append(found[i].List, list...)
			return err
		}
		commands[i] = sending{"imap.GetMetadata", handle, []part{
			raw("GETMETADATA (DEPTH infinity) "), astring(folder), raw(" (/private /shared)"),
		}}
	}
	return c.burst(ctx, commands, func(i int, s status, err error) error {
		if err == nil {
			err = refusedMetadata("imap.GetMetadata", s, fmt.Sprintf("read metadata of folder %q", folders[i]))
		} else { // what was not understood is about this folder
			err = &migrate.Error{Op: "imap.GetMetadata", Reach: migrate.OneItem, Err: err}
		}
		found[i].Err = err
		return wider(err)
	})
}

// metadataLine reads a folder and its entries with their values (RFC 5464 4.4.1). Entries
// without a value are left out.
func (x *lexer) metadataLine(folder string) ([]migrate.Annotation, error) {
	mailbox, err := x.value()
	if err != nil {
		return nil, err
	}
	values, err := x.value()
	if err != nil {
		return nil, err
	}
	if values.kind != listKind { // entries that have changed, without values (RFC 5464 4.4.2)
		return nil, nil
	}
	if mailbox.text != folder && !strings.EqualFold(mailbox.text, inbox) || len(values.list)%2 != 0 {
		return nil, fmt.Errorf("%w: metadata that is not folder %.80q's", errSyntax, folder)
	}
	var list []migrate.Annotation
	for pair := range slices.Chunk(values.list, 2) {
		if !pair[1].isNil() {
			list = append(list, migrate.Annotation{Entry: pair[0].text, Value: pair[1].text})
		}
	}
	return list, nil
}

// Annotate sets the entries one by one, so that one that is refused costs no other
// (RFC 5464 4.3). A value with a NUL is not sent: it would have to be a literal8, which
// servers with METADATA do not take.
func (s *session) Annotate(ctx context.Context, folder string, entries []migrate.Annotation) ([]error, error) {
	c, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	refused := make([]error, len(entries))
	var commands []sending
	var of []int // which entry each command is about
	for i, a := range entries {
		if strings.Contains(a.Value, "\x00") {
			refused[i] = &migrate.Error{Op: "imap.SetMetadata", Reach: migrate.OneItem, Err: fmt.Errorf("set %q of folder %q: %w", a.Entry, folder, errNUL)}
			continue
		}
		of = append(of, i)
		commands = append(commands, sending{"imap.SetMetadata", nil, []part{
			raw("SETMETADATA "), astring(folder), raw(" ("), astring(a.Entry), raw(" "), astring(a.Value), raw(")"),
		}})
	}
	err = c.burst(ctx, commands, func(n int, s status, _ error) error {
		i := of[n]
		refused[i] = refusedMetadata("imap.SetMetadata", s, fmt.Sprintf("set %q of folder %q", entries[i].Entry, folder))
		return wider(refused[i])
	})
	return refused, err
}

// errNUL is why a value is not sent.
var errNUL = errors.New("the value holds a NUL")

// refusedMetadata makes the error of a NO or BAD about metadata. It reaches no further than
// the entry, unless the server is out of service: mail goes on without it.
func refusedMetadata(op string, s status, what string) error {
	if s.ok() {
		return nil
	}
	e := refused(op, s, migrate.OneItem, migrate.Never)
	if e.Reach < migrate.OneServer {
		e.Reach, e.Retry = migrate.OneItem, migrate.Never
	}
	e.Err = fmt.Errorf("%s: %w", what, s)
	return e
}
