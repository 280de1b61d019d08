package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// TestLateRedirectIsTakenBack: whom mail is redirected to gets a twin after the switch. When
// the source redirects again the target must not, or they would get every message twice.
func TestLateRedirectIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		there int // steps that are made
		back  func(*lab) []leg
	}{
		"rolled back":  {5, (*lab).back},
		"stepped back": {3, func(l *lab) []leg { return []leg{{"step back", l.PlanStepBack}, {"let in", l.PlanLetIn}} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, j := newTraveller(t, travellers()["person"])
			twin := staffDN("alice").Key()
			alice := l.target.entries[twin]
			delete(l.target.entries, twin)
			l.mustTravel(t, j, l.there()[:test.there]...)
			if target := l.match(t, string(birgitDN)).Target; target.Entry.Has("altRecipient") {
				t.Fatalf("it is redirected to %q, who has no twin", target.Entry.First("altRecipient"))
			}
			l.target.entries[twin] = alice
			l.mustTravel(t, j, plain("links", l.PlanLinks))
			target := l.match(t, string(birgitDN)).Target
			if !target.Entry.Has("altRecipient") || !target.Entry.Has("deliverAndRedirect") {
				t.Fatal("the links are to redirect, once there is a twin")
			}
			if test.there == 5 {
				plan, err := l.PlanRollback(t.Context(), l.match(t, string(birgitDN)), j.committed())
				if err != nil || len(plan.Forbidden()) > 0 {
					t.Fatalf("plan: %v, %v", err, plan.Forbidden())
				}
			}
			l.mustTravel(t, j, test.back(l)...)
			got := text(l.target.get(t, target.DN), "altRecipient", "deliverAndRedirect", "publicDelegates")
			if diff := cmp.Diff(map[string][]string{"publicDelegates": {string(staffDN("bob"))}}, got); diff != "" {
				t.Errorf("the target redirects as well: %s", diff)
			}
			l.mustTravel(t, j, l.there()...)
			if target := l.match(t, string(birgitDN)).Target; directory.DN(target.Entry.First("altRecipient")).Key() != twin {
				t.Errorf("switched again, it is redirected to %q", target.Entry.First("altRecipient"))
			}
		})
	}
}
