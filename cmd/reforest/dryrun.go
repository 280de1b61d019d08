package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
)

// dryRun prints what the command would change now.
func dryRun(ctx context.Context, env *environment, options *runOptions, c *config, b plannedBatch) error {
	return lookOnly(ctx, env, options, c, b, func(conn *connection, st *store.Store, who pick) error {
		if options.kind == batch.RunSwitch {
			return printSwitches(ctx, env, options, conn, who)
		}
		p, err := look(ctx, env, conn, st, who.batch().moves)
		if err != nil {
			return err
		}
		return printPlans(ctx, env, options, conn, p)
	})
}

// lookOnly picks whom the command would carry on, and hands them to fn. Nothing is
// written; the store is nil where there is none yet.
func lookOnly(ctx context.Context, env *environment, options *runOptions, c *config, b plannedBatch, fn func(*connection, *store.Store, pick) error) error {
	st, err := openToRead(ctx, c)
	if err != nil {
		return err
	}
	if st != nil {
		defer func() { _ = st.Close() }() // read only: nothing can be lost
	}
	if err := options.known(ctx, st, &b); err != nil {
		return err
	}
	conn, err := connect(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // read only: nothing can be lost
	who, err := pickFor(ctx, options, conn, st, b)
	if err != nil {
		return err
	}
	who.tell(env)
	return fn(conn, st, who)
}

// printPlans prints what staging would change now. The later phases depend on what
// staging has made; they are named, not computed.
func printPlans(ctx context.Context, env *environment, options *runOptions, conn *connection, p *preflight) error {
	for _, pair := range p.pairs {
		plan, err := conn.directories.PlanStage(ctx, pair)
		if err != nil {
			return fmt.Errorf("plan %s: %w", pair.Source.DisplayName, err)
		}
		p.findings = append(p.findings, plan.Findings...)
		if err := printPlan(env, options, "stage", pair, plan); err != nil {
			return err
		}
	}
	if err := printFindings(env.stderr, p.findings); err != nil {
		return err
	}
	if err := p.forbidden(); err != nil {
		return err
	}
	if len(p.pairs) == 0 {
		env.say("All mailboxes of the batch have begun or ended; nothing is left to stage. Nothing was changed.")
		return nil
	}
	env.say("%s would be staged as above, then %s. Nothing was changed.", mailboxesText(len(p.pairs)), laterPhases(options.kind))
	return nil
}

func laterPhases(kind batch.RunKind) string {
	if kind == batch.RunSync {
		return "opened and copied, and left where they are"
	}
	return "opened, copied, switched, cleaned and verified"
}

// printPlan writes a plan; what says what it comes to.
func printPlan(env *environment, options *runOptions, what string, pair directory.Pair, plan directory.Plan) error {
	if options.json {
		return json.NewEncoder(env.stdout).Encode(planLine(what, pair, plan))
	}
	text := planText(what, pair, plan)
	if len(plan.Changes) == 0 {
		text += "  nothing to change\n"
	}
	_, err := fmt.Fprint(env.stdout, text)
	return err
}

// planText is a plan in words: whom it is about, and every change.
func planText(what string, pair directory.Pair, plan directory.Plan) string {
	var text strings.Builder
	if pair.Source != nil {
		fmt.Fprintf(&text, "%s: %s (%s)%s\n", what, pair.Source.DisplayName, pair.Source.DN, evidenceText(pair))
	}
	for _, change := range plan.Changes {
		fmt.Fprintf(&text, "  %s %s %s: %s\n", change.Forest, change.Op, change.DN, change.Why)
		for _, mod := range change.Mods {
			fmt.Fprintf(&text, "    %s %s: %s%s\n", mod.Op, mod.Attr, valuesText(mod), originText(mod))
		}
	}
	return text.String()
}

func evidenceText(pair directory.Pair) string {
	if pair.Target == nil {
		return ""
	}
	return fmt.Sprintf("\n  its twin is %s, by %s", pair.Target.DN, pair.Evidence)
}

// originText prints where the values come from, as far as the plan says so.
func originText(mod directory.Mod) string {
	if mod.Origin == "" {
		return ""
	}
	return "   <- " + mod.Origin
}

// planLine is a plan as --json prints it.
func planLine(what string, pair directory.Pair, plan directory.Plan) map[string]any {
	line := map[string]any{"message_type": "plan", "what": what, "changes": listed(plan.Changes)}
	if pair.Source != nil {
		line["source"], line["person"], line["evidence"] = pair.Source.DN, pair.Source.GUID, pair.Evidence
	}
	if pair.Target != nil {
		line["target"] = pair.Target.DN
	}
	findings := []findingLine{}
	for _, f := range plan.Findings {
		findings = append(findings, findingJSON(f))
	}
	line["findings"] = findings
	return line
}

// listed is the list as JSON has it where it is empty, too: [] and not null.
func listed[T any](list []T) []T { return append([]T{}, list...) }

// valuesText prints values as text, or as hexadecimal digits where they are not.
func valuesText(mod directory.Mod) string {
	texts := make([]string, len(mod.Values))
	for i, v := range mod.Values {
		texts[i] = string(v)
		if !utf8.Valid(v) || strings.ContainsFunc(texts[i], func(r rune) bool { return r < ' ' }) {
			texts[i] = fmt.Sprintf("0x%x", v)
		}
	}
	return strings.Join(texts, " | ")
}
