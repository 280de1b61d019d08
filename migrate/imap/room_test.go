package imap_test

import (
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// checkRoom writes into a mailbox of 100 KiB until it is full.
func checkRoom(t *testing.T, target *imap.Target) {
	t.Helper()
	room := func() int64 {
		t.Helper()
		free, limited, err := target.Room(t.Context())
		if err != nil || !limited {
			t.Fatalf("room: limited %v, %v", limited, err)
		}
		return free
	}
	if free := room(); free != 100<<10 {
		t.Errorf("an empty mailbox has room for %d bytes, want %d", free, 100<<10)
	}
	half := "Subject: half\r\n\r\n" + strings.Repeat("0123456789abcd\r\n", 60<<10/16)
	if done, err := target.Write(t.Context(), "INBOX", []*migrate.Item{item("1.1", half)}); err != nil || done[0].Skip != nil {
		t.Fatalf("write: %+v, %v", done, err)
	}
	if free, want := room(), int64(100<<10-len(half)); free > want || free < want-1024 {
		t.Errorf("with %d bytes in it the mailbox has room for %d, want %d less what is rounded", len(half), free, want)
	}
	_, err := target.Write(t.Context(), "INBOX", []*migrate.Item{item("1.2", half)})
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Later || e.Hint == "" {
		t.Errorf("what does not fit: %v, want an error of the mailbox, to be tried later", err)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	if _, limited, err := openTarget(t, w.config(w.target)).Room(t.Context()); limited || err != nil {
		t.Errorf("without a quota: limited %v, %v", limited, err)
	}
	w.target.SetQuota(w.user, 100<<10)
	checkRoom(t, openTarget(t, w.config(w.target)))
}

func TestRoomOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecotWithQuota(t, "100k")
	checkRoom(t, openTarget(t, dovecotConfig(d, newUser())))
}

func TestRoomOnAServerThatDoesNotSay(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{Without: []goimap.Cap{goimap.CapQuota}})
	w.target.SetQuota(w.user, 1)
	if free, limited, err := openTarget(t, w.config(w.target)).Room(t.Context()); free != 0 || limited || err != nil {
		t.Errorf("room %d, limited %v, %v; want none told", free, limited, err)
	}
}
