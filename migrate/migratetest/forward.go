package migratetest

import (
	"fmt"
	"testing"

	"reforest/migrate"
)

// deleting is a forward pass as it is before the switch: it does at the target whatever
// the owner did at the source.
func deleting() migrate.Options {
	o := following()
	o.Delete = true
	return o
}

func (r trip) goOn(t *testing.T, what string) migrate.Summary {
	t.Helper()
	sum, err := copyOver(t, r.Open, r.forth, deleting())
	if err != nil {
		t.Fatalf("forward, %s: %v", what, err)
	}
	return sum
}

// did is what a forward pass did.
type did struct{ brought, moved, edited, removed, kept int64 }

// expect makes a forward pass, and another that finds nothing more, and compares both
// sides. A target that can neither move nor delete one message keeps what it has.
func (r trip) expect(t *testing.T, what string, want did) {
	t.Helper()
	sum := r.goOn(t, what)
	got := did{sum.Brought, sum.Moved, sum.Edited, sum.Removed, sum.Kept}
	unable := did{want.brought, 0, want.edited, 0, want.kept + want.removed}
	if r.able && got != want || !r.able && (got != unable || sum.Elsewhere != want.moved) {
		t.Errorf("forward, %s: %+v, want %+v", what, sum, want)
	}
	if again := r.goOn(t, what); !again.Quiet() {
		t.Errorf("forward, %s: a second pass did %+v", what, again)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// beingUsed is a mailbox that has been copied whole and whose owner works in it.
func beingUsed(t *testing.T, w World) trip {
	r := newTrip(w)
	w.Fill(t, smallCorpus())
	r.expect(t, "at first", did{brought: count(smallCorpus())})
	checkEqual(t, w)
	_, unable := w.(Clumsy)
	r.able = !unable
	return r
}

// A Clumsy is a World whose target can neither move nor delete a single message.
type Clumsy interface{ CannotMove() }

// forward checks what becomes of items that the owner moves, flags and deletes at the
// source while the mailbox is being copied.
func forward(t *testing.T, w World) {
	r := beingUsed(t, w)
	inbox, later, archive := []string{"INBOX"}, []string{"Später"}, []string{"Archiv", "2014"}
	home := w.Home()
	home.Move(t, inbox, 4, archive) // equal to 5, which stays
	home.Flag(t, inbox, 0, []string{`\Answered`}, nil)
	home.Expunge(t, later, 0)
	r.expect(t, "moved, flagged, deleted", did{moved: 1, edited: 1, removed: 1})
	if !r.able {
		return
	}
	checkEqual(t, w)

	home.Flag(t, inbox, 1, []string{`\Flagged`}, nil)
	home.Move(t, inbox, 1, later) // what is flagged and moved is both
	home.Move(t, archive, 0, inbox)
	w.Fill(t, []Folder{{Path: later, Messages: messages("new", 2)}})
	r.expect(t, "again, and new mail", did{brought: 2, moved: 2, edited: 1})
	checkEqual(t, w)
	if findings := compareOnce(t, w, r.forth); len(findings) != 0 {
		t.Errorf("compared: %v", findings)
	}
	keptSince(t, r)
}

// keptSince checks that what somebody has changed at the target since is left as it is.
func keptSince(t *testing.T, r trip) {
	t.Helper()
	inbox := []string{"INBOX"}
	_, before := r.Held(t)
	r.Owner().Flag(t, inbox, 0, []string{"$Label1"}, nil)
	r.Owner().Flag(t, inbox, 1, []string{"$Label1"}, nil)
	home := r.Home()
	home.Flag(t, inbox, 1, []string{`\Flagged`}, nil)
	home.Expunge(t, inbox, 0)
	if sum := r.goOn(t, "changed on both sides"); sum.Kept != 2 || sum.Removed != 0 || sum.Edited != 0 {
		t.Errorf("changed on both sides: %+v, want 2 kept", sum)
	}
	_, after := r.Held(t)
	if count(after) != count(before) {
		t.Errorf("the target holds %d messages, want all %d", count(after), count(before))
	}
	labels := 0
	for _, f := range after {
		for _, m := range f.Messages {
			if hasFlag(m, "$Label1") && !hasFlag(m, `\Flagged`) {
				labels++
			}
		}
	}
	if labels != 2 {
		t.Errorf("%d messages carry what was set at the target, want 2", labels)
	}
}

func hasFlag(m Message, flag string) bool {
	return migrate.SameFlags(append([]string{flag}, m.Flags...), m.Flags)
}

// forwardKilledAtEveryWrite kills a forward pass that brings, moves, flags and deletes
// before and after each of its journal writes, resumes, and compares.
func forwardKilledAtEveryWrite(t *testing.T, newWorld func(t *testing.T) World) {
	writes := 0
	for n := 1; ; n++ {
		outlived := false
		for _, after := range []bool{false, true} {
			r := beingUsed(t, newWorld(t))
			inbox, later := []string{"INBOX"}, []string{"Später"}
			home := r.Home()
			home.Expunge(t, inbox, 6)
			home.Flag(t, inbox, 3, []string{`\Flagged`}, nil)
			home.Move(t, inbox, 3, later)
			home.Move(t, inbox, 1, []string{"Neu"}) // equal to one that stays
			home.Flag(t, inbox, 0, []string{"$Label1"}, nil)
			r.Fill(t, []Folder{{Path: later, Messages: messages("new", 2)}})
			outlived = dying(t, r.Open, r.forth, deleting(), atWrite(n, after)) == nil
			resumeForward(t, r, fmt.Sprintf("write %d, after %v", n, after))
		}
		if outlived {
			break
		}
		writes = n
	}
	if writes < 12 {
		t.Errorf("the pass wrote its journal only %d times: the test shows too little", writes)
	}
}

func resumeForward(t *testing.T, r trip, how string) {
	t.Helper()
	r.goOn(t, how)
	if again := r.goOn(t, how); !again.Quiet() {
		t.Errorf("the pass after the resumed one did %+v", again)
	}
	if r.able {
		checkEqual(t, r)
	} else if source, target := r.Held(t); count(target) != count(source)+1 {
		t.Errorf("the target holds %d messages, want the source's %d and the deleted one", count(target), count(source))
	}
	if t.Failed() {
		t.Fatalf("killed at %s", how)
	}
}
