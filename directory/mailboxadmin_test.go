package directory_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// A mailSystem gives and takes mailboxes by itself, as Exchange does, and takes more along
// than it should. It keeps what it took until it is to be given back.
type mailSystem struct {
	l       *lab
	did     []string
	asleep  bool // it says that it did it, and does nothing
	refuses bool
	kept    map[string]map[string][][]byte // by DN.Key
}

var mailboxOf = []string{"homemdb", "msexchhomeservername", "mdbusedefaults", "mdbstoragequota", "homemta", "msexchmailboxsecuritydescriptor", "msexchrecipienttypedetails", "msexchrecipientdisplaytype"}

func (m *mailSystem) attrs(side directory.Side, who *directory.Recipient) map[string][][]byte {
	memory := m.l.source
	if side == directory.Target {
		memory = m.l.target
	}
	return memory.entries[who.DN.Key()].attrs
}

func (m *mailSystem) note(what string) bool {
	m.did = append(m.did, what)
	return !m.asleep
}

func (m *mailSystem) Enable(_ context.Context, pair directory.Pair, database directory.DN) (directory.Plan, error) {
	if !pair.Target.IsMailbox() && m.note("enable") {
		attrs := m.attrs(directory.Target, pair.Target)
		attrs["homemdb"] = [][]byte{[]byte(database)}
		attrs["msexchhomeservername"] = [][]byte{[]byte("/o=Baltic/cn=Servers/cn=EX1")}
		if attrs["msexchmailboxguid"] == nil {
			attrs["msexchmailboxguid"] = [][]byte{[]byte("its own mailbox!")}
		}
		attrs["msexchrecipienttypedetails"] = [][]byte{[]byte("1")}
	}
	return directory.Plan{}, nil
}

func (m *mailSystem) Rights(context.Context, directory.Pair) (directory.Plan, error) {
	return directory.Plan{}, nil
}

func (m *mailSystem) Disconnect(_ context.Context, side directory.Side, who *directory.Recipient) (directory.Plan, error) {
	if !who.IsMailbox() || !m.note("disconnect "+string(side)) {
		return directory.Plan{}, nil
	}
	attrs := m.attrs(side, who)
	took := map[string][][]byte{}
	for _, attr := range mailboxOf {
		took[attr] = attrs[attr]
		delete(attrs, attr)
	}
	m.kept[who.DN.Key()] = took
	delete(attrs, "mail") // more than it should
	attrs["proxyaddresses"] = slices.Clone(attrs["proxyaddresses"][:2])
	return directory.Plan{}, nil
}

func (m *mailSystem) Reconnect(_ context.Context, side directory.Side, who *directory.Recipient, _ []directory.Mod) (directory.Plan, error) {
	if !who.IsMailbox() && m.note("reconnect "+string(side)) {
		attrs := m.attrs(side, who)
		for attr, values := range m.kept[who.DN.Key()] {
			if values != nil {
				attrs[attr] = values
			}
		}
	}
	return directory.Plan{}, nil
}

func (m *mailSystem) May(side directory.Side) []migrate.Finding {
	if !m.refuses {
		return nil
	}
	return []migrate.Finding{{Rule: "exchange.owns-mailboxes", Severity: migrate.Forbid, Whom: string(side), What: "No.", Mend: "Ask."}}
}

// TestMailSystemActs: where the mail system gives and takes the mailboxes, what it does by
// itself is not written again, what it took along is put back, and the way back and there
// again end as they began. What is only looked at makes it do nothing.
func TestMailSystemActs(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	l.Source.Info.HasExchange, l.Target.Info.HasExchange = true, true
	m := &mailSystem{l: l, kept: map[string]map[string][][]byte{}}
	l.Admin = m
	names := l.match(t, string(birgitDN)).Source.Proxies
	source := sortedDump(l.source.dump())
	var moved [2]map[string][]string
	for round := range 2 {
		l.mustTravel(t, j, l.there()...)
		if round == 0 {
			moved = [2]map[string][]string{sortedDump(l.source.dump()), sortedDump(l.target.dump())}
		}
		if diff := cmp.Diff(moved, [2]map[string][]string{sortedDump(l.source.dump()), sortedDump(l.target.dump())}); diff != "" {
			t.Errorf("round %d: %s", round, diff)
		}
		pair, did := l.match(t, string(birgitDN)), len(m.did)
		if got := pair.Source.Proxies; len(got) != len(names) || pair.Source.Mail == "" || pair.Source.TypeDetails != 128 || pair.Source.IsMailbox() {
			t.Errorf("round %d: the source has %q, mail %q", round, []string(got), pair.Source.Mail)
		}
		plan, err := l.PlanRollback(t.Context(), pair, j.committed())
		if err != nil || len(plan.Forbidden()) > 0 || !slices.Contains(rules(plan.Findings), "mailbox.by-mail-system") {
			t.Fatalf("round %d: %v, %v", round, err, plan.Findings)
		}
		for _, change := range plan.Changes {
			for _, mod := range change.Mods {
				if slices.Contains(mailboxOf[:6], strings.ToLower(mod.Attr)) {
					t.Errorf("%s is the mail system's to write", mod.Attr)
				}
			}
		}
		if len(m.did) != did {
			t.Errorf("looking has made it do %q", m.did[did:])
		}
		l.mustTravel(t, j, l.back()...)
		if diff := cmp.Diff(source, sortedDump(l.source.dump())); diff != "" {
			t.Errorf("rolled back, round %d: %s", round, diff)
		}
		l.staged(t, j)
	}
	once := []string{"enable", "disconnect source", "reconnect source", "disconnect target"}
	if diff := cmp.Diff(slices.Concat(once, once), m.did); diff != "" {
		t.Error(diff)
	}
}

