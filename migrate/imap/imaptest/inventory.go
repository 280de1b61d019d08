package imaptest

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// A Shelf is one folder of an Inventory.
type Shelf struct {
	Path        string // names joined by "/"
	Subscribed  bool
	Container   bool // \NoSelect
	UIDValidity uint32
	UIDNext     uint32
	Entries     []Entry // in the order of their UIDs
}

// An Entry is what an Inventory notes of a message.
type Entry struct {
	UID      uint32
	Received int64    // Unix seconds
	Flags    []string // sorted, without \Recent
	Size     int64    // bytes of the body
	Sum      [32]byte // SHA-256 of the body
}

// Inventory lists what the mailbox holds, however much it is: bodies come and go one by
// one. Lines that begin with cut, unless it is "", are left out of bodies: the first of
// each, with which some movers mark a message.
func (a Account) Inventory(t testing.TB, cut string) []Shelf {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	list, err := c.List("", "*", &imap.ListOptions{ReturnSubscribed: true}).Collect()
	must(t, err)
	var shelves []Shelf
	for _, l := range list {
		path := strings.Split(l.Mailbox, string(l.Delim))
		s := Shelf{
			Path:       strings.Join(path, "/"),
			Subscribed: slices.Contains(l.Attrs, imap.MailboxAttrSubscribed),
			Container:  slices.Contains(l.Attrs, imap.MailboxAttrNoSelect),
		}
		if !s.Container {
			s.fill(t, c, l.Mailbox, cut)
		}
		shelves = append(shelves, s)
	}
	slices.SortFunc(shelves, func(a, b Shelf) int { return strings.Compare(a.Path, b.Path) })
	return shelves
}

func (s *Shelf) fill(t testing.TB, c *imapclient.Client, name, cut string) {
	t.Helper()
	selected, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	must(t, err)
	s.UIDValidity, s.UIDNext = selected.UIDValidity, uint32(selected.UIDNext)
	if selected.NumMessages == 0 {
		return
	}
	command := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	})
	for message := command.Next(); message != nil; message = command.Next() {
		s.Entries = append(s.Entries, entry(t, message, cut))
	}
	must(t, command.Close())
	if len(s.Entries) != int(selected.NumMessages) {
		t.Fatalf("folder %q: read %d messages of %d", name, len(s.Entries), selected.NumMessages)
	}
	slices.SortFunc(s.Entries, func(a, b Entry) int { return int(a.UID) - int(b.UID) })
}

func entry(t testing.TB, message *imapclient.FetchMessageData, cut string) Entry {
	t.Helper()
	var e Entry
	for item := message.Next(); item != nil; item = message.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			e.UID = uint32(item.UID)
		case imapclient.FetchItemDataInternalDate:
			e.Received = item.Time.Unix()
		case imapclient.FetchItemDataFlags:
			e.Flags = plainFlags(item.Flags)
		case imapclient.FetchItemDataBodySection:
			body, err := io.ReadAll(item.Literal)
			must(t, err)
			body = withoutLine(body, cut)
			e.Size, e.Sum = int64(len(body)), sha256.Sum256(body)
		}
	}
	return e
}

func plainFlags(flags []imap.Flag) []string {
	var list []string
	for _, flag := range flags {
		if !strings.EqualFold(string(flag), `\Recent`) {
			list = append(list, string(flag))
		}
	}
	slices.Sort(list)
	return list
}

// withoutLine leaves out the first line that begins so; it changes body.
func withoutLine(body []byte, start string) []byte {
	at := 0
	if start == "" {
		return body
	}
	if !bytes.HasPrefix(body, []byte(start)) {
		at = bytes.Index(body, []byte("\r\n"+start)) + len("\r\n")
	}
	if at == 1 { // there is none
		return body
	}
	end := bytes.IndexByte(body[at:], '\n')
	if end < 0 {
		return body
	}
	return append(body[:at], body[at+end+1:]...)
}
