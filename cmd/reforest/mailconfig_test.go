package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loadWith loads the template with changes below source.mail.
func loadWith(t *testing.T, changes map[string]string) (*config, error) {
	t.Helper()
	text := string(configTemplate)
	for key, value := range changes {
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); name == key && strings.HasPrefix(line, "  ") {
				lines[i] = line[:strings.Index(line, name)] + name + ": " + value
				if key != "password" { // the directory's comes first
					break
				}
			}
		}
		text = strings.Join(lines, "\n")
	}
	path := filepath.Join(t.TempDir(), "reforest.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(path)
}

func TestMailLogins(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes map[string]string
		want    string // in the error; "" is none
	}{
		"a token":           {map[string]string{"login": "xoauth2", "admin": `""`, "token": "env:TOKEN"}, ""},
		"none":              {map[string]string{"login": "xoauth2"}, "needs a token, or a token_url"},
		"both":              {map[string]string{"login": "oauthbearer", "token": "env:TOKEN", "token_url": "https://login.test/t"}, "exclude each other"},
		"no client":         {map[string]string{"login": "oauthbearer", "token_url": "https://login.test/t"}, "client_id is required"},
		"in the clear":      {map[string]string{"login": "oauthbearer", "token_url": "http://login.test/t"}, "want https://"},
		"a client":          {map[string]string{"login": "oauthbearer", "token_url": "https://login.test/t", "client_id": "a", "client_secret": "env:S"}, ""},
		"an unknown style":  {map[string]string{"login": "kerberos"}, "want master, plain, xoauth2 or oauthbearer"},
		"no administrator":  {map[string]string{"admin": `""`}, "admin is required"},
		"a token by value":  {map[string]string{"token": "abcdef"}, "a secret is given by reference"},
		"a tunnel":          {map[string]string{"tunnel": `[ssh, mail, imap, -u, "{mailbox}"]`, "imap": `""`, "admin": `""`}, ""},
		"whose tunnel":      {map[string]string{"tunnel": `[ssh, mail, imap]`, "imap": `""`}, "does not say whose mailbox"},
		"a tunnel and imap": {map[string]string{"tunnel": `[imap, -u, "{mailbox}"]`}, "exclude each other"},
		"limits":            {map[string]string{"connections": "3", "mb_per_second": "0.5", "messages_per_second": "20"}, ""},
		"a negative limit":  {map[string]string{"mb_per_second": "-1"}, "want a number, or 0 for no limit"},
		"a limit of letter": {map[string]string{"mb_per_second": "fast"}, "want a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := loadWith(t, test.changes)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// What renews a token from outside is heeded at the next login.
func TestATokenIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	m := mailConfig{Login: "xoauth2", Token: "file:token"}
	token, err := m.token(&environment{getenv: func(string) string { return "" }}, dir, "source")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "source.mail.token") {
		t.Errorf("without the file: %v", err)
	}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := token(t.Context(), ""); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestRoomIsThatOfTheServerWithLess(t *testing.T) {
	t.Parallel()
	env := &environment{stderr: os.Stderr, getenv: func(string) string { return "secret" }}
	for _, test := range []struct{ source, target, want int }{{0, 0, 0}, {3, 0, 3}, {0, 2, 2}, {3, 2, 2}} {
		c := defaultConfig()
		for side, n := range map[*mailConfig]int{&c.Source.Mail: test.source, &c.Target.Mail: test.target} {
			side.Password, side.Limits = "env:P", mailLimits{Connections: n}
		}
		m, err := newMailboxes(env, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.room(); got != test.want {
			t.Errorf("limits %d and %d: room for %d moves, want %d", test.source, test.target, got, test.want)
		}
	}
}
