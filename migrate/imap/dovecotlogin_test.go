package imap_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

const dovecotDeflate = `
mail_plugins = $mail_plugins zlib
protocol imap {
  mail_plugins = $mail_plugins imap_zlib
}
`

// copyAll makes two passes and compares both sides.
func copyAll(t *testing.T, from, to imap.Config, source, target imaptest.Account) {
	t.Helper()
	source.Fill(t, migratetest.Corpus())
	reads, writes, done := open(t, from, to)
	defer done()
	journal := migratetest.NewJournal()
	for range 2 {
		if _, err := migrate.Copy(t.Context(), reads, writes, journal, migrate.Options{Grace: -1}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(migratetest.ContentOf(source.Held(t)), migratetest.ContentOf(target.Held(t))); diff != "" {
		t.Errorf("target against source (-want +got):\n%s", diff)
	}
}

func TestCompressedOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecotWith(t, dovecotDeflate)
	one, other := newUser(), newUser()
	from, to := dovecotConfig(d, one), dovecotConfig(d, other)
	from.Compress, to.Compress = true, true
	c, err := imap.Dial(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Offers("COMPRESS=DEFLATE") {
		t.Fatal("this Dovecot does not compress")
	}
	if err := c.Close(); err != nil || c.Identity() != "Dovecot" {
		t.Errorf("the server is %q, %v; want Dovecot", c.Identity(), err)
	}
	copyAll(t, from, to, account(d, one), account(d, other))
}

func TestCompressedOnCyrus(t *testing.T) {
	t.Parallel()
	cyrus, d := startCyrus(t), imaptest.StartDovecotWith(t, dovecotDeflate)
	w := &cyrusWorld{&dovecotWorld{user: newUser(), source: d}, cyrus, imaptest.Account{}}
	w.target = cyrus.AddUser(t, w.user)
	from, to := cyrusConfig(cyrus, w.user), dovecotConfig(d, newUser())
	from.Compress, to.Compress = true, true
	corpus := []migratetest.Folder{{Path: []string{"INBOX"}, Messages: migratetest.Corpus()[0].Messages}}
	mendHeaders(corpus)
	w.target.Fill(t, corpus)
	if c, err := imap.Dial(t.Context(), from); err != nil || !c.Offers("COMPRESS=DEFLATE") {
		t.Fatalf("this Cyrus does not compress: %v", err)
	} else if err := c.Close(); err != nil {
		t.Error(err)
	}
	reads, writes, done := open(t, from, to)
	defer done()
	if _, err := migrate.Copy(t.Context(), reads, writes, migratetest.NewJournal(), migrate.Options{Grace: -1}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(migratetest.ContentOf(w.target.Held(t)), migratetest.ContentOf(account(d, to.Mailbox).Held(t))); diff != "" {
		t.Errorf("target against source (-want +got):\n%s", diff)
	}
}

const dovecotTokens = `
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %s
}
`

// startTokens starts a server that knows the token "good" of everybody's.
func startTokens(t *testing.T) (confFile string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("access_token") != "good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"username":"tokenuser","active":"true"}`)
	}))
	t.Cleanup(server.Close)
	// Not t.TempDir: Dovecot's auth process reads it as a user of its own.
	dir, err := os.MkdirTemp("", "tokens")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	confFile = filepath.Join(dir, "oauth2.conf")
	conf := "tokeninfo_url = " + server.URL + "/?access_token=\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n"
	if err := os.WriteFile(confFile, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return confFile
}

func TestTokensOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecotWith(t, fmt.Sprintf(dovecotTokens, startTokens(t)))
	for _, login := range []imap.Login{imap.XOAuth2, imap.OAuthBearer} {
		config := imap.Config{Address: d.Address, CAFile: d.CAFile, Mailbox: "tokenuser", Login: login, Password: "no-password-is-used"}
		asked := 0
		config.Token = func(_ context.Context, refused string) (string, error) {
			asked++
			if refused == "" {
				return "expired", nil
			}
			return "good", nil
		}
		mustDial(t, config)
		if asked != 2 {
			t.Errorf("%s: %d tokens were asked for, want 2", login, asked)
		}
		config.Token = func(context.Context, string) (string, error) { return "no-password-is-used", nil }
		refusedDial(t, config, migrate.Error{Reach: migrate.WholeRun, Retry: migrate.Never, Auth: true})
	}
}
