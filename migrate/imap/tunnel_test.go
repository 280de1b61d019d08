package imap_test

import (
	"strings"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// tunnelled opens a Dovecot's mailbox through a process of its own: no network, no TLS, no
// password.
func tunnelled(d *imaptest.Dovecot, user string) imap.Config {
	return imap.Config{Tunnel: []string{"doveadm", "-c", d.Conf, "exec", "imap", "-u", imap.MailboxWord}, Mailbox: user}
}

func TestThroughTunnels(t *testing.T) {
	t.Parallel()
	source, target := imaptest.StartDovecot(t, "/"), imaptest.StartDovecot(t, ".")
	user := newUser()
	copyAll(t, tunnelled(source, user), tunnelled(target, user), account(source, user), account(target, user))
}

// What keeps a tunnel from being one is said in its command's own words, and says whether
// to try again.
func TestTunnelsThatAreNone(t *testing.T) {
	t.Parallel()
	sh := func(script string) []string { return []string{"sh", "-c", script + " #" + imap.MailboxWord} }
	for name, test := range map[string]struct {
		config imap.Config
		want   string
		retry  migrate.Retry
	}{
		"no such command":  {imap.Config{Tunnel: []string{"/nowhere/imap", imap.MailboxWord}, Mailbox: "ann"}, "start the tunnel", migrate.Never},
		"it ends at once":  {imap.Config{Tunnel: sh("echo no route to mail.alpine.test >&2; exit 255"), Mailbox: "ann"}, "sh said: no route to mail.alpine.test", migrate.Later},
		"it says nothing":  {imap.Config{Tunnel: sh("exec sleep 60"), Mailbox: "ann", Timeout: 200 * time.Millisecond}, "timeout", migrate.Later},
		"a login is due":   {imap.Config{Tunnel: sh(`printf '* OK hello\r\n'; exec cat`), Mailbox: "ann"}, "wants a login", migrate.Never},
		"no IMAP":          {imap.Config{Tunnel: sh(`echo 220 hello; exec cat`), Mailbox: "ann"}, "not an IMAP greeting", migrate.Never},
		"a shell's words":  {imap.Config{Tunnel: sh("cat"), Mailbox: "ann; rm -r"}, "characters that", migrate.Never},
		"an option":        {imap.Config{Tunnel: sh("cat"), Mailbox: "-oProxyCommand=x"}, "characters that", migrate.Never},
		"whose mailbox":    {imap.Config{Tunnel: []string{"imap"}, Mailbox: "ann"}, "whose mailbox", migrate.Never},
		"of a busy server": {imap.Config{Tunnel: sh(`printf '* BYE [UNAVAILABLE] later\r\n'; exec cat`), Mailbox: "ann"}, "later", migrate.Later},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imap.Dial(t.Context(), test.config)
			e := migrate.AsError(err)
			if e == nil || !strings.Contains(err.Error(), test.want) || e.Retry != test.retry {
				t.Errorf("got %v (%+v), want %q and %v", err, e, test.want, test.retry)
			}
		})
	}
}
