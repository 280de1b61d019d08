package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
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

// A switch that failed when the source forwarded already goes on where it was after a
// rollback was refused: begun anew it would be refused too.
func TestRefusedRollbackLeavesTheSwitchWhereItWas(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	refuse := func(w ldapd.Write, stage ldapd.Stage) error {
		for _, mod := range w.Mods {
			if stage == ldapd.BeforeWrite && strings.EqualFold(mod.Attr, "homeMDB") {
				return ldapd.RefusalError{Code: 50, Text: "no rights today"}
			}
		}
		return nil
	}
	r.Source.Directory.OnWrite(refuse)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "no rights today")
	r.Source.Directory.OnWrite(nil)
	r.emptied(t, anna)
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitNeedsPerson, "The old mailbox holds 0 items")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone, "1 of 1 moved")
	r.delivers(t, anna, directory.Target)
	if r.entryOf(t, directory.Source, anna).Has("homeMDB") {
		t.Error("the source has not been disconnected")
	}
}

// A refused rollback changes nothing, and so does not make a switch step back that was
// interrupted while it could.
func TestRefusedRollbackStepsNothingBack(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.reforest(t, "sync", demoBatch, "--yes").wants(t, exitDone)
	row := r.row(t, func(move *batch.Move) { move.State, move.Step = batch.Switching, batch.StepDeliver })
	r.emptied(t, anna)
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitNeedsPerson, "cannot be rolled back")
	if now := r.row(t, nil); now.State != batch.Failed || now.Phase != row.Phase || now.Step != row.Step {
		t.Errorf("it is %s in %s, %q; want it Failed in %s, %q", now.State, now.Phase, now.Step, row.Phase, row.Step)
	}
}

// row changes the first move as a process that was killed might have left it, and returns it.
func (r *rehearsal) row(t *testing.T, change func(*batch.Move)) batch.Move {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(r.dir, "reforest.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	moves, err := movesOf(t.Context(), st, batch.Query{})
	if err != nil || len(moves) == 0 {
		t.Fatal(len(moves), err)
	}
	if change == nil {
		return moves[0]
	}
	claim, found, err := st.Claim(t.Context(), batch.Want{Run: "2026-03-14T01-00-00.000Z", Batch: moves[0].Batch, Now: time.Now()})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	change(&claim.Move)
	if err := st.Commit(t.Context(), claim, claim.Move); err != nil {
		t.Fatal(err)
	}
	return claim.Move
}

// emptied deletes everything from an old mailbox.
func (r *rehearsal) emptied(t *testing.T, owner string) {
	t.Helper()
	for _, f := range r.Source.Mail.Snapshot(owner) {
		for _, m := range slices.Backward(f.Messages) {
			if err := r.Source.Mail.Remove(owner, m.UID, f.Path...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An owner who was shut out is let in as soon as the switch steps back, and does not wait for
// what reached the target to be fetched: that may take long, or fail.
func TestStepBackLetsTheOwnerInFirst(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.edit(t, "interval: 00:00:02", "interval: 00:00:00.1")
	r.edit(t, "drain: 00:00:01", "drain: 00:00:00.1")
	r.edit(t, "attempts: 20", "attempts: 3")
	r.edit(t, "shut_out: []", "shut_out: [http, mapi]")
	was := r.entryOf(t, directory.Source, anna).Values("protocolSettings")
	mend := sourceRefuses(t, r)
	r.Target.Directory.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		if stage == ldapd.AfterWrite && clears(w, "targetAddress") {
			deliver(t, r.Target.Mail, anna, 1)
			r.Source.Mail.SetQuota(anna, 1)
		}
		return nil
	})
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "no rights today")
	r.delivers(t, anna, directory.Source)
	if now := r.entryOf(t, directory.Source, anna).Values("protocolSettings"); !slices.Equal(was, now) {
		t.Errorf("the owner is still shut out: %q, want %q", now, was)
	}
	mend()
	r.Target.Directory.OnWrite(nil)
	r.Source.Mail.SetQuota(anna, 0)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "the switch has stepped back")
	if got := held(r.Source.Mail, anna); got["1"] != 1 {
		t.Errorf("what reached the target has come to the source %d times", got["1"])
	}
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
}

// Who steps back has failed as far as the others are concerned, long before what reached the
// target is fetched: no further switch begins meanwhile.
func TestStopAfterCountsWhoStepsBack(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	r.edit(t, "interval: 00:00:02", "interval: 00:00:00.1")
	r.edit(t, "drain: 00:00:01", "drain: 00:00:03")
	r.edit(t, "moves: 4", "moves: 1")
	r.edit(t, "stop_after: 0", "stop_after: 1")
	mend := sourceRefuses(t, r)
	delivered := map[directory.DN]bool{}
	r.Target.Directory.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		if stage == ldapd.BeforeWrite && clears(w, "targetAddress") {
			delivered[w.DN] = true
		}
		return nil
	})
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "no further switch begins (switch.stop_after: 1)")
	if len(delivered) != 1 {
		t.Errorf("%d switches have begun: %v", len(delivered), delivered)
	}
	mend()
	r.Target.Directory.OnWrite(nil)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
}

// The new mailbox is looked at again right before it is closed, also when the step is taken up
// by a later run: its owner may have saved something there since the last look.
func TestLooksAgainBeforeTheTargetIsClosed(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.Target.Directory.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		if stage == ldapd.BeforeWrite && clears(w, "homeMDB") {
			return ldapd.RefusalError{Code: 50, Text: "no rights today"}
		}
		return nil
	})
	r.edit(t, "interval: 00:00:02", "interval: 00:01:00") // the last look stays a fresh one for long
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitNeedsPerson, "no rights today")
	r.Target.Directory.OnWrite(nil)
	deliver(t, r.Target.Mail, anna, 5)
	r.reforest(t, "rollback", "tonight", "--only", anna, "--yes").wants(t, exitDone)
	if got := held(r.Source.Mail, anna); got["5"] != 1 {
		t.Errorf("what was saved since has come to the source %d times", got["5"])
	}
	r.delivers(t, anna, directory.Source)
}
