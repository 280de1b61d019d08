package imap_test

import (
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
)

func TestACLOfTheRehearsal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config  imapd.Config
		folded  func(string) string
		refused []string
	}{
		"as Dovecot":       {imapd.Config{}, func(who string) string { return who }, nil},
		"as Cyrus":         {imapd.Config{Cyrus: true}, strings.ToLower, []string{"O=OLD/OU=EX/CN=RECIPIENTS/CN=bob smith"}},
		"without LITERAL+": {imapd.Config{Without: []goimap.Cap{goimap.CapLiteralPlus}}, func(who string) string { return who }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLabWorld(t, imapd.Config{}, tt.config)
			checkACL(t, openTarget(t, w.config(w.target)), w.user, tt.folded, tt.refused...)
		})
	}
}

// A list that is in the mailbox already is read with what is odd about it.
func TestRehearsalListsAreRead(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	odd := `tab	and "quote" \ back ünï`
	if err := w.source.SetGrant(w.user, imapd.Grant{Who: odd, Rights: "lr"}, "INBOX"); err != nil {
		t.Fatal(err)
	}
	list, shared, err := openSource(t, w.config(w.source)).Grants(t.Context(), "INBOX")
	if err != nil || !shared {
		t.Fatal(shared, err)
	}
	want := []migrate.Grant{{Who: w.user, Rights: "lrswipkxtea"}, {Who: odd, Rights: "lr"}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}
