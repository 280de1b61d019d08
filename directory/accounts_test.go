package directory_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

const other3 migrate.SID = "S-1-5-21-9-9-9" // a third forest

// TestKinds: types and owner of each kind, before and after its mailbox is opened.
func TestKinds(t *testing.T) {
	t.Parallel()
	self, third, home := string(sidBytes(migrate.Self)), string(sidBytes(other3+"-77")), string(sidBytes(alpine+"-77"))
	own := string(sidBytes(alpine + "-4242"))
	for name, test := range map[string]struct {
		source   map[string][]string
		accounts directory.AccountMode
		staged   map[string][]string // details, display and master
		opened   map[string][]string
		notes    []string // of the plan of staging
	}{
		"user":               {staged: types("128", "-2147483642", ""), opened: types("1", "1073741824", "")},
		"user, linked":       {accounts: directory.AccountsLinked, staged: types("128", "-1073741818", own), opened: types("2", "1073741824", own)},
		"linked to a third":  {source: types("2", "1073741824", third), staged: types("128", "-1073741818", third), opened: types("2", "1073741824", third)},
		"and so it stays":    {source: types("2", "1073741824", third), accounts: directory.AccountsLinked, staged: types("128", "-1073741818", third), opened: types("2", "1073741824", third)},
		"linked at home":     {source: types("2", "1073741824", home), staged: types("128", "-2147483642", ""), opened: types("1", "1073741824", "")},
		"linked at home, to": {source: types("2", "1073741824", home), accounts: directory.AccountsLinked, staged: types("128", "-1073741818", home), opened: types("2", "1073741824", home)},
		"shared":             {source: types("4", "0", self), accounts: directory.AccountsLinked, staged: types("128", "-2147483642", ""), opened: types("4", "0", self)},
		"shared, no master":  {source: types("4", "0", ""), staged: types("128", "-2147483642", ""), opened: types("4", "0", self)},
		"room":               {source: types("16", "7", ""), staged: types("128", "-2147481850", ""), opened: types("16", "7", self)},
		"equipment":          {source: types("32", "8", ""), accounts: directory.AccountsLinked, staged: types("128", "-2147481594", ""), opened: types("32", "8", self)},
		"team":               {source: types("137438953472", "16", self), staged: types("128", "-2147483642", ""), opened: types("4", "0", self), notes: []string{"source.team-mailbox"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.Rules.Accounts = test.accounts
			before := l.putBirgit(t, with(map[string][]string{"objectSid": {own}}, test.source))
			pair := l.stage(t, before)
			attrs := []string{"msExchRecipientTypeDetails", "msExchRecipientDisplayType", "msExchMasterAccountSid"}
			if diff := cmp.Diff(test.staged, text(l.target.get(t, pair.Target.DN), attrs...)); diff != "" {
				t.Errorf("staged: %s", diff)
			}
			plan, err := l.PlanStage(t.Context(), pair)
			if diff := cmp.Diff(test.notes, rules(plan.Findings)); err != nil || diff != "" || len(plan.Changes) > 0 {
				t.Errorf("again: %v: %s%+v", err, diff, plan.Changes)
			}
			for _, step := range []planner{on("", l.PlanOpen), l.PlanDeliver, l.PlanForward, l.PlanDisconnect} {
				l.carryOut(t, pair, step)
				pair = l.reload(t, pair)
				if diff := cmp.Diff(test.opened, text(l.target.get(t, pair.Target.DN), attrs...)); diff != "" {
					t.Errorf("opened: %s", diff)
				}
				l.nothingLeft(t, "open", pair, on("", l.PlanOpen))
			}
			findings, err := l.Verify(t.Context(), pair, "")
			if err != nil || len(findings) > 0 {
				t.Errorf("verify: %v, %v", findings, err)
			}
			enabled := test.opened["msExchMasterAccountSid"] == nil
			if pair.Target.Disabled == enabled {
				t.Errorf("the account is disabled: %v", pair.Target.Disabled)
			}
		})
	}
}

func types(details, display, master string) map[string][]string {
	out := map[string][]string{"msExchRecipientTypeDetails": {details}, "msExchRecipientDisplayType": {display}}
	if master != "" {
		out["msExchMasterAccountSid"] = []string{master}
	}
	return out
}

