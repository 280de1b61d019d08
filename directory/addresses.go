package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// A cleaning is an address of the source with what the target gets beside it, or in its
// place.
type cleaning struct {
	of   migrate.SMTPAddress
	why  string              // it cannot be an address; "" if it can and is kept
	form migrate.SMTPAddress // "" if there is none that the target could have
	gone string              // why there is none
}

// cleanings returns what becomes of the source's addresses that are not clean, each once.
func cleanings(source *Recipient) []cleaning {
	var out []cleaning
	for _, addr := range append(source.Proxies.collapse().SMTP(), source.Mail) {
		why := illegal(addr)
		known := slices.ContainsFunc(out, func(c cleaning) bool { return c.of.Key() == addr.Key() })
		if addr == "" || known || why == "" && !strings.Contains(string(addr), "/") {
			continue
		}
		c := cleaning{of: addr, why: why, form: clean(addr)}
		if c.form == "" {
			c.gone = "nothing is left of it"
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b cleaning) int { return strings.Compare(string(a.of), string(b.of)) })
	return out
}

// cleanAddresses decides which cleaned addresses the target gets: those that nobody else
// has, in either forest. Who else is going to have them may be staged later.
func (s *stagePlan) cleanAddresses(ctx context.Context) error {
	s.cleaned = cleanings(s.pair.Source)
	for i := range s.cleaned {
		c := &s.cleaned[i]
		if c.form == "" {
			continue
		}
		owner, err := s.otherOwner(ctx, c.form)
		if err != nil {
			return err
		}
		if owner != "" {
			c.form, c.gone = "", fmt.Sprintf("%s has the cleaned form %s", owner, c.form)
		}
	}
	for _, c := range s.cleaned {
		s.plan.Findings = append(s.plan.Findings, s.cleanedFinding(c))
	}
	s.reserveCleaned()
	return nil
}

// otherOwner returns who of either forest has the address but the pair; "" is nobody.
func (s *stagePlan) otherOwner(ctx context.Context, addr migrate.SMTPAddress) (DN, error) {
	names := addressSet{smtp: []migrate.SMTPAddress{addr}}
	for _, f := range []*Forest{&s.Source, &s.Target} {
		found, err := f.holders(ctx, names)
		if err != nil {
			return "", fmt.Errorf("look for the owner of %s: %w", addr, err)
		}
		for _, r := range found {
			if !s.ours(f, r) {
				return r.DN, nil
			}
		}
	}
	return "", nil
}

// ours reports whether the recipient is one of the pair, the contact that the pair
// replaces, or what was reserved for it.
func (s *stagePlan) ours(f *Forest, r *Recipient) bool {
	if f.index != nil && f.index.owners[r] == s.pair.Source.GUID {
		return true
	}
	return r.same(s.pair.Source) || r.same(s.pair.Target) || r.same(s.pair.Contact)
}

// reserveCleaned keeps whoever is planned next from getting the same addresses.
func (s *stagePlan) reserveCleaned() {
	x, holder := s.Target.index, s.holder(s.pair)
	if x == nil || holder == nil {
		return
	}
	for _, c := range s.cleaned {
		key := keyOf(keySMTP, string(c.form))
		if c.form == "" || len(x.lookup(key)) > 0 {
			continue
		}
		reserved := &Recipient{DN: holder.DN, GUID: holder.GUID, Class: ClassUser, Proxies: Proxies{"smtp:" + string(c.form)}}
		x.hold([]nameKey{key}, reserved, s.pair.Source.GUID)
	}
}

func (s *stagePlan) cleanedFinding(c cleaning) migrate.Finding {
	outcome := fmt.Sprintf("the target gets %s", c.form)
	if c.form == "" {
		outcome = "the target gets none instead: " + c.gone
	}
	what := fmt.Sprintf("%s cannot be an address: %s; %s.", c.of, c.why, outcome)
	if c.why == "" {
		what = fmt.Sprintf("%s has a slash, which some mail systems refuse; %s as well.", c.of, outcome)
		if c.form == "" {
			what = fmt.Sprintf("%s has a slash, which some mail systems refuse; it is kept alone: %s.", c.of, c.gone)
		}
	}
	return warn("address.cleaned", s.pair.Source.String(), what, "Correct the address at the source.")
}

// choosePrimary decides which address the target sends mail from. One that the target has
// stays, unless the policy of mail forces the source's on it; of several it is the one
// that equals mail, else the first alphabetically.
func (s *stagePlan) choosePrimary() {
	target := s.pair.Target
	if target != nil && len(target.Proxies.primaries()) > 0 && s.policy(Attribute{Name: "mail", Policy: Keep}) != Force {
		s.primary = target.Address()
		return
	}
	s.primary = s.sourcePrimary()
}

