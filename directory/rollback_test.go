package directory_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// committed returns what was carried out, the oldest first, as a store has it.
func (j *journal) committed() []directory.Change {
	var done []directory.Change
	for _, change := range j.changes {
		if j.closed[change.ID] && !j.dropped[change.ID] {
			done = append(done, change)
		}
	}
	return done
}

// A leg is one step of the switch or of the way back.
type leg struct {
	name string
	plan func(context.Context, directory.Pair, []directory.Change) (directory.Plan, error)
}

func plain(name string, plan planner) leg {
	return leg{name, func(ctx context.Context, pair directory.Pair, _ []directory.Change) (directory.Plan, error) {
		return plan(ctx, pair)
	}}
}

func (l *lab) there() []leg {
	return []leg{
		plain("open", on("", l.PlanOpen)), plain("shut out", l.PlanShutOut), plain("deliver", l.PlanDeliver), plain("forward", l.PlanForward),
		plain("disconnect", l.PlanDisconnect), plain("twin rights", l.PlanTwinRights), plain("strip", l.PlanStrip),
	}
}

func (l *lab) back() []leg {
	return []leg{{"return", l.PlanReturn}, {"send back", l.PlanSendBack}, {"close", l.PlanClose}, {"let in", l.PlanLetIn}}
}

// travel carries out the legs as a fresh process does: what was open is closed, and each
// leg is planned from what stands there and what is on record as done.
func (l *lab) travel(t testing.TB, j *journal, legs ...leg) error {
	t.Helper()
	if err := l.Resume(t.Context(), j); err != nil {
		return err
	}
	for _, leg := range legs {
		plan := l.planLeg(t, j, leg)
		if stop := plan.Forbidden(); len(stop) > 0 {
			t.Fatalf("%s is forbidden: %v", leg.name, stop)
		}
		if err := l.Apply(t.Context(), j, plan); err != nil {
			return err
		}
		if again := l.planLeg(t, j, leg); len(again.Changes) > 0 || len(again.Forbidden()) > 0 {
			t.Fatalf("%s, again: %+v %v", leg.name, again.Changes, again.Forbidden())
		}
	}
	return nil
}

func (l *lab) planLeg(t testing.TB, j *journal, leg leg) directory.Plan {
	t.Helper()
	plan, err := leg.plan(t.Context(), l.match(t, string(birgitDN)), j.committed())
	if err != nil {
		t.Fatalf("%s: %v", leg.name, err)
	}
	return plan
}

func (l *lab) mustTravel(t testing.TB, j *journal, legs ...leg) {
	t.Helper()
	if err := l.travel(t, j, legs...); err != nil {
		t.Fatal(err)
	}
}

// travellers are the kinds of people whose way there and back is different.
func travellers() map[string]map[string][]string {
	self, third := string(sidBytes(migrate.Self)), string(sidBytes("S-1-5-21-9-9-9-1234"))
	return map[string]map[string][]string{
		"person": {
			"altRecipient": {string(people.Child("CN", "alice"))}, "deliverAndRedirect": {"TRUE"}, "publicDelegates": {string(people.Child("CN", "bob"))},
			"protocolSettings": {"POP3§1§1§4§ISO-8859-1§0§1§0§0", "LDAP§1§1§§§§§§"}, "msExchPoliciesExcluded": {"{other}"},
			"msExchArchiveDatabaseLink": {"CN=Archive,CN=Configuration,DC=alpine,DC=test"},
		},
		"shared": with(types("4", "0", self), map[string][]string{"userAccountControl": {"514"}}),
		"linked": types("2", "1073741824", third),
		"room":   types("16", "7", ""),
		"twice":  {"msExchPoliciesExcluded": {"{26491cfc-9e50-4857-861b-0cb8df22b5d7}"}},
	}
}

