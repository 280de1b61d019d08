package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// TestMends: what is offered, that it does away with the finding, and that nothing is
// left to mend then.
func TestMends(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source  map[string][]string
		prepare func(t *testing.T, l *lab)
		want    []string
		proxies []string // of the source afterwards, if they matter
	}{
		"nothing": {},
		"two primaries": {
			source:  map[string][]string{"proxyAddresses": {"SMTP:a@mail.alpine.test", "SMTP:birgit.meier@alpine.test", "X400:c=DE;"}},
			want:    []string{"source.primary-several"},
			proxies: []string{"smtp:a@mail.alpine.test", "SMTP:birgit.meier@alpine.test", "X400:c=DE;"},
		},
		"no primary": {
			source:  map[string][]string{"proxyAddresses": {"smtp:a@mail.alpine.test", "smtp:Birgit.Meier@alpine.test"}},
			want:    []string{"source.primary-none"},
			proxies: []string{"smtp:a@mail.alpine.test", "SMTP:Birgit.Meier@alpine.test"},
		},
		"two primaries, and mail is neither": {
			source: map[string][]string{"proxyAddresses": {"SMTP:a@mail.alpine.test", "SMTP:b@alpine.test"}},
		},
		"circle": {
			source: map[string][]string{"targetAddress": {"SMTP:bmeier@mail.baltic.test"}},
			want:   []string{"source.forwards-to-target"},
		},
		"forwards to somebody else": {source: map[string][]string{"targetAddress": {"SMTP:b@freemail.test"}}},
		"twin's names": {
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "There", map[string][]string{"proxyAddresses": {"smtp:b.schulz@alpine.test", "X500:/o=Old Baltic/cn=b"}, "legacyExchangeDN": {"/o=Baltic/cn=b"}})
			},
			want: []string{"x500.missing"},
			proxies: append(birgit()["proxyAddresses"],
				"X500:/o=Baltic/cn=b", "X500:/o=Old Baltic/cn=b"),
		},
		"twin's names that somebody else has": {
			prepare: func(t *testing.T, l *lab) {
				l.putAt(t, directory.Target, "There", map[string][]string{"proxyAddresses": {"smtp:b.schulz@alpine.test"}, "legacyExchangeDN": {"/o=Baltic/cn=b"}})
				l.putAt(t, directory.Source, "Other", map[string][]string{"proxyAddresses": {"X500:/o=Baltic/cn=b"}})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if test.prepare != nil {
				test.prepare(t, l)
			}
			pair := l.putBirgit(t, test.source)
			if diff := cmp.Diff(test.want, l.mendAll(t, pair)); diff != "" {
				t.Fatal(diff)
			}
			again := l.reload(t, pair)
			if left, err := l.Mends(t.Context(), again); err != nil || len(left) > 0 {
				t.Errorf("%v, left to mend: %v", err, left)
			}
			findings, err := l.Check(t.Context(), again, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range test.want {
				for _, f := range findings {
					if f.Rule == rule {
						t.Errorf("still found: %v", f)
					}
				}
			}
			if test.proxies != nil {
				if diff := cmp.Diff(test.proxies, []string(again.Source.Proxies)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// mendAll carries out every mend that is offered, each of one change that was noted
// first, and returns their rules.
func (l *lab) mendAll(t *testing.T, pair directory.Pair) []string {
	t.Helper()
	mends, err := l.Mends(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	var done []string
	for _, m := range mends {
		j := newJournal(l.clock)
		if err := l.Apply(t.Context(), j, m.Plan); err != nil {
			t.Fatal(err)
		}
		if len(j.changes) != 1 || !j.closed[1] || m.What == "" || j.changes[0].Forest != directory.Source || !j.changes[0].Person.IsZero() {
			t.Errorf("%s: journalled %+v", m.Rule, j.changes)
		}
		done = append(done, m.Rule)
	}
	return done
}
