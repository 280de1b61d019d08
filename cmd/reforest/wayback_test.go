package main

import (
	"strings"
	"testing"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// Who failed before the mailbox was opened at the target has nothing there that could be
// copied back; they are taken back all the same, and can be moved afterwards.
func TestRollbackBeforeTheMailboxIsOpen(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.edit(t, "interval: 00:00:02", "interval: 00:00:00.05")
	r.edit(t, "attempts: 20", "attempts: 2")
	r.Target.Directory.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		for _, mod := range w.Mods {
			if stage == ldapd.BeforeWrite && strings.EqualFold(mod.Attr, "homeMDB") {
				return ldapd.RefusalError{Code: 50, Text: "no rights today"}
			}
		}
		return nil
	})
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "no rights today")
	r.Target.Directory.OnWrite(nil)
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitDone, "Rolled back")
	r.delivers(t, anna, directory.Source)
	r.reforest(t, "run", demoBatch, "--yes", "--only", anna).wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
}
