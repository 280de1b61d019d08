package directory_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func accepted(name string, kind directory.DomainKind) []directory.AcceptedDomain {
	return []directory.AcceptedDomain{{Name: name, Kind: kind}}
}

// TestCheckSwitch: each thing that would go wrong in the switch is known before it begins,
// nothing is written, and who is ready is told nothing.
func TestCheckSwitch(t *testing.T) {
	t.Parallel()
	set := func(attr string, values ...string) func(*lab, map[string][][]byte, map[string][][]byte) {
		return func(_ *lab, source, _ map[string][][]byte) {
			source[strings.ToLower(attr)] = nil
			for _, v := range values {
				source[strings.ToLower(attr)] = append(source[strings.ToLower(attr)], []byte(v))
			}
		}
	}
	atTarget := func(attr string, values ...string) func(*lab, map[string][][]byte, map[string][][]byte) {
		return func(l *lab, _, target map[string][][]byte) { set(attr, values...)(l, target, nil) }
	}
	type change = func(l *lab, source, target map[string][][]byte)
	writable := append(slices.Clone(everything), "protocolSettings", "altRecipient", "deliverAndRedirect")
	for name, test := range map[string]struct {
		change change
		want   []string
		says   string
	}{
		"ready":                 {change: func(*lab, map[string][][]byte, map[string][][]byte) {}},
		"source has no mailbox": {change: set("homeMDB"), want: nil},
		"source is no mailbox":  {change: func(l *lab, s, t map[string][][]byte) { set("homeMDB")(l, s, t); set("msExchHomeServerName")(l, s, t) }, want: []string{"source.not-mailbox"}},
		"target is no mailbox": {change: func(l *lab, s, t map[string][][]byte) {
			atTarget("homeMDB")(l, s, t)
			atTarget("msExchHomeServerName")(l, s, t)
		}, want: []string{"deliver.no-mailbox"}},
		"target delivers already": {change: atTarget("targetAddress"), want: []string{"switch.target-address"}},
		"target sends elsewhere":  {change: atTarget("targetAddress", "SMTP:b@freemail.test"), want: []string{"switch.target-address"}},
		"another address of hers": {change: atTarget("targetAddress", "SMTP:B.Schulz@alpine.test")},
		"no routing domain":       {change: func(l *lab, _, _ map[string][][]byte) { l.Rules.TargetRouting = "" }, want: []string{"forward.no-address"}},
		"no alias":                {change: set("mailNickname"), want: []string{"forward.no-address"}},
		"wrong domain": {change: func(l *lab, _, _ map[string][][]byte) {
			l.Target.Info.Accepted = accepted("baltic.test", directory.Authoritative)
		}, want: []string{"switch.domain"}},
		"domain passed on": {change: func(l *lab, _, _ map[string][][]byte) {
			l.Target.Info.Accepted = accepted("mail.baltic.test", directory.ExternalRelay)
		}, want: []string{"switch.domain"}},
		"domain is the target's": {change: func(l *lab, _, _ map[string][][]byte) {
			l.Target.Info.Accepted = accepted("*.baltic.test", directory.Authoritative)
		}},
		"domain is shared": {change: func(l *lab, _, _ map[string][][]byte) {
			l.Target.Info.Accepted = accepted("mail.baltic.test", directory.InternalRelay)
		}},
		"source relays the domain": {change: func(l *lab, _, _ map[string][][]byte) {
			l.Source.Info.Accepted = accepted("mail.baltic.test", directory.InternalRelay)
		}},
		"source keeps the domain": {change: func(l *lab, _, _ map[string][][]byte) {
			l.Source.Info.Accepted = accepted("mail.baltic.test", directory.Authoritative)
		}, want: []string{"switch.domain"}},
		"routing address is missing": {change: set("proxyAddresses", "SMTP:birgit.meier@alpine.test", "smtp:bmeier@mail.alpine.test"), want: []string{"routing.missing"}},
		"routing address is another's": {change: func(l *lab, _, _ map[string][][]byte) {
			l.source.entries[people.Child("CN", "X").Key()] = &stored{dn: people.Child("CN", "X"), attrs: map[string][][]byte{
				"objectclass": {[]byte("user")}, "objectguid": {[]byte("x has this GUID!")}, "proxyaddresses": {[]byte("smtp:BMEIER@mail.baltic.test")},
			}}
		}, want: []string{"address.taken"}},
		"Exchange at the source": {change: func(l *lab, _, _ map[string][][]byte) { l.Source.Info.HasExchange = true }, want: []string{"exchange.owns-mailboxes"}},
		"Exchange at the target": {change: func(l *lab, _, _ map[string][][]byte) { l.Target.Info.HasExchange = true }, want: []string{"exchange.owns-mailboxes"}},
		"litigation hold":        {change: set("msExchELCMailboxFlags", "40"), want: []string{"switch.hold"}, says: "msExchELCMailboxFlags is 40"},
		"other flags":            {change: set("msExchELCMailboxFlags", "32")},
		"hold with a date":       {change: set("msExchLitigationHoldDate", "20260102030405.0Z"), want: []string{"switch.hold"}, says: "20260102030405.0Z"},
		"in-place hold":          {change: set("msExchUserHoldPolicies", "abc"), want: []string{"switch.hold"}, says: `"abc"`},
		"protocol that is none":  {change: func(l *lab, _, _ map[string][][]byte) { l.Rules.ShutOut = []string{"smtp"} }, want: []string{"rules.shut-out"}},
		"may write": {change: func(l *lab, _, _ map[string][][]byte) {
			l.source.mayDo(birgitDN, writable, "4")
			l.target.mayDo(staff.Child("CN", "Meier, Birgit"), []string{"targetAddress"}, "0")
		}},
		"may not write the source": {change: func(l *lab, _, _ map[string][][]byte) {
			l.source.mayDo(birgitDN, without(writable, "targetAddress", "protocolSettings", "homeMTA"), "4")
			l.Rules.ShutOut = []string{"http"}
		}, want: []string{"switch.no-right"}, says: `may not write protocolSettings, targetAddress, homeMTA of ` + string(birgitDN)},
		"may not write the target": {change: func(l *lab, _, _ map[string][][]byte) {
			l.target.mayDo(staff.Child("CN", "Meier, Birgit"), nil, "7")
		}, want: []string{"switch.no-right"}, says: `/G "mover@baltic.test:RPWP;targetAddress"`},
	} {
		l, pair := opened(t, nil)
		l.Target.Account, l.Source.Account = "mover@baltic.test", "mover@alpine.test"
		test.change(l, l.source.entries[birgitDN.Key()].attrs, l.target.entries[pair.Target.DN.Key()].attrs)
		before := [2]map[string][]string{l.source.dump(), l.target.dump()}
		findings, err := l.CheckSwitch(t.Context(), l.reload(t, pair))
		stop := directory.Plan{Findings: findings}.Forbidden()
		if diff := cmp.Diff(test.want, rules(stop)); err != nil || diff != "" {
			t.Errorf("%s: %v: %s %v", name, err, diff, findings)
			continue
		}
		if test.says != "" && !strings.Contains(stop[0].What+stop[0].Mend, test.says) {
			t.Errorf("%s: %s %s, want %q", name, stop[0].What, stop[0].Mend, test.says)
		}
		if diff := cmp.Diff(before, [2]map[string][]string{l.source.dump(), l.target.dump()}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHeldMailboxesMayBeSwitched(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, map[string][]string{"msExchUserHoldPolicies": {"abc"}})
	l.Rules.MoveHeld = true
	findings, err := l.CheckSwitch(t.Context(), pair)
	if err != nil || len(findings) != 1 || findings[0].Rule != "switch.hold" || findings[0].Severity != migrate.Warn {
		t.Errorf("got %v, %v", findings, err)
	}
}

// TestRetention: the database says how long it keeps a mailbox, before and after that is
// disconnected.
func TestRetention(t *testing.T) {
	t.Parallel()
	l, j := newTraveller(t, nil)
	database := l.source.entries[directory.DN("CN=Old DB,CN=Configuration,DC=alpine,DC=test").Key()]
	keeps := func() time.Duration {
		t.Helper()
		pair := l.match(t, string(birgitDN))
		kept, err := l.Retention(t.Context(), pair.Source, directory.MailboxWas(pair.Source, j.committed())...)
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	if got := keeps(); got != 0 {
		t.Errorf("of a database that does not say: %v", got)
	}
	database.attrs["msexchmailboxretentionperiod"] = [][]byte{[]byte("2592000")}
	if got := keeps(); got != 30*24*time.Hour {
		t.Errorf("before: %v", got)
	}
	l.mustTravel(t, j, l.there()...)
	if got := keeps(); got != 30*24*time.Hour {
		t.Errorf("once it is disconnected: %v", got)
	}
	delete(l.source.entries, database.dn.Key())
	if got := keeps(); got != 0 {
		t.Errorf("of a database that is gone: %v", got)
	}
	pair := l.match(t, string(birgitDN))
	if got, err := l.Retention(t.Context(), pair.Source); got != 0 || err != nil {
		t.Errorf("of nobody knows which: %v, %v", got, err)
	}
}