// TestResourceAttributes are copied of rooms and equipment alone.
func TestResourceAttributes(t *testing.T) {
	t.Parallel()
	resource := map[string][]string{
		"msExchResourceCapacity": {"12"}, "msExchResourceDisplay": {"Room,Beamer"}, "msExchResourceMetaData": {"ResourceType:Room"},
		"msExchResourceSearchProperties": {"Beamer", "Room"},
	}
	for name, test := range map[string]struct{ types, want map[string][]string }{
		"room": {types("16", "7", ""), resource}, "equipment": {types("32", "8", ""), resource}, "user": {nil, map[string][]string{}},
	} {
		l := newLab(t)
		pair := l.stage(t, l.putBirgit(t, with(resource, test.types)))
		if diff := cmp.Diff(test.want, text(l.target.get(t, pair.Target.DN), slices.Collect(keysOf(resource))...)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestMark: whoever is made or adopted carries the mark; what stands in its place stays.
func TestMark(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target map[string][]string
		keeps  string
		rules  []string
	}{
		"made":           {},
		"adopted":        {target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}}},
		"marked already": {target: map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}, "adminDescription": {"made by hand"}}, keeps: "made by hand", rules: []string{"mark.taken"}},
	} {
		l := newLab(t)
		if test.target != nil {
			l.target.put(t, staffDN("B"), test.target)
		}
		before := l.putBirgit(t, nil)
		plan, err := l.PlanStage(t.Context(), before)
		if diff := cmp.Diff(test.rules, rules(plan.Findings)); err != nil || diff != "" {
			t.Errorf("%s: %v: %s", name, err, diff)
		}
		pair := l.stage(t, before)
		want := test.keeps
		if want == "" {
			want = directory.Mark(pair.Source.GUID)
		}
		if pair.Target.Mark != want {
			t.Errorf("%s: got %q, want %q", name, pair.Target.Mark, want)
		}
		if made := pair.Target.Entry.First("adminDisplayName") != ""; made != (test.target == nil) {
			t.Errorf("%s: is shown as made: %v", name, made)
		}
	}
}

// TestAccounts: only an account that was made for the move and never had a password is
// given one and enabled, in one change.
func TestAccounts(t *testing.T) {
	t.Parallel()
	adopted := map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}}
	for name, test := range map[string]struct {
		adopt  map[string][]string // the target user, if it was there before
		spoil  map[string]string   // of the staged target user, by lower-case name
		source map[string][]string
		mode   directory.AccountMode
		want   string // userAccountControl afterwards
		rules  []string
	}{
		"made":                     {want: "512"},
		"made, bits of the server": {spoil: map[string]string{"useraccountcontrol": "546", "pwdlastset": "0"}, want: "512"},
		"made, other bits":         {spoil: map[string]string{"useraccountcontrol": "66050"}, want: "66048"},
		"made, has a password":     {spoil: map[string]string{"pwdlastset": "133000000000000000"}, want: "514", rules: []string{"account.disabled"}},
		"made, marked for another": {spoil: map[string]string{"admindescription": directory.Mark(migrate.GUID{1})}, want: "514", rules: []string{"account.disabled"}},
		"adopted, enabled":         {adopt: map[string][]string{"userAccountControl": {"66048"}, "pwdLastSet": {"133000000000000000"}}, want: "66048"},
		"adopted, disabled":        {adopt: map[string][]string{"userAccountControl": {"514"}, "pwdLastSet": {"133000000000000000"}}, want: "514", rules: []string{"account.disabled"}},
		"adopted, must change":     {adopt: map[string][]string{"userAccountControl": {"514"}, "pwdLastSet": {"0"}}, want: "514", rules: []string{"account.disabled"}},
		"linked stays disabled":    {mode: directory.AccountsLinked, want: "514"},
		"shared stays disabled":    {source: types("4", "0", ""), want: "514"},
		"adopted, enabled, linked": {adopt: map[string][]string{"userAccountControl": {"512"}}, mode: directory.AccountsLinked, want: "512", rules: []string{"account.two-owners"}},
		"adopted, enabled, shared": {adopt: map[string][]string{"userAccountControl": {"512"}}, source: types("4", "0", ""), want: "512", rules: []string{"account.two-owners"}},
		"adopted, somebody else's": {adopt: map[string][]string{"userAccountControl": {"514"}, "msExchMasterAccountSid": {string(sidBytes(migrate.Self))}}, want: "514", rules: []string{"account.owner"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.Rules.Accounts = test.mode
			if test.adopt != nil {
				l.target.put(t, staffDN("B"), with(adopted, test.adopt))
			}
			pair := l.stage(t, l.putBirgit(t, test.source))
			for attr, value := range test.spoil {
				l.target.entries[pair.Target.DN.Key()].attrs[attr] = [][]byte{[]byte(value)}
			}
			pair = l.reload(t, pair)
			plan := l.carryOut(t, pair, on("", l.PlanOpen))
			if diff := cmp.Diff(test.rules, rules(plan.Findings)); diff != "" {
				t.Error(diff)
			}
			if got := l.target.get(t, pair.Target.DN).First("userAccountControl"); got != test.want {
				t.Errorf("got userAccountControl %s, want %s", got, test.want)
			}
			before := pair.Target.Entry.First("userAccountControl")
			if passwords := countPasswords(plan); (passwords == 1) != (before != test.want) || passwords > 1 {
				t.Errorf("%d passwords are set", passwords)
			}
			again, err := l.PlanOpen(t.Context(), l.reload(t, pair), "")
			if err != nil || len(again.Changes) > 0 {
				t.Errorf("a second plan wants %+v, %v", again.Changes, err)
			}
		})
	}
}

