package directorytest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"reforest/directory"
)

// switchCases are about the moments in which a mailbox changes sides.
func switchCases() []decision {
	return []decision{
		{name: "whole move", run: testWholeMove},
		{name: "replication lags", run: testLag},
		{name: "killed at disconnecting", run: testKilled},
		{name: "answer to a write is lost", run: testAnswerLost},
	}
}

// testWholeMove compares both sides after a move with what they must be.
func testWholeMove(t *testing.T, w *world) {
	who := w.person(t, "ada", attrs{"department": {"Sales"}, "extensionAttribute1": {"4711"}})
	before := w.match(t, who).Source
	w.carry(t, who, wholeMove()...)
	w.verified(t, who)
	pair := w.match(t, who)
	same(t, "database", pair.Target.HomeMDB.Key(), w.Forests.Target.Database.Key())
	same(t, "the target forwards to", pair.Target.TargetAddress, "")
	same(t, "account is disabled", pair.Target.Disabled, false)
	same(t, "department", pair.Target.Entry.First("department"), "Sales")
	same(t, "extensionAttribute1", pair.Target.Entry.First("extensionAttribute1"), "4711")
	same(t, "the source has a mailbox", pair.Source.IsMailbox(), false)
	same(t, "mailbox to be connected again", pair.Source.MailboxGUID, before.MailboxGUID)
	has(t, pair.Source, before.Proxies...)
	if pair.Target.MailboxGUID == before.MailboxGUID || pair.Target.MailboxGUID.IsZero() {
		t.Errorf("the target's mailbox has the GUID %s, the source's %s", pair.Target.MailboxGUID, before.MailboxGUID)
	}
}

// testLag: a second server is behind for longer than one look.
func testLag(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	plan := w.plan(t, who, stage)
	if err := w.Apply(t.Context(), w.journal, plan); err != nil {
		t.Fatal(err)
	}
	behind := &atomic.Int32{}
	behind.Store(3)
	w.Directories.Target.Watch = []directory.Reader{replica{w.Directories.Target.Reader, "dc2." + w.targetDNS(), behind}}
	for look := range 5 {
		// Who looks again after a crash has nothing left to write, and has to wait all the same.
		missing, err := w.Settled(t.Context(), w.plan(t, who, stage))
		if err != nil {
			t.Fatal(err)
		}
		if late := look < 3; late != (missing != "") {
			t.Errorf("look %d: got %q while the server is behind: %v", look+1, missing, late)
		}
	}
	w.carry(t, who, enable, deliver)
}

// testKilled ends the process at each call of the journal while a mailbox is disconnected.
// At every instant the source either has its mailbox or forwards, with all its addresses.
func testKilled(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	w.carry(t, who, stage, enable, deliver, forward)
	addresses := w.match(t, who).Source.Proxies
	writes := 0
	w.Directories.Source.Writer = watched{w.Directories.Source.Writer, func(directory.Change) { writes++ }}
	for dieAt := 1; ; dieAt++ {
		plan := w.plan(t, who, disconnect)
		if dieAt == 1 && (len(plan.Changes) != 1 || plan.Changes[0].Op != directory.Modify) {
			t.Fatalf("want one modification: %s", show(plan))
		}
		w.journal.calls, w.journal.dieAt = 0, dieAt
		err := w.Apply(t.Context(), w.journal, plan)
		w.journal.dieAt = 0
		if err != nil && !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		source := w.match(t, who).Source
		same(t, "addresses", sorted(source.Proxies), sorted(addresses))
		same(t, "the source forwards to", source.TargetAddress, "SMTP:"+w.routing("ada"))
		if whole := source.Entry.Has("homeMDB"); whole != source.IsMailbox() || whole != (source.TypeDetails == 1) {
			t.Errorf("killed at call %d: it is neither a mailbox nor a mail user: %q", dieAt, lines(source.Entry))
		}
		if err == nil {
			break
		}
	}
	same(t, "writes", writes, 1)
	w.carry(t, who, disconnect, twinRights, strip)
	w.verified(t, who)
}

func sorted(values []string) []string { return slices.Sorted(slices.Values(values)) }

// A deaf writer never gets an answer, though all is carried out.
type deaf struct{ directory.Writer }

// testAnswerLost: nobody knows what became of a write, until it is looked at.
func testAnswerLost(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	pair := w.match(t, who)
	plan, err := w.PlanStage(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	heard := w.Directories.Target.Writer
	w.Directories.Target.Writer = deaf{heard}
	if err := w.Apply(t.Context(), w.journal, plan); !errors.Is(err, errStop) {
		t.Fatalf("got error %v, want that of the lost answer", err)
	}
	same(t, "open changes", len(w.journal.open()), 1)
	w.Directories.Target.Writer = heard
	w.carry(t, who, stage)
	same(t, "objects with her address", w.owners(t, "smtp:"+w.at("ada")), 1)
}

// Write implements directory.Writer.
func (d deaf) Write(ctx context.Context, change directory.Change) error {
	return errors.Join(d.Writer.Write(ctx, change), errStop)
}
