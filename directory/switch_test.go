package directory_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// opened has birgit staged and her target mailbox open.
func opened(t testing.TB, more map[string][]string) (*lab, directory.Pair) {
	t.Helper()
	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, more))
	l.carryOut(t, pair, on("", l.PlanOpen))
	return l, l.reload(t, pair)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	self := string(sidBytes(migrate.Self))
	for name, test := range map[string]struct {
		source           map[string][]string
		details, display string
		master           string
	}{
		"user":      {nil, "1", "1073741824", ""},
		"linked":    {map[string][]string{"msExchRecipientTypeDetails": {"2"}}, "1", "1073741824", ""},
		"shared":    {map[string][]string{"msExchRecipientTypeDetails": {"4"}, "msExchMasterAccountSid": {self}, "userAccountControl": {"514"}}, "4", "0", self},
		"room":      {map[string][]string{"msExchRecipientTypeDetails": {"16"}}, "16", "7", self},
		"equipment": {map[string][]string{"msExchRecipientTypeDetails": {"32"}}, "32", "8", self},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, pair := opened(t, test.source)
			entry := l.target.get(t, pair.Target.DN)
			want := map[string][]string{
				"homeMDB": {string(database1)}, "mDBUseDefaults": {"TRUE"}, "msExchHomeServerName": {prefix + "/cn=Configuration/cn=Servers/cn=DB_1"},
				"msExchRecipientTypeDetails": {test.details}, "msExchRecipientDisplayType": {test.display},
				"targetAddress": {"SMTP:bmeier@mail.alpine.test"}, "legacyExchangeDN": {minted},
			}
			if test.master != "" {
				want["msExchMasterAccountSid"] = []string{test.master}
			}
			got := text(entry, append(slices.Collect(keysOf(want)), "msExchMasterAccountSid")...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if !pair.Target.IsMailbox() || pair.Target.MailboxGUID.IsZero() || pair.Target.MailboxGUID == pair.Source.MailboxGUID {
				t.Errorf("got mailbox GUID %s", pair.Target.MailboxGUID)
			}
			if text := pair.Target.MailboxGUID.String(); text[14] != '8' || text[19] < '8' || text[19] > 'b' {
				t.Errorf("%s is no UUID of version 8", text)
			}
			l.nothingLeft(t, "open", pair, on("", l.PlanOpen))
			l.nothingLeft(t, "stage after open", pair, l.PlanStage)
			findings, err := l.Check(t.Context(), pair, "")
			if err != nil || len(findings) != 1 || findings[0].Rule != "target.opened" {
				t.Errorf("a mailbox that nobody knows to have opened is found to be %v, %v", findings, err)
			}
			pair.Evidence = directory.EvidenceTwin
			findings, err = l.Check(t.Context(), pair, "")
			if err != nil || len(findings) > 0 {
				t.Errorf("the move's own mailbox is found to be %v, %v", findings, err)
			}
		})
	}
}

// TestMailboxGUIDFollowsFromTheSource: the same in a forest made anew, another for
// another mailbox.
func TestMailboxGUIDFollowsFromTheSource(t *testing.T) {
	t.Parallel()
	_, one := opened(t, nil)
	_, again := opened(t, map[string][]string{"displayName": {"Other"}})
	_, other := opened(t, map[string][]string{"msExchMailboxGuid": {"0123456789abcdef"}})
	_, none := opened(t, map[string][]string{"msExchMailboxGuid": nil})
	if one.Target.MailboxGUID != again.Target.MailboxGUID {
		t.Errorf("got %s and %s", one.Target.MailboxGUID, again.Target.MailboxGUID)
	}
	if one.Target.MailboxGUID == other.Target.MailboxGUID || none.Target.MailboxGUID.IsZero() {
		t.Errorf("got %s, %s and %s", one.Target.MailboxGUID, other.Target.MailboxGUID, none.Target.MailboxGUID)
	}
}