// TestDiedWithTheMailboxTaken: a process dies once the mail system has taken the target's
// mailbox, and targetAddress along with it. The next one lets the target forward again.
func TestDiedWithTheMailboxTaken(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	m := &mailSystem{l: l, kept: map[string]map[string][][]byte{}}
	l.Admin = m
	l.mustTravel(t, j, l.there()...)
	l.mustTravel(t, j, l.back()[:2]...)
	target := l.match(t, string(birgitDN)).Target
	if _, err := m.Disconnect(t.Context(), directory.Target, target); err != nil {
		t.Fatal(err)
	}
	delete(m.attrs(directory.Target, target), "targetaddress")
	l.mustTravel(t, j, l.back()[2:]...)
	if got := l.match(t, string(birgitDN)).Target; got.IsMailbox() || got.TargetAddress != target.TargetAddress {
		t.Errorf("the target (mailbox %v) sends mail to %q, want %q", got.IsMailbox(), got.TargetAddress, target.TargetAddress)
	}
}

// sortedDump is a dump without the order that values have.
func sortedDump(dump map[string][]string) map[string][]string {
	for _, values := range dump {
		slices.Sort(values)
	}
	return dump
}

// TestCheckSwitchDoesNotAct whatever the mail system would do.
func TestCheckSwitchDoesNotAct(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	m := &mailSystem{l: l, kept: map[string]map[string][][]byte{}}
	l.Admin = m
	findings, err := l.CheckSwitch(t.Context(), pair)
	if diff := cmp.Diff([]string{"mailbox.by-mail-system"}, rules(findings)); err != nil || diff != "" || len(m.did) > 0 {
		t.Errorf("%v: %s %q", err, diff, m.did)
	}
	m.refuses = true
	findings, err = l.CheckSwitch(t.Context(), pair)
	if err != nil || !slices.Contains(rules(directory.Plan{Findings: findings}.Forbidden()), "exchange.owns-mailboxes") {
		t.Errorf("%v: %v", err, findings)
	}
}

// TestMailSystemIsReadBack: it is not believed that says it did what does not show.
func TestMailSystemIsReadBack(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	l.Admin = &mailSystem{l: l, asleep: true}
	pair := l.match(t, string(birgitDN))
	_, err := l.PlanOpen(t.Context(), pair, "")
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || !strings.Contains(err.Error(), "not shown as a mailbox yet") {
		t.Errorf("open: %v", err)
	}
	if missing, err := l.ReadBack(t.Context(), pair, directory.Target, true); err != nil || missing == "" {
		t.Errorf("the target reads as a mailbox: %q, %v", missing, err)
	}
	l.Admin = nil
	l.mustTravel(t, j, l.there()[:4]...)
	l.Admin = &mailSystem{l: l, asleep: true}
	pair = l.match(t, string(birgitDN))
	_, err = l.PlanDisconnect(t.Context(), pair)
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || !strings.Contains(err.Error(), "still shown as a mailbox") {
		t.Errorf("disconnect: %v", err)
	}
	for side, mailbox := range map[directory.Side]bool{directory.Source: false, directory.Target: true} {
		if missing, err := l.ReadBack(t.Context(), pair, side, mailbox); err != nil || (missing == "") != (side == directory.Target) {
			t.Errorf("%s: %q, %v", side, missing, err)
		}
	}
	delete(l.target.entries, pair.Target.DN.Key())
	if missing, err := l.ReadBack(t.Context(), pair, directory.Target, true); err != nil || !strings.Contains(missing, "is not found") {
		t.Errorf("gone: %q, %v", missing, err)
	}
}

// TestExchangeKeepsItsMailboxes: without an admin of its own a forest with Exchange gives
// none away and takes none.
func TestExchangeKeepsItsMailboxes(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	l.mustTravel(t, j, l.there()...)
	l.Source.Info.HasExchange = true
	plan := l.planLeg(t, j, l.back()[0])
	if diff := cmp.Diff([]string{"exchange.owns-mailboxes"}, rules(plan.Forbidden())); diff != "" || len(plan.Changes) > 0 {
		t.Errorf("return: %s", diff)
	}
	l.Source.Info.HasExchange = false
	l.mustTravel(t, j, l.back()[:2]...)
	l.Target.Info.HasExchange = true
	plan = l.planLeg(t, j, l.back()[2])
	if diff := cmp.Diff([]string{"exchange.owns-mailboxes"}, rules(plan.Forbidden())); diff != "" || len(plan.Changes) > 0 {
		t.Errorf("close: %s", diff)
	}
}
