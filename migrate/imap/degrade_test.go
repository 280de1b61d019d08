package imap

import (
	"fmt"
	"slices"
	"testing"

	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// What a real server says has changed is the same with QRESYNC, with CONDSTORE alone, and
// with neither.
func TestChangesOnDovecotWithFewerCapabilities(t *testing.T) {
	t.Parallel()
	d, inbox := imaptest.StartDovecot(t, "/"), []string{"INBOX"}
	owner := imaptest.Account{Address: d.Address, CAFile: d.CAFile, User: "fewer", Password: d.Password}
	var messages []migratetest.Message
	for n := range 5 {
		messages = append(messages, migratetest.Message{Body: fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", n)})
	}
	owner.Fill(t, []migratetest.Folder{{Path: inbox, Messages: messages}})
	config := Config{Address: d.Address, CAFile: d.CAFile, Mailbox: "fewer", Password: d.Password}
	without := func(caps ...string) *Source {
		s, err := OpenSource(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		for _, name := range caps {
			delete(s.conn.caps, name)
		}
		return s
	}
	folders, err := without().Folders(t.Context())
	if err != nil || len(folders) == 0 || folders[0].State == "" {
		t.Fatalf("folders %+v, %v; want the inbox with a state", folders, err)
	}
	validity := parseState(folders[0].State).uidValidity
	for _, act := range []struct {
		does string
		do   func()
		want []string
	}{
		{"flags", func() { owner.Flag(t, inbox, 1, []string{`\Answered`}, nil) }, []string{`2 [\Answered]`}},
		{"gone", func() { owner.Expunge(t, inbox, 3) }, []string{`2 [\Answered]`, "4 gone"}},
		{"new", func() { owner.Fill(t, []migratetest.Folder{{Path: inbox, Messages: messages[:1]}}) }, []string{`2 [\Answered]`, "4 gone"}},
	} {
		act.do()
		for name, s := range map[string]*Source{"QRESYNC": without(), "CONDSTORE": without("QRESYNC"), "neither": without("QRESYNC", "CONDSTORE")} {
			got := whatBecame(t, s, validity, 5, folders[0].State)
			if !slices.Equal(got, act.want) {
				t.Errorf("%s, with %s: %q, want %q", act.does, name, got, act.want)
			}
		}
	}
}

// whatBecame writes down which of the first n messages have flags or are gone.
func whatBecame(t *testing.T, s *Source, validity uint32, n int, seen string) (became []string) {
	t.Helper()
	every, flags, gone := false, map[migrate.ItemID][]string{}, map[migrate.ItemID]bool{}
	for change, err := range s.Changes(t.Context(), "INBOX", "", seen) {
		switch {
		case err != nil:
			t.Fatal(err)
		case change.Every:
			every = true
		case change.Gone:
			gone[change.Item] = true
		default:
			flags[change.Item] = change.Flags
		}
	}
	for uid := range uint32(n) {
		id := itemID(validity, uid+1)
		now, told := flags[id]
		switch {
		case gone[id] || every && !told:
			became = append(became, fmt.Sprint(uid+1, " gone"))
		case len(now) > 0:
			became = append(became, fmt.Sprint(uid+1, " ", now))
		}
	}
	return became
}

func FuzzVanished(f *testing.F) {
	for _, seed := range []string{"(EARLIER) 300:310,405", "7", "9:3", "1:4294967295", "(EARLIER)", "1:*", "0", ",", "(earlier) 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := &changeList{}
		l.vanish(text)
		for _, s := range l.gone {
			if s.first == 0 || s.first > s.last {
				t.Errorf("%q: span %+v", text, s)
			}
		}
		if !l.lost && (len(l.gone) == 0 || count(l.gone) > maxSet) {
			t.Errorf("%q: %d spans of %d messages pass for everything that is gone", text, len(l.gone), count(l.gone))
		}
	})
}
