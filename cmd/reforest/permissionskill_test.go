package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab/imapd"
	"reforest/migrate"
)

var errKilled = errors.New("killed")

// A mortal dies at its nth step.
type mortal struct{ left int }

func (m *mortal) step() error {
	if m.left--; m.left < 0 {
		return errKilled
	}
	return nil
}

// A mortalTarget dies before or after one of its changes of lists.
type mortalTarget struct {
	migrate.Target
	*mortal
}

func (m mortalTarget) lister() migrate.Lister {
	l, _ := m.Target.(migrate.Lister) // an imap.Target is one
	return l
}

func (m mortalTarget) Grants(ctx context.Context, folder string) ([]migrate.Grant, bool, error) {
	return m.lister().Grants(ctx, folder)
}

func (m mortalTarget) Lists(ctx context.Context, folders []string) ([]migrate.List, error) {
	return m.lister().Lists(ctx, folders)
}

func (m mortalTarget) Grant(ctx context.Context, folder string, grant migrate.Grant) error {
	return errors.Join(m.step(), m.lister().Grant(ctx, folder, grant), m.step())
}

func (m mortalTarget) Revoke(ctx context.Context, folder string, grant migrate.Grant) error {
	return errors.Join(m.step(), m.lister().Revoke(ctx, folder, grant), m.step())
}

func (m mortalTarget) Amend(ctx context.Context, amends []migrate.Amend) ([]error, error) {
	refused := make([]error, len(amends))
	for i := range amends {
		if err := m.step(); err != nil {
			return nil, err
		}
		some, err := m.lister().Amend(ctx, amends[i:i+1])
		if err := errors.Join(err, m.step()); err != nil {
			return nil, err
		}
		refused[i] = some[0]
	}
	return refused, nil
}

// A mortalLists dies before or after it has kept lists.
type mortalLists struct {
	batch.Lists
	*mortal
}

func (m mortalLists) Keep(ctx context.Context, lists []batch.FolderList) error {
	if err := m.step(); err != nil {
		return err
	}
	return errors.Join(m.Lists.Keep(ctx, lists), m.step())
}

// TestSharingKilledAtEveryStep brings Anna's permissions over, and dies before and after
// every change and every record of it: whoever could use the folder can at every moment,
// and the next try ends as the one that nobody disturbed.
func TestSharingKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, "six.csv", "EmailAddress\n"+strings.Join(theSix(), "\n")+"\n")
	r.reforest(t, "sync", "six.csv", "--yes").wants(t, exitDone)
	sharing(t, r)
	bring, lists := r.bringing(t)
	before := r.Target.Mail.Save()
	steps := 0
	for killed := true; killed; steps++ {
		r.Target.Mail.Restore(before)
		err := bring(&mortal{left: steps})
		if killed = errors.Is(err, errKilled); err != nil && !killed {
			t.Fatal(err)
		}
		now := grantsOn(r.Target.Mail, anna, "Projekte", "Ärger & Öl")
		hana := slices.ContainsFunc(now, func(g string) bool { return strings.HasSuffix(g, " lrswipkxte") })
		if !hana || !slices.ContainsFunc(now, func(g string) bool { return strings.HasPrefix(g, "tom.schmidt@alpine.test l") }) {
			t.Errorf("killed at step %d, somebody could not open the folder: %v", steps, now)
		}
		if err := bring(&mortal{left: 1 << 30}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantGrants(), grantsOn(r.Target.Mail, anna, "Projekte", "Ärger & Öl")); diff != "" {
			t.Errorf("killed at step %d:\n%s", steps, diff)
		}
	}
	if steps < 16 {
		t.Errorf("%d steps were all", steps)
	}
	kept := len(lists(t))
	again := &mortal{left: 1 << 30}
	if err := bring(again); err != nil || again.left < 1<<30-4 {
		t.Errorf("what was done is done again: %d steps, %v", 1<<30-again.left, err)
	}
	if n := len(lists(t)); n != kept {
		t.Errorf("%d lists were kept of what nobody changed", n-kept)
	}
}