// newTraveller has the person staged, with links, and rights that have to be translated.
func newTraveller(t testing.TB, more map[string][]string) (*lab, *journal) {
	t.Helper()
	l := newLab(t)
	l.Rules.ShutOut = []string{"http", "pop3"}
	l.putColleagues(t)
	l.source.put(t, "CN=Old DB,CN=Configuration,DC=alpine,DC=test", map[string][]string{"objectClass": {"msExchPrivateMDB"}})
	l.putBirgit(t, with(map[string][]string{
		"nTSecurityDescriptor": {string(security(ace(ntsd.Allow, fullControl, migrate.GUID{}, bob)))},
		mailboxSecurity:        {string(owned(alice, migrate.Self, full(migrate.Self), full(alice)))},
	}, more))
	j := newJournal(l.clock)
	l.mustTravel(t, j, plain("stage", l.PlanStage), plain("links", l.PlanLinks))
	return l, j
}

// leaving returns the dump without some attributes. Of the target the way back leaves as
// the switch made them the GUID of its mailbox and its permissions; that no password is
// known shows in a zero.
func leaving(dump map[string][]string, drop ...string) map[string][]string {
	out := maps.Clone(dump)
	for dn, values := range out {
		out[dn] = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			return slices.ContainsFunc(drop, func(attr string) bool { return strings.HasPrefix(v, attr+"=") })
		})
	}
	return out
}

// TestThereAndBackAndThere: the way back ends where the switch began, the way forward
// where it ended the first time, and so once more.
func TestThereAndBackAndThere(t *testing.T) {
	t.Parallel()
	for name, more := range travellers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, j := newTraveller(t, more)
			source, target := l.source.dump(), leaving(l.target.dump(), "ntsecuritydescriptor")
			var moved [2]map[string][]string
			for round := range 3 {
				l.mustTravel(t, j, l.there()...)
				if round == 0 {
					moved = [2]map[string][]string{l.source.dump(), l.target.dump()}
				}
				if diff := cmp.Diff(moved, [2]map[string][]string{l.source.dump(), l.target.dump()}); diff != "" {
					t.Errorf("moved, round %d: %s", round, diff)
				}
				l.verified(t)
				l.mustTravel(t, j, l.back()...)
				if diff := cmp.Diff(source, l.source.dump()); diff != "" {
					t.Errorf("source, round %d: %s", round, diff)
				}
				now := leaving(l.target.dump(), "ntsecuritydescriptor", "msexchmailboxguid", "pwdlastset")
				if diff := cmp.Diff(target, now); diff != "" {
					t.Errorf("target, round %d: %s", round, diff)
				}
				l.staged(t, j)
			}
		})
	}
}

func (l *lab) verified(t testing.TB) {
	t.Helper()
	findings, err := l.Verify(t.Context(), l.match(t, string(birgitDN)), "")
	if stop := (directory.Plan{Findings: findings}).Forbidden(); err != nil || len(stop) > 0 {
		t.Errorf("verify: %v, %v", stop, err)
	}
}

// staged wants everything to be as after staging, and nothing left to stage or to take back.
func (l *lab) staged(t testing.TB, j *journal) {
	t.Helper()
	pair := l.match(t, string(birgitDN))
	findings, err := l.VerifyStaged(t.Context(), pair)
	if stop := (directory.Plan{Findings: findings}).Forbidden(); err != nil || len(stop) > 0 {
		t.Errorf("verify what is staged: %v, %v", stop, err)
	}
	for _, leg := range append(l.back(), plain("stage", l.PlanStage), plain("links", l.PlanLinks)) {
		if plan := l.planLeg(t, j, leg); len(plan.Changes) > 0 || len(plan.Forbidden()) > 0 {
			t.Errorf("%s, once rolled back: %+v %v", leg.name, plan.Changes, plan.Forbidden())
		}
	}
	plan, err := l.PlanRollback(t.Context(), pair, j.committed())
	if err != nil || len(plan.Changes) > 0 || len(plan.Forbidden()) > 0 {
		t.Errorf("roll back once more: %v, %+v %v", err, plan.Changes, plan.Forbidden())
	}
}

