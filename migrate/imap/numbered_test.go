package imap

import (
	"testing"

	"reforest/migrate"
)

// unnumbered answers STATUS as a Dovecot does that was killed while it made the folder.
var unnumbered = answer{`STATUS "F" (UIDVALIDITY UIDNEXT)`, "* STATUS F (UIDVALIDITY 0 UIDNEXT 1)\r\nTAG OK done\r\n"}

func TestMarkOpensAFolderWithoutNumbers(t *testing.T) {
	t.Parallel()
	target := scriptedTarget(t, script(t, unnumbered, selectAnswer(0, 4), answer{"CLOSE", "TAG OK closed\r\n"}))
	if mark, err := target.Mark(t.Context(), "F"); mark != "9.4" || err != nil {
		t.Errorf("got %q, %v; want what opening the folder tells", mark, err)
	}
}

// A server that gives no UIDs even then is for a person to see to.
func TestMarkOfAServerWithoutUIDs(t *testing.T) {
	t.Parallel()
	target := scriptedTarget(t, script(t, unnumbered, answer{`EXAMINE "F"`, "* 0 EXISTS\r\nTAG OK [READ-ONLY] done\r\n"}))
	_, err := target.Mark(t.Context(), "F")
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Never {
		t.Errorf("got %v, want an error of this mailbox that no retry mends", err)
	}
}

// Placing leaves the mark to be asked for.
func TestPlacesWithoutNumbers(t *testing.T) {
	t.Parallel()
	target := scriptedTarget(t, script(t, unnumbered))
	target.names = &names{
		delim: "/", exists: map[string]bool{"F": true}, holds: map[string]bool{"F": true}, wanted: map[string]bool{},
		owner: map[string]string{}, placed: map[string]spot{}, asked: map[create]status{},
	}
	puts, err := target.PutFolders(t.Context(), []migrate.Wanted{{Folder: migrate.Folder{ID: "F", Path: []string{"F"}}, Have: "F"}})
	if err != nil || len(puts) != 1 || puts[0].Ref != "F" || puts[0].Mark != "" {
		t.Errorf("got %+v, %v; want F without a mark", puts, err)
	}
}
