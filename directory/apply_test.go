package directory_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/ntsd"
	"reforest/migrate"
)

// A planner is one of the PlanX methods.
type planner func(context.Context, directory.Pair) (directory.Plan, error)

// on makes a planner of one that wants a database.
func on(database string, plan func(context.Context, directory.Pair, string) (directory.Plan, error)) planner {
	return func(ctx context.Context, pair directory.Pair) (directory.Plan, error) {
		return plan(ctx, pair, database)
	}
}

// carryOut plans and applies, and checks that the journal holds what was before and
// that all of the plan shows.
func (l *lab) carryOut(t testing.TB, pair directory.Pair, plan planner) directory.Plan {
	t.Helper()
	p, err := plan(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if stop := p.Forbidden(); len(stop) > 0 {
		t.Fatalf("the plan is forbidden: %v", stop)
	}
	j := newJournal(&clock{})
	if err := l.Apply(t.Context(), j, p); err != nil {
		t.Fatal(err)
	}
	for _, change := range j.changes {
		if !j.closed[change.ID] || change.Why == "" {
			t.Errorf("change of %q: closed %v, why %q", change.DN, j.closed[change.ID], change.Why)
		}
	}
	if missing, err := l.Settled(t.Context(), p); err != nil || missing != "" {
		t.Errorf("settled: %q, %v", missing, err)
	}
	return p
}

// nothingLeft checks that the step wants nothing any more.
func (l *lab) nothingLeft(t testing.TB, name string, pair directory.Pair, plan planner) {
	t.Helper()
	p, err := plan(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Changes) != 0 || len(p.Findings) != 0 {
		t.Errorf("%s: a second plan wants %+v %v", name, p.Changes, p.Findings)
	}
}

// legacyRights give a colleague, an unknown and a denied one rights on the target.
func (l *lab) legacyRights(t testing.TB, pair directory.Pair) {
	t.Helper()
	l.target.entries[pair.Target.DN.Key()].attrs["ntsecuritydescriptor"] = [][]byte{legacySecurity}
}

// steps are the changes of a whole move, in their order.
func (l *lab) steps() []struct {
	name string
	plan planner
} {
	return []struct {
		name string
		plan planner
	}{
		{"stage", l.PlanStage},
		{"open", on("", l.PlanOpen)},
		{"deliver", l.PlanDeliver},
		{"forward", l.PlanForward},
		{"disconnect", l.PlanDisconnect},
		{"twin rights", l.PlanTwinRights},
		{"strip", l.PlanStrip},
	}
}

// wholeMove carries out every step that still wants something, as a fresh process
// does: it knows nothing but the journal and what the directories hold.
func (l *lab) wholeMove(t testing.TB, j *journal) error {
	t.Helper()
	source, err := l.Resolve(t.Context(), string(birgitDN))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range l.steps() {
		pair, err := l.Match(t.Context(), source, migrate.GUID{})
		if err != nil {
			t.Fatal(err)
		}
		if pair, err = l.Reload(t.Context(), pair); err != nil {
			t.Fatal(err)
		}
		plan, err := step.plan(t.Context(), pair)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if err := l.Apply(t.Context(), j, plan); err != nil {
			return err
		}
		if step.name == "open" {
			l.grantOnce(t)
		}
	}
	return nil
}

// grantOnce gives the legacy rights, as soon as there is a target, unless it was done.
func (l *lab) grantOnce(t testing.TB) {
	t.Helper()
	if !l.granted {
		l.legacyRights(t, l.match(t, string(birgitDN)))
		l.granted = true
	}
}

func newMoveLab(t testing.TB) *lab {
	t.Helper()
	l := newLab(t)
	l.putColleagues(t)
	l.putBirgit(t, nil)
	return l
}

// newGrantedLab has colleagues with rights on birgit and on her mailbox as well.
func newGrantedLab(t testing.TB) *lab {
	t.Helper()
	l := newMoveLab(t)
	l.putBirgit(t, map[string][]string{
		"nTSecurityDescriptor": {string(security(ace(ntsd.Deny, readProperty, migrate.GUID{}, carol), ace(ntsd.Allow, fullControl, migrate.GUID{}, bob)))},
		mailboxSecurity:        {string(owned(alice, migrate.Self, full(migrate.Self), full(alice)))},
	})
	return l
}

// TestKilledAtEveryStep: whenever the process dies, before or after a journal write or
// a directory write, the next one comes to the same end.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	whole := newGrantedLab(t)
	if err := whole.wholeMove(t, newJournal(whole.clock)); err != nil {
		t.Fatal(err)
	}
	if whole.clock.steps < 40 {
		t.Fatalf("the whole move takes %d steps; it is too few to be one", whole.clock.steps)
	}
	for n := 1; n < whole.clock.steps; n++ {
		l := newGrantedLab(t)
		l.clock.last = n
		j := newJournal(l.clock)
		if err := l.wholeMove(t, j); !errors.Is(err, errKilled) {
			t.Fatalf("step %d: got %v, want the kill", n, err)
		}
		l.clock.last = 0
		if err := l.wholeMove(t, j); err != nil {
			t.Fatalf("step %d: resumed: %v", n, err)
		}
		done := 0
		for _, change := range j.changes {
			if !j.closed[change.ID] {
				t.Errorf("step %d: change %d of %q is still open", n, change.ID, change.DN)
			}
			if !j.dropped[change.ID] {
				done++
			}
		}
		if writes := l.source.writes + l.target.writes; done != writes {
			t.Errorf("step %d: %d changes are on record as done, %d were written", n, done, writes)
		}
		if diff := cmp.Diff(whole.source.dump(), l.source.dump()); diff != "" {
			t.Errorf("step %d: source: %s", n, diff)
		}
		if diff := cmp.Diff(whole.target.dump(), l.target.dump()); diff != "" {
			t.Errorf("step %d: target: %s", n, diff)
		}
	}
}

