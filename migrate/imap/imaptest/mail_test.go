package imaptest_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/corpus"
	"reforest/migrate/imap/imaptest"
)

func owner(d *imaptest.Dovecot, user string) imaptest.Account {
	return imaptest.Account{Address: d.Address, CAFile: d.CAFile, User: user, Password: d.Password}
}

// pour fills a mailbox.
func pour(t testing.TB, account imaptest.Account, mailbox corpus.Mailbox) {
	t.Helper()
	p := imaptest.NewPour(t, account)
	var body []byte
	for _, folder := range mailbox.Folders {
		p.Folder(folder.Path, folder.Subscribed)
		for _, m := range folder.Messages {
			body = m.Append(body[:0])
			p.Add(body, m.Received, m.Flags)
		}
	}
	p.Close()
}

// wanted lists what the mailbox is made of, as a listing does.
func wanted(mailbox corpus.Mailbox) []string {
	var list []string
	var body []byte
	for _, folder := range mailbox.Folders {
		for _, m := range folder.Messages {
			body = m.Append(body[:0])
			flags := slices.Sorted(slices.Values(m.Flags))
			e := imaptest.Entry{Received: m.Received.Unix(), Flags: flags, Size: int64(m.Size), Sum: sha256.Sum256(body)}
			list = append(list, words(strings.Join(folder.Path, "/"), e))
		}
	}
	slices.Sort(list)
	return list
}

// A listing is what of an inventory has to be the same at source and target: every
// message by folder, date, flags and bytes, in some order.
func listing(shelves []imaptest.Shelf) []string {
	var list []string
	for _, s := range shelves {
		for _, e := range s.Entries {
			list = append(list, words(s.Path, e))
		}
	}
	slices.Sort(list)
	return list
}

func words(path string, e imaptest.Entry) string {
	return fmt.Sprintf("%q %d %q %d %x", path, e.Received, e.Flags, e.Size, e.Sum[:12])
}

// surplus counts what of two sorted lists only the one or the other has.
func surplus(want, got []string) (missing, extra []string) {
	for len(want) > 0 || len(got) > 0 {
		switch {
		case len(got) == 0 || len(want) > 0 && want[0] < got[0]:
			missing, want = append(missing, want[0]), want[1:]
		case len(want) == 0 || got[0] < want[0]:
			extra, got = append(extra, got[0]), got[1:]
		default:
			want, got = want[1:], got[1:]
		}
	}
	return missing, extra
}

func TestSurplus(t *testing.T) {
	t.Parallel()
	missing, extra := surplus([]string{"a", "b", "b", "d"}, []string{"b", "c", "d", "d"})
	if diff := cmp.Diff([][]string{{"a", "b"}, {"c", "d"}}, [][]string{missing, extra}); diff != "" {
		t.Errorf("missing and extra (-want +got):\n%s", diff)
	}
}

func folders(shelves []imaptest.Shelf) []string {
	var list []string
	for _, s := range shelves {
		list = append(list, fmt.Sprintf("%q subscribed %t container %t", s.Path, s.Subscribed, s.Container))
	}
	return list
}

// What is poured into a Dovecot is what lies in it, also after it was killed.
func TestPour(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]imaptest.DovecotConfig{"mdbox": {Durable: true}, "maildir": {Maildir: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, mailbox := imaptest.NewDovecot(t, config), corpus.New(corpus.Small())[0]
			account := owner(server, mailbox.User)
			pour(t, account, mailbox)
			before := account.Inventory(t, "")
			if missing, extra := surplus(wanted(mailbox), listing(before)); len(missing)+len(extra) > 0 {
				t.Errorf("missing %q\nextra %q", missing, extra)
			}
			subscribed := len(slices.DeleteFunc(slices.Clone(before), func(s imaptest.Shelf) bool { return !s.Subscribed }))
			if want := len(mailbox.Folders) - 1; subscribed != want {
				t.Errorf("%d folders are subscribed, want %d: %q", subscribed, want, folders(before))
			}
			server.Kill(t)
			server.Start(t)
			if diff := cmp.Diff(before, account.Inventory(t, "")); diff != "" {
				t.Errorf("after the server was killed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestInventoryCutsALine(t *testing.T) {
	t.Parallel()
	account := owner(imaptest.StartDovecot(t, "/"), "dorothy")
	p := imaptest.NewPour(t, account)
	p.Folder([]string{"INBOX"}, false)
	const mark = "X-TUID: abc\r\n"
	for _, body := range []string{mark + "A: b\r\n\r\nX-TUID: body\r\n", "A: b\r\n" + mark + "\r\nX-TUID: body\r\n", "A: b\r\n\r\n"} {
		p.Add([]byte(body), time.Date(1939, 8, 25, 0, 0, 0, 0, time.UTC).AddDate(70, 0, 0), nil)
	}
	p.Close()
	entries := account.Inventory(t, "X-TUID: ")[0].Entries
	cut := sha256.Sum256([]byte("A: b\r\n\r\nX-TUID: body\r\n"))
	if entries[0].Sum != cut || entries[1].Sum != cut || entries[2].Sum != sha256.Sum256([]byte("A: b\r\n\r\n")) {
		t.Errorf("the mark is not cut, or more than it: %+v", entries)
	}
}
