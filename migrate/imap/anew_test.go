package imap_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// An anew is a folder at the target to which a chunk of two was being written when
// something befell it; one had landed.
type anew struct {
	target *imap.Target
	intent migrate.Intent
	items  []*migrate.Item
	client imaptest.Account
}

func newAnew(t *testing.T, config imap.Config, client imaptest.Account) anew {
	t.Helper()
	a := anew{target: openTarget(t, config), items: []*migrate.Item{item("1.1", mail(1)), item("1.2", mail(2))}, client: client}
	a.place(t)
	a.intent = intent(t, a.target, "Wave", a.items...)
	if _, err := a.target.Write(t.Context(), "Wave", a.items[:1]); err != nil {
		t.Fatal(err)
	}
	return a
}

// fillOther makes another folder with an equal message, which must not be taken for
// the one of the intent.
func fillOther(t *testing.T, client imaptest.Account) {
	t.Helper()
	equal := migratetest.Message{Body: mail(1), Received: item("", "").Received}
	client.Fill(t, []migratetest.Folder{{Path: []string{"Other"}, Messages: []migratetest.Message{equal}}})
}

func (a anew) place(t *testing.T) {
	t.Helper()
	placed, err := a.target.PutFolder(t.Context(), migrate.Folder{Path: []string{"Wave"}}, "Wave")
	if err != nil || placed.Ref != "Wave" {
		t.Fatalf("placed at %q, %v; want Wave", placed.Ref, err)
	}
}

// sendsAgain checks that nothing counts as landed and that the folder can be placed
// and written to once more, all in the same session.
func (a anew) sendsAgain(t *testing.T, what string) {
	t.Helper()
	if diff := cmp.Diff([]migrate.ItemID(nil), landed(t, a.target, a.intent)); diff != "" {
		t.Errorf("%s: landed (-want +got):\n%s", what, diff)
	}
	a.place(t)
	for _, i := range a.items {
		_, _ = i.Body.(*strings.Reader).Seek(0, 0)
	}
	if done, err := a.target.Write(t.Context(), "Wave", a.items); err != nil || len(done) != 2 {
		t.Errorf("%s: wrote %d items, %v; want 2", what, len(done), err)
	}
	if n, err := a.target.Count(t.Context(), "Wave"); n != 2 || err != nil {
		t.Errorf("%s: the folder holds %d messages, %v; want 2", what, n, err)
	}
}

// needsAPerson checks that nothing is decided, and that the hint says what to do.
func (a anew) needsAPerson(t *testing.T, what, hint string) {
	t.Helper()
	done, err := a.target.Landed(t.Context(), a.intent)
	e := migrate.AsError(err)
	if e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Never || !strings.Contains(e.Hint, hint) || len(done) != 0 {
		t.Errorf("%s: %+v, %v; want an error that says %q", what, done, err, hint)
	}
}

// checkAnew befalls folders in every way that noneLanded names.
func checkAnew(t *testing.T, start func(t *testing.T) anew) {
	t.Helper()
	gone := start(t)
	gone.client.Delete(t, "Wave")
	gone.sendsAgain(t, "deleted")

	replaced := start(t)
	replaced.client.Delete(t, "Wave")
	other := migratetest.Message{Body: mail(3), Received: replaced.items[0].Received}
	replaced.client.Fill(t, []migratetest.Folder{{Path: []string{"Wave"}}, {Path: []string{"Filler"}, Messages: []migratetest.Message{other}}})
	replaced.sendsAgain(t, "deleted and made anew")

	restored := start(t)
	restored.client.Delete(t, "Wave")
	same := migratetest.Message{Body: mail(1), Received: restored.items[0].Received}
	restored.client.Fill(t, []migratetest.Folder{{Path: []string{"Wave"}, Messages: []migratetest.Message{same}}})
	restored.needsAPerson(t, "made anew with an equal message", "compare both sides")

	renamed := start(t)
	renamed.client.Rename(t, "Wave", "Surf")
	renamed.needsAPerson(t, "renamed", "name it back")
	renamed.client.Fill(t, []migratetest.Folder{{Path: []string{"Wave"}}})
	renamed.needsAPerson(t, "renamed and made anew", "name it back")
	renamed.client.Delete(t, "Wave")
	renamed.client.Rename(t, "Surf", "Wave")
	if diff := cmp.Diff([]migrate.ItemID{"1.1"}, landed(t, renamed.target, renamed.intent)); diff != "" {
		t.Errorf("named back: landed (-want +got):\n%s", diff)
	}
}

func TestLandedInAFolderThatIsNoLongerTheSame(t *testing.T) {
	t.Parallel()
	checkAnew(t, func(t *testing.T) anew {
		w := newLabWorld(t, imapd.Config{}, imapd.Config{})
		client := imaptest.Account{Address: w.target.Addr(), CAFile: w.caFile, User: w.user, Password: "own"}
		fillOther(t, client)
		return newAnew(t, w.config(w.target), client)
	})
}

func TestLandedInAFolderThatIsNoLongerTheSameOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	checkAnew(t, func(t *testing.T) anew {
		user := newUser()
		fillOther(t, account(d, user))
		return newAnew(t, dovecotConfig(d, user), account(d, user))
	})
}

func TestLandedInAFolderThatIsNoLongerTheSameOnCyrus(t *testing.T) {
	t.Parallel()
	c := startCyrus(t)
	checkAnew(t, func(t *testing.T) anew {
		user := newUser()
		client := c.AddUser(t, user)
		return newAnew(t, cyrusConfig(c, user), client)
	})
}
