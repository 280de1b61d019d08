package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"reforest/migrate"
)

// An allowance is what our account may write of an object, and of those that the same
// rights reach.
type allowance struct {
	of    DN       // the object that was asked about
	attrs []string // allowedAttributesEffective
	told  bool     // the server computes it
}

// checkRights refuses a plan that our account may not carry out whole: without the right
// to write the source, say, an object would be made at the target that the source knows
// nothing of. The server is asked once for each OU and class of objects.
func (s *Staging) checkRights(ctx context.Context, pair Pair, plan *Plan) error {
	for _, change := range plan.Changes {
		made := pair.Target != nil && pair.Target.GUID.IsZero() && pair.Target.DN.Equal(change.DN)
		if change.Op != Modify || made {
			continue
		}
		scope, class := reachOf(change, pair)
		may, err := s.allowed(ctx, change, scope, class)
		if err != nil {
			return fmt.Errorf("ask for our rights on %q: %w", change.DN, err)
		}
		if missing := lacking(change.attrs(), may.attrs); may.told && len(missing) > 0 {
			plan.Findings = append(plan.Findings, s.d.forest(change.Forest).mayNotWrite(may.of, scope, class, missing))
		}
	}
	plan.Findings = distinctFindings(plan.Findings)
	return nil
}

// attrs returns the names of what the change writes, each once.
func (c Change) attrs() []string {
	var names []string
	for _, mod := range c.Mods {
		names = append(names, mod.Attr)
	}
	return distinct(names)
}

// reachOf returns how far the rights on what is changed reach: to all objects of the class
// in the OU; class "" is the object alone.
func reachOf(change Change, pair Pair) (scope DN, class string) {
	for _, r := range []*Recipient{pair.Source, pair.Target} {
		if r != nil && r.DN.Equal(change.DN) && !r.protected() {
			return r.DN.Parent(), r.Class
		}
	}
	return change.DN, ""
}

// allowed asks the server what our account may write there, or remembers. What is not
// there is made by the plan, or was made by one before.
func (s *Staging) allowed(ctx context.Context, change Change, scope DN, class string) (allowance, error) {
	key := string(change.Forest) + " " + class + " " + scope.Key()
	if may, known := s.rights[key]; known {
		return may, nil
	}
	entry, err := s.d.forest(change.Forest).Reader.Get(ctx, change.DN, attrMayWrite, attrMaySecure)
	if errors.Is(err, ErrNotFound) {
		return allowance{}, nil
	}
	if err != nil {
		return allowance{}, err
	}
	may := allowance{of: change.DN, attrs: entry.Values(attrMayWrite)}
	may.told = len(may.attrs) > 0 || entry.Has(attrMaySecure)
	s.rights[key] = may
	return may, nil
}

// mayNotWrite says what is missing and which command grants it.
func (f *Forest) mayNotWrite(of, scope DN, class string, missing []string) migrate.Finding {
	what := fmt.Sprintf("Our account may not write %s of %s in the %s forest (%s).", strings.Join(missing, ", "), of, f.Side, attrMayWrite)
	if class == "" {
		return forbid("rights.write", string(scope), what,
			"Grant it there, or, where adminCount is 1, on AdminSDHolder: "+f.dsacls(scope, "", propertyGrants(missing, "")...))
	}
	return forbid("rights.write", string(scope), what, "Grant it there: "+f.dsacls(scope, "S", propertyGrants(missing, class)...))
}
