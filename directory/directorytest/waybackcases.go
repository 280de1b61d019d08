package directorytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// waybackCases are about taking a switch back, and making it once more.
func waybackCases() []decision {
	var cases []decision
	for _, kind := range slices.Sorted(maps.Keys(travellers)) {
		cases = append(cases,
			decision{name: "there and back again: " + kind, run: func(t *testing.T, w *world) { testThereAndBack(t, w, kind) }},
			decision{name: "step back: " + kind, run: func(t *testing.T, w *world) { testStepBack(t, w, kind) }},
		)
		if kind != "room" { // which differs from a shared mailbox in its numbers alone
			cases = append(cases, decision{name: "killed on the way back: " + kind, run: func(t *testing.T, w *world) { testKilledBack(t, w, kind) }})
		}
	}
	return append(cases,
		decision{name: "way back over what others have set", run: testMeddled},
		decision{name: "retention of a database", run: testRetention},
		decision{name: "ready to be switched", run: testCheckSwitch},
	)
}

// travellers are the kinds of people whose way there and back is different.
var travellers = map[string]func(t *testing.T, w *world) attrs{
	"person with delegates": func(t *testing.T, w *world) attrs {
		bea, cem := w.person(t, "bea", nil), w.person(t, "cem", nil)
		w.carry(t, bea, stage)
		w.carry(t, cem, stage)
		return attrs{
			"altRecipient": {string(bea)}, "deliverAndRedirect": {"TRUE"}, "publicDelegates": {string(bea), string(cem)},
			"protocolSettings": {"POP3§1§1§4§ISO-8859-1§0§1§0§0", "LDAP§1§1§§§§§§"}, "mDBUseDefaults": {"FALSE"}, "mDBStorageQuota": {"1000"},
		}
	},
	"shared mailbox": func(t *testing.T, _ *world) attrs {
		return attrs{
			"msExchRecipientTypeDetails": {"4"}, "msExchRecipientDisplayType": {"0"}, "userAccountControl": {"514"},
			"msExchMasterAccountSid": {octets(t, migrate.Self)},
		}
	},
	"linked mailbox": func(t *testing.T, w *world) attrs {
		var rid uint32 // of the case's own: the same account would be the same person
		if _, err := fmt.Sscanf(w.tag, "%x", &rid); err != nil {
			t.Fatal(err)
		}
		return attrs{
			"msExchRecipientTypeDetails": {"2"}, "userAccountControl": {"514"},
			"msExchMasterAccountSid": {octets(t, migrate.SID(fmt.Sprintf("S-1-5-21-1-22-333-%d", rid)))},
		}
	},
	"room": func(*testing.T, *world) attrs {
		return attrs{
			"msExchRecipientTypeDetails": {"16"}, "msExchRecipientDisplayType": {"7"}, "userAccountControl": {"514"}, "msExchResourceCapacity": {"8"},
		}
	},
}

// A wayBack plans from what is on record as done.
type wayBack func(*directory.Directories, context.Context, directory.Pair, []directory.Change) (directory.Plan, error)

func (w *world) recorded(name string, plan wayBack) step {
	return step{name, func(d *directory.Directories, ctx context.Context, pair directory.Pair) (directory.Plan, error) {
		return plan(d, ctx, pair, w.journal.committed())
	}}
}

var shutOut = step{"shut out", (*directory.Directories).PlanShutOut}

// forth are the steps of a switch, from the opening of the mailbox on.
func forth() []step { return []step{enable, shutOut, deliver, forward, disconnect} }

// back are the steps of the way back.
func (w *world) back() []step {
	return []step{
		w.recorded("return", (*directory.Directories).PlanReturn), w.recorded("send back", (*directory.Directories).PlanSendBack),
		w.recorded("close", (*directory.Directories).PlanClose), w.recorded("let in", (*directory.Directories).PlanLetIn),
	}
}

// traveller plants and stages one.
func (w *world) traveller(t *testing.T, kind string) directory.DN {
	t.Helper()
	w.Rules.ShutOut = []string{"http", "pop3"}
	who := w.person(t, "ada", travellers[kind](t, w))
	w.carry(t, who, stage, relink)
	w.found = nil
	return who
}

// turn carries out steps, of which some are to be taken back later.
func (w *world) turn(t *testing.T, who directory.DN, steps ...step) {
	t.Helper()
	again := w.again
	w.carry(t, who, steps...)
	w.again, w.found = again, nil
}

// settledImage takes an image without what tells of the writes themselves, of the GUID that a
// mailbox keeps, and of when a password was set.
func (w *world) settledImage(t *testing.T) image {
	t.Helper()
	out := w.image(t).unversioned()
	for dn, values := range out {
		out[dn] = slices.DeleteFunc(slices.Clone(values), func(line string) bool {
			name, _, _ := strings.Cut(line, ":")
			return slices.Contains([]string{"pwdlastset", "dscorepropagationdata", "msexchmailboxguid"}, name)
		})
	}
	return out
}

