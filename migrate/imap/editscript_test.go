package imap

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

// with returns the connection as one to a server with these capabilities.
func with(c *Conn, names ...string) *Conn {
	c.setCaps(names)
	return c
}

// Of several quota roots the one that leaves least counts; resources but STORAGE do not,
// and a refusal is no room without end.
func TestRoomOfSeveralRoots(t *testing.T) {
	t.Parallel()
	for say, want := range map[string]int64{
		"* QUOTAROOT INBOX a b c\r\n* QUOTA a (MESSAGE 1 2 STORAGE 10 512)\r\n* QUOTA b (storage 500 510)\r\n* QUOTA c ()\r\n": 10240,
		"* QUOTAROOT INBOX \"a b\"\r\n* QUOTA \"a b\" (STORAGE 20 10)\r\n":                                                     0,
		"* QUOTA \"\" (STORAGE 10 9007199254740993)\r\n":                                                                       -1,
		"* QUOTAROOT INBOX\r\n": -1,
	} {
		c := with(script(t, answer{`GETQUOTAROOT "INBOX"`, say + "TAG OK done\r\n"}), "QUOTA")
		free, limited, err := scriptedTarget(t, c).Room(t.Context())
		if err != nil || limited != (want >= 0) || free != max(want, 0) {
			t.Errorf("%q: room %d, limited %v, %v; want %d", say, free, limited, err, want)
		}
	}
	c := with(script(t, answer{`GETQUOTAROOT "INBOX"`, "TAG NO [UNAVAILABLE] later\r\n"}), "QUOTA")
	_, _, err := scriptedTarget(t, c).Room(t.Context())
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later {
		t.Errorf("refused: %v, want an error to be tried later", err)
	}
}

func TestCopyUIDs(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]map[uint32]migrate.ItemRef{
		"38 304,319:320 3956:3958": {304: "38.3956", 319: "38.3957", 320: "38.3958"},
		"38 7:5 1,3,2":             {7: "38.1", 6: "38.3", 5: "38.2"},
		"38 1:2 1":                 nil,
		"0 1 1":                    nil,
		"38 1:* 1:*":               nil,
		"38 1:4294967295 1":        nil,
		"38 1":                     nil,
	} {
		if d := cmp.Diff(want, copyUIDs(status{code: "COPYUID", arg: arg})); d != "" {
			t.Errorf("%q (-want +got):\n%s", arg, d)
		}
	}
}

// openAnswer opens folder F, with UIDVALIDITY 9, for writing.
func openAnswer(exists string) answer {
	return answer{`SELECT "F"`, "* " + exists + " EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT 20] x\r\nTAG OK [READ-WRITE] done\r\n"}
}

func edit(t *testing.T, c *Conn, edits ...migrate.Edit) (map[migrate.ItemID]migrate.Done, error) {
	t.Helper()
	done, err := scriptedTarget(t, c).Edit(t.Context(), "F", edits)
	all := map[migrate.ItemID]migrate.Done{}
	for _, d := range done {
		all[d.Item] = d
	}
	return all, err
}

// Flags are changed only on messages that still have those they had; one that got them
// from somebody else meanwhile counts as changed, one that is gone or was numbered anew
// does not.
func TestFlagsThatSomebodyElseChangedAreKept(t *testing.T) {
	t.Parallel()
	now := "* 1 FETCH (UID 3 FLAGS (\\Recent))\r\n* 2 FETCH (UID 4 FLAGS (\\Flagged))\r\n* 3 FETCH (UID 5 FLAGS (\\Seen))\r\nTAG OK done\r\n"
	then := "* 1 FETCH (UID 3 FLAGS (\\seen))\r\n* 2 FETCH (UID 4 FLAGS (\\Flagged))\r\n* 3 FETCH (UID 5 FLAGS (\\Seen))\r\nTAG OK done\r\n"
	c := with(script(t, openAnswer("3"), answer{"UID FETCH 3:6 (UID FLAGS)", now}, answer{`UID STORE 3 +FLAGS.SILENT (\Seen)`, "TAG OK done\r\n"},
		answer{"UID FETCH 3:5 (UID FLAGS)", then}, answer{"UNSELECT", "TAG OK done\r\n"}), "UNSELECT")
	var edits []migrate.Edit
	for item, at := range map[migrate.ItemID]migrate.ItemRef{"ours": "9.3", "changed": "9.4", "done": "9.5", "gone": "9.6", "other": "8.3"} {
		edits = append(edits, migrate.Edit{Item: item, At: at, Add: []string{`\Seen`, "no atom"}[:1]})
	}
	done, err := edit(t, c, edits...)
	if want := []migrate.ItemID{"done", "ours"}; err != nil || !slices.Equal(slices.Sorted(maps.Keys(done)), want) {
		t.Errorf("changed %v, %v; want %v", done, err, want)
	}
}

// A server without UNSELECT would expunge what the owner has marked if the folder were
// closed as it was opened.
func TestAFolderOpenForWritingIsNotClosed(t *testing.T) {
	t.Parallel()
	c := with(script(t, openAnswer("1"), answer{"UID FETCH 3 (UID FLAGS)", "TAG OK done\r\n"},
		selectAnswer(1, 20), answer{"CLOSE", "TAG OK done\r\n"}))
	if done, err := edit(t, c, migrate.Edit{Item: "gone", At: "9.3", Add: []string{`\Seen`}}); err != nil || len(done) != 0 {
		t.Errorf("changed %v, %v; want nothing", done, err)
	}
}

