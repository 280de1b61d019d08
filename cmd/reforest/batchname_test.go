package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A batch whose name has dots is never taken for another of which its name begins with, and
// a directory of its name is not its file.
func TestBatchNamesWithDots(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, "wave.csv", bjorn+"\n")
	r.write(t, "wave.2.csv", chloe+"\n")
	r.reforest(t, "sync", "wave.csv", "--yes").wants(t, exitDone)
	for _, args := range [][]string{
		{"switch", "wave.2", "--yes"},
		{"rollback", "wave.2", "--only", bjorn, "--yes"},
		{"journal", "wave.2", "--side", "target"},
	} {
		r.reforest(t, args...).wants(t, exitUsage, `"wave.2" has not begun`)
	}
	r.reforest(t, "verify", "wave.2").wants(t, exitFailure, `"wave.2" has not begun`)
	r.reforest(t, "sync", "wave.2.csv", "--yes").wants(t, exitDone)
	for _, name := range []string{"wave.csv", "wave.2.csv"} {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(r.dir, "wave.2"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.reforest(t, "switch", "wave.2", "--yes").wants(t, exitDone, "1 of 1 moved")
	r.reforest(t, "status", bjorn).wants(t, exitDone, "is ready")
	r.reforest(t, "status", "wave.2.csv").wants(t, exitDone, "Chloé", "Moved")
	journal := r.reforest(t, "journal", "wave.2.csv", "--side", "source")
	journal.wants(t, exitDone, "targetAddress: SMTP:chloe")
	if strings.Contains(journal.stdout, "bjorn") {
		t.Errorf("the changes of the other batch are written:\n%s", journal.stdout)
	}
	r.reforest(t, "verify", "wave.csv").wants(t, exitDone, "1 mailbox: everything agrees")
}
