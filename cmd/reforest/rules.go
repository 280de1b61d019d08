package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"reforest/directory"
)

// printRules lists what findings' ids stand for.
func printRules(env *environment, options *globalOptions) error {
	if options.json {
		out := json.NewEncoder(env.stdout)
		for _, r := range directory.AllRules() {
			line := map[string]any{
				"message_type": "rule", "rule": r.ID, "severity": r.Severity.String(), "means": r.Means, "source": r.Source,
			}
			if r.Mend != "" {
				line["mend"] = r.Mend
			}
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	var text strings.Builder
	for _, r := range directory.AllRules() {
		fmt.Fprintf(&text, "%s (%s)\n    %s\n", r.ID, r.Severity, r.Means)
		if r.Mend != "" {
			fmt.Fprintf(&text, "    Mend: %s\n", r.Mend)
		}
		fmt.Fprintf(&text, "    Source: %s\n", r.Source)
	}
	_, err := fmt.Fprint(env.stdout, text.String())
	return err
}