// What a killed process has left: a copy whose original is still there is finished by
// taking the original away; after a MOVE such a copy is somebody else's.
func TestAMoveThatWasCutOffIsFinished(t *testing.T) {
	t.Parallel()
	here := answer{"UID FETCH 3:4 (UID FLAGS)", "* 1 FETCH (UID 3 FLAGS (\\Seen))\r\nTAG OK done\r\n"}
	leave := answer{"UNSELECT", "TAG OK done\r\n"}
	edits := []migrate.Edit{{Item: "copied", At: "9.3", To: "G", Copied: "5.1"}, {Item: "moved", At: "9.4", To: "G", Copied: "5.2"}}

	c := with(script(t, openAnswer("1"), here, answer{`UID STORE 3 +FLAGS.SILENT (\Deleted)`, "TAG OK done\r\n"},
		answer{"UID EXPUNGE 3", "* 1 EXPUNGE\r\nTAG OK done\r\n"}, leave), "UNSELECT", "UIDPLUS")
	done, err := edit(t, c, edits...)
	if err != nil || done["copied"].Ref != "5.1" || done["moved"].Ref != "5.2" {
		t.Errorf("with COPY: %v, %v", done, err)
	}
	c = with(script(t, openAnswer("1"), here, answer{`UID MOVE 3 "G"`, "* OK [COPYUID 5 3 7] x\r\n* 1 EXPUNGE\r\nTAG OK done\r\n"}, leave), "UNSELECT", "UIDPLUS", "MOVE")
	done, err = edit(t, c, edits...)
	if err != nil || done["copied"].Ref != "5.7" || done["moved"].Ref != "5.2" {
		t.Errorf("with MOVE: %v, %v", done, err)
	}
}

// A server that moves and does not say where to leaves the intent open, so that the
// place is found out.
func TestAMoveWithoutAPlaceIsAnError(t *testing.T) {
	t.Parallel()
	here := answer{"UID FETCH 3 (UID FLAGS)", "* 1 FETCH (UID 3 FLAGS ())\r\nTAG OK done\r\n"}
	c := with(script(t, openAnswer("1"), here, answer{`UID MOVE 3 "G"`, "TAG OK done\r\n"}), "UNSELECT", "UIDPLUS", "MOVE")
	done, err := edit(t, c, migrate.Edit{Item: "moved", At: "9.3", To: "G"})
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || len(done) != 0 {
		t.Errorf("done %v, %v; want an error to be tried later", done, err)
	}
}

// A message is deleted by its UID if it is as it was, a mark of an attempt that was cut off
// aside; one that is gone is gone, and of one that was numbered anew nothing is said.
func TestDeletionsByUID(t *testing.T) {
	t.Parallel()
	here := answer{"UID FETCH 3:6 (UID FLAGS)", "* 1 FETCH (UID 3 FLAGS (\\Seen \\Deleted))\r\n* 2 FETCH (UID 4 FLAGS (\\Seen \\Flagged))\r\n* 3 FETCH (UID 5 FLAGS (\\seen))\r\nTAG OK done\r\n"}
	leave := answer{"UNSELECT", "TAG OK done\r\n"}
	var edits []migrate.Edit
	for item, at := range map[migrate.ItemID]migrate.ItemRef{"marked": "9.3", "changed": "9.4", "ours": "9.5", "gone": "9.6", "other": "8.5"} {
		edits = append(edits, migrate.Edit{Item: item, At: at, Base: []string{`\Seen`}, Delete: true})
	}
	c := with(script(t, openAnswer("3"), here, answer{`UID STORE 3,5 +FLAGS.SILENT (\Deleted)`, ok}, answer{"UID EXPUNGE 3,5", ok}, leave), "UNSELECT")
	done, err := edit(t, c, edits...)
	if want := []migrate.ItemID{"gone", "marked", "ours"}; err != nil || !slices.Equal(slices.Sorted(maps.Keys(done)), want) {
		t.Errorf("deleted %v, %v; want %v", done, err, want)
	}
	for item, d := range done {
		if !d.Gone {
			t.Errorf("%s is not said to be gone: %+v", item, d)
		}
	}

	c = with(script(t, openAnswer("3"), here, leave), "UNSELECT")
	target := scriptedTarget(t, c)
	delete(c.caps, "UIDPLUS")
	left, err := target.Edit(t.Context(), "F", edits)
	if err != nil || len(left) != 1 || left[0].Item != "gone" {
		t.Errorf("without UIDPLUS: %+v, %v; want only what is gone", left, err)
	}

	c = with(script(t, openAnswer("3"), here, answer{`UID STORE 3,5 +FLAGS.SILENT (\Deleted)`, no}), "UNSELECT")
	if done, err := edit(t, c, edits...); migrate.AsError(err) == nil || len(done) != 0 {
		t.Errorf("refused: %v, %v; want an error", done, err)
	}
}
