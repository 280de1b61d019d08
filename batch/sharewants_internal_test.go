package batch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// shared returns the work on one folder: everybody's name at the source is theirs at the
// target with a capital before it, but for those without a twin.
func shared(source, target []migrate.Grant, known migrate.Rights) (*sharingWork, *sharedFolder) {
	pair := directory.Pair{Source: &directory.Recipient{Alias: "owner"}, Target: &directory.Recipient{Alias: "owner"}}
	w := &sharingWork{
		Sharing: &Sharing{Logins: directory.Logins{Source: "mailNickname", Target: "mailNickname"}},
		pair:    pair, atSource: map[string]directory.Holder{}, atTarget: map[string]directory.Holder{}, notes: newShareNotes(pair),
	}
	holder := func(who string) directory.Holder {
		h := directory.Holder{Who: who, Named: true, Legacy: true, Owner: who == "owner", Source: &directory.Recipient{}}
		if !strings.HasPrefix(who, "none") {
			h.Twin = &directory.Recipient{Alias: "T-" + who, Class: directory.ClassUser}
		}
		return h
	}
	for _, g := range source {
		w.atSource[g.Who] = holder(g.Who)
	}
	for _, g := range target {
		local := strings.HasPrefix(g.Who, "t-") || g.Who == "owner"
		w.atTarget[g.Who] = directory.Holder{Who: g.Who, Local: local, Owner: g.Who == "owner"}
		if !local {
			w.atTarget[g.Who] = holder(g.Who)
		}
	}
	f := &sharedFolder{
		path: []string{"F"}, source: migrate.List{Folder: "F", Shared: true, Grants: source},
		target: migrate.List{Folder: "F", Shared: true, Grants: target, Known: known},
	}
	w.folders = []*sharedFolder{f}
	f.wants = w.wants(f)
	return w, f
}

func TestWhatIsGiven(t *testing.T) {
	t.Parallel()
	const all = "lrswipkxtea"
	for name, tt := range map[string]struct {
		source, target []migrate.Grant
		known          migrate.Rights
		want           []migrate.Grant
		rules          string // of what is found once nothing was changed
	}{
		"a twin that has nothing": {
			source: []migrate.Grant{{Who: "a", Rights: "lr"}}, known: all,
			want: []migrate.Grant{{Who: "t-a", Rights: "lr"}}, rules: "permission.missing",
		},
		"a twin that has more keeps it": {
			source: []migrate.Grant{{Who: "a", Rights: "lr"}}, target: []migrate.Grant{{Who: "t-a", Rights: "wl"}}, known: all,
			want: []migrate.Grant{{Who: "t-a", Rights: "lrw"}}, rules: "permission.missing",
		},
		"a twin that has it in another order": {
			source: []migrate.Grant{{Who: "a", Rights: "rl"}}, target: []migrate.Grant{{Who: "t-a", Rights: "lr"}}, known: all,
		},
		"the owner": {source: []migrate.Grant{{Who: "owner", Rights: all}}, known: all},
		"nobody's":  {source: []migrate.Grant{{Who: "none", Rights: "lr"}}, known: all, rules: "permission.unmapped"},
		"a right that the target does not know": {
			source: []migrate.Grant{{Who: "a", Rights: "lrn"}}, target: []migrate.Grant{{Who: "t-a", Rights: "lr"}}, known: all, rules: "permission.unsupported",
		},
		"two names of one person": {
			source: []migrate.Grant{{Who: "a", Rights: "lr"}, {Who: "A", Rights: "s"}}, known: all,
			want: []migrate.Grant{{Who: "t-a", Rights: "lrs"}}, rules: "permission.missing",
		},
		"a denial comes first": {
			source: []migrate.Grant{{Who: "a", Rights: "lr"}, {Who: "b", Rights: "r", Denied: true}}, known: all,
			want: []migrate.Grant{{Who: "t-b", Rights: "r", Denied: true}, {Who: "t-a", Rights: "lr"}}, rules: "permission.missing permission.missing",
		},
		"a denial of what the twin has by itself": {
			source: []migrate.Grant{{Who: "a", Rights: "r", Denied: true}}, target: []migrate.Grant{{Who: "t-a", Rights: "lr"}}, known: all,
			rules: "permission.conflict",
		},
		"what another entry takes away": {
			source: []migrate.Grant{{Who: "a", Rights: "lr"}}, known: all,
			target: []migrate.Grant{{Who: "t-a", Rights: "lr"}, {Who: "t-a", Rights: "r", Denied: true}}, rules: "permission.missing",
		},
		"an old name on the target's list": {
			target: []migrate.Grant{{Who: "a", Rights: "lr"}}, known: all,
			want: []migrate.Grant{{Who: "t-a", Rights: "lr"}}, rules: "permission.missing permission.legacy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, f := shared(tt.source, tt.target, tt.known)
			var got []migrate.Grant
			for _, denied := range []bool{true, false} {
				for _, want := range f.wants {
					if want.Denied == denied {
						for _, a := range w.lacks(f, want) {
							got = append(got, a.Grant)
						}
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			w.missing(f)
			w.left(f)
			w.extra(f)
			var rules []string
			for _, finding := range w.notes.findings() {
				rules = append(rules, finding.Rule)
			}
			if diff := cmp.Diff(tt.rules, strings.Join(rules, " ")); diff != "" {
				t.Error(diff, w.notes.findings())
			}
		})
	}
}

// Capitals are kept where the server shows that it keeps them.
func TestNamesAreSpeltAsTheServerDoes(t *testing.T) {
	t.Parallel()
	h := directory.Holder{Who: "x", Twin: &directory.Recipient{Alias: "Anna", Class: directory.ClassUser}}
	w, f := shared(nil, nil, "")
	w.pair.Target.Alias = "Owner"
	if got := w.spelt(f, h); got != "anna" {
		t.Errorf("got %q", got)
	}
	f.target.Grants = []migrate.Grant{{Who: "Owner", Rights: "lr"}}
	if got := w.spelt(f, h); got != "Anna" {
		t.Errorf("got %q where capitals count", got)
	}
}

// What the owner of a name was replaced by has to be in place before the name goes.
func TestOldNamesGoOnlyOnceTheyAreReplaced(t *testing.T) {
	t.Parallel()
	old := migrate.Grant{Who: "a", Rights: "lrs"}
	for _, tt := range []struct {
		have migrate.Rights
		want bool
	}{{"", false}, {"lr", false}, {"lrs", true}, {"wsrl", true}} {
		w, f := shared(nil, []migrate.Grant{old, {Who: "t-a", Rights: tt.have}}, "lrsw")
		if got := w.replaced(f, old, w.atTarget["a"]); got != tt.want {
			t.Errorf("with %q in place: %v", tt.have, got)
		}
	}
}