// TestPlanRollbackIsWhatHappens: the plan that is looked at has the changes that are then
// carried out, in their order, whenever the switch was left.
func TestPlanRollbackIsWhatHappens(t *testing.T) {
	t.Parallel()
	for upTo := 1; upTo <= 7; upTo++ {
		l, j := newTraveller(t, travellers()["person"])
		l.mustTravel(t, j, l.there()[:upTo]...)
		before := [2]map[string][]string{l.source.dump(), l.target.dump()}
		plan, err := l.PlanRollback(t.Context(), l.match(t, string(birgitDN)), j.committed())
		if err != nil || len(plan.Forbidden()) > 0 {
			t.Fatalf("up to %d: %v, %v", upTo, err, plan.Forbidden())
		}
		if diff := cmp.Diff(before, [2]map[string][]string{l.source.dump(), l.target.dump()}); diff != "" {
			t.Errorf("planning has changed something: %s", diff)
		}
		first := len(j.committed())
		l.mustTravel(t, j, l.back()...)
		var did []directory.Change
		for _, change := range j.committed()[first:] {
			change.ID = 0
			did = append(did, change)
		}
		if diff := cmp.Diff(plan.Changes, did); diff != "" {
			t.Errorf("up to %d: %s", upTo, diff)
		}
	}
}

// TestRollbackKilledAtEveryStep: whenever the process dies, on the way back or once more
// on the way there, the next one comes to the same end. At no instant is there nobody who
// delivers.
func TestRollbackKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"person", "shared", "linked"} {
		more := travellers()[name]
		whole, j := newTraveller(t, more)
		whole.mustTravel(t, j, whole.there()...)
		begin := whole.clock.steps
		whole.mustTravel(t, j, whole.back()...)
		whole.mustTravel(t, j, whole.there()...)
		if whole.clock.steps < begin+30 {
			t.Fatalf("the way back and there again takes %d steps; it is too few to be one", whole.clock.steps-begin)
		}
		l, begun := newTraveller(t, more)
		l.mustTravel(t, begun, l.there()...)
		source, target, steps := l.source.entries, l.target.entries, l.clock.steps
		for n := begin + 1; n < whole.clock.steps; n++ {
			l.source.entries, l.target.entries, l.clock.steps = maps.Clone(source), maps.Clone(target), steps
			j := &journal{clock: l.clock, changes: slices.Clone(begun.changes), closed: maps.Clone(begun.closed), dropped: maps.Clone(begun.dropped)}
			l.clock.last = n
			if err := errors.Join(l.travel(t, j, l.back()...), l.travel(t, j, l.there()...)); !errors.Is(err, errKilled) {
				t.Fatalf("%s, step %d: got %v, want the kill", name, n, err)
			}
			l.clock.last = 0
			l.delivers(t, n)
			if !reopened(j) {
				l.mustTravel(t, j, l.back()...)
			}
			l.mustTravel(t, j, l.there()...)
			if diff := cmp.Diff(whole.source.dump(), l.source.dump()); diff != "" {
				t.Errorf("%s, step %d: source: %s", name, n, diff)
			}
			if diff := cmp.Diff(whole.target.dump(), l.target.dump()); diff != "" {
				t.Errorf("%s, step %d: target: %s", name, n, diff)
			}
			if len(j.closed) != len(j.changes) {
				t.Errorf("%s, step %d: %d of %d changes are closed", name, n, len(j.closed), len(j.changes))
			}
		}
	}
}

// reopened reports whether the way there has begun a second time.
func reopened(j *journal) bool {
	opened := 0
	for _, change := range j.changes {
		if change.Why == "open the target mailbox" {
			opened++
		}
	}
	return opened > 1
}

// delivers wants one of the two sides to keep its mail, and none to send it in a circle.
func (l *lab) delivers(t testing.TB, n int) {
	t.Helper()
	pair := l.match(t, string(birgitDN))
	source, target := pair.Source, pair.Target
	atSource := source.IsMailbox() && source.TargetAddress == ""
	atTarget := target.IsMailbox() && target.TargetAddress == ""
	if !atSource && !atTarget || source.TargetAddress != "" && target.TargetAddress != "" {
		t.Errorf("step %d: nobody delivers: the source (mailbox %v) sends to %q, the target (mailbox %v) to %q",
			n, source.IsMailbox(), source.TargetAddress, target.IsMailbox(), target.TargetAddress)
	}
}

