package directory

import (
	"context"
	"slices"

	"reforest/migrate"
)

// A Mend is a plain directory change that does away with one finding.
type Mend struct {
	Rule string // of the finding
	What string // what is done, in one sentence
	Plan Plan   // that Apply carries out; planned anew from what stands there it is empty
}

// Mends returns what can be mended for the pair, by what was read of it. Nothing is
// guessed: where it takes a decision nobody can see in the directory, there is no mend.
// Nothing is offered that would give the source an address somebody else has. The changes
// name no Person: they are right whether or not the person is staged, and taking staging
// back does not take them back.
func (d *Directories) Mends(ctx context.Context, pair Pair) ([]Mend, error) {
	var mends []Mend
	for _, mend := range []func(Pair) (Mend, bool){d.mendPrimary, d.mendLoop, d.mendNames} {
		m, needed := mend(pair)
		if !needed {
			continue
		}
		taken, err := d.Source.checkTaken(ctx, pair.Source, m.Plan.Changes)
		if err != nil {
			return nil, err
		}
		if len(taken) > 0 {
			continue
		}
		mends = append(mends, m)
	}
	return mends, nil
}

// mendPrimary marks the address that mail names, or the only one there is, as the one
// primary address of the source.
func (d *Directories) mendPrimary(pair Pair) (Mend, bool) {
	source := pair.Source
	rule := "source.primary-several"
	if n := len(source.Proxies.primaries()); n == 1 || !source.IsMailbox() {
		return Mend{}, false
	} else if n == 0 {
		rule = "source.primary-none"
	}
	if !source.Proxies.HasSMTP(source.Mail) {
		return Mend{}, false // which of them is the right one is for a person to say
	}
	e := edit{entry: source.Entry}
	e.setText(attrProxies, source.Proxies.withPrimary(source.Mail)...)
	m := Mend{Rule: rule, What: "Mark " + string(source.Mail) + ", which mail names, as the only primary address of " + string(source.DN) + "."}
	e.addTo(&m.Plan, Source, "mend "+rule)
	return m, len(m.Plan.Changes) > 0
}

// mendLoop clears a targetAddress of the source that leads to a target without a
// mailbox, which would send the mail back.
func (d *Directories) mendLoop(pair Pair) (Mend, bool) {
	const rule = "source.forwards-to-target"
	if !pair.Source.IsMailbox() || len(d.checkLoop(pair)) == 0 {
		return Mend{}, false
	}
	e := edit{entry: pair.Source.Entry}
	e.clear(attrTargetAddress)
	m := Mend{Rule: rule, What: "Clear targetAddress (" + pair.Source.TargetAddress + ") of " + string(pair.Source.DN) + "; its mailbox then keeps its mail."}
	e.addTo(&m.Plan, Source, "mend "+rule)
	return m, len(m.Plan.Changes) > 0
}

// mendNames adds to the source the X500 names that the target has and the source lacks.
// The target has to be known for the twin.
func (d *Directories) mendNames(pair Pair) (Mend, bool) {
	const rule = "x500.missing"
	if pair.Target == nil || len(Plan{Findings: d.checkMatch(pair)}.Forbidden()) > 0 {
		return Mend{}, false
	}
	lacks := namesLacking(pair.Source, pair.Target)
	if len(lacks) == 0 {
		return Mend{}, false
	}
	slices.Sort(lacks)
	e := edit{entry: pair.Source.Entry}
	e.add(attrProxies, lacks...)
	m := Mend{Rule: rule, What: "Add " + quotedList(lacks) + " to proxyAddresses of " + string(pair.Source.DN) + "."}
	e.addTo(&m.Plan, Source, "mend "+rule)
	return m, len(m.Plan.Changes) > 0
}

// checkNamesBack names the X500 names of a twin that is there already and that the source
// lacks: replies to its old mail bounce at the source until it is staged.
func checkNamesBack(pair Pair) []migrate.Finding {
	if pair.Target == nil || !pair.Source.IsMailbox() {
		return nil
	}
	lacks := namesLacking(pair.Source, pair.Target)
	if len(lacks) == 0 {
		return nil
	}
	return []migrate.Finding{note("x500.missing", pair.Source.String(),
		"proxyAddresses of "+string(pair.Source.DN)+" does not have "+quotedList(lacks)+", by which "+string(pair.Target.DN)+" is known: replies to its old mail bounce at the source until it is staged.")}
}
