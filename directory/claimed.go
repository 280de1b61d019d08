package directory

import (
	"fmt"

	"reforest/migrate"
)

// findShared refuses everyone for whom one and the same target object would be changed, or
// contact replaced: whoever were staged first would get the others' addresses.
func (s *Staging) findShared() {
	claims := map[migrate.GUID][]*chosen{}
	for _, c := range s.chosen {
		for _, r := range c.claims() {
			claims[r.GUID] = append(claims[r.GUID], c)
		}
	}
	for _, c := range s.chosen {
		for _, r := range c.claims() {
			sharers := claims[r.GUID]
			if len(sharers) < 2 {
				continue
			}
			other := sharers[0]
			if other == c {
				other = sharers[1]
			}
			c.pair.noticed = append(c.pair.noticed, forbid("match.shared", c.source.String(),
				fmt.Sprintf("%s at the target matches it, and %s as well; %d source objects in all.", r.DN, other.source.DN, len(sharers)),
				"Decide in the decision file whose it is, and create or leave for the others."))
			c.askWhose(r)
		}
	}
}

// askWhose leaves it to a person whether the object stands for the source object.
func (c *chosen) askWhose(r *Recipient) {
	if c.pair.open != nil {
		return
	}
	rule, evidence := AskAdopt, c.pair.Evidence
	if r == c.pair.Contact {
		rule, evidence = AskContact, "an address that several source objects share with it"
	}
	q := ask(rule, c.source, []Candidate{{DN: r.DN, GUID: r.GUID, Class: r.Class, Evidence: evidence}})
	c.pair.open = &q
}

// claims returns what of the target is there and would be changed for the source object.
func (c *chosen) claims() []*Recipient {
	var claimed []*Recipient
	if c.pair.Target != nil && c.pair.Ours {
		claimed = append(claimed, c.pair.Target)
	}
	if c.pair.Contact != nil {
		claimed = append(claimed, c.pair.Contact)
	}
	return claimed
}

// Missed notes that the plan was not carried out, so that nobody's links are to lead to
// what is not there.
func (s *Staging) Missed(p PersonPlan) {
	if c := s.byGUID[p.Pair.Source.GUID]; c != nil {
		c.refused = true
	}
}