// TestOrderOfTheWayBack: no step comes before the one that makes it safe.
func TestOrderOfTheWayBack(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	l.mustTravel(t, j, l.there()...)
	back := l.back()
	refused := func(leg leg, rule string) {
		t.Helper()
		plan := l.planLeg(t, j, leg)
		if diff := cmp.Diff([]string{rule}, rules(plan.Forbidden())); diff != "" || len(plan.Changes) > 0 {
			t.Errorf("%s: %s %+v", leg.name, diff, plan.Changes)
		}
	}
	refused(back[1], "sendback.loop")
	refused(back[2], "close.source")
	refused(leg{"step back", l.PlanStepBack}, "stepback.forwards")
	l.mustTravel(t, j, back[0])
	refused(back[2], "close.delivers")
	l.mustTravel(t, j, back[1:]...)
}

// TestStepBack undoes the switch as far as it has come, octet by octet, until the source
// forwards.
func TestStepBack(t *testing.T) {
	t.Parallel()
	for name, more := range travellers() {
		for upTo := 1; upTo <= 5; upTo++ {
			l, j := newTraveller(t, more)
			l.mustTravel(t, j, l.there()[0])
			before := [2]map[string][]string{l.source.dump(), l.target.dump()}
			l.mustTravel(t, j, l.there()[1:upTo]...)
			steps := []leg{{"step back", l.PlanStepBack}, {"let in", l.PlanLetIn}}
			if upTo > 3 {
				plan := l.planLeg(t, j, steps[0])
				if diff := cmp.Diff([]string{"stepback.forwards"}, rules(plan.Forbidden())); diff != "" {
					t.Errorf("%s, after %d: %s", name, upTo, diff)
				}
				continue
			}
			l.mustTravel(t, j, steps...)
			if diff := cmp.Diff(before, [2]map[string][]string{l.source.dump(), l.target.dump()}); diff != "" {
				t.Errorf("%s, after %d: %s", name, upTo, diff)
			}
			l.mustTravel(t, j, l.there()[1:]...)
			l.mustTravel(t, j, l.back()...)
			l.staged(t, j)
		}
	}
}

// others are what somebody sets instead, by lower-case name where any text will not do.
var others = map[string]string{"msexchrecipienttypedetails": "64", "msexchrecipientdisplaytype": "1", "msexchmasteraccountsid": string(sidBytes("S-1-5-21-8-8-8-8"))}

// TestRollbackKeepsWhatOthersSet: every attribute that the way back writes over, changed
// by somebody since, forbids it and is named with both values.
func TestRollbackKeepsWhatOthersSet(t *testing.T) {
	t.Parallel()
	merged := []string{"msExchPoliciesExcluded", "userAccountControl", "pwdLastSet", "protocolSettings"} // have tests of their own
	tried := 0
	for _, name := range []string{"person", "shared"} {
		probe, j := newTraveller(t, travellers()[name])
		probe.mustTravel(t, j, probe.there()...)
		plan, err := probe.PlanRollback(t.Context(), probe.match(t, string(birgitDN)), j.committed())
		if err != nil || len(plan.Forbidden()) > 0 {
			t.Fatalf("%v, %v", err, plan.Forbidden())
		}
		for _, change := range plan.Changes {
			for _, mod := range change.Mods {
				if slices.Contains(merged, mod.Attr) {
					continue
				}
				tried++
				l, j := newTraveller(t, travellers()[name])
				l.mustTravel(t, j, l.there()...)
				l.meddle(t, j, change.Forest, mod.Attr)
			}
		}
	}
	if tried < 25 {
		t.Errorf("only %d attributes were tried", tried)
	}
}