// countPasswords counts the changes that set a password, all of which have to be of that
// alone.
func countPasswords(plan directory.Plan) (n int) {
	for _, change := range plan.Changes {
		if slices.ContainsFunc(change.Mods, func(m directory.Mod) bool { return m.Op == directory.RandomPassword && len(m.Values) == 0 }) && len(change.Mods) == 2 {
			n++
		}
	}
	return n
}

// TestDefect7: who is joined is linked as well, also with an account that is enabled.
func TestDefect7(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.Accounts = directory.AccountsLinked
	l.target.put(t, staffDN("B"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}, "userAccountControl": {"512"}, "msExchRecipientDisplayType": {"-2147483642"},
	})
	before := l.putBirgit(t, nil)
	plan, err := l.PlanStage(t.Context(), before)
	if diff := cmp.Diff([]string{"account.two-owners"}, rules(plan.Findings)); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	pair := l.stage(t, before)
	if pair.Target.MasterSID != pair.Source.SID || pair.Target.DisplayType != -1073741818 || pair.Target.Disabled {
		t.Errorf("got master %q, display %d, disabled %v", pair.Target.MasterSID, pair.Target.DisplayType, pair.Target.Disabled)
	}
}

// TestPasswordIsSetOnce: whenever the process dies, or the answer of the server is lost,
// the account gets one password, and nobody else's account does.
func TestPasswordIsSetOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, nil))
	counting := &passwordCounter{memory: l.target}
	l.Target.Writer = counting
	plan, err := l.PlanOpen(t.Context(), pair, "")
	if err != nil {
		t.Fatal(err)
	}
	j := newJournal(&clock{})
	counting.lose = true
	if err := l.Apply(t.Context(), j, plan); err == nil {
		t.Fatal("the lost answer goes unnoticed")
	}
	for range 3 { // plans that are as old as the first, and new ones
		if err := l.Apply(t.Context(), j, plan); err != nil {
			t.Fatal(err)
		}
		l.carryOut(t, l.reload(t, pair), on("", l.PlanOpen))
	}
	if counting.set != 1 {
		t.Errorf("%d passwords were set", counting.set)
	}
	for _, change := range j.changes {
		if !j.closed[change.ID] || j.dropped[change.ID] {
			t.Errorf("the change of %v is not on record as done", change.Mods)
		}
	}
}

// A passwordCounter counts the passwords that are set and loses the answer to the first.
type passwordCounter struct {
	*memory
	set  int
	lose bool
}

func (p *passwordCounter) Write(ctx context.Context, change directory.Change) error {
	err := p.memory.Write(ctx, change)
	if slices.ContainsFunc(change.Mods, func(m directory.Mod) bool { return m.Op == directory.RandomPassword }) {
		if p.set++; p.lose {
			p.lose = false
			return &migrate.Error{Op: "ldap.Modify", Reach: migrate.OneServer, Retry: migrate.Now, Err: errKilled}
		}
	}
	return err
}
