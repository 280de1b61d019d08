package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

// A DomainKind says what an organisation does with mail for a domain that it accepts.
type DomainKind int

// The kinds, with the numbers that msExchAcceptedDomainFlags has in its two lowest bits.
const (
	Authoritative DomainKind = 0 // it delivers to its own recipients and bounces the rest
	ExternalRelay DomainKind = 1 // it passes all of it on to somebody else
	InternalRelay DomainKind = 2 // it delivers to its own recipients and passes the rest on
)

// domainKindBits are those bits; further ones say nothing about delivery.
const domainKindBits = 3

// An AcceptedDomain is a mail domain that an organisation takes mail for.
type AcceptedDomain struct {
	Name string // fabrikam.example; *.fabrikam.example stands for subdomains as well
	Kind DomainKind
}

// covers reports whether mail for the domain falls under the accepted one.
func (a AcceptedDomain) covers(domain string) bool {
	if a.Name == "*" {
		return true
	}
	parent, wide := strings.CutPrefix(strings.ToLower(a.Name), "*.")
	domain = strings.ToLower(domain)
	return domain == parent || wide && strings.HasSuffix(domain, "."+parent)
}

// readAccepted reads which mail domains the forest's organisation accepts: its objects of
// class msExchAcceptedDomain. A forest without Exchange has none.
func (i *Info) readAccepted(ctx context.Context, reader Reader) error {
	query := Query{
		Base: i.ConfigNC, Filter: Eq("objectClass", "msExchAcceptedDomain"),
		Attrs: []string{"msExchAcceptedDomainName", "msExchAcceptedDomainFlags"},
	}
	for entry, err := range reader.Find(ctx, query) {
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list accepted domains: %w", err)
		}
		p := recipientParser{entry: entry}
		flags := p.number("msExchAcceptedDomainFlags")
		if p.err != nil {
			return fmt.Errorf("read accepted domain %q: %w", entry.DN, p.err)
		}
		if name := entry.First("msExchAcceptedDomainName"); name != "" {
			i.Accepted = append(i.Accepted, AcceptedDomain{name, DomainKind(flags & domainKindBits)})
		}
	}
	return nil
}

// accepted returns what the forest itself says of the domain. The narrowest of several
// that cover it counts.
func (i *Info) accepted(domain string) (kind DomainKind, found bool) {
	narrowest := -1
	for _, a := range i.Accepted {
		if a.covers(domain) && len(a.Name) > narrowest {
			kind, found, narrowest = a.Kind, true, len(a.Name)
		}
	}
	return kind, found
}

// claimed returns the domains that the operator says the side is authoritative for.
func (r *Rules) claimed(side Side) []string {
	if side == Source {
		return append([]string{r.SourceRouting}, r.SourceDomains...)
	}
	return append([]string{r.TargetRouting}, r.TargetDomains...)
}

// accepts reports whether the side takes mail for the domain, and how: by what the
// operator says, else by what the forest does.
func (d *Directories) accepts(side Side, domain string) (DomainKind, bool) {
	same := func(name string) bool { return strings.EqualFold(name, domain) }
	if domain != "" && slices.ContainsFunc(d.Rules.claimed(side), same) {
		return Authoritative, true
	}
	return d.forest(side).Info.accepted(domain)
}

// owns reports whether the side delivers the domain's mail and bounces what it has
// nobody for.
func (d *Directories) owns(side Side, domain string) bool {
	kind, accepted := d.accepts(side, domain)
	return accepted && kind == Authoritative
}

// knowsDomains reports whether anything but the routing domain is known of what the side
// accepts.
func (d *Directories) knowsDomains(side Side) bool {
	return len(d.forest(side).Info.Accepted) > 0 || len(d.Rules.claimed(side)) > 1
}