// TestWholeMoveAgain: a second run over a move that is done writes nothing.
func TestWholeMoveAgain(t *testing.T) {
	t.Parallel()
	l := newGrantedLab(t)
	j := newJournal(l.clock)
	if err := l.wholeMove(t, j); err != nil {
		t.Fatal(err)
	}
	steps, changes := l.clock.steps, len(j.changes)
	if err := l.wholeMove(t, j); err != nil {
		t.Fatal(err)
	}
	if l.clock.steps != steps || len(j.changes) != changes {
		t.Errorf("the second run made %d changes", len(j.changes)-changes)
	}
}

// TestBeforeImageLeadsBack: undoing the journal backwards restores the source octet by
// octet, and of the target user all but their existence.
func TestBeforeImageLeadsBack(t *testing.T) {
	t.Parallel()
	l := newGrantedLab(t)
	want := l.source.dump()
	j := newJournal(l.clock)
	if err := l.wholeMove(t, j); err != nil {
		t.Fatal(err)
	}
	for n := len(j.changes) - 1; n >= 0; n-- {
		change := j.changes[n]
		if change.Op == directory.Add || change.Forest == directory.Target {
			continue
		}
		if err := l.source.write(undo(change)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, l.source.dump()); diff != "" {
		t.Error(diff)
	}
}

// undo returns the change that restores what was before.
func undo(change directory.Change) directory.Change {
	var mods []directory.Mod
	for _, mod := range change.Mods {
		back := directory.Mod{Op: directory.ReplaceValues, Attr: mod.Attr}
		for _, b := range change.Before {
			if b.Attr == mod.Attr {
				back.Values = b.Values
			}
		}
		mods = append(mods, back)
	}
	change.Mods = mods
	return change
}

// TestApplyDoesOnlyWhatIsMissing: a part of the plan has come about since it was made.
func TestApplyDoesOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	plan, err := l.PlanStage(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	entry := l.source.entries[birgitDN.Key()]
	entry.attrs["proxyaddresses"] = append(entry.attrs["proxyaddresses"], []byte("smtp:BMEIER@mail.baltic.test"))
	j := newJournal(l.clock)
	if err := l.Apply(t.Context(), j, plan); err != nil {
		t.Fatal(err)
	}
	last := j.changes[len(j.changes)-1]
	want := []directory.Mod{{
		Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("X500:" + minted)},
		Origin: "target legacyExchangeDN and X500; routing address made of the alias",
	}}
	if diff := cmp.Diff(want, last.Mods); diff != "" {
		t.Error(diff)
	}
	if len(last.Before) != 1 || len(last.Before[0].Values) != 9 {
		t.Errorf("the before-image is not of the moment of writing: %v", last.Before)
	}
}

