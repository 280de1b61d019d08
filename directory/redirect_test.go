package directory_test

import (
	"testing"

	"reforest/directory"
)

// TestRedirectMovesWithDelivery: whoever delivers redirects, and nobody else, or mail
// would be redirected twice.
func TestRedirectMovesWithDelivery(t *testing.T) {
	t.Parallel()
	for name, staged := range map[string]bool{"the other is staged": true, "the other is not": false} {
		l := newLab(t)
		other := l.putMany(t, 1)[0]
		journal := newJournal(l.clock)
		if staged {
			l.stageAll(t, journal, directory.Selection{Who: []string{string(other)}})
		}
		pair := l.stage(t, l.putBirgit(t, map[string][]string{"altRecipient": {string(other)}, "deliverAndRedirect": {"TRUE"}}))
		l.carryOut(t, pair, l.PlanLinks)
		l.carryOut(t, l.reload(t, pair), on("", l.PlanOpen))
		before := l.target.get(t, pair.Target.DN)
		if before.Has("altRecipient") || before.Has("deliverAndRedirect") {
			t.Errorf("%s: the target redirects before it delivers: %v", name, text(before, "altRecipient", "deliverAndRedirect"))
		}
		plan := l.carryOut(t, l.reload(t, pair), l.PlanDeliver)
		after := l.target.get(t, pair.Target.DN)
		if !staged {
			if got := rules(plan.Findings); len(got) != 1 || got[0] != "redirect.no-twin" || after.Has("altRecipient") {
				t.Errorf("%s: findings %v, altRecipient %q", name, got, after.First("altRecipient"))
			}
			continue
		}
		want := l.match(t, string(other)).Target.DN
		if got := directory.DN(after.First("altRecipient")); !got.Equal(want) || after.First("deliverAndRedirect") != "TRUE" {
			t.Errorf("%s: altRecipient %q, want %q; deliverAndRedirect %q", name, got, want, after.First("deliverAndRedirect"))
		}
		if len(plan.Changes) != 1 {
			t.Errorf("%s: %d changes, want one", name, len(plan.Changes))
		}
		l.nothingLeft(t, name, l.reload(t, pair), l.PlanDeliver)
	}
}
