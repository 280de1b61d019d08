package imap_test

import (
	"fmt"
	"slices"
	"testing"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// stateOf returns how a folder stands now.
func stateOf(t *testing.T, s *imap.Source, id migrate.FolderID) string {
	t.Helper()
	folders, err := s.Folders(t.Context())
	i := slices.IndexFunc(folders, func(f migrate.Folder) bool { return f.ID == id })
	if err != nil || i < 0 || folders[i].State == "" {
		t.Fatalf("folders %+v, %v; want the state of %s", folders, err, id)
	}
	return folders[i].State
}

func TestChangesOnDovecot(t *testing.T) {
	t.Parallel()
	d, user := imaptest.StartDovecot(t, "/"), newUser()
	var messages []migratetest.Message
	for n := range 6 {
		messages = append(messages, migratetest.Message{Body: mail(n)})
	}
	owner, inbox := account(d, user), []string{"INBOX"}
	owner.Fill(t, []migratetest.Folder{{Path: inbox, Messages: messages}})
	s := openSource(t, dovecotConfig(d, user))
	var listed []migrate.Delta
	for delta, err := range s.Deltas(t.Context(), "INBOX", "") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, delta)
	}
	before := stateOf(t, s, "INBOX")
	if again := stateOf(t, s, "INBOX"); again != before {
		t.Errorf("state %s, and %s although nothing has changed", before, again)
	}
	cursor := listed[len(listed)-1].Cursor
	for name, act := range map[string]func(){
		"flags":   func() { owner.Flag(t, inbox, 1, []string{`\Answered`}, nil) },
		"arrived": func() { owner.Fill(t, []migratetest.Folder{{Path: inbox, Messages: messages[:1]}}) },
		"gone":    func() { owner.Expunge(t, inbox, 2) }, // behind the flagged one, which stays second
	} {
		last := stateOf(t, s, "INBOX")
		act()
		if stateOf(t, s, "INBOX") == last {
			t.Errorf("%s: the state is still %s", name, last)
		}
	}
	var got []string
	for change, err := range s.Changes(t.Context(), "INBOX", cursor, before) {
		if err != nil {
			t.Fatal(err)
		}
		if change.Every {
			t.Error("a server with QRESYNC is asked for every message")
		}
		for n, delta := range listed {
			if delta.Item == change.Item {
				got = append(got, fmt.Sprintf("%d %v %t", n, change.Flags, change.Gone))
			}
		}
	}
	slices.Sort(got)
	if want := []string{`1 [\Answered] false`, "2 [] true"}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}
