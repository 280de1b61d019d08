package imaptest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"reforest/migrate/migratetest"
)

// An Account is one mailbox, read and filled by a client that shares no code with
// the movers.
type Account struct {
	Address  string // host:port, TLS from the start
	CAFile   string
	User     string
	Admin    string // opens the mailbox by SASL PLAIN; "" logs in as User
	Password string // of Admin, or of User where there is no Admin
}

func (a Account) open(t testing.TB) *imapclient.Client {
	t.Helper()
	pem, err := os.ReadFile(a.CAFile)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	settings := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c, err := imapclient.DialTLS(a.Address, &imapclient.Options{TLSConfig: settings})
	must(t, err)
	if a.Admin == "" {
		must(t, c.Login(a.User, a.Password).Wait())
	} else {
		must(t, c.Authenticate(sasl.NewPlainClient(a.User, a.Admin, a.Password)))
	}
	return c
}

// Fill creates the folders where they are missing, subscribes to those that are to
// be, and appends the messages.
func (a Account) Fill(t testing.TB, folders []migratetest.Folder) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	delim := delimiter(t, c)
	for _, f := range folders {
		name := strings.Join(f.Path, delim)
		if _, err := c.Status(name, &imap.StatusOptions{UIDNext: true}).Wait(); err != nil {
			must(t, c.Create(name, nil).Wait())
		}
		if f.Subscribed {
			must(t, c.Subscribe(name).Wait())
		}
		for _, m := range f.Messages {
			fill(t, c, name, m)
		}
	}
}

func fill(t testing.TB, c *imapclient.Client, name string, m migratetest.Message) {
	t.Helper()
	must(t, appendMessage(t, c, name, m))
}

// appendMessage returns the server's refusal, if it refuses.
func appendMessage(t testing.TB, c *imapclient.Client, name string, m migratetest.Message) error {
	t.Helper()
	options := &imap.AppendOptions{Time: m.Received}
	for _, f := range m.Flags {
		options.Flags = append(options.Flags, imap.Flag(f))
	}
	command := c.Append(name, int64(len(m.Body)), options)
	_, err := command.Write([]byte(m.Body))
	must(t, err)
	must(t, command.Close())
	_, err = command.Wait()
	return err
}

func delimiter(t testing.TB, c *imapclient.Client) string {
	t.Helper()
	list, err := c.List("", "", nil).Collect()
	must(t, err)
	if len(list) == 0 || list[0].Delim == 0 {
		t.Fatal("the server has no hierarchy")
	}
	return string(list[0].Delim)
}

// Held returns everything the mailbox holds.
func (a Account) Held(t testing.TB) []migratetest.Folder {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	list, err := c.List("", "*", &imap.ListOptions{ReturnSubscribed: true}).Collect()
	must(t, err)
	var folders []migratetest.Folder
	for _, l := range list {
		f := migratetest.Folder{
			Path:       strings.Split(l.Mailbox, string(l.Delim)),
			Subscribed: slices.Contains(l.Attrs, imap.MailboxAttrSubscribed),
		}
		if !slices.Contains(l.Attrs, imap.MailboxAttrNoSelect) {
			f.Messages = messages(t, c, l.Mailbox)
		}
		folders = append(folders, f)
	}
	return folders
}

func messages(t testing.TB, c *imapclient.Client, name string) []migratetest.Message {
	t.Helper()
	sel, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	must(t, err)
	if sel.NumMessages == 0 {
		return nil
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	all := imap.SeqSet{{Start: 1}}
	found, err := c.Fetch(all, &imap.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	must(t, err)
	var list []migratetest.Message
	for _, m := range found {
		flags := make([]string, len(m.Flags))
		for i, f := range m.Flags {
			flags[i] = string(f)
		}
		body := m.FindBodySection(whole)
		list = append(list, migratetest.Message{Body: string(bytes.Clone(body)), Received: m.InternalDate, Flags: flags})
	}
	return list
}

// Delete deletes a folder.
func (a Account) Delete(t testing.TB, name string) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	must(t, c.Delete(name).Wait())
}

// Rename renames a folder.
func (a Account) Rename(t testing.TB, name, want string) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	must(t, c.Rename(name, want, nil).Wait())
}

// at opens the folder of a path and returns the n-th message in it.
func (a Account) at(t testing.TB, c *imapclient.Client, path []string, n int) imap.NumSet {
	t.Helper()
	data, err := c.Select(strings.Join(path, delimiter(t, c)), nil).Wait()
	must(t, err)
	if n >= int(data.NumMessages) {
		t.Fatalf("folder %q holds %d messages, there is none at %d", path, data.NumMessages, n)
	}
	return imap.SeqSetNum(uint32(n) + 1)
}

// Move moves a message to a folder, which is made where it is missing.
func (a Account) Move(t testing.TB, from []string, n int, to []string) {
	t.Helper()
	a.Fill(t, []migratetest.Folder{{Path: to}})
	c := a.open(t)
	defer func() { _ = c.Close() }()
	_, err := c.Move(a.at(t, c, from, n), strings.Join(to, delimiter(t, c))).Wait()
	must(t, err)
}

// Flag adds flags to a message and takes others away.
func (a Account) Flag(t testing.TB, path []string, n int, add, drop []string) {
	t.Helper()
	c := a.open(t)
	defer func() { _ = c.Close() }()
	set := a.at(t, c, path, n)
	for op, flags := range map[imap.StoreFlagsOp][]string{imap.StoreFlagsAdd: add, imap.StoreFlagsDel: drop} {
		change := &imap.StoreFlags{Op: op, Silent: true}
		for _, flag := range flags {
			change.Flags = append(change.Flags, imap.Flag(flag))
		}
		if len(flags) > 0 {
			must(t, c.Store(set, change, nil).Close())
		}
	}
}

// Expunge deletes a message for good.
func (a Account) Expunge(t testing.TB, path []string, n int) {
	t.Helper()
	a.Flag(t, path, n, []string{`\Deleted`}, nil)
	c := a.open(t)
	defer func() { _ = c.Close() }()
	a.at(t, c, path, n)
	must(t, c.Expunge().Close())
}