func sameImage(t *testing.T, what string, got, want image) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// testThereAndBack: the way back ends where the switch began, and the switch where it
// ended the first time.
func testThereAndBack(t *testing.T, w *world, kind string) {
	who := w.traveller(t, kind)
	begin := w.settledImage(t)
	var moved image
	for round := range 2 {
		w.turn(t, who, forth()...)
		if round == 0 {
			moved = w.settledImage(t)
			w.verified(t, who)
		}
		sameImage(t, fmt.Sprintf("moved, round %d", round), w.settledImage(t), moved)
		w.planned(t, who)
		sameImage(t, fmt.Sprintf("rolled back, round %d", round), w.settledImage(t), begin)
		w.nothingLeft(t, who, stage)
		w.nothingLeft(t, who, relink)
		findings, err := w.VerifyStaged(t.Context(), w.match(t, who))
		if stop := (directory.Plan{Findings: findings}).Forbidden(); err != nil || len(stop) > 0 {
			t.Errorf("verify, round %d: %v, %v", round, stop, err)
		}
	}
}

// planned carries out the way back and wants the plan of the whole to have told of it.
func (w *world) planned(t *testing.T, who directory.DN) {
	t.Helper()
	plan, err := w.PlanRollback(t.Context(), w.match(t, who), w.journal.committed())
	if err != nil || len(plan.Forbidden()) > 0 {
		t.Fatalf("plan the way back: %v, %v", err, plan.Forbidden())
	}
	first := len(w.journal.committed())
	w.turn(t, who, w.back()...)
	did := directory.Plan{Changes: w.journal.committed()[first:]}
	same(t, "what the plan told of", show(did), show(directory.Plan{Changes: plan.Changes}))
}

// testStepBack: as long as the source does not forward, all of the switch is undone.
func testStepBack(t *testing.T, w *world, kind string) {
	who := w.traveller(t, kind)
	w.turn(t, who, enable)
	begin := w.settledImage(t)
	steps := []step{w.recorded("step back", (*directory.Directories).PlanStepBack), w.recorded("let in", (*directory.Directories).PlanLetIn)}
	for upTo := 1; upTo <= 3; upTo++ {
		w.turn(t, who, forth()[1:upTo]...)
		w.turn(t, who, steps...)
		sameImage(t, fmt.Sprintf("after %d steps", upTo), w.settledImage(t), begin)
	}
	w.turn(t, who, forth()[1:4]...)
	w.refused(t, who, steps[0], "stepback.forwards")
	w.turn(t, who, forth()[4])
	w.refused(t, who, steps[0], "stepback.forwards")
}

// testKilledBack ends the process at each call of the journal on the way back, and of a
// second way there; somebody delivers at every instant, and the end is the same.
func testKilledBack(t *testing.T, w *world, kind string) {
	who := w.traveller(t, kind)
	w.turn(t, who, forth()...)
	moved := w.settledImage(t)
	w.turn(t, who, w.back()...)
	begin := w.settledImage(t)
	w.killed(t, who, "there", forth(), moved, w.back())
	w.turn(t, who, forth()...)
	w.killed(t, who, "back", w.back(), begin, forth())
}

// killed carries out the steps, once for each call of the journal at which the process may
// die, with the given end, and takes them back each time.
func (w *world) killed(t *testing.T, who directory.DN, way string, steps []step, end image, undo []step) {
	t.Helper()
	for dieAt := 1; ; dieAt++ {
		w.journal.calls, w.journal.dieAt = 0, dieAt
		killed := w.attempt(t, who, steps...)
		w.journal.dieAt = 0
		w.delivered(t, who, dieAt)
		if err := w.Resume(t.Context(), w.journal); err != nil {
			t.Fatal(err)
		}
		w.turn(t, who, steps...)
		sameImage(t, fmt.Sprintf("killed on the way %s at call %d", way, dieAt), w.settledImage(t), end)
		if !killed {
			if dieAt < 2*(len(steps)-1) {
				t.Errorf("it died %d times on the way %s; it is too few to be a way", dieAt-1, way)
			}
			return
		}
		w.turn(t, who, undo...)
	}
}

