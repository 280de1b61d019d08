package directory_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// A lookCounter counts the looks at single entries.
type lookCounter struct {
	*memory
	gets *int
}

func (r lookCounter) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	*r.gets++
	return r.memory.Get(ctx, dn, attrs...)
}

// TestCarrySeenDoesNotLook: a plan that was just made is written without a look, and
// comes to the same as with looks.
func TestCarrySeenDoesNotLook(t *testing.T) {
	t.Parallel()
	looked, seen := newLab(t), newLab(t)
	gets := 0
	seen.Source.Reader, seen.Target.Reader = lookCounter{seen.source, &gets}, lookCounter{seen.target, &gets}
	for _, l := range []*lab{looked, seen} {
		plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
		if err != nil || len(plan.Changes) != 2 {
			t.Fatalf("%d changes, %v", len(plan.Changes), err)
		}
		carry := l.Carry
		if l == seen {
			carry, gets = l.CarrySeen, 0
		}
		j := newJournal(l.clock)
		if err := carry(t.Context(), j, plan); err != nil {
			t.Fatal(err)
		}
		if len(j.changes) != 2 || !j.closed[1] || !j.closed[2] || j.dropped[1] || j.dropped[2] {
			t.Errorf("%d changes are on record, closed %v, dropped %v", len(j.changes), j.closed, j.dropped)
		}
	}
	if gets != 0 {
		t.Errorf("%d looks", gets)
	}
	if diff := cmp.Diff(looked.target.dump(), seen.target.dump()); diff != "" {
		t.Errorf("the target (-looked +seen):\n%s", diff)
	}
	if diff := cmp.Diff(looked.source.dump(), seen.source.dump()); diff != "" {
		t.Errorf("the source (-looked +seen):\n%s", diff)
	}
}

// TestCarrySeenKeepsWhatOthersSet: the server refuses to replace what was not seen, and
// then it is looked at.
func TestCarrySeenKeepsWhatOthersSet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mod          directory.Mod
		before       []string
		now          []string
		want         []string
		planned      bool // it has to be planned anew
		looks, drops int
	}{
		"as it was seen":      {replace("b"), []string{"a"}, []string{"a"}, []string{"b"}, false, 0, 0},
		"replaced by others":  {replace("b"), []string{"a"}, []string{"c"}, []string{"c"}, true, 2, 1},
		"done already":        {replace("b"), []string{"a"}, []string{"b"}, []string{"b"}, false, 2, 0},
		"one more":            {replace("b"), []string{"a"}, []string{"a", "c"}, []string{"c", "b"}, false, 0, 0},
		"case alone":          {replace("A"), []string{"a"}, []string{"a"}, []string{"A"}, false, 0, 0},
		"cleared":             {directory.Mod{Op: directory.DeleteValues, Attr: "info"}, []string{"a"}, []string{"a"}, nil, false, 0, 0},
		"cleared by others":   {directory.Mod{Op: directory.DeleteValues, Attr: "info"}, []string{"a"}, nil, nil, false, 2, 0},
		"changed, then clear": {directory.Mod{Op: directory.DeleteValues, Attr: "info"}, []string{"a"}, []string{"b"}, []string{"b"}, true, 2, 1},
	} {
		l := newLab(t)
		gets := 0
		l.Target.Reader = lookCounter{l.target, &gets}
		dn := staffDN("Seen")
		l.target.put(t, dn, map[string][]string{"objectClass": {"user"}, "info": test.now})
		change := directory.Change{Forest: directory.Target, Op: directory.Modify, DN: dn, Mods: []directory.Mod{test.mod}, Why: "test"}
		change.Before = []directory.Mod{replace(test.before...)}
		j := newJournal(l.clock)
		err := l.CarrySeen(t.Context(), j, directory.Plan{Changes: []directory.Change{change}})
		if e := migrate.AsError(err); test.planned != (e != nil && e.Retry == migrate.Now) || !test.planned && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, v := range l.target.entries[dn.Key()].attrs["info"] {
			got = append(got, string(v))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
		if gets != test.looks || len(j.dropped) != test.drops {
			t.Errorf("%s: %d looks, %d dropped, want %d, %d", name, gets, len(j.dropped), test.looks, test.drops)
		}
	}
}

func replace(values ...string) directory.Mod {
	mod := directory.Mod{Op: directory.ReplaceValues, Attr: "info"}
	for _, v := range values {
		mod.Values = append(mod.Values, []byte(v))
	}
	return mod
}

// TestCarrySeenRefusesAForeignUser: between plan and write somebody else made an object
// of that name.
func TestCarrySeenRefusesAForeignUser(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	plan, err := l.PlanStage(t.Context(), l.putBirgit(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(plan.Changes, func(c directory.Change) bool { return c.Op == directory.Add })
	l.target.put(t, plan.Changes[at].DN, map[string][]string{"objectClass": {"user"}, "displayName": {"Somebody else"}})
	j := newJournal(l.clock)
	if err := l.CarrySeen(t.Context(), j, plan); !errors.Is(err, directory.ErrExists) {
		t.Errorf("got %v", err)
	}
	if len(j.dropped) != 1 || l.target.writes != 0 {
		t.Errorf("%d dropped, %d writes", len(j.dropped), l.target.writes)
	}
}
