package imap_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// A peer is a real server, and how a mailbox on it is read and moved.
type peer struct {
	account func(t *testing.T, user string) imaptest.Account // makes the mailbox
	owner   func(user string) imaptest.Account               // of a mailbox that is there
	config  func(user string) imap.Config
	stores  func(body string) string // what becomes of a body, see migrate.Digest
}

func dovecotPeer(d *imaptest.Dovecot) peer {
	owner := func(user string) imaptest.Account { return account(d, user) }
	return peer{
		account: func(_ *testing.T, user string) imaptest.Account { return owner(user) },
		owner:   owner,
		config:  func(user string) imap.Config { return dovecotConfig(d, user) },
		stores: func(body string) string {
			fewer := regexp.MustCompile(`\r(\r+\n)|\r$`).ReplaceAllString(body, "$1")
			return strings.ReplaceAll(fewer, "\x00", "\x80")
		},
	}
}

func cyrusPeer(c *imaptest.Cyrus) peer {
	return peer{
		account: func(t *testing.T, user string) imaptest.Account { return c.AddUser(t, user) },
		owner:   c.Account,
		config:  func(user string) imap.Config { return cyrusConfig(c, user) },
		stores:  func(body string) string { return body },
	}
}

// cyrusIfThere is a Cyrus where there is one to start; see needs.
func cyrusIfThere(t *testing.T) peer {
	t.Helper()
	if os.Getenv("REFOREST_CYRUS") == "" {
		return peer{}
	}
	return cyrusPeer(startCyrus(t))
}

// needs skips a test for which one of the servers is not there.
func needs(t *testing.T, peers ...peer) {
	t.Helper()
	for _, p := range peers {
		if p.config == nil {
			t.Skip("Cyrus: no directory is named that holds it (REFOREST_CYRUS)")
		}
	}
}

// passes copies the mailbox until a pass finds nothing to do, and returns what the passes
// have done together.
func passes(t *testing.T, source, target imap.Config, j *migratetest.Journal) (all migrate.Summary) {
	t.Helper()
	for n := range 3 {
		from, to, done := open(t, source, target)
		sum, err := migrate.Copy(t.Context(), from, to, j, migrate.Options{Limit: -1, Grace: -1})
		done()
		if err != nil {
			t.Fatalf("pass %d: %v", n+1, err)
		}
		if n == 0 {
			all = sum
		}
		if sum.Quiet() && n > 0 {
			return all
		}
	}
	t.Fatal("a third pass finds something to do")
	return all
}
