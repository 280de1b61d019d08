package imap_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
)

// What a process wrote before it was killed is known again, also where the server has not
// stored the bytes that were sent.
func TestLandedWhateverIsStored(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) peer{
		"Dovecot": func(t *testing.T) peer { return dovecotPeer(imaptest.StartDovecot(t, "/")) },
		"maildir": func(t *testing.T) peer {
			return dovecotPeer(imaptest.NewDovecot(t, imaptest.DovecotConfig{Maildir: true}))
		},
		"Cyrus": func(t *testing.T) peer { return cyrusPeer(startCyrus(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, user := start(t), newUser()
			p.account(t, user)
			target := openTarget(t, p.config(user))
			var items []*migrate.Item
			var want []migrate.ItemID
			for _, tail := range []string{"one\r\r\nend\r\n", "two\r\r\r\n", "three\r", "four\r\n\r\r", "fi\rve\r\n"} {
				items = append(items, item("1."+tail[:2], "Subject: odd\r\n\r\n"+tail))
				want = append(want, items[len(items)-1].ID)
			}
			in := intent(t, target, "INBOX", items...)
			if done, err := target.Write(t.Context(), "INBOX", items); err != nil || len(done) != len(items) {
				t.Fatalf("write: %+v, %v", done, err)
			}
			if diff := cmp.Diff(want, landed(t, target, in)); diff != "" {
				t.Errorf("landed (-want +got):\n%s", diff)
			}
		})
	}
}
