package directory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"reforest/directory"
)

// A watcher is a further server: what it shows lags behind.
type watcher struct {
	*memory
	name    string
	catalog bool
}

func (w watcher) Server() string      { return w.name }
func (w watcher) GlobalCatalog() bool { return w.catalog }

// copyOf returns a memory with the entries as they are now.
func copyOf(m *memory) *memory {
	replica := newMemory(m.domain)
	for key, s := range m.entries {
		replica.entries[key] = copyOfEntry(s)
	}
	return replica
}

func copyOfEntry(s *stored) *stored {
	attrs := map[string][][]byte{}
	for name, values := range s.attrs {
		attrs[name] = slices.Clone(values)
	}
	return &stored{dn: s.dn, attrs: attrs}
}

// replicate brings one entry up to date.
func (w watcher) replicate(from *memory, dn directory.DN) {
	w.entries[dn.Key()] = copyOfEntry(from.entries[dn.Key()])
}

// settled plans the step anew and asks whether it has settled.
func (l *lab) settled(t *testing.T, pair directory.Pair, step planner) (string, directory.Plan) {
	t.Helper()
	plan, err := step(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := l.Settled(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return missing, plan
}

// TestSettledOnEveryServer: a step has settled when every server shows it, also when it
// is asked again with a plan that has nothing to write any more.
func TestSettledOnEveryServer(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	late := watcher{copyOf(l.target), "ldaps://dc2", false}
	l.Target.Watch = []directory.Reader{watcher{l.target, "ldaps://dc1", false}, late}
	plan, err := l.PlanDeliver(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(t.Context(), newJournal(l.clock), plan); err != nil {
		t.Fatal(err)
	}
	want := "targetAddress of " + string(pair.Target.DN) + " does not show on ldaps://dc2 in the target forest yet"
	if got, err := l.Settled(t.Context(), plan); got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	pair = l.reload(t, pair)
	if got, again := l.settled(t, pair, l.PlanDeliver); got != want || len(again.Changes) != 0 {
		t.Errorf("planned anew: got %q with %d changes", got, len(again.Changes))
	}
	late.replicate(l.target, pair.Target.DN)
	if got, _ := l.settled(t, pair, l.PlanDeliver); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestSettledWaitsForTheNewUser: the further server has not heard of the user, and then
// has, but the X500 name has not reached that of the source.
func TestSettledWaitsForTheNewUser(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pair := l.putBirgit(t, nil)
	target, source := watcher{copyOf(l.target), "dc2", false}, watcher{copyOf(l.source), "dc3", false}
	l.Target.Watch, l.Source.Watch = []directory.Reader{target}, []directory.Reader{source}
	plan, err := l.PlanStage(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(t.Context(), newJournal(l.clock), plan); err != nil {
		t.Fatal(err)
	}
	made := plan.Changes[0].DN
	expect := func(want string) {
		t.Helper()
		if got, err := l.Settled(t.Context(), plan); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if got, _ := l.settled(t, l.match(t, string(birgitDN)), l.PlanStage); got != want {
			t.Errorf("planned anew: got %q, want %q", got, want)
		}
	}
	if got, err := l.Settled(t.Context(), plan); !strings.Contains(got, "dc") || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	source.replicate(l.source, birgitDN)
	expect(string(made) + " does not show on dc2 in the target forest yet")
	target.replicate(l.target, made)
	expect("")
	delete(source.entries[birgitDN.Key()].attrs, "proxyaddresses")
	expect("proxyAddresses of " + string(birgitDN) + " does not show on dc3 in the source forest yet")
}

// TestSettledOnAGlobalCatalog: what a global catalog never holds is not waited for.
func TestSettledOnAGlobalCatalog(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	schema := l.Target.Info.SchemaNC
	l.target.put(t, schema, map[string][]string{"objectClass": {"dMD"}})
	catalog := watcher{copyOf(l.target), "gc", true}
	for _, attr := range []string{"mdbusedefaults", "homemdb"} {
		delete(catalog.entries[pair.Target.DN.Key()].attrs, attr)
	}
	l.Target.Watch = []directory.Reader{catalog}
	if got, _ := l.settled(t, pair, on("", l.PlanOpen)); got != "" {
		t.Errorf("no attribute is in the partial set: got %q", got)
	}
	l.target.put(t, schema.Child("CN", "Home-MDB"), map[string][]string{"lDAPDisplayName": {"homeMDB"}, "isMemberOfPartialAttributeSet": {"TRUE"}})
	l.target.put(t, schema.Child("CN", "MDB-Use-Defaults"), map[string][]string{"lDAPDisplayName": {"mDBUseDefaults"}})
	if got, _ := l.settled(t, pair, on("", l.PlanOpen)); !strings.HasPrefix(got, "homeMDB of ") {
		t.Errorf("got %q", got)
	}
	catalog.replicate(l.target, pair.Target.DN)
	delete(catalog.entries[pair.Target.DN.Key()].attrs, "mdbusedefaults")
	if got, _ := l.settled(t, pair, on("", l.PlanOpen)); got != "" {
		t.Errorf("got %q", got)
	}
}

type deafWatcher struct{ watcher }

func (deafWatcher) Get(context.Context, directory.DN, ...string) (*directory.Entry, error) {
	return nil, errDeaf
}

// TestSettledNeedsAnAnswer: silence is no consent, and the error names who is silent.
func TestSettledNeedsAnAnswer(t *testing.T) {
	t.Parallel()
	l, pair := opened(t, nil)
	l.Target.Watch = []directory.Reader{deafWatcher{watcher{l.target, "ldaps://dc9", false}}}
	plan, err := l.PlanDeliver(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(t.Context(), newJournal(l.clock), plan); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Settled(t.Context(), plan); !errors.Is(err, errDeaf) || !strings.Contains(err.Error(), "ldaps://dc9") {
		t.Errorf("got %v", err)
	}
}

// TestSettledOfRights: the further server orders the entries in its own way, and lags.
func TestSettledOfRights(t *testing.T) {
	t.Parallel()
	l, pair := cleanLab(t)
	late := watcher{copyOf(l.target), "dc2", false}
	l.carryOut(t, pair, l.PlanTwinRights)
	l.carryOut(t, pair, l.PlanStrip)
	l.Target.Watch = []directory.Reader{late}
	if got, plan := l.settled(t, pair, l.PlanStrip); len(plan.Changes) != 0 || !strings.HasPrefix(got, "nTSecurityDescriptor of ") {
		t.Errorf("got %q with %d changes", got, len(plan.Changes))
	}
	late.replicate(l.target, pair.Target.DN)
	if got, _ := l.settled(t, pair, l.PlanStrip); got != "" {
		t.Errorf("got %q", got)
	}
}