func (l *lab) meddle(t *testing.T, j *journal, side directory.Side, attr string) {
	t.Helper()
	pair, memory := l.match(t, string(birgitDN)), l.source
	dn := pair.Source.DN
	if side == directory.Target {
		memory, dn = l.target, pair.Target.DN
	}
	theirs := others[strings.ToLower(attr)]
	if theirs == "" {
		theirs = "CN=theirs,DC=elsewhere"
	}
	memory.entries[dn.Key()].attrs[strings.ToLower(attr)] = [][]byte{[]byte(theirs)}
	before := [2]map[string][]string{l.source.dump(), l.target.dump()}
	findings, err := l.CheckRollback(t.Context(), pair, j.committed())
	i := slices.IndexFunc(findings, func(f migrate.Finding) bool {
		return f.Rule == "rollback.changed" && strings.HasPrefix(f.What, attr+" of "+string(dn)+" in the "+string(side)+" forest")
	})
	if err != nil || i < 0 {
		t.Fatalf("%s of the %s: %v, %v", attr, side, findings, err)
	}
	secret := attr == mailboxSecurity
	if shows := strings.Contains(findings[i].What, "theirs") || strings.Contains(findings[i].What, "is \""+theirs) || strings.Contains(findings[i].What, "S-1-5-21-8-8-8-8"); shows == secret {
		t.Errorf("%s of the %s is shown: %v: %s", attr, side, shows, findings[i].What)
	}
	plan, err := l.PlanRollback(t.Context(), pair, j.committed())
	if err != nil || len(plan.Changes) > 0 || len(plan.Forbidden()) == 0 {
		t.Errorf("%s of the %s: the plan is %+v, %v", attr, side, plan.Changes, err)
	}
	refused := 0
	for _, leg := range l.back()[:3] {
		refused += len(l.planLeg(t, j, leg).Forbidden())
	}
	if diff := cmp.Diff(before, [2]map[string][]string{l.source.dump(), l.target.dump()}); diff != "" || refused == 0 {
		t.Errorf("%s of the %s: no step refuses to write it, or one has: %s", attr, side, diff)
	}
}

// TestRollbackKeepsOthersAdditions: of lists and bits only our own part is taken back.
func TestRollbackKeepsOthersAdditions(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	l.mustTravel(t, j, l.there()...)
	pair := l.match(t, string(birgitDN))
	source, target := l.source.entries[birgitDN.Key()].attrs, l.target.entries[pair.Target.DN.Key()].attrs
	source["msexchpoliciesexcluded"] = append(source["msexchpoliciesexcluded"], []byte("{theirs}"))
	source["proxyaddresses"] = append(source["proxyaddresses"], []byte("smtp:new@alpine.test"))
	target["useraccountcontrol"] = [][]byte{[]byte("66048")} // its password does not expire
	l.mustTravel(t, j, l.back()...)
	got := text(l.source.get(t, birgitDN), "msExchPoliciesExcluded")
	maps.Copy(got, text(l.target.get(t, pair.Target.DN), "userAccountControl", "pwdLastSet"))
	want := map[string][]string{"msExchPoliciesExcluded": {"{theirs}"}, "userAccountControl": {"66050"}, "pwdLastSet": {"0"}}
	if diff := cmp.Diff(want, got); diff != "" || !l.match(t, string(birgitDN)).Source.Proxies.HasSMTP("new@alpine.test") {
		t.Error(diff)
	}
}