func TestOpenOnTheServerThatOwnsTheDatabase(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := "CN=EX9,CN=Servers,CN=Configuration,DC=baltic,DC=test"
	l.target.put(t, directory.DN(server), map[string][]string{"objectClass": {"server"}, "legacyExchangeDN": {"/o=B/cn=Servers/cn=EX9"}})
	l.target.put(t, "CN=DB 2,CN=Databases,CN=Configuration,DC=baltic,DC=test", map[string][]string{"objectClass": {"msExchPrivateMDB"}, "msExchOwningServer": {server}})
	l.target.put(t, "CN=DB 3,CN=Databases,CN=Configuration,DC=baltic,DC=test", map[string][]string{"objectClass": {"msExchPrivateMDB"}, "msExchOwningServer": {"CN=Gone"}})
	l.target.put(t, "CN=DB 4,CN=Databases,CN=Configuration,DC=baltic,DC=test", map[string][]string{"objectClass": {"msExchPrivateMDB"}, "legacyExchangeDN": {"/o=B/cn=Servers/cn=EX4/cn=Microsoft Private MDB"}})
	pair := l.stage(t, l.putBirgit(t, nil))
	for database, want := range map[string]string{"db 2": "/o=B/cn=Servers/cn=EX9", "DB 3": prefix + "/cn=Configuration/cn=Servers/cn=DB_3", "DB 4": "/o=B/cn=Servers/cn=EX4"} {
		plan, err := l.PlanOpen(t.Context(), pair, database)
		if err != nil || len(plan.Changes) != 2 {
			t.Fatalf("%s: %+v, %v", database, plan, err)
		}
		i := slices.IndexFunc(plan.Changes[0].Mods, func(m directory.Mod) bool { return m.Attr == "msExchHomeServerName" })
		if got := string(plan.Changes[0].Mods[i].Values[0]); got != want {
			t.Errorf("%s: got %q, want %q", database, got, want)
		}
	}
}

// TestOpenLeavesAMovedMailbox: the target's administrators have moved the mailbox to
// another database since.
func TestOpenLeavesAMovedMailbox(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	moved := "CN=DB 7,CN=Databases,CN=Configuration,DC=baltic,DC=test"
	l.target.put(t, directory.DN(moved), map[string][]string{"objectClass": {"msExchPrivateMDB"}})
	l.target.entries[pair.Target.DN.Key()].attrs["homemdb"] = [][]byte{[]byte(moved)}
	l.nothingLeft(t, "moved", l.reload(t, pair), on("", l.PlanOpen))
	delete(l.target.entries[pair.Target.DN.Key()].attrs, "msexchhomeservername")
	l.carryOut(t, l.reload(t, pair), on("", l.PlanOpen))
	want := map[string][]string{"homeMDB": {moved}, "msExchHomeServerName": {prefix + "/cn=Configuration/cn=Servers/cn=DB_7"}}
	if diff := cmp.Diff(want, text(l.target.get(t, pair.Target.DN), "homeMDB", "msExchHomeServerName")); diff != "" {
		t.Error(diff)
	}
}

// TestKnownTwinMayHaveAMailbox: the target's administrators have enabled the twin by
// their own means; a stranger with a mailbox is another matter.
func TestKnownTwinMayHaveAMailbox(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["msexchmailboxguid"] = [][]byte{[]byte("0123456789abcdef")}
	delete(attrs, "admindescription") // by which it would be known for ours
	pair = l.match(t, string(birgitDN))
	l.forbidden(t, "stranger", "match.mailbox", pair, on("", l.PlanOpen))
	pair, err := l.Match(t.Context(), pair.Source, pair.Target.GUID)
	if err != nil {
		t.Fatal(err)
	}
	l.nothingLeft(t, "twin", pair, on("", l.PlanOpen))
}