// TestApplyFindsItsOwnUser: the answer to an Add was lost, and the plan is applied again.
func TestApplyFindsItsOwnUser(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.target.write(plan.Changes[0]); err != nil {
		t.Fatal(err)
	}
	// The server adds bits of its own: no password is required (MS-ADTS 2.2.16).
	l.target.entries[plan.Changes[0].DN.Key()].attrs["useraccountcontrol"] = [][]byte{[]byte("546")}
	for _, hidden := range []int{0, 1} {
		l.Target.Reader = &lateReader{l.target, hidden}
		if err := l.Apply(t.Context(), newJournal(l.clock), plan); err != nil {
			t.Errorf("not seen %d times: %v", hidden, err)
		}
	}
}

// TestApplyKeepsWhatOthersSet: between plan and write somebody sets what would be
// written, or taken away, as a whole. It is planned anew, and nothing of theirs is lost.
func TestApplyKeepsWhatOthersSet(t *testing.T) {
	t.Parallel()
	raise := map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:Birgit.Meier@alpine.test", "SIP:b@x"}}
	for name, test := range map[string]struct {
		step   func(*lab) planner
		attr   string
		theirs string
	}{
		"replaced list":   {func(l *lab) planner { return l.PlanStage }, "proxyaddresses", "smtp:vip@baltic.test"},
		"empty list":      {func(l *lab) planner { return l.PlanStage }, "othertelephone", "33"},
		"a single value":  {func(l *lab) planner { return l.PlanStage }, "mail", "b@baltic.test"},
		"a deleted value": {func(l *lab) planner { return l.PlanDisconnect }, "mdbstoragequota", "2000"},
		"where mail goes": {func(l *lab) planner { return l.PlanForward }, "targetaddress", "SMTP:elsewhere@alpine.test"},
	} {
		l := newLab(t)
		l.target.put(t, staffDN("B"), raise)
		pair, entries, key := l.putBirgit(t, nil), l.target.entries, staffDN("B").Key()
		if test.attr == "mdbstoragequota" || test.attr == "targetaddress" {
			l, pair = opened(t, nil)
			l.carryOut(t, pair, l.PlanDeliver)
			pair, entries, key = l.reload(t, pair), l.source.entries, birgitDN.Key()
		}
		plan, err := test.step(l)(t.Context(), pair)
		if err != nil || len(plan.Changes) == 0 {
			t.Fatalf("%s: %v with %d changes", name, err, len(plan.Changes))
		}
		attrs := entries[key].attrs
		if test.attr == "proxyaddresses" {
			attrs[test.attr] = append(slices.Clone(attrs[test.attr]), []byte(test.theirs))
		} else {
			attrs[test.attr] = [][]byte{[]byte(test.theirs)}
		}
		err = l.Apply(t.Context(), newJournal(l.clock), plan)
		if e := migrate.AsError(err); e == nil || e.Retry != migrate.Now || !hasFold(entries[key].attrs[test.attr], test.theirs) {
			t.Errorf("%s: got %v with %q", name, err, entries[key].attrs[test.attr])
		}
		if test.attr == "proxyaddresses" {
			l.carryOut(t, l.reload(t, pair), l.PlanStage)
			if !hasFold(entries[key].attrs[test.attr], test.theirs) {
				t.Errorf("%s: planned anew: %q", name, entries[key].attrs[test.attr])
			}
		}
	}
}

// A lateReader does not see an entry the first times it is asked, as if the server had
// learnt of it in that instant.
type lateReader struct {
	*memory
	hidden int
}

func (r *lateReader) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	if r.hidden > 0 {
		r.hidden--
		return nil, directory.ErrNotFound
	}
	return r.memory.Get(ctx, dn, attrs...)
}

