package directory

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"reforest/migrate"
)

// compareWithPlan plans the staging of the pair again, and its links. Whatever is left to
// change is a finding for each attribute: what a policy leaves alone is in no plan. A
// plan that is forbidden says so itself.
func (d *Directories) compareWithPlan(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, again := range []func(context.Context, Pair) (Plan, error){d.PlanStage, d.PlanLinks} {
		plan, err := again(ctx, pair)
		if err != nil {
			return nil, fmt.Errorf("plan it again: %w", err)
		}
		for _, f := range plan.Findings {
			if f.Severity > migrate.Note && f.Rule != "source.not-mailbox" { // verify tells which mailbox is lost
				findings = append(findings, f)
			}
		}
		for _, change := range plan.Changes {
			findings = append(findings, d.leftTo(pair, change)...)
		}
	}
	return findings, nil
}

// leftTo turns what a change still has to do into findings. Names that are missing are
// told of by verifyNames.
func (d *Directories) leftTo(pair Pair, change Change) []migrate.Finding {
	var findings []migrate.Finding
	for _, mod := range change.Mods {
		if mod.Op == AddValues && strings.EqualFold(mod.Attr, attrProxies) && change.Op == Modify {
			mod.Values = d.notNames(pair, change.Forest, mod.Values)
			if len(mod.Values) == 0 {
				continue
			}
		}
		findings = append(findings, warn("verify.attribute", pair.Source.String(),
			fmt.Sprintf("%s of %s in the %s forest %s.", mod.Attr, change.DN, change.Forest, difference(mod, change)),
			"Stage it again, or run the batch again; if somebody changes it back each time, set keep for it under attributes."))
	}
	return findings
}

// notNames leaves out the values that verifyNames tells of.
func (d *Directories) notNames(pair Pair, side Side, values [][]byte) [][]byte {
	var left [][]byte
	for _, value := range values {
		kind, name := splitProxy(string(value))
		told := kind == "x500" && pair.Target.ownsName(migrate.LegacyDN(name))
		if side == Target {
			told = d.targetProxies(pair.Source, pair.Target.Legacy).has(string(value))
		}
		if !told {
			left = append(left, value)
		}
	}
	return left
}

// difference says how an attribute differs from what the plan wants.
func difference(mod Mod, change Change) string {
	has := "has no value"
	if before := change.was(mod.Attr); len(before.Values) > 0 {
		has = "is " + valuesText(before.Values)
	}
	want := "the plan wants " + valuesText(mod.Values)
	switch {
	case mod.Op == RandomPassword:
		return "was never set, and the account is to be enabled"
	case mod.Op == AddValues && change.Op == Modify:
		has, want = "lacks "+valuesText(mod.Values), "the plan adds it"
	case mod.Op == DeleteValues && len(mod.Values) == 0, len(mod.Values) == 0:
		want = "the plan wants it without a value"
	case mod.Op == DeleteValues:
		want = "the plan takes " + valuesText(mod.Values) + " off"
	}
	if mod.Origin != "" {
		want += " (" + mod.Origin + ")"
	}
	return has + ", " + want
}

// mostText is how much of one value a sentence shows, in octets.
const mostText = 120

// valuesText writes values for a sentence: text quoted, everything else in hexadecimal.
func valuesText(values [][]byte) string {
	var texts []string
	for i, v := range values {
		if i == mostQuoted {
			return strings.Join(texts, ", ") + fmt.Sprintf(" and %d more", len(values)-i)
		}
		texts = append(texts, valueText(v))
	}
	return strings.Join(texts, ", ")
}

func valueText(v []byte) string {
	isText := utf8.Valid(v) && !strings.ContainsFunc(string(v), unicode.IsControl)
	more := ""
	if len(v) > mostText {
		v, more = v[:mostText], fmt.Sprintf("… (%d octets)", len(v))
	}
	if isText {
		return strconv.Quote(strings.ToValidUTF8(string(v), "")) + more
	}
	return fmt.Sprintf("0x%x", v) + more
}