func TestSwitch(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	for name, step := range map[string]planner{"forward": l.PlanForward, "disconnect": l.PlanDisconnect} {
		l.forbidden(t, name, "forward.loop", pair, step)
	}
	l.carryOut(t, pair, l.PlanDeliver)
	pair = l.reload(t, pair)
	if pair.Target.TargetAddress != "" {
		t.Errorf("the target still sends to %q", pair.Target.TargetAddress)
	}
	l.carryOut(t, pair, l.PlanForward)
	pair = l.reload(t, pair)
	if pair.Source.TargetAddress != "SMTP:bmeier@mail.baltic.test" || !pair.Source.IsMailbox() {
		t.Errorf("the source sends to %q, mailbox %v", pair.Source.TargetAddress, pair.Source.IsMailbox())
	}
	names := pair.Source.Proxies
	plan := l.carryOut(t, pair, l.PlanDisconnect)
	if len(plan.Changes) != 1 || plan.Changes[0].Op != directory.Modify {
		t.Errorf("the source is disconnected in %d changes", len(plan.Changes))
	}
	pair = l.reload(t, pair)
	if diff := cmp.Diff(names, pair.Source.Proxies); diff != "" {
		t.Errorf("addresses of the source: %s", diff)
	}
	for name, step := range map[string]planner{
		"stage": l.PlanStage, "open": on("", l.PlanOpen), "deliver": l.PlanDeliver, "forward": l.PlanForward, "disconnect": l.PlanDisconnect,
	} {
		l.nothingLeft(t, name, pair, step)
	}
	want := map[string][]string{
		"legacyExchangeDN": {birgitLegacy}, "mail": {"birgit.meier@alpine.test"}, "mailNickname": {"bmeier"},
		"targetAddress": {"SMTP:bmeier@mail.baltic.test"}, "msExchRecipientTypeDetails": {"128"}, "msExchRecipientDisplayType": {"-2147483642"},
		"msExchPoliciesExcluded": {"{26491cfc-9e50-4857-861b-0cb8df22b5d7}"}, "userAccountControl": {"512"},
		"msExchMailboxGuid": birgit()["msExchMailboxGuid"],
	}
	gone := []string{"homeMDB", "homeMTA", "msExchHomeServerName", "mDBUseDefaults", "mDBStorageQuota", "msExchMailboxSecurityDescriptor"}
	if diff := cmp.Diff(want, text(l.source.get(t, birgitDN), append(gone, slices.Collect(keysOf(want))...)...)); diff != "" {
		t.Error(diff)
	}
	if pair.Source.IsMailbox() || !pair.Source.IsMailUser() {
		t.Error("the source is no mail user")
	}
}

// forbidden checks that the step plans nothing and says why.
func (l *lab) forbidden(t testing.TB, name, rule string, pair directory.Pair, step planner) {
	t.Helper()
	plan, err := step(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{rule}, rules(plan.Forbidden())); diff != "" || len(plan.Changes) != 0 {
		t.Errorf("%s: %s %v", name, diff, plan.Changes)
	}
}

// TestNothingBeforeItsTime: steps out of their order are refused, whoever asks.
func TestNothingBeforeItsTime(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	alone := l.putBirgit(t, nil)
	for name, test := range map[string]struct {
		rule string
		step planner
	}{
		"open":       {"open.no-target", on("", l.PlanOpen)},
		"deliver":    {"deliver.no-mailbox", l.PlanDeliver},
		"forward":    {"forward.no-mailbox", l.PlanForward},
		"disconnect": {"forward.no-mailbox", l.PlanDisconnect},
		"twins":      {"permissions.no-target", l.PlanTwinRights},
		"strip":      {"permissions.no-target", l.PlanStrip},
	} {
		l.forbidden(t, name, test.rule, alone, test.step)
	}
	staged := l.stage(t, alone)
	l.forbidden(t, "deliver", "deliver.no-mailbox", staged, l.PlanDeliver)
	l.forbidden(t, "disconnect", "forward.no-mailbox", staged, l.PlanDisconnect)
	l.forbidden(t, "database", "database.missing", staged, on("DB 9", l.PlanOpen))
	l.Target.Info.HasExchange = true
	l.forbidden(t, "Exchange", "exchange.owns-mailboxes", staged, on("", l.PlanOpen))
}

// TestForwardNeedsTheRoutingAddress: mail sent to an address the target does not have
// would bounce.
func TestForwardNeedsTheRoutingAddress(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	l.carryOut(t, pair, l.PlanDeliver)
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["proxyaddresses"] = slices.DeleteFunc(attrs["proxyaddresses"], func(v []byte) bool { return string(v) == "smtp:bmeier@mail.baltic.test" })
	pair = l.reload(t, pair)
	l.forbidden(t, "forward", "routing.missing", pair, l.PlanForward)
	l.forbidden(t, "disconnect", "routing.missing", pair, l.PlanDisconnect)
	l.Rules.TargetRouting = ""
	l.forbidden(t, "disconnect", "forward.no-address", pair, l.PlanDisconnect)
}