// TestApplyRefusesAForeignUser: another worker took the name after the plan was made.
func TestApplyRefusesAForeignUser(t *testing.T) {
	t.Parallel()
	for name, foreign := range map[string]map[string][]string{
		"common name":  {"objectClass": {"user"}, "sAMAccountName": {"other"}},
		"account name": {"objectClass": {"user"}, "sAMAccountName": {"bmeier"}},
	} {
		l := newLab(t)
		plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		dn := plan.Changes[0].DN
		if name == "account name" {
			dn = staffDN("Somebody")
		}
		l.target.put(t, dn, foreign)
		err = l.Apply(t.Context(), newJournal(l.clock), plan)
		if e := migrate.AsError(err); !errors.Is(err, directory.ErrExists) || e == nil || e.Retry != migrate.Now {
			t.Errorf("%s: got %v, want ErrExists, to be planned anew", name, err)
		}
		if pair := l.stage(t, l.match(t, string(birgitDN))); pair.Target == nil || pair.Target.DN == dn {
			t.Errorf("%s: planned anew: %+v", name, pair.Target)
		}
	}
}

func TestSettledNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	missing := func() string {
		m, err := l.Settled(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if got, want := missing(), string(plan.Changes[0].DN)+" does not show in the target forest yet"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := l.target.write(plan.Changes[0]); err != nil {
		t.Fatal(err)
	}
	if got, want := missing(), "proxyAddresses of "+string(birgitDN)+" does not show in the source forest yet"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := l.source.write(plan.Changes[1]); err != nil {
		t.Fatal(err)
	}
	if got := missing(); got != "" {
		t.Errorf("got %q", got)
	}
}

// A witness is a writer that lets nothing pass which is not open in the journal.
type witness struct {
	*memory
	journal *journal
}

func (w witness) Write(ctx context.Context, change directory.Change) error {
	last := len(w.journal.changes) - 1
	if last < 0 || w.journal.closed[int64(last+1)] || !cmp.Equal(w.journal.changes[last].Mods, change.Mods) {
		return errors.New("the change is not in the journal")
	}
	return w.memory.Write(ctx, change)
}

// TestNothingIsWrittenThatWasNotNoted: every write has its intent, with the same mods.
func TestNothingIsWrittenThatWasNotNoted(t *testing.T) {
	t.Parallel()
	l := newMoveLab(t)
	j := newJournal(l.clock)
	l.Source.Writer, l.Target.Writer = witness{l.source, j}, witness{l.target, j}
	if err := l.wholeMove(t, j); err != nil {
		t.Fatal(err)
	}
	if got, want := l.source.writes+l.target.writes, len(j.changes); got != want || want < 7 {
		t.Errorf("%d writes for %d intents", got, want)
	}
}

// TestOpenChangeWaitsForTheDirectory: nobody can say what became of an open change while
// the directory does not answer, so it stays open.
func TestOpenChangeWaitsForTheDirectory(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	j := newJournal(l.clock)
	id, err := j.Intend(t.Context(), directory.Change{
		Forest: directory.Source, Op: directory.Modify, DN: birgitDN, Mods: []directory.Mod{{Op: directory.DeleteValues, Attr: "mail"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Source.Reader = deafReader{l.source}
	if err := l.Apply(t.Context(), j, directory.Plan{}); !errors.Is(err, errDeaf) || j.closed[id] {
		t.Errorf("got %v, closed %v", err, j.closed[id])
	}
	l.Source.Reader = l.source
	if err := l.Apply(t.Context(), j, directory.Plan{}); err != nil || !j.closed[id] || !j.dropped[id] {
		t.Errorf("got %v, closed %v, dropped %v", err, j.closed[id], j.dropped[id])
	}
}

// TestOpenChangeIsRecordedAsItStands: what was intended and not, or not wholly, written
// is on record as not carried out, and only what is there as done.
func TestOpenChangeIsRecordedAsItStands(t *testing.T) {
	t.Parallel()
	add := directory.Mod{Op: directory.AddValues, Attr: "objectClass", Values: [][]byte{[]byte("user")}}
	has := directory.Mod{Op: directory.ReplaceValues, Attr: "mailNickname", Values: [][]byte{[]byte("bmeier")}}
	lacks := directory.Mod{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("smtp:new@alpine.test")}}
	for name, test := range map[string]struct {
		change  directory.Change
		dropped bool
	}{
		"written":        {directory.Change{Op: directory.Modify, DN: birgitDN, Mods: []directory.Mod{has}}, false},
		"not written":    {directory.Change{Op: directory.Modify, DN: birgitDN, Mods: []directory.Mod{lacks}}, true},
		"not wholly":     {directory.Change{Op: directory.Modify, DN: birgitDN, Mods: []directory.Mod{has, lacks}}, true},
		"added":          {directory.Change{Op: directory.Add, DN: birgitDN, Mods: []directory.Mod{add, has}}, false},
		"not added":      {directory.Change{Op: directory.Add, DN: "CN=Nobody," + people, Mods: []directory.Mod{add}}, true},
		"another's name": {directory.Change{Op: directory.Add, DN: birgitDN, Mods: []directory.Mod{add, lacks}}, true},
		"of the deleted": {directory.Change{Op: directory.Modify, DN: "CN=Nobody," + people, Mods: []directory.Mod{{Op: directory.DeleteValues, Attr: "mail"}}}, true},
	} {
		l := newMoveLab(t)
		j := newJournal(l.clock)
		test.change.Forest = directory.Source
		id, err := j.Intend(t.Context(), test.change)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Apply(t.Context(), j, directory.Plan{}); err != nil || !j.closed[id] || j.dropped[id] != test.dropped {
			t.Errorf("%s: got %v, closed %v, dropped %v", name, err, j.closed[id], j.dropped[id])
		}
	}
}

// A refusingWriter answers every write with the error; at first, if it is told so, it
// has the write carried out all the same.
type refusingWriter struct {
	*memory
	err     error
	written bool
}

func (w refusingWriter) Write(_ context.Context, change directory.Change) error {
	if w.written {
		if err := w.write(change); err != nil {
			return err
		}
	}
	return w.err
}

// TestRefusedChangeIsClosed: a refusal is final and is on record as one; what may have
// been written stays open until somebody has looked.
func TestRefusedChangeIsClosed(t *testing.T) {
	t.Parallel()
	refusal := &migrate.Error{Op: "ldap.Modify", Reach: migrate.OneMailbox, Retry: migrate.Never, Err: errors.New("no")}
	lost := &migrate.Error{Op: "ldap.Modify", Reach: migrate.OneServer, Retry: migrate.Now, Err: errors.New("lost")}
	for name, test := range map[string]struct {
		err                      error
		written, closed, dropped bool
	}{
		"refused":                    {refusal, false, true, true},
		"echo of an earlier write":   {refusal, true, true, false},
		"gone":                       {directory.ErrNotFound, false, true, true},
		"answer lost":                {lost, true, false, false},
		"connection lost":            {lost, false, false, false},
		"the context has ended":      {context.Canceled, false, false, false},
		"a unique name was taken":    {directory.ErrExists, false, true, true},
		"the server has no time now": {&migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later}, false, false, false},
	} {
		l, pair := opened(t, nil)
		plan, err := l.PlanDeliver(t.Context(), pair)
		if err != nil {
			t.Fatal(err)
		}
		l.Target.Writer = refusingWriter{l.target, test.err, test.written}
		j := newJournal(l.clock)
		if err := l.Apply(t.Context(), j, plan); !errors.Is(err, test.err) {
			t.Errorf("%s: got %v", name, err)
		}
		if len(j.changes) != 1 || j.closed[1] != test.closed || j.dropped[1] != test.dropped {
			t.Errorf("%s: %d intents, closed %v, dropped %v", name, len(j.changes), j.closed[1], j.dropped[1])
		}
	}
}

var errDeaf = errors.New("no answer")

type deafReader struct{ *memory }

func (deafReader) Get(context.Context, directory.DN, ...string) (*directory.Entry, error) {
	return nil, errDeaf
}

// TestApplyToNobody: the object has been deleted since the plan was made.
func TestApplyToNobody(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, nil))
	plan, err := l.PlanOpen(t.Context(), pair, "")
	if err != nil {
		t.Fatal(err)
	}
	delete(l.target.entries, pair.Target.DN.Key())
	j := newJournal(l.clock)
	if err := l.Apply(t.Context(), j, plan); !errors.Is(err, directory.ErrNotFound) || len(j.changes) != 0 {
		t.Errorf("got %v with %d intents", err, len(j.changes))
	}
	if missing, err := l.Settled(t.Context(), plan); err != nil || missing == "" {
		t.Errorf("got %q, %v", missing, err)
	}
}