// TestCheckRollback finds what else stands in the way.
func TestCheckRollback(t *testing.T) {
	t.Parallel()
	for rule, harm := range map[string]func(*testing.T, *lab, *directory.Pair, *journal){
		"rollback.database-gone": func(_ *testing.T, l *lab, _ *directory.Pair, _ *journal) {
			delete(l.source.entries, directory.DN("CN=Old DB,CN=Configuration,DC=alpine,DC=test").Key())
		},
		"rollback.gone": func(_ *testing.T, l *lab, pair *directory.Pair, _ *journal) {
			delete(l.target.entries, pair.Target.DN.Key())
		},
		"rollback.other-mailbox": func(_ *testing.T, l *lab, _ *directory.Pair, _ *journal) {
			l.source.entries[birgitDN.Key()].attrs["msexchmailboxguid"] = [][]byte{[]byte("another mailbox!")}
		},
		"rollback.no-record": func(_ *testing.T, _ *lab, _ *directory.Pair, j *journal) { j.changes = nil },
		"rollback.no-right": func(_ *testing.T, l *lab, _ *directory.Pair, _ *journal) {
			l.source.mayDo(birgitDN, without(append(slices.Clone(everything), "protocolSettings"), "homeMDB"), "4")
		},
		"exchange.owns-mailboxes": func(_ *testing.T, l *lab, _ *directory.Pair, _ *journal) { l.Target.Info.HasExchange = true },
		"rollback.goes-along": func(_ *testing.T, l *lab, pair *directory.Pair, _ *journal) {
			l.target.entries[pair.Target.DN.Key()].attrs["mdbstoragequota"] = [][]byte{[]byte("2000")}
		},
	} {
		l, j := newTraveller(t, nil)
		l.mustTravel(t, j, l.there()...)
		pair := l.match(t, string(birgitDN))
		if findings, err := l.CheckRollback(t.Context(), pair, j.committed()); err != nil || len(directory.Plan{Findings: findings}.Forbidden()) > 0 {
			t.Fatalf("before: %v, %v", findings, err)
		}
		harm(t, l, &pair, j)
		findings, err := l.CheckRollback(t.Context(), pair, j.committed())
		if err != nil || !slices.Contains(rules(findings), rule) {
			t.Errorf("%s: got %v, %v", rule, findings, err)
		}
		if known, _ := directory.RuleOf(rule); known.Severity == migrate.Forbid != (len(directory.Plan{Findings: findings}.Forbidden()) > 0) {
			t.Errorf("%s: forbids: %v", rule, findings)
		}
	}
	l, j := newTraveller(t, nil)
	l.mustTravel(t, j, l.there()...)
	pair := l.match(t, string(birgitDN))
	delete(l.source.entries, birgitDN.Key())
	findings, err := l.CheckRollback(t.Context(), pair, j.committed())
	if err != nil || len(findings) != 1 || findings[0].Rule != "rollback.gone" || !strings.Contains(findings[0].What, "source forest") {
		t.Errorf("source gone: %v, %v", findings, err)
	}
}

// TestWayBackEndsAHistory: what others have set between two switches is what the second
// way back leads to, and nothing of the first is on its mind.
func TestWayBackEndsAHistory(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, travellers()["person"])
	l.mustTravel(t, j, l.there()...)
	l.mustTravel(t, j, l.back()...)
	source := l.source.entries[birgitDN.Key()].attrs
	source["mdbstoragequota"] = [][]byte{[]byte("3000")}
	source["protocolsettings"] = [][]byte{[]byte("HTTP§1§1§§§§§§")}
	source["msexchpoliciesexcluded"] = nil
	target := l.target.entries[l.match(t, string(birgitDN)).Target.DN.Key()].attrs
	target["targetaddress"] = [][]byte{[]byte("SMTP:b.schulz@alpine.test")} // of hers as well
	before := l.source.dump()
	l.mustTravel(t, j, l.there()...)
	l.mustTravel(t, j, l.back()...)
	if diff := cmp.Diff(before, l.source.dump()); diff != "" {
		t.Error(diff)
	}
	if got := l.match(t, string(birgitDN)).Target.TargetAddress; got != "SMTP:b.schulz@alpine.test" {
		t.Errorf("the target sends to %q", got)
	}
	l.staged(t, j)
}

// TestWayBackIsWaitedFor: a process that died once all was written still waits for every
// server to show it.
func TestWayBackIsWaitedFor(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, travellers()["person"])
	l.mustTravel(t, j, l.there()...)
	l.mustTravel(t, j, l.back()...)
	for i, want := range [][]string{
		{"targetAddress", "homeMDB", "msExchRecipientTypeDetails"},
		{"targetAddress", "altRecipient"},
		{"homeMDB", "msExchRecipientTypeDetails", "userAccountControl"},
		{"protocolSettings"},
	} {
		leg := l.back()[i]
		plan := l.planLeg(t, j, leg)
		for _, attr := range want {
			if len(plan.Spots) != 1 || !slices.Contains(plan.Spots[0].Attrs, attr) {
				t.Errorf("%s: %s is not waited for: %+v", leg.name, attr, plan.Spots)
			}
		}
	}
}