// TestDeliverOnlyWhereTheSourceCanForward: as long as the source could not forward, the
// target does not deliver, and all mail still reaches the source.
func TestDeliverOnlyWhereTheSourceCanForward(t *testing.T) {
	t.Parallel()
	const routing = "smtp:bmeier@mail.baltic.test"
	without := func(s *stored) {
		s.attrs["proxyaddresses"] = slices.DeleteFunc(s.attrs["proxyaddresses"], func(v []byte) bool { return string(v) == routing })
	}
	other := map[string][]string{"objectClass": {"user"}, "proxyAddresses": {routing}}
	for name, test := range map[string]struct {
		spoil func(l *lab, source, target *stored)
		want  string
	}{
		"target lacks it":  {func(_ *lab, _, target *stored) { without(target) }, "routing.missing"},
		"source lacks it":  {func(_ *lab, source, _ *stored) { without(source) }, "routing.missing"},
		"no domain":        {func(l *lab, _, _ *stored) { l.Rules.TargetRouting = "" }, "forward.no-address"},
		"no alias":         {func(_ *lab, source, _ *stored) { delete(source.attrs, "mailnickname") }, "forward.no-address"},
		"another target":   {func(l *lab, _, _ *stored) { l.target.put(t, staffDN("Other"), other) }, "address.taken"},
		"another's source": {func(l *lab, _, _ *stored) { l.source.put(t, "CN=Other,"+people, other) }, "address.taken"},
	} {
		l, pair := opened(t, nil)
		test.spoil(l, l.source.entries[birgitDN.Key()], l.target.entries[pair.Target.DN.Key()])
		l.forbidden(t, name, test.want, l.reload(t, pair), l.PlanDeliver)
	}
	l, pair := opened(t, nil)
	if pair.Target.TargetAddress == "" { // forward.loop alone must not stop it
		t.Fatal("the target delivers already")
	}
	l.carryOut(t, pair, l.PlanDeliver)
}

// TestNoLoopBeforeTheSwitch: the source sends its mail to the target already, which
// would send it back.
func TestNoLoopBeforeTheSwitch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	alone := l.putBirgit(t, map[string][]string{"targetAddress": {"SMTP:BMeier@mail.baltic.test"}})
	l.forbidden(t, "no twin", "source.forwards-to-target", alone, l.PlanStage)

	for name, address := range map[string]string{"routing": "smtp:bmeier@mail.baltic.test", "any": "SMTP:B.Meier@baltic.test", "mail": "SMTP:m@baltic.test"} {
		l := newLab(t)
		l.target.put(t, staffDN("B"), map[string][]string{
			"objectClass": {"user"}, "mail": {"M@baltic.test"}, "proxyAddresses": {"SMTP:b.meier@baltic.test", "smtp:b.schulz@alpine.test"},
		})
		l.forbidden(t, name, "source.forwards-to-target", l.putBirgit(t, map[string][]string{"targetAddress": {address}}), l.PlanStage)

		staged := l.stage(t, l.putBirgit(t, nil))
		l.source.entries[birgitDN.Key()].attrs["targetaddress"] = [][]byte{[]byte(address)}
		l.forbidden(t, name+", once staged", "source.forwards-to-target", l.reload(t, staged), on("", l.PlanOpen))
	}
	elsewhere := l.putBirgit(t, map[string][]string{"targetAddress": {"SMTP:b@freemail.test"}})
	if l.stage(t, elsewhere).Target == nil {
		t.Error("who sends mail to a third place cannot be staged")
	}
}

// TestDisconnectWhereExchangeRuns is refused, and of one that is disconnected nothing is left.
func TestDisconnectWhereExchangeRuns(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	l.Source.Info.HasExchange = true
	l.carryOut(t, pair, l.PlanDeliver)
	l.forbidden(t, "disconnect", "exchange.owns-mailboxes", l.reload(t, pair), l.PlanDisconnect)
	l.Source.Info.HasExchange = false
	l.carryOut(t, l.reload(t, pair), l.PlanDisconnect)
	l.Source.Info.HasExchange = true
	l.nothingLeft(t, "disconnect", l.reload(t, pair), l.PlanDisconnect)
}

// TestRoomStaysARoom: a room that has been moved is still known for one.
func TestRoomStaysARoom(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, map[string][]string{"msExchRecipientTypeDetails": {"16"}, "msExchRecipientDisplayType": {"7"}})
	for _, step := range []planner{l.PlanDeliver, l.PlanForward, l.PlanDisconnect} {
		l.carryOut(t, pair, step)
		pair = l.reload(t, pair)
	}
	if pair.Source.Kind() != directory.KindRoom || pair.Source.DisplayType != -2147481850 {
		t.Errorf("got %s with %d", pair.Source.Kind(), pair.Source.DisplayType)
	}
	findings, err := l.Verify(t.Context(), pair, "")
	if err != nil || len(findings) > 0 {
		t.Errorf("got %v, %v", findings, err)
	}
}

