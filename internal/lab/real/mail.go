package real

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// A MailServer is one of the lab's two IMAP servers. Every user name exists there, with
// an empty mailbox.
type MailServer struct {
	Address       string // host:port, implicit TLS
	ServerName    string // in its certificate
	Admin         string // may open any mailbox: SASL PLAIN with authorization identity, or user*admin
	AdminPassword string
	Password      string // everyone's own
	CA            string // file
	LMTP          string // host:port where mail is delivered, in the clear, without a password

	lab, side string // for scripts/lab/mail
}

// Login opens user's mailbox as the admin (SASL PLAIN, RFC 4616); the connection dies
// with the test.
func (s MailServer) Login(t testing.TB, user string) *imapclient.Client {
	t.Helper()
	conn := dialTLS(t, s.Address, s.CA, s.ServerName)
	if err := conn.SetDeadline(time.Now().Add(5 * operationTime)); err != nil {
		t.Fatalf("bound the conversation with %s: %v", s.Address, err)
	}
	client := imapclient.New(conn, nil)
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Authenticate(sasl.NewPlainClient(user, s.Admin, s.AdminPassword)); err != nil {
		t.Fatalf("log in to %s as the admin of %q: %v", s.Address, user, err)
	}
	return client
}

// A Mailbox is all that a mailbox holds, in an order of its own, so that two of them
// can be compared.
type Mailbox struct {
	Folders    []string // names; one that cannot be selected ends in " (no select)"
	Subscribed []string
	Messages   []Message
}

// A Message is one message of a Mailbox; two equal messages stand twice.
type Message struct {
	Folder string
	Digest string // SHA-256 of its bytes, in hexadecimal
	Size   int64
	Date   string // INTERNALDATE, RFC 3339 in UTC
	Flags  string // flags and keywords, sorted, without \Recent
}

// Read returns what user's mailbox holds now. It reads every message and changes none.
func (s MailServer) Read(t testing.TB, user string) Mailbox {
	t.Helper()
	client := s.Login(t, user)
	defer func() { _ = client.Close() }()
	var mailbox Mailbox
	for _, folder := range list(t, client, nil) {
		if slices.Contains(folder.Attrs, imap.MailboxAttrNonExistent) {
			continue
		}
		if slices.Contains(folder.Attrs, imap.MailboxAttrNoSelect) {
			mailbox.Folders = append(mailbox.Folders, folder.Mailbox+" (no select)")
			continue
		}
		mailbox.Folders = append(mailbox.Folders, folder.Mailbox)
		mailbox.Messages = append(mailbox.Messages, readFolder(t, client, folder.Mailbox)...)
	}
	for _, folder := range list(t, client, &imap.ListOptions{SelectSubscribed: true}) {
		mailbox.Subscribed = append(mailbox.Subscribed, folder.Mailbox)
	}
	slices.Sort(mailbox.Folders)
	slices.Sort(mailbox.Subscribed)
	slices.SortFunc(mailbox.Messages, compareMessages)
	return mailbox
}

func compareMessages(a, b Message) int {
	return cmp.Or(
		cmp.Compare(a.Folder, b.Folder), cmp.Compare(a.Digest, b.Digest),
		cmp.Compare(a.Date, b.Date), cmp.Compare(a.Flags, b.Flags),
	)
}

func list(t testing.TB, client *imapclient.Client, options *imap.ListOptions) []*imap.ListData {
	t.Helper()
	folders, err := client.List("", "*", options).Collect()
	if err != nil {
		t.Fatalf("list folders: %v", err)
	}
	return folders
}

func readFolder(t testing.TB, client *imapclient.Client, name string) []Message {
	t.Helper()
	selected, err := client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatalf("examine folder %q: %v", name, err)
	}
	if selected.NumMessages == 0 {
		return nil
	}
	var all imap.SeqSet
	all.AddRange(1, selected.NumMessages)
	command := client.Fetch(all, &imap.FetchOptions{
		Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	})
	var messages []Message
	for data := command.Next(); data != nil; data = command.Next() {
		messages = append(messages, readMessage(t, name, data))
	}
	if err := command.Close(); err != nil {
		t.Fatalf("fetch folder %q: %v", name, err)
	}
	if len(messages) != int(selected.NumMessages) {
		t.Fatalf("fetch folder %q: %d messages of %d", name, len(messages), selected.NumMessages)
	}
	return messages
}

func readMessage(t testing.TB, folder string, data *imapclient.FetchMessageData) Message {
	t.Helper()
	message := Message{Folder: folder}
	for item := data.Next(); item != nil; item = data.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataBodySection:
			sum := sha256.New()
			size, err := io.Copy(sum, item.Literal)
			if err != nil {
				t.Fatalf("read a message of %q: %v", folder, err)
			}
			message.Size, message.Digest = size, hex.EncodeToString(sum.Sum(nil))
		case imapclient.FetchItemDataInternalDate:
			message.Date = item.Time.UTC().Format(time.RFC3339)
		case imapclient.FetchItemDataFlags:
			message.Flags = joinFlags(item.Flags)
		}
	}
	if message.Digest == "" || message.Date == "" {
		t.Fatalf("read a message of %q: body or date is missing", folder)
	}
	return message
}

func joinFlags(flags []imap.Flag) string {
	var names []string
	for _, flag := range flags {
		if !strings.EqualFold(string(flag), `\Recent`) {
			names = append(names, string(flag))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Empty deletes every message, folder and subscription of user's mailbox.
func (s MailServer) Empty(t testing.TB, user string) {
	t.Helper()
	client := s.Login(t, user)
	defer func() { _ = client.Close() }()
	for _, folder := range list(t, client, &imap.ListOptions{SelectSubscribed: true}) {
		check(t, "unsubscribe", folder.Mailbox, client.Unsubscribe(folder.Mailbox).Wait())
	}
	folders := list(t, client, nil)
	slices.SortFunc(folders, func(a, b *imap.ListData) int { return cmp.Compare(b.Mailbox, a.Mailbox) })
	for _, folder := range folders { // children stand before their parents
		selectable := !slices.Contains(folder.Attrs, imap.MailboxAttrNoSelect)
		if !strings.EqualFold(folder.Mailbox, "INBOX") && selectable {
			check(t, "delete", folder.Mailbox, client.Delete(folder.Mailbox).Wait())
		}
	}
	empty(t, client, "INBOX")
}

// empty removes every message of one folder.
func empty(t testing.TB, client *imapclient.Client, folder string) {
	t.Helper()
	selected, err := client.Select(folder, nil).Wait()
	check(t, "select", folder, err)
	if selected.NumMessages == 0 {
		return
	}
	var all imap.SeqSet
	all.AddRange(1, selected.NumMessages)
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	check(t, "mark", folder, client.Store(all, store, nil).Close())
	check(t, "expunge", folder, client.Expunge().Close())
}

func check(t testing.TB, what, folder string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s folder %q: %v", what, folder, err)
	}
}
