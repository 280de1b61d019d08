package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// protocolMark parts the fields of a value of protocolSettings: the protocol's name,
// whether it is enabled, and settings that differ by protocol (Q168347).
const protocolMark = "\u00a7"

// protocolOff is, by protocol, what protocolSettings gets where it says nothing: off, and
// for the rest what Exchange's own tools write.
var protocolOff = map[string]string{
	"http":  "HTTP§0§1§§§§§§",
	"mapi":  "MAPI§0§§§§§§§",
	"pop3":  "POP3§0§1§4§ISO-8859-1§0§§§",
	"imap4": "IMAP4§0§1§4§ISO-8859-1§0§1§0§0",
}

// Protocols returns the names that Rules.ShutOut may list, in lower case.
func Protocols() []string { return []string{"http", "imap4", "mapi", "pop3"} }

// PlanShutOut plans that the owner cannot use those protocols of the source mailbox that
// Rules.ShutOut lists; the other protocols, and the other settings of these, stay as they
// are. A source that has no mailbox any more is left alone.
func (d *Directories) PlanShutOut(_ context.Context, pair Pair) (Plan, error) {
	if stop := d.checkShutOut(); len(stop) > 0 {
		return Plan{Findings: stop}, nil
	}
	e := edit{entry: pair.Source.Entry}
	values := e.entry.Values(attrProtocols)
	if len(d.Rules.ShutOut) == 0 || !pair.Source.IsMailbox() {
		return Plan{}, nil
	}
	for _, protocol := range d.Rules.ShutOut {
		values = shutProtocol(values, protocol)
	}
	e.from("as configured").setText(attrProtocols, values...)
	return e.plan(Source, whyShutOut), nil
}

func (d *Directories) checkShutOut() []migrate.Finding {
	for _, protocol := range d.Rules.ShutOut {
		if protocolOff[protocol] == "" {
			return []migrate.Finding{forbid("rules.shut-out", "source",
				fmt.Sprintf("Owners cannot be shut out of %q.", protocol), "Configure one of "+strings.Join(Protocols(), ", ")+".")}
		}
	}
	return nil
}

// shutProtocol returns the values with that of the protocol switched off.
func shutProtocol(values []string, protocol string) []string {
	out, found := slices.Clone(values), false
	for i, value := range out {
		fields := strings.Split(value, protocolMark)
		if !strings.EqualFold(fields[0], protocol) {
			continue
		}
		found = true
		if len(fields) == 1 {
			fields = append(fields, "")
		}
		fields[1] = "0"
		out[i] = strings.Join(fields, protocolMark)
	}
	if !found {
		out = append(out, protocolOff[protocol])
	}
	return out
}

// PlanLetIn plans to give the owner back the protocols that PlanShutOut took, as they were
// before: changes are what the move has committed, oldest first. What somebody else has
// set since is left, and is a finding.
func (d *Directories) PlanLetIn(_ context.Context, pair Pair, changes []Change) (Plan, error) {
	e := edit{entry: pair.Source.Entry}
	f, shut := trailShut.trail(changes).of(e.entry, attrProtocols)
	if !shut {
		e.watch(attrProtocols)
		return e.plan(Source, whyLetIn), nil
	}
	if f.changed {
		return Plan{Findings: []migrate.Finding{warn("letin.changed", pair.Source.String(),
			fmt.Sprintf("%s of %s was changed by somebody else: the owner was shut out by %s, it is %s now, and is left so.",
				f.attr, pair.Source.DN, shown(f.attr, f.left), shown(f.attr, f.present)),
			fmt.Sprintf("See whether the owner may use the mailbox again; before it was %s.", shown(f.attr, f.was)))}}, nil
	}
	e.from("as before the switch").set(attrProtocols, f.was...)
	return e.plan(Source, whyLetIn), nil
}