// attempt carries out the steps until the process dies, and reports whether it did.
func (w *world) attempt(t *testing.T, who directory.DN, steps ...step) (killed bool) {
	t.Helper()
	for _, s := range steps {
		err := w.Apply(t.Context(), w.journal, w.plan(t, who, s))
		if errors.Is(err, errStop) {
			return true
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return false
}

// delivered wants one side to keep its mail, and not both to send it to the other.
func (w *world) delivered(t *testing.T, who directory.DN, dieAt int) {
	t.Helper()
	pair := w.match(t, who)
	keeps := func(r *directory.Recipient) bool { return r.IsMailbox() && r.TargetAddress == "" }
	if !keeps(pair.Source) && !keeps(pair.Target) || pair.Source.TargetAddress != "" && pair.Target.TargetAddress != "" {
		t.Errorf("killed at call %d: the source sends mail to %q, the target to %q", dieAt, pair.Source.TargetAddress, pair.Target.TargetAddress)
	}
}

// theirs are values that somebody else may set.
func (w *world) theirs(side directory.Side) map[string]string {
	home := w.home(side)
	defaults := map[directory.Side]string{directory.Source: "TRUE", directory.Target: "FALSE"}
	return map[string]string{
		"homeMDB": string(home.Base), "msExchHomeServerName": "/o=Theirs", "mDBUseDefaults": defaults[side], "mDBStorageQuota": "2000",
		"targetAddress": "SMTP:theirs@x.test", "altRecipient": string(home.Base), "deliverAndRedirect": "FALSE",
		"msExchRecipientTypeDetails": "64", "msExchRecipientDisplayType": "1",
	}
}

// testMeddled: whatever the way back writes over and somebody else has set since stops it,
// is named, and is left.
func testMeddled(t *testing.T, w *world) {
	who := w.traveller(t, "person with delegates")
	w.turn(t, who, forth()...)
	plan, err := w.PlanRollback(t.Context(), w.match(t, who), w.journal.committed())
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, change := range plan.Changes {
		for _, m := range change.Mods {
			if theirs := w.theirs(change.Forest)[m.Attr]; theirs != "" {
				tried[string(change.Forest)+" "+m.Attr] = true
				w.meddle(t, who, change.Forest, change.DN, m.Attr, theirs)
			}
		}
	}
	if len(tried) < 13 {
		t.Errorf("only %d attributes were tried: %v", len(tried), slices.Sorted(maps.Keys(tried)))
	}
	w.turn(t, who, w.back()...)
}

func (w *world) meddle(t *testing.T, who directory.DN, side directory.Side, dn directory.DN, attr, theirs string) {
	t.Helper()
	had := w.get(t, side, dn, attr).Values(attr)
	w.change(t, side, dn, mod(directory.ReplaceValues, attr, theirs))
	before := w.image(t)
	findings, err := w.CheckRollback(t.Context(), w.match(t, who), w.journal.committed())
	found := slices.ContainsFunc(findings, func(f migrate.Finding) bool {
		return f.Rule == "rollback.changed" && strings.Contains(f.What, attr+" of ") && strings.Contains(f.What, string(side)+" forest") && strings.Contains(f.What, theirs)
	})
	if err != nil || !found {
		t.Errorf("%s of the %s: %v, %v", attr, side, findings, err)
	}
	w.unchanged(t, "looking at the way back", before)
	w.change(t, side, dn, mod(directory.ReplaceValues, attr, had...))
}

// testRetention reads how long a database keeps mailboxes, where it says so.
func testRetention(t *testing.T, w *world) {
	database := w.plant(t, directory.Source, "MBX", attrs{"objectClass": {"container"}})
	if w.Forests.Source.Seed != nil { // no class that LDAP lets stand there has the attribute
		database = w.Forests.Source.Base.Child("CN", "MBX kept")
		w.Forests.Source.Seed(t, database, map[string][]string{"objectClass": {"msExchPrivateMDB"}, "msExchMailboxRetentionPeriod": {"86400"}})
	}
	who := w.person(t, "ada", attrs{"homeMDB": {string(database)}})
	kept, err := w.Retention(t.Context(), w.match(t, who).Source)
	if err != nil || w.Forests.Source.Seed != nil && kept.Hours() != 24 || w.Forests.Source.Seed == nil && kept != 0 {
		t.Errorf("got %v, %v", kept, err)
	}
}

// testCheckSwitch: who is ready is told nothing that forbids the switch; what the server
// says and would stop it on the way is known before.
func testCheckSwitch(t *testing.T, w *world) {
	who := w.traveller(t, "person with delegates")
	routing := directory.AcceptedDomain{Name: w.Rules.TargetRouting}
	w.Directories.Target.Info.Accepted = []directory.AcceptedDomain{routing}
	w.refusedSwitch(t, who, "deliver.no-mailbox")
	w.turn(t, who, enable)
	w.Directories.Target.Info.Accepted = []directory.AcceptedDomain{{Name: "x.test"}}
	w.refusedSwitch(t, who, "switch.domain")
	w.Directories.Target.Info.Accepted = append(w.Directories.Target.Info.Accepted, routing)
	w.refusedSwitch(t, who)
	w.change(t, directory.Source, who, mod(directory.ReplaceValues, "msExchUserHoldPolicies", "case 7"))
	w.refusedSwitch(t, who, "switch.hold")
	w.Rules.MoveHeld = true
	w.refusedSwitch(t, who)
	w.turn(t, who, forth()...)
	w.refusedSwitch(t, who, "source.not-mailbox", "switch.target-address")
}

func (w *world) refusedSwitch(t *testing.T, who directory.DN, rules ...string) {
	t.Helper()
	before := w.image(t)
	findings, err := w.CheckSwitch(t.Context(), w.match(t, who))
	if err != nil {
		t.Fatal(err)
	}
	var stop []string
	for _, f := range (directory.Plan{Findings: findings}).Forbidden() {
		stop = append(stop, f.Rule)
	}
	same(t, "the switch is forbidden by", stop, rules)
	w.unchanged(t, "looking at the switch", before)
}
