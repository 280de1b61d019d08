package directory_test

import (
	"maps"
	"slices"
	"testing"

	"reforest/directory"
)

// routed are the attributes by which mail finds its way, and what makes a mailbox.
var routed = []string{
	"targetAddress", "homeMDB", "msExchHomeServerName", "altRecipient", "msExchRecipientTypeDetails", "msExchRecipientDisplayType", "protocolSettings",
}

// TestStepsWaitAlsoWhenTheyHaveWritten: a step that has written, and is planned once more
// because a server lagged behind or the process died, still looks after what it wrote.
func TestStepsWaitAlsoWhenTheyHaveWritten(t *testing.T) {
	t.Parallel()
	for _, kind := range slices.Sorted(maps.Keys(travellers())) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l, j := newTraveller(t, travellers()[kind])
			for _, leg := range slices.Concat(l.there()[:5], l.back(), l.there()[:3], []leg{{"step back", l.PlanStepBack}, {"let in", l.PlanLetIn}}) {
				wrote := l.planLeg(t, j, leg)
				l.mustTravel(t, j, leg)
				again := l.planLeg(t, j, leg)
				for _, change := range wrote.Changes {
					for _, mod := range change.Mods {
						if slices.Contains(routed, mod.Attr) && !watches(again, change, mod.Attr) {
							t.Errorf("%s, once written: %s of the %s is not looked after any more", leg.name, mod.Attr, change.Forest)
						}
					}
				}
			}
		})
	}
}

func watches(plan directory.Plan, change directory.Change, attr string) bool {
	return slices.ContainsFunc(plan.Spots, func(s directory.Spot) bool {
		return s.Forest == change.Forest && s.DN.Equal(change.DN) && slices.Contains(s.Attrs, attr)
	})
}
