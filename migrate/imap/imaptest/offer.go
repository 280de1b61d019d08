package imaptest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"reforest/migrate/migratetest"
)

// Offer creates the folder, where it is missing, and appends the messages to it one by
// one. It returns the server's words about those that it refused, by their index. A
// folder that is refused takes none of them, and made is false.
func (a Account) Offer(t testing.TB, folder migratetest.Folder) (refused map[int]string, made bool) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	name := strings.Join(folder.Path, delimiter(t, c))
	if _, err := c.Status(name, &imap.StatusOptions{UIDNext: true}).Wait(); err != nil {
		if serverWords(t, c.Create(name, nil).Wait()) != "" {
			return nil, false
		}
	}
	if folder.Subscribed {
		must(t, c.Subscribe(name).Wait())
	}
	refused = map[int]string{}
	for i, m := range folder.Messages {
		if words := serverWords(t, appendMessage(t, c, name, m)); words != "" {
			refused[i] = words
		}
	}
	return refused, true
}

// serverWords returns what the server said of a command that it refused; "" if it took it.
func serverWords(t testing.TB, err error) string {
	t.Helper()
	var no *imap.Error
	if errors.As(err, &no) {
		return no.Text
	}
	must(t, err)
	return ""
}

// Create creates a folder with a special use (RFC 6154 3).
func (a Account) Create(t testing.TB, name, use string) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	must(t, c.Create(name, &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttr(use)}}).Wait())
}

// Uses returns the folders that have a special use, and which.
func (a Account) Uses(t testing.TB) map[string]string {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	list, err := c.List("", "*", &imap.ListOptions{ReturnSpecialUse: true}).Collect()
	must(t, err)
	uses := map[string]string{}
	for _, l := range list {
		for _, attr := range l.Attrs {
			if slices.Contains(specialUses, attr) {
				uses[l.Mailbox] = string(attr)
			}
		}
	}
	return uses
}

var specialUses = []imap.MailboxAttr{imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash}

// SetMetadata sets an entry of a folder (RFC 5464 4.3).
func (a Account) SetMetadata(t testing.TB, folder, entry, value string) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	bytes := []byte(value)
	must(t, c.SetMetadata(folder, map[string]*[]byte{entry: &bytes}).Wait())
}

// Metadata returns an entry of a folder; "" if there is none.
func (a Account) Metadata(t testing.TB, folder, entry string) string {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	data, err := c.GetMetadata(folder, []string{entry}, nil).Wait()
	must(t, err)
	if value := data.Entries[entry]; value != nil {
		return string(*value)
	}
	return ""
}
