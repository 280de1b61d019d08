package real

import (
	"bytes"
	"io"
	"net/mail"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Arrived returns the Message-ID of every message in user's mailbox, in all its
// folders, as often as it is there, in the order of the alphabet. A message that has
// none counts as "". Nothing is changed.
func (s MailServer) Arrived(t testing.TB, user string) []string {
	t.Helper()
	client := s.Login(t, user)
	defer func() { _ = client.Close() }()
	var ids []string
	for _, folder := range list(t, client, nil) {
		if !slices.Contains(folder.Attrs, imap.MailboxAttrNoSelect) && !slices.Contains(folder.Attrs, imap.MailboxAttrNonExistent) {
			ids = append(ids, messageIDs(t, client, folder.Mailbox)...)
		}
	}
	slices.Sort(ids)
	return ids
}

func messageIDs(t testing.TB, client *imapclient.Client, folder string) []string {
	t.Helper()
	selected, err := client.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	check(t, "examine", folder, err)
	if selected.NumMessages == 0 {
		return nil
	}
	var all imap.SeqSet
	all.AddRange(1, selected.NumMessages)
	command := client.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{
		Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Message-ID"}, Peek: true,
	}}})
	var ids []string
	for data := command.Next(); data != nil; data = command.Next() {
		ids = append(ids, readMessageID(t, folder, data))
	}
	check(t, "fetch", folder, command.Close())
	if len(ids) != int(selected.NumMessages) {
		t.Fatalf("fetch folder %q: %d messages of %d", folder, len(ids), selected.NumMessages)
	}
	return ids
}

func readMessageID(t testing.TB, folder string, data *imapclient.FetchMessageData) string {
	t.Helper()
	var id string
	for item := data.Next(); item != nil; item = data.Next() {
		section, ok := item.(imapclient.FetchItemDataBodySection)
		if !ok {
			continue
		}
		header, err := io.ReadAll(section.Literal)
		check(t, "read a header of", folder, err)
		if message, err := mail.ReadMessage(bytes.NewReader(header)); err == nil {
			id = message.Header.Get("Message-ID")
		}
	}
	return id
}