// movedLab has birgit moved whole.
func movedLab(t testing.TB) (*lab, directory.Pair) {
	t.Helper()
	l := newMoveLab(t)
	if err := l.wholeMove(t, newJournal(l.clock)); err != nil {
		t.Fatal(err)
	}
	return l, l.match(t, string(birgitDN))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(t *testing.T, source, target map[string][][]byte, l *lab)
		want  []string
	}{
		"whole": {},
		"target sends on": {
			func(_ *testing.T, _, target map[string][][]byte, _ *lab) {
				target["targetaddress"] = [][]byte{[]byte("SMTP:x@y")}
			},
			[]string{"verify.target-forwards"},
		},
		"target lost its mailbox": {
			func(_ *testing.T, _, target map[string][][]byte, _ *lab) {
				delete(target, "homemdb")
				delete(target, "msexchhomeservername")
			},
			[]string{"verify.target-mailbox"},
		},
		"policy rewrote the primary": {
			func(_ *testing.T, _, target map[string][][]byte, _ *lab) {
				target["proxyaddresses"] = append(target["proxyaddresses"], []byte("SMTP:new@baltic.test"))
			},
			[]string{"verify.primary", "target.primary-several", "verify.attribute"},
		},
		"type": {
			func(_ *testing.T, source, target map[string][][]byte, _ *lab) {
				target["msexchrecipienttypedetails"] = [][]byte{[]byte("128")}
				source["msexchrecipienttypedetails"] = [][]byte{[]byte("1")}
			},
			[]string{"verify.target-type", "verify.source-type"},
		},
		"an address is lost": {
			func(_ *testing.T, _, target map[string][][]byte, _ *lab) {
				target["proxyaddresses"] = slices.DeleteFunc(target["proxyaddresses"], func(v []byte) bool {
					return slices.Contains([]string{"smtp:b.schulz@alpine.test", "X500:" + birgitLegacy, "SIP:birgit@alpine.test", "smtp:bmeier@mail.baltic.test"}, string(v))
				})
			},
			[]string{"routing.missing", "address.missing", "address.missing", "address.missing", "x500.missing"},
		},
		"the way back is lost": {
			func(_ *testing.T, source, _ map[string][][]byte, _ *lab) {
				source["proxyaddresses"] = slices.DeleteFunc(source["proxyaddresses"], func(v []byte) bool { return string(v) == "X500:"+minted })
			},
			[]string{"x500.missing"},
		},
		"source connected again": {
			func(_ *testing.T, source, _ map[string][][]byte, _ *lab) {
				source["homemdb"] = [][]byte{[]byte("CN=Old DB")}
				delete(source, "targetaddress")
			},
			[]string{"verify.source-mailbox", "verify.source-forwards", "verify.attribute"},
		},
		"another database": {
			func(_ *testing.T, _, target map[string][][]byte, _ *lab) {
				target["homemdb"] = [][]byte{[]byte("CN=DB 4,DC=baltic,DC=test")}
			},
			[]string{"verify.database"},
		},
		"split": {
			func(t *testing.T, _, target map[string][][]byte, l *lab) {
				l.target.put(t, staffDN("Empty"), map[string][]string{"objectClass": {"user"}, "msExchMailboxGuid": {string(target["msexchmailboxguid"][0])}})
			},
			[]string{"mailbox.split"},
		},
		"legacy permissions": {
			func(_ *testing.T, _, target map[string][][]byte, _ *lab) {
				target["ntsecuritydescriptor"] = [][]byte{legacySecurity}
			},
			[]string{"verify.legacy-permissions"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, pair := movedLab(t)
			if test.spoil != nil {
				test.spoil(t, l.source.entries[birgitDN.Key()].attrs, l.target.entries[pair.Target.DN.Key()].attrs, l)
			}
			findings, err := l.Verify(t.Context(), pair, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Errorf("%s\n%v", diff, findings)
			}
		})
	}
}

func TestVerifyWithoutTarget(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	findings, err := l.Verify(context.Background(), l.putBirgit(t, nil), "")
	if err != nil || !slices.Equal(rules(findings), []string{"verify.no-target"}) {
		t.Errorf("got %v, %v", findings, err)
	}
}
