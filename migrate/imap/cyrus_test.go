package imap_test

import (
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// A cyrusWorld is a user with a mailbox on a Dovecot and on a Cyrus, which refuses
// some names: they are told in the source's spelling.
type cyrusWorld struct {
	*dovecotWorld
	cyrus  *imaptest.Cyrus
	target imaptest.Account
}

// startCyrus starts the Cyrus in the directory that REFOREST_CYRUS names.
func startCyrus(t *testing.T) *imaptest.Cyrus {
	t.Helper()
	return imaptest.StartCyrus(t, os.Getenv("REFOREST_CYRUS"))
}

func cyrusConfig(c *imaptest.Cyrus, user string) imap.Config {
	return imap.Config{Address: c.Address, CAFile: c.CAFile, Mailbox: user, Admin: c.Admin, Password: c.AdminPassword, Login: imap.Plain}
}

// Fill puts nothing into the source that Cyrus does not take.
func (w *cyrusWorld) Fill(t *testing.T, folders []migratetest.Folder) {
	mendHeaders(folders)
	w.dovecotWorld.Fill(t, folders)
}

// mendHeaders gives every message a header, without which Cyrus takes none.
func mendHeaders(folders []migratetest.Folder) {
	for f := range folders {
		for i, m := range folders[f].Messages {
			if first, _, _ := strings.Cut(m.Body, "\r\n"); !strings.Contains(first, ":") {
				folders[f].Messages[i].Body = "Subject: none\r\n\r\n" + m.Body
			}
		}
	}
}

func (w *cyrusWorld) Deliver(t *testing.T, path []string, m migratetest.Message) {
	w.delivered = append(w.delivered, m.Received)
	w.target.Fill(t, []migratetest.Folder{{Path: path, Messages: []migratetest.Message{m}}})
}

func (w *cyrusWorld) Open(t *testing.T) (migrate.Source, migrate.Target, func()) {
	return open(t, dovecotConfig(w.source, w.user), cyrusConfig(w.cyrus, w.user))
}

func (w *cyrusWorld) OpenBack(t *testing.T) (migrate.Source, migrate.Target, func()) {
	return open(t, cyrusConfig(w.cyrus, w.user), dovecotConfig(w.source, w.user))
}

func (w *cyrusWorld) Owner() migratetest.Owner { return w.target }

func (w *cyrusWorld) Held(t *testing.T) (source, target []migratetest.Folder) {
	source, target = account(w.source, w.user).Held(t), w.target.Held(t)
	w.restoreZones(source)
	w.restoreZones(target)
	for _, f := range target {
		for i, name := range f.Path {
			f.Path[i] = unmapped(name)
		}
	}
	return source, target
}

// unmapped undoes =XX.
func unmapped(name string) string {
	return regexp.MustCompile("=[0-9A-F]{2}").ReplaceAllStringFunc(name, func(code string) string {
		b, _ := hex.DecodeString(code[1:])
		return string(b)
	})
}

func TestConformanceOnCyrus(t *testing.T) {
	t.Parallel()
	cyrus, dovecot := startCyrus(t), imaptest.StartDovecot(t, "/")
	migratetest.Run(t, func(t *testing.T) migratetest.World {
		user := newUser()
		return &cyrusWorld{&dovecotWorld{user: user, source: dovecot}, cyrus, cyrus.AddUser(t, user)}
	})
}

func TestCyrusAsASource(t *testing.T) {
	t.Parallel()
	c := startCyrus(t)
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	cyrus := c.AddUser(t, w.user)
	var corpus []migratetest.Folder
	for _, f := range migratetest.Corpus() {
		if !strings.Contains(f.Path[0], `"`) {
			corpus = append(corpus, f)
		}
	}
	mendHeaders(corpus)
	cyrus.Fill(t, corpus)
	source, target, done := open(t, cyrusConfig(c, w.user), w.config(w.target))
	defer done()
	j := migratetest.NewJournal()
	for range 2 {
		if _, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{Grace: -1}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(migratetest.ContentOf(cyrus.Held(t)), migratetest.ContentOf(held(w.target, w.user))); diff != "" {
		t.Errorf("target against source (-want +got):\n%s", diff)
	}
}

func TestFolderNamesOnCyrus(t *testing.T) {
	t.Parallel()
	c := startCyrus(t)
	user := newUser()
	c.AddUser(t, user)
	again := func() *imap.Target { return openTarget(t, cyrusConfig(c, user)) }
	refused := map[string]string{}
	for _, name := range []string{"100% sure", "100% sure→~deep", `Quote"d`, `back\slash`, "semi;colon", "{5}", strings.Repeat("ü", 200)} {
		refused[name] = "Invalid mailbox name"
	}
	refused["sl/ash"], refused["tab\there"] = "separates folders", "characters"
	checkNames(t, again(), again, refused)
}

func TestStrictCyrusIsNotGivenUp(t *testing.T) {
	t.Parallel()
	c := startCyrus(t)
	user := newUser()
	c.AddUser(t, user)
	target := openTarget(t, cyrusConfig(c, user))
	// Were the bytes after a BAD taken for commands, this message would log out.
	old := item("1.7", "Subject: 1969\r\n\r\nr9 LOGOUT\r\n")
	old.Received = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)
	items := append(refusals(), item("1.5", "Subject: NUL\r\n\r\n\x00\r\n"), old, item("1.6", mail(6), strings.Repeat("k", 61)))
	in := intent(t, target, "INBOX", items...)
	done, err := target.Write(t.Context(), "INBOX", items)
	if err != nil {
		t.Fatal(err)
	}
	got := map[migrate.ItemID]string{}
	for _, d := range done {
		if d.Skip != nil {
			got[d.Item] = d.Skip.Reason
		}
	}
	if len(done) != len(items) || len(got) != 4 || !strings.Contains(got["1.7"], "date-time") || got["1.2"] == "" || !strings.Contains(got["1.4"], "newlines") || !strings.Contains(got["1.5"], "NUL") {
		t.Errorf("skipped %v, want the empty message, the bare newline, the NUL and the date", got)
	}
	if diff := cmp.Diff([]migrate.ItemID{"1.1", "1.3", "1.6"}, landed(t, target, in)); diff != "" {
		t.Errorf("landed (-want +got):\n%s", diff)
	}
}

func TestConnectionCutAnywhereOnCyrus(t *testing.T) {
	t.Parallel()
	c := startCyrus(t)
	user := newUser()
	account := c.AddUser(t, user)
	checkCuts(t, cyrusConfig(c, user), func() []migratetest.Folder { return account.Held(t) })
}
