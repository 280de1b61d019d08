package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// Check returns what forbids the move of the pair, or deserves notice, before anything
// is touched. database is the target database's name; "" is the one of the Rules.
func (d *Directories) Check(ctx context.Context, pair Pair, database string) ([]migrate.Finding, error) {
	findings := append(d.checkSource(pair), checkNamesBack(pair)...)
	staged, err := d.PlanStage(ctx, pair)
	if err != nil {
		return nil, err
	}
	findings = append(findings, staged.Findings...)
	doubled, err := d.checkDoubled(ctx, pair.Source)
	if err != nil {
		return nil, err
	}
	findings = append(findings, doubled...)
	if pair.Evidence != EvidenceTwin && pair.Target != nil && pair.Target.IsMailbox() && pair.Source.IsMailbox() && d.own(pair) {
		findings = append(findings, forbid("target.opened", pair.Source.String(),
			fmt.Sprintf("%s was opened by an earlier move of this mailbox, of which this store has no record.", pair.Target.DN),
			"Go on with the store that began the move: beginning again would double what it has copied."))
	}
	findings = append(findings, d.checkAdmin(pair)...)
	findings = append(findings, d.checkDomains()...)
	_, missing, err := d.database(ctx, pair, database)
	if err != nil {
		return nil, err
	}
	always, err := d.always(ctx, pair)
	return slices.Concat(findings, missing, always), err
}

