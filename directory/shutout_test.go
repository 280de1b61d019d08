package directory_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShutOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		protocols, has, want []string
		rule                 string
	}{
		"not configured": {has: []string{"HTTP§1§1§§§§§§"}, want: []string{"HTTP§1§1§§§§§§"}},
		"nothing is set": {
			protocols: []string{"http", "imap4", "mapi", "pop3"},
			want:      []string{"HTTP§0§1§§§§§§", "IMAP4§0§1§4§ISO-8859-1§0§1§0§0", "MAPI§0§§§§§§§", "POP3§0§1§4§ISO-8859-1§0§§§"},
		},
		"other fields and protocols stay": {
			protocols: []string{"http", "pop3"}, has: []string{"LDAP§1§1§§§§§§", "pop3§1§0§2§UTF-8§1§§§", "MAPI§§1§§§0§§", "HTTP§0§0§§§§§§"},
			want: []string{"HTTP§0§0§§§§§§", "LDAP§1§1§§§§§§", "MAPI§§1§§§0§§", "pop3§0§0§2§UTF-8§1§§§"},
		},
		"a bare name":  {protocols: []string{"mapi"}, has: []string{"MAPI"}, want: []string{"MAPI§0"}},
		"no protocol":  {protocols: []string{"nntp"}, has: []string{"NNTP§1"}, want: []string{"NNTP§1"}, rule: "rules.shut-out"},
		"not in lower": {protocols: []string{"HTTP"}, has: []string{"HTTP§1"}, want: []string{"HTTP§1"}, rule: "rules.shut-out"},
	} {
		l := newLab(t)
		l.Rules.ShutOut = test.protocols
		pair := l.stage(t, l.putBirgit(t, map[string][]string{"protocolSettings": test.has}))
		if test.rule != "" {
			l.forbidden(t, name, test.rule, pair, l.PlanShutOut)
			continue
		}
		before, j := l.source.dump(), newJournal(&clock{})
		l.mustTravel(t, j, plain("shut out", l.PlanShutOut))
		got := l.source.get(t, birgitDN).Values("protocolSettings")
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		l.mustTravel(t, j, leg{"let in", l.PlanLetIn})
		if diff := cmp.Diff(before, l.source.dump()); diff != "" {
			t.Errorf("%s: let in again: %s", name, diff)
		}
	}
}

// TestLetInLeavesWhatOthersSet tells of it instead.
func TestLetInLeavesWhatOthersSet(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.ShutOut = []string{"pop3"}
	l.stage(t, l.putBirgit(t, nil))
	j := newJournal(&clock{})
	l.mustTravel(t, j, plain("shut out", l.PlanShutOut))
	l.source.entries[birgitDN.Key()].attrs["protocolsettings"] = [][]byte{[]byte("POP3§1§theirs")}
	plan := l.planLeg(t, j, leg{"let in", l.PlanLetIn})
	if diff := cmp.Diff([]string{"letin.changed"}, rules(plan.Findings)); diff != "" || len(plan.Changes) > 0 {
		t.Errorf("%s %+v", diff, plan.Changes)
	}
}

// TestNobodyIsShutOutOfNothing: once the source is a mail user there is nothing to use.
func TestNobodyIsShutOutOfNothing(t *testing.T) {
	t.Parallel()
	l, _ := movedLab(t)
	l.Rules.ShutOut = []string{"http"}
	l.nothingLeft(t, "moved", l.match(t, string(birgitDN)), l.PlanShutOut)
}