// bringing returns what brings Anna's permissions over, and what was kept of it.
func (r *rehearsal) bringing(t *testing.T) (bring func(*mortal) error, lists func(*testing.T) []batch.KeptList) {
	t.Helper()
	env := &environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	c, err := loadConfig(filepath.Join(r.dir, demoConfig))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), env, c)
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), store.Config{Path: c.storePath()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), st.Close() })
	moves, err := movesOf(t.Context(), st, batch.Query{Who: anna})
	if err != nil || len(moves) != 1 {
		t.Fatal(moves, err)
	}
	source, err := conn.directories.Resolve(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := conn.directories.Match(t.Context(), source, moves[0].TargetGUID)
	if err != nil {
		t.Fatal(err)
	}
	journals := st.Journals(batch.Claim{Move: moves[0]})
	return func(m *mortal) error {
			from, closeFrom, err := conn.mailboxes.OpenSource(t.Context(), directory.Source, pair.Source)
			if err != nil {
				return err
			}
			to, closeTo, err := conn.mailboxes.OpenTarget(t.Context(), directory.Target, pair.Target)
			if err != nil {
				return err
			}
			defer func() { _, _ = closeFrom.Close(), closeTo.Close() }()
			s := &batch.Sharing{
				Directories: conn.directories, Logins: conn.mailboxes.Logins(), Content: journals.Content, Lists: mortalLists{journals.Lists, m},
			}
			_, err = s.Bring(t.Context(), pair, from, mortalTarget{to, m}, true)
			return err
		}, func(t *testing.T) []batch.KeptList {
			t.Helper()
			kept, err := journals.Lists.Kept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return kept
		}
}

// A delegate opens the folder in its new place and reads it; who is denied it cannot.
func TestDelegateOpensTheFolderAfterTheMove(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, "two.csv", "EmailAddress\n"+anna+"\ntom.schmidt@alpine.test\n")
	r.reforest(t, "run", "two.csv", "--yes").wants(t, exitDone)
	for who, can := range map[string]bool{"tom.schmidt@alpine.test": true, "eva.mueller@alpine.test": false} {
		client := r.asUser(t, r.Target.Mail, who, r.Target.Password)
		name := "~" + anna + "/Projekte/2009 – Zürich"
		selected, err := client.Select(name, &goimap.SelectOptions{ReadOnly: true}).Wait()
		if (err == nil) != can {
			t.Errorf("%s: %v", who, err)
		}
		if can && selected != nil && selected.NumMessages != 2 {
			t.Errorf("%s sees %d messages, want 2", who, selected.NumMessages)
		}
	}
	r.reforest(t, "status", anna).wants(t, exitDone, "Folders of the old mailbox that others could use: 1, with 1 entries: reforest journal two --only anna.berg@alpine.test --side source --permissions")
	got := r.reforest(t, "journal", "two", "--side", "source", "--permissions")
	got.wants(t, exitDone, `anna.berg@alpine.test "Projekte/2009 – Zürich": "/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=tom.schmidt" has lrs`)
	r.reforest(t, "journal", "two", "--side", "target", "--permissions", "--json").wants(t, exitDone, `"message_type":"list"`, `"folder":["Projekte","2009 – Zürich"]`)
	r.reforest(t, "journal", "--side", "target", "--permissions", "--undo").wants(t, exitUsage)
}

// asUser logs in to a mail server of the rehearsal with somebody's own password.
func (r *rehearsal) asUser(t *testing.T, server *imapd.Server, who, password string) *imapclient.Client {
	t.Helper()
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	client, err := imapclient.DialTLS(server.Addr(), &imapclient.Options{TLSConfig: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Login(who, password).Wait(); err != nil {
		t.Fatal(err)
	}
	return client
}
