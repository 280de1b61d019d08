package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// The attributes that a domain controller computes for the account that asks
// (MS-ADTS 3.1.1.4.5.3 to 3.1.1.4.5.5).
const (
	attrMayCreate = "allowedChildClassesEffective"
	attrMayWrite  = "allowedAttributesEffective"
	attrMaySecure = "sDRightsEffective"
)

// daclRight is the bit of sDRightsEffective that lets the DACL be written.
const daclRight = 4

// sourceWrites and targetWrites are what a move writes on each side whoever moves. What
// is only cleared counts where it is set.
var (
	sourceWrites = []string{attrProxies, attrTargetAddress, attrTypeDetails, attrDisplayType, attrPoliciesExcluded}
	targetWrites = []string{
		attrProxies, attrTargetAddress, attrTypeDetails, attrDisplayType, attrVersion, attrLegacy, "mail", "mailNickname",
		"displayName", attrMailboxGUID, attrHomeMDB, attrHomeServer, "mDBUseDefaults",
	}
)

// CheckAccess asks both servers what our account may write, on one object of each OU
// that the pairs lie in: who may write one object there may write them all, but those
// that the directory itself protects. What is missing forbids the move, and the finding
// names the command that grants it and no more.
func (d *Directories) CheckAccess(ctx context.Context, pairs []Pair) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, sample := range samples(pairs) {
		found, err := d.checkSample(ctx, sample)
		if err != nil {
			return findings, fmt.Errorf("ask for our rights on %q: %w", sample.who.DN, err)
		}
		findings = append(findings, found...)
	}
	return distinctFindings(findings), nil
}

// A sample is one object whose rights stand for those of its OU.
type sample struct {
	stop
	pair Pair // that it belongs to
}

// samples returns one object of each OU, in the order of the pairs.
func samples(pairs []Pair) []sample {
	var chosen []sample
	seen := map[Side]map[string]bool{Source: {}, Target: {}}
	take := func(side Side, pair Pair, r *Recipient) {
		if r == nil || r.protected() || seen[side][r.DN.Parent().Key()] {
			return
		}
		seen[side][r.DN.Parent().Key()] = true
		chosen = append(chosen, sample{stop{side, r}, pair})
	}
	for _, pair := range pairs {
		take(Source, pair, pair.Source)
		take(Target, pair, pair.Target)
	}
	return chosen
}

func (d *Directories) checkSample(ctx context.Context, sample sample) ([]migrate.Finding, error) {
	f := d.forest(sample.side)
	entry, err := f.Reader.Get(ctx, sample.who.DN, attrMayWrite, attrMaySecure)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // gone since; its own move meets that
	}
	if err != nil {
		return nil, err
	}
	if !entry.Has(attrMayWrite) && !entry.Has(attrMaySecure) {
		return []migrate.Finding{f.untold(attrMayWrite)}, nil
	}
	writes, err := d.writesOn(ctx, sample)
	return f.judgeAccess(sample, writes, entry), err
}

// untold says that the server does not compute what our account may do.
func (f *Forest) untold(attr string) migrate.Finding {
	return note("rights.untold", string(f.Side),
		"The server does not tell what our account may do there ("+attr+"): the first write will.")
}

// judgeAccess compares what our account may write with what a move writes.
func (f *Forest) judgeAccess(sample sample, writes []string, entry *Entry) []migrate.Finding {
	var findings []migrate.Finding
	ou := sample.who.DN.Parent()
	if missing := lacking(writes, entry.Values(attrMayWrite)); len(missing) > 0 {
		findings = append(findings, f.mayNotWrite(sample.who.DN, ou, ClassUser, missing))
	}
	p := recipientParser{entry: entry}
	if rights := p.number(attrMaySecure); sample.side == Target && p.err == nil && rights&daclRight == 0 {
		findings = append(findings, forbid("rights.permissions", string(ou),
			fmt.Sprintf("Our account may not change the permissions of %s, which a move translates and cleans (%s is %d).", sample.who.DN, attrMaySecure, rights),
			"Grant it there: "+f.dsacls(ou, "S", "RCWD;;user")))
	}
	return findings
}

// writesOn returns what a move writes of the sampled object: what every move does, and
// what staging has to write of this one. What is cleared is written only where it is set.
func (d *Directories) writesOn(ctx context.Context, sample sample) ([]string, error) {
	writes := slices.Clone(targetWrites)
	if sample.side == Source {
		writes = slices.Clone(sourceWrites)
		if len(d.Rules.ShutOut) > 0 {
			writes = append(writes, attrProtocols)
		}
		for _, attr := range mailboxAttrs {
			if sample.who.Entry.Has(attr) {
				writes = append(writes, attr)
			}
		}
		return writes, nil
	}
	for _, plan := range []func(context.Context, Pair) (Plan, error){d.PlanStage, d.PlanLinks} {
		p, err := plan(ctx, sample.pair)
		if personal(err) || len(p.Forbidden()) > 0 {
			break // it is not staged as it is
		}
		if err != nil {
			return nil, err
		}
		for _, change := range p.Changes {
			if change.DN.Equal(sample.who.DN) {
				writes = append(writes, change.attrs()...)
			}
		}
	}
	return distinct(writes), nil
}

func lacking(want, have []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(attr string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, attr) })
	})
}

// propertyGrants returns dsacls' words for reading and writing each attribute of objects
// of the class; "" is of whatever object they are granted on.
func propertyGrants(attrs []string, class string) []string {
	grants := make([]string, len(attrs))
	for i, attr := range attrs {
		grants[i] = strings.TrimSuffix("RPWP;"+attr+";"+class, ";")
	}
	return grants
}

// dsacls returns the command line that grants our account the rights at dn, for the
// objects that the inheritance flag of dsacls names: S those below it, T it as well; ""
// is it alone.
func (f *Forest) dsacls(dn DN, inherit string, grants ...string) string {
	account := f.Account
	if account == "" {
		account = "ACCOUNT"
	}
	line := fmt.Sprintf(`dsacls "%s"`, commandLine(string(dn)))
	if inherit != "" {
		line += " /I:" + inherit
	}
	line += " /G"
	for _, grant := range grants {
		line += fmt.Sprintf(` "%s:%s"`, commandLine(account), grant)
	}
	return line
}

// commandLine escapes what stands between quotes on a Windows command line.
func commandLine(text string) string { return strings.ReplaceAll(text, `"`, `\"`) }