// sourcePrimary returns the source's primary address, its cleaned form if it is none that
// mail can be sent to, or else the first address in alphabetical order.
func (s *stagePlan) sourcePrimary() migrate.SMTPAddress {
	addr := s.pair.Source.Address()
	if illegal(addr) == "" {
		return addr
	}
	for _, c := range s.cleaned {
		if c.of.Key() == addr.Key() && c.form != "" {
			return c.form
		}
	}
	return s.sourceAddress(s.pair.Source)
}

func (s *stagePlan) primaryOrigin() string {
	source := s.pair.Source
	switch {
	case s.primary.Key() == source.Mail.Key():
		return "source mail"
	case s.primary.Key() == source.Address().Key():
		return "source primary address"
	case s.pair.Target != nil && s.pair.Target.Proxies.HasSMTP(s.primary):
		return "the target's primary address"
	}
	return "made of the source's primary address"
}

// targetNames returns every address that the target has to have, with exactly one
// primary.
func (s *stagePlan) targetNames(own migrate.LegacyDN) Proxies {
	proxies := s.targetProxies(s.pair.Source, own)
	for _, c := range s.cleaned {
		if c.form != "" && !proxies.HasSMTP(c.form) {
			proxies = append(proxies, "smtp:"+string(c.form))
		}
	}
	if !proxies.HasSMTP(s.primary) && (s.pair.Target == nil || !s.pair.Target.Proxies.HasSMTP(s.primary)) {
		proxies = append(proxies, "smtp:"+string(s.primary))
	}
	return proxies.withPrimary(s.primary)
}

// originNames is where the addresses of a target come from.
func (s *stagePlan) originNames() string {
	origin := "source proxyAddresses; source legacyExchangeDN as X500; routing address made of the alias"
	if slices.ContainsFunc(s.cleaned, func(c cleaning) bool { return c.form != "" }) {
		origin += "; cleaned forms"
	}
	return origin
}

// joinProxies adds the addresses the target lacks. Where another than the present primary
// address is to be the only one, the list is replaced as a whole: the server takes SMTP:
// and smtp: for the same value and refuses the one beside the other.
func (s *stagePlan) joinProxies(e *edit) {
	target := s.pair.Target
	want := s.targetNames(target.Legacy)
	marked := slices.ContainsFunc(target.Proxies, func(v string) bool {
		kind, addr := splitProxy(v)
		return kind == "smtp" && isPrimary(v) != (migrate.SMTPAddress(addr).Key() == s.primary.Key())
	})
	if !marked {
		e.from(s.originNames()).add(attrProxies, want...)
		return
	}
	if n := len(target.Proxies.primaries()); n > 1 {
		s.plan.Findings = append(s.plan.Findings, warn("target.primary-several", s.pair.Source.String(),
			fmt.Sprintf("%d SMTP addresses of %s are marked as primary; %s stays the only one.", n, target.DN, s.primary),
			"Mark another one if that is not the right one."))
	}
	all := append(target.Proxies.collapse(), want...)
	e.from("the target's own; "+s.originNames()).setText(attrProxies, all.withPrimary(s.primary)...)
}

// routingAddress returns the address of the person that only the target delivers. It is
// made of the alias, without what cannot be in an address, or of the objectGUID where
// nothing is left of that.
func (d *Directories) routingAddress(source *Recipient) migrate.SMTPAddress {
	local := cleanLocal(source.Alias)
	if local == "" {
		local = hexGUID(source.GUID)
	}
	return migrate.SMTPAddress(local + "@" + d.Rules.TargetRouting)
}

// sourceAddress returns the address under which mail from anywhere reaches the source:
// one in the source's routing domain, the primary one or the alphabetically first if
// there are several, else the primary address, else the alphabetically first. The
// target's routing address, which the source also has, never is one, nor is what mail
// cannot be sent to. "" if there is none.
func (d *Directories) sourceAddress(source *Recipient) migrate.SMTPAddress {
	addrs := append([]migrate.SMTPAddress{source.Address(), source.Mail}, slices.Sorted(slices.Values(source.Proxies.SMTP()))...)
	routing := d.routingAddress(source).Key()
	addrs = slices.DeleteFunc(addrs, func(a migrate.SMTPAddress) bool { return illegal(a) != "" || a.Key() == routing })
	for _, addr := range addrs {
		if d.Rules.SourceRouting != "" && strings.EqualFold(addr.Domain(), d.Rules.SourceRouting) {
			return addr
		}
	}
	if len(addrs) == 0 {
		return ""
	}
	return addrs[0]
}
