package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// A matchConfig says by what a person is known at the target, and what of it is enough to
// change an object that was there before.
type matchConfig struct {
	Rules     []directory.MatchRule `yaml:"rules"`
	Adopt     []directory.MatchRule `yaml:"adopt"`
	Decisions string                `yaml:"decisions"`
}

// matchRules are those that a configuration may list.
func matchRules() []string {
	rules := []string{string(directory.MatchEmployeeID), string(directory.MatchSam)}
	for _, rule := range slices.Backward(directory.DefaultMatch()) {
		rules = slices.Insert(rules, 0, string(rule))
	}
	return rules
}

func (m matchConfig) check(f *faults) {
	for key, rules := range map[string][]directory.MatchRule{"match.rules": m.Rules, "match.adopt": m.Adopt} {
		for i, rule := range rules {
			switch {
			case rule == directory.MatchMark:
				f.add(key, "mark is always asked, and first; leave it out")
			case !slices.Contains(matchRules(), string(rule)):
				f.add(key, "unknown rule %q; did you mean %q?", rule, batch.Nearest(string(rule), matchRules()))
			case slices.Contains(rules[:i], rule):
				f.add(key, "%s is listed twice", rule)
			case key == "match.adopt" && !slices.Contains(m.Rules, rule):
				f.add(key, "%s is not among match.rules, so nothing is found by it", rule)
			}
		}
	}
	if len(m.Rules) == 0 {
		f.add("match.rules", "name at least one rule, or leave the key out")
	}
	if m.Decisions == "" {
		f.add("match.decisions", "match.decisions is required")
	}
}

// checkCatalog checks the URL of a global catalog.
func (d directoryConfig) checkCatalog(key string, f *faults) {
	if d.Catalog == "" {
		return
	}
	d.checkURL(key, d.Catalog, f)
	u, err := url.Parse(d.Catalog)
	if err != nil || u.Port() != "3269" && u.Port() != "3268" {
		f.add(key, "%q: want a global catalog, which is known by its port: ldaps://server:3269", d.Catalog)
	}
}

// decisionsPath is where questions are asked and answered.
func (c *config) decisionsPath() string { return within(c.dir(), c.Match.Decisions) }

// decidedRules returns what joins the two organisations, with what the operator has
// decided so far.
func (c *config) decidedRules() (directory.Rules, error) {
	rules := c.rules()
	decisions, err := batch.LoadDecisions(c.decisionsPath())
	if err != nil {
		return rules, usage(err)
	}
	rules.Decisions = decisions
	return rules, nil
}

// ask writes what is left open into the decision file, and says so.
func ask(env *environment, c *config, looked []migrate.GUID, open []directory.Question) error {
	if len(open) > 0 {
		if err := os.MkdirAll(filepath.Dir(c.decisionsPath()), 0o700); err != nil {
			return fmt.Errorf("write the questions down: %w", err)
		}
	}
	left, err := batch.AskInFile(c.decisionsPath(), looked, open)
	if err != nil {
		return fmt.Errorf("write the questions down: %w", err)
	}
	if left > 0 {
		env.say("Open in %s: %s. Answer adopt, create or leave in its column Decision, and run the command again.", c.decisionsPath(), counted(left, "question"))
	}
	return nil
}
