package imap_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]imapd.Config{
		"extended": {},
		"plain":    {Delimiter: '.', Without: []goimap.Cap{"LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "NAMESPACE"}},
	} {
		w := newLabWorld(t, config, imapd.Config{})
		put(t, w.source, w.user, migratetest.Folder{Path: []string{"Zoo", "Ärger & Öl"}, Subscribed: true, Messages: []migratetest.Message{{Body: mail(1)}, {Body: mail(2)}}})
		if err := w.source.Put(w.user, imapd.Folder{Path: []string{"Gesendet"}, SpecialUse: `\Sent`}); err != nil {
			t.Fatal(err)
		}
		for _, dangling := range [][]string{{"dangling"}, {"Zoo"}} {
			if err := w.source.Subscribe(w.user, dangling...); err != nil {
				t.Fatal(err)
			}
		}
		got, err := openSource(t, w.config(w.source)).Folders(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []migrate.Folder{
			{ID: "INBOX", Path: []string{"INBOX"}},
			{ID: "Gesendet", Path: []string{"Gesendet"}, SpecialUse: `\Sent`},
			{ID: "Zoo", Path: []string{"Zoo"}, Container: true, Subscribed: true},
			{ID: "Zoo/&AMQ-rger &- &ANY-l", Path: []string{"Zoo", "Ärger & Öl"}, Subscribed: true, Items: 2, Bytes: int64(len(mail(1) + mail(2)))},
		}
		if name == "plain" {
			want[3].ID, want[3].Bytes = "Zoo.&AMQ-rger &- &ANY-l", 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: folders (-want +got):\n%s", name, diff)
		}
	}
}

// copyOnce makes one pass and returns its summary and the skips in the journal.
func copyOnce(t *testing.T, w migratetest.World, j *migratetest.Journal, limit int64) (migrate.Summary, []migrate.Skip) {
	t.Helper()
	source, target, done := w.Open(t)
	defer done()
	sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{Limit: limit, Grace: -1})
	if err != nil {
		t.Fatalf("Copy: %v", err)
	}
	return sum, j.Skips()
}

func TestAnUnreadableMessageIsSkippedAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	var messages []migratetest.Message
	for n := range 9 {
		messages = append(messages, migratetest.Message{Body: mail(n), Received: time.Date(2012, 3, n+1, 0, 0, 0, 0, time.UTC)})
	}
	w.Fill(t, []migratetest.Folder{{Path: []string{"INBOX"}, Messages: messages}})
	w.source.Plan(imapd.Fault{Op: imapd.Fetch, Marker: "body 4", Text: "disk sector gone"})
	j := migratetest.NewJournal()
	sum, skips := copyOnce(t, w, j, 1)
	if sum.Brought != 8 || len(skips) != 1 {
		t.Fatalf("brought %d and skipped %d, want 8 and 1", sum.Brought, len(skips))
	}
	want := migrate.Skip{
		Folder: []string{"INBOX"}, Received: messages[4].Received, Size: int64(len(mail(4))),
		Kind: "unreadable", Reason: "imap.Fetch: NO disk sector gone",
	}
	if diff := cmp.Diff(want, skips[0], cmpopts.IgnoreFields(migrate.Skip{}, "Item")); diff != "" {
		t.Errorf("skip (-want +got):\n%s", diff)
	}
	if again, _ := copyOnce(t, w, j, 1); !again.Quiet() {
		t.Errorf("the next pass: %+v, want nothing to do", again)
	}
}

func TestPushbackOfTheSourceEndsThePass(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	w.Fill(t, []migratetest.Folder{{Path: []string{"INBOX"}, Messages: []migratetest.Message{{Body: mail(1)}, {Body: mail(2)}}}})
	w.source.Plan(imapd.Fault{Op: imapd.Fetch, Marker: "body 2", Times: 1, Code: "UNAVAILABLE", Text: "backend is down"})
	source, target, done := w.Open(t)
	defer done()
	j := migratetest.NewJournal()
	_, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{Grace: -1})
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Later {
		t.Errorf("Copy: %v, want an error of the server, to be tried later", err)
	}
	if sum, skips := copyOnce(t, w, j, 0); len(skips) != 0 || sum.Items != 2 {
		t.Errorf("the next pass ends with %d items and %d skips, want 2 and none", sum.Items, len(skips))
	}
}

func TestUIDValidityOfTheSourceHasChanged(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	w.Fill(t, []migratetest.Folder{{Path: []string{"INBOX"}, Messages: []migratetest.Message{{Body: mail(1)}, {Body: mail(2)}}}})
	checkStale(t, openSource(t, w.config(w.source)), func() {
		if err := w.source.Renumber(w.user, "INBOX"); err != nil {
			t.Fatal(err)
		}
	}, "INBOX")
}

func TestUIDValidityHasChangedOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	user := newUser()
	content := []migratetest.Folder{{Path: []string{"Alt"}, Messages: []migratetest.Message{{Body: mail(1)}, {Body: mail(2)}}}}
	account(d, user).Fill(t, content)
	checkStale(t, openSource(t, dovecotConfig(d, user)), func() {
		account(d, user).Delete(t, "Alt")
		account(d, user).Fill(t, content)
	}, "Alt")
}

func checkStale(t *testing.T, source *imap.Source, renumber func(), folder migrate.FolderID) {
	t.Helper()
	var last migrate.Delta
	for d, err := range source.Deltas(t.Context(), folder, "") {
		if err != nil {
			t.Fatal(err)
		}
		last = d
	}
	if last.Cursor == "" {
		t.Fatal("no cursor")
	}
	renumber()
	for _, since := range []migrate.Cursor{last.Cursor} {
		for d, err := range source.Deltas(t.Context(), folder, since) {
			if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Never || e.Hint == "" {
				t.Errorf("Deltas: %+v, %v; want an error for a person", d, err)
			}
		}
	}
	for item, err := range source.Read(t.Context(), folder, []migrate.ItemID{last.Item}, migrate.MIME) {
		if e := migrate.AsError(err); item != nil || e == nil || e.Reach != migrate.OneMailbox {
			t.Errorf("Read: %+v, %v; want an error for a person", item, err)
		}
	}
}

func TestReadOfAMessageThatIsGone(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	w.Fill(t, []migratetest.Folder{{Path: []string{"INBOX"}, Messages: []migratetest.Message{{Body: mail(1)}, {Body: mail(2)}, {Body: mail(3)}}}})
	source := openSource(t, w.config(w.source))
	var items []migrate.ItemID
	for d, err := range source.Deltas(t.Context(), "INBOX", "") {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, d.Item)
	}
	if err := w.source.Remove(w.user, 2, "INBOX"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for item, err := range source.Read(t.Context(), "INBOX", items, migrate.MIME) {
		switch {
		case errors.Is(err, migrate.ErrGone):
			got = append(got, "gone")
		case err != nil:
			t.Fatal(err)
		default:
			b, err := io.ReadAll(item.Body)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(b))
		}
	}
	if diff := cmp.Diff([]string{mail(1), "gone", mail(3)}, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// realMail returns messages written by others: of the folder in REFOREST_SHARED
// where there is one, else a few of our own.
func realMail(t *testing.T, most int) []migratetest.Message {
	t.Helper()
	root := os.Getenv("REFOREST_SHARED")
	var messages []migratetest.Message
	err := filepath.WalkDir(filepath.Join(root, "mail"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".eml") || len(messages) == most {
			return nil //nolint:nilerr // a folder that is not there has no mail
		}
		body, err := os.ReadFile(file)
		if len(body) > 0 {
			received := time.Date(2010, 1, 1, 0, 0, len(messages), 0, time.UTC)
			messages = append(messages, migratetest.Message{Body: string(body), Received: received, Flags: []string{`\Seen`}[:len(messages)%2]})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) > 0 {
		return messages
	}
	t.Log("REFOREST_SHARED holds no mail: using a few messages of our own")
	for _, body := range []string{
		"no header\r\n", "Subject: raw \xe4\xf6\xfc\r\n\r\n\x80\x81\r\n", "Subject: bare\nFrom: lf\n\nbody\n", "Subject: no end", "\r\n",
		"Subject: long line\r\n\r\n" + strings.Repeat("x", 200_000) + "\r\n", ": no name\r\n\r\n", "From a@b Mon\r\nSubject: mbox\r\n\r\n.\r\n..\r\n",
	} {
		messages = append(messages, migratetest.Message{Body: body, Received: time.Date(2010, 1, 1, 0, 0, len(messages), 0, time.UTC)})
	}
	return messages
}

// A strict target takes what it can, and every refusal is listed.
func TestRealMailToAStrictTarget(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{Cyrus: true})
	var messages []migratetest.Message
	for _, m := range realMail(t, 500) {
		if !strings.Contains(m.Body, "\x00") {
			messages = append(messages, m)
		}
	}
	w.Fill(t, []migratetest.Folder{{Path: []string{"INBOX"}, Messages: messages}})
	sum, skips := copyOnce(t, w, migratetest.NewJournal(), -1)
	if sum.Brought+int64(len(skips)) != int64(len(messages)) || sum.Brought == 0 || len(skips) == 0 {
		t.Errorf("brought %d and skipped %d of %d", sum.Brought, len(skips), len(messages))
	}
	for _, s := range skips {
		if s.Kind != "refused" || s.Reason != "Message contains invalid header" {
			t.Errorf("skip %+v, want the server's words", s)
		}
	}
}