// always returns what the rules find that hold before a move and after it alike.
func (d *Directories) always(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, rule := range []func(context.Context, Pair) ([]migrate.Finding, error){
		d.checkAddressDomains, d.checkOwners, d.checkChains, d.checkSplit, d.checkSecond, d.checkMailboxExtras, d.checkProtected,
	} {
		found, err := rule(ctx, pair)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// checkDomains names the source domains whose SID is not known: their permissions would
// not be taken for legacy ones.
func (d *Directories) checkDomains() []migrate.Finding {
	var findings []migrate.Finding
	for _, domain := range d.Source.Info.Domains {
		if domain.SID == "" {
			findings = append(findings, warn("permissions.domain-unknown", string(domain.DN),
				"The source's server does not know the SID of this domain, so its permissions will not be stripped.",
				"List the domain's SID among the legacy ones."))
		}
	}
	return findings
}

// checkAdmin warns of sides where mailboxes are not ours to give or take: people can be
// staged there, and not be switched.
func (d *Directories) checkAdmin(pair Pair) []migrate.Finding {
	var findings []migrate.Finding
	for _, side := range []Side{Source, Target} {
		if side == Source && !pair.Source.IsMailbox() {
			continue
		}
		for _, f := range d.admin().May(side) {
			findings = append(findings, warn(f.Rule, pair.Source.String(), f.What, "Pre-stage with reforest and let Exchange move the mailbox, or configure a runner that has Exchange's tools."))
		}
	}
	return findings
}

// checkRules looks at what the operator configured.
func (d *Directories) checkRules() []migrate.Finding {
	var findings []migrate.Finding
	if d.Rules.TargetRouting == "" {
		findings = append(findings, forbid("rules.target-routing", "target",
			"No mail domain is named that only the target delivers.", "Configure the target's routing domain."))
	}
	if !strings.HasPrefix(d.Rules.LegacyPrefix, "/o=") {
		findings = append(findings, forbid("rules.legacy-prefix", "target",
			"The prefix of legacyExchangeDN does not begin with /o=.", "Configure it as /o=Organisation/ou=Group."))
	}
	if d.Rules.TargetOU == "" {
		findings = append(findings, forbid("rules.target-ou", "target",
			"No place is named for new target users.", "Configure the target's organizational unit."))
	}
	return findings
}

// checkSource looks at the source object alone.
func (d *Directories) checkSource(pair Pair) []migrate.Finding {
	source, whom := pair.Source, pair.Source.String()
	if !source.IsMailbox() {
		if pair.Target != nil && pair.Target.IsMailbox() {
			return []migrate.Finding{forbid("source.moved", whom,
				"The mailbox is in the target forest already, and this store has no record of how it came there.",
				"Take it off the batch, or go on with the store that moved it: moving it again would double its messages.")}
		}
		return nil // the plan of the stage forbids it
	}
	findings := append(checkAddresses(source), checkAccount(source)...)
	if source.TargetAddress != "" && !d.routes(source) {
		findings = append(findings, warn("source.forwards", whom,
			fmt.Sprintf("The source mailbox sends its mail on to %s.", source.TargetAddress),
			"Clear targetAddress if the mailbox should receive mail until it is switched."))
	}
	routing := d.Rules.SourceRouting
	if addr := d.sourceAddress(source); addr != "" && routing != "" && !strings.EqualFold(addr.Domain(), routing) {
		findings = append(findings, warn("source.routing", whom,
			fmt.Sprintf("The source has no address in %s; mail will be sent to %s.", routing, addr),
			"Add an address in that domain if the target would keep mail for the other one."))
	}
	return findings
}

func checkAddresses(source *Recipient) []migrate.Finding {
	var findings []migrate.Finding
	whom := source.String()
	switch primaries := source.Proxies.primaries(); {
	case len(primaries) == 0 && source.Address() != "":
		findings = append(findings, warn("source.primary-none", whom,
			fmt.Sprintf("No SMTP address is marked as primary; %s is taken for it.", source.Address()),
			"Mark the right one with SMTP: in upper case."))
	case len(primaries) > 1:
		findings = append(findings, warn("source.primary-several", whom,
			fmt.Sprintf("%d SMTP addresses are marked as primary; %s is taken for it.", len(primaries), source.Address()),
			"Leave SMTP: in upper case on the right one alone."))
	}
	if source.Legacy == "" {
		findings = append(findings, warn("x500.source-missing", whom,
			"The source has no legacyExchangeDN, so replies to its old mail inside the forest cannot be resolved.",
			"Let Exchange's Update-Recipient set one."))
	}
	return findings
}

func checkAccount(source *Recipient) []migrate.Finding {
	var findings []migrate.Finding
	switch {
	case source.Disabled && source.MasterSID == "" && source.Kind() == KindUser:
		findings = append(findings, warn("source.disabled", source.String(),
			"The account is disabled and no other account owns the mailbox.", "Check whether anybody still needs it."))
	case !source.Disabled && source.MasterSID != "":
		findings = append(findings, warn("source.two-owners", source.String(),
			"The account is enabled although another account owns the mailbox (msExchMasterAccountSid).",
			"Disable the account, or clear msExchMasterAccountSid."))
	}
	if source.Entry.Has("altRecipient") {
		findings = append(findings, note("source.alt-recipient", source.String(),
			"Its mail is redirected to "+source.Entry.First("altRecipient")+"; the target redirects it to whoever stands for that recipient, once it delivers."))
	}
	return findings
}

// checkTaken looks for other objects of the forest that have one of the names which
// the changes add to it. holder is the object that is to have them; nil if it is new.
// replaced has to give them up to it; nil: nobody has.
func (f *Forest) checkTaken(ctx context.Context, holder *Recipient, changes []Change, replaced ...*Recipient) ([]migrate.Finding, error) {
	return f.checkNames(ctx, addedNames(f.Side, changes), append(replaced, holder)...)
}

// checkNames looks for objects of the whole forest other than owners that have one of
// the names.
func (f *Forest) checkNames(ctx context.Context, names addressSet, owners ...*Recipient) ([]migrate.Finding, error) {
	holders, err := f.holders(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look for taken addresses: %w", err)
	}
	var findings []migrate.Finding
	for _, other := range holders {
		if slices.ContainsFunc(owners, other.same) {
			continue
		}
		findings = append(findings, forbid("address.taken", string(other.DN),
			fmt.Sprintf("It has %s in the %s forest, which this move has to give to another object.", names.shared(other), f.Side),
			"Remove the address from one of the two."))
	}
	return findings, nil
}

// addedNames returns the names that the changes write to proxyAddresses and
// legacyExchangeDN of one side.
func addedNames(side Side, changes []Change) addressSet {
	var values Proxies
	var legacy []migrate.LegacyDN
	for _, change := range changes {
		for _, mod := range change.Mods {
			if change.Forest != side || mod.Op == DeleteValues {
				continue
			}
			for _, v := range mod.Values {
				switch mod.Attr {
				case attrProxies:
					values = append(values, string(v))
				case attrLegacy:
					legacy = append(legacy, migrate.LegacyDN(v))
				}
			}
		}
	}
	return addressSet{smtp: values.SMTP(), x500: append(values.X500(), legacy...)}
}

// database resolves the database a pair is to open its mailbox on. A name that does
// not lead to exactly one is a finding.
func (d *Directories) database(ctx context.Context, pair Pair, name string) (DN, []migrate.Finding, error) {
	if name == "" {
		name = d.Rules.Database
	}
	whom := pair.Source.String()
	if name == "" {
		return "", []migrate.Finding{forbid("database.unset", whom, "No target database is named.",
			"Name one in the batch file or in the configuration.")}, nil
	}
	dn, err := d.ResolveDatabase(ctx, name)
	var ambiguous *AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		return "", []migrate.Finding{forbid("database.several", whom, ambiguous.Error()+".",
			"Name the database by its distinguished name.")}, nil
	case errors.Is(err, ErrNotFound):
		return "", []migrate.Finding{forbid("database.missing", whom,
			fmt.Sprintf("The target forest has no database %q.", name), "Correct the name.")}, nil
	}
	return dn, nil, err
}

func forbid(rule, whom, what, mend string) migrate.Finding {
	return migrate.Finding{Rule: rule, Severity: migrate.Forbid, Whom: whom, What: what, Mend: mend}
}

func warn(rule, whom, what, mend string) migrate.Finding {
	return migrate.Finding{Rule: rule, Severity: migrate.Warn, Whom: whom, What: what, Mend: mend}
}

func note(rule, whom, what string) migrate.Finding {
	return migrate.Finding{Rule: rule, Severity: migrate.Note, Whom: whom, What: what}
}