// checkRoutingDomains looks at the two domains that mail is forwarded by: each must be
// delivered by its own side and by nobody else, or mail goes in circles.
func (d *Directories) checkRoutingDomains() []migrate.Finding {
	var findings []migrate.Finding
	for _, route := range []struct {
		domain      string
		own, others Side
	}{{d.Rules.SourceRouting, Source, Target}, {d.Rules.TargetRouting, Target, Source}} {
		if route.domain == "" {
			continue // checkRules says so where it matters
		}
		if d.owns(route.others, route.domain) {
			findings = append(findings, forbid("domain.routing-both", route.domain,
				fmt.Sprintf("Mail is forwarded to the %s by addresses in it, and the %s claims it as its own (msExchAcceptedDomain, or the configuration) and would not send it on.",
					route.own, route.others),
				fmt.Sprintf("Make it an internal relay domain at the %s, or name one that the %s alone delivers.", route.others, route.own)))
		}
		info := &d.forest(route.own).Info
		if kind, found := info.accepted(route.domain); len(info.Accepted) > 0 && (!found || kind == ExternalRelay) {
			findings = append(findings, forbid("domain.routing-unowned", route.domain,
				fmt.Sprintf("Mail is forwarded to the %s by addresses in it, and no msExchAcceptedDomain of the %s forest takes it for its own recipients.",
					route.own, route.own),
				fmt.Sprintf("Accept it at the %s: New-AcceptedDomain -DomainName %s -DomainType Authoritative.", route.own, route.domain)))
		}
	}
	return append(findings, d.checkKnown()...)
}

// checkKnown says where people's addresses cannot be judged.
func (d *Directories) checkKnown() []migrate.Finding {
	if d.knowsDomains(Source) {
		return nil
	}
	return []migrate.Finding{note("domain.unknown", string(Source),
		"No accepted domains (msExchAcceptedDomain) are on record there, and none are configured: whether anybody takes mail for people's addresses was not judged.")}
}

// checkAddressDomains names the addresses of the source that neither side takes mail for.
func (d *Directories) checkAddressDomains(_ context.Context, pair Pair) ([]migrate.Finding, error) {
	if !d.knowsDomains(Source) {
		return nil, nil // checkKnown says so
	}
	var values []string
	for _, addr := range pair.Source.Proxies.SMTP() {
		_, source := d.accepts(Source, addr.Domain())
		_, target := d.accepts(Target, addr.Domain())
		if !source && !target {
			values = append(values, "smtp:"+string(addr))
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	return []migrate.Finding{warn("domain.unaccepted", pair.Source.String(),
		fmt.Sprintf("proxyAddresses of %s has %s, and neither side accepts mail for the domain.", pair.Source.DN, quotedList(values)),
		"Accept the domain on one side, or remove the address if nobody writes to it any more.")}, nil
}

// checkOwners looks at where mail is sent on to, or will be once the person is staged:
// a domain that both sides claim is never sent on by the one to the other.
func (d *Directories) checkOwners(_ context.Context, pair Pair) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	look := func(of *Recipient, addr migrate.SMTPAddress, when string) {
		if domain := addr.Domain(); domain != "" && d.owns(Source, domain) && d.owns(Target, domain) {
			findings = append(findings, forbid("domain.both", pair.Source.String(),
				fmt.Sprintf("targetAddress %s%s leads to %s, and both sides claim %s: neither sends its mail to the other.", when, of.DN, addr, domain),
				"Give the person an address in a domain that the side where the mailbox is alone delivers."))
		}
	}
	for _, r := range []*Recipient{pair.Source, pair.Target} {
		if r != nil && r.TargetAddress != "" {
			look(r, r.forwardsTo(), "of ")
		}
	}
	target := pair.Target
	if pair.Source.IsMailbox() && (target == nil || !target.IsMailbox() && target.TargetAddress == "") {
		look(pair.Source, d.sourceAddress(pair.Source), "of the twin-to-be of ")
	}
	return findings, nil
}

// forwardsTo returns the address of targetAddress; "" if there is none of type SMTP.
func (r *Recipient) forwardsTo() migrate.SMTPAddress {
	kind, addr := splitProxy(r.TargetAddress)
	if kind != "" && kind != "smtp" {
		return ""
	}
	return migrate.SMTPAddress(addr)
}

// mostQuoted is how many values a sentence lists.
const mostQuoted = 8

// quotedList writes values for a sentence; of many only the first.
func quotedList(values []string) string {
	var quoted []string
	for i, v := range values {
		if i == mostQuoted {
			return strings.Join(quoted, ", ") + " and " + strconv.Itoa(len(values)-i) + " more"
		}
		quoted = append(quoted, strconv.Quote(v))
	}
	return strings.Join(quoted, ", ")
}
