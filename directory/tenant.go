package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// What shows a user their own company and nobody else.
const (
	attrQueryBase  = "msExchQueryBaseDN"
	attrUseOAB     = "msExchUseOAB"
	attrBookPolicy = "msExchAddressBookPolicyLink"
	attrMember     = "member"
	attrMemberOf   = "memberOf"
)

const whyTenant = "make the person a member of their company's group"

// A Tenant is one company of a hosted target, which must not see the others. A person
// belongs to it if all of SourceOU, SourceDomain and Attribute that are given say so; one
// at least has to be.
type Tenant struct {
	// Name is what the operator calls it; required, and unique.
	Name string
	// SourceOU holds the company's people at the source.
	SourceOU DN
	// SourceDomain is the domain of their primary addresses.
	SourceDomain string
	// Attribute and Value are an attribute of theirs, and its value without regard to
	// case. The attribute is one of RecipientAttrs.
	Attribute, Value string
	// OU is where the company's target users are put; required, and no other tenant's.
	OU DN
	// Group is the company's group, of which everyone becomes a member; "" is none.
	Group DN
	// UPNSuffix ends the userPrincipalNames of new users; "" is as without tenants.
	UPNSuffix string
	// QueryBase bounds what they find in the directory (msExchQueryBaseDN); "" is OU.
	QueryBase DN
	// OAB is their offline address book (msExchUseOAB); "" leaves it alone.
	OAB DN
	// AddressBookPolicy is theirs (msExchAddressBookPolicyLink); "" leaves it alone.
	AddressBookPolicy DN
}

func (t *Tenant) queryBase() DN {
	if t.QueryBase != "" {
		return t.QueryBase
	}
	return t.OU
}

// selects reports whether the source object belongs to the tenant.
func (t *Tenant) selects(source *Recipient) bool {
	switch {
	case t.SourceOU == "" && t.SourceDomain == "" && t.Attribute == "",
		t.SourceOU != "" && !source.DN.Under(t.SourceOU),
		t.SourceDomain != "" && !strings.EqualFold(source.Address().Domain(), t.SourceDomain):
		return false
	}
	return t.Attribute == "" || slices.ContainsFunc(source.Entry.Values(t.Attribute), func(v string) bool {
		return strings.EqualFold(v, t.Value)
	})
}

// tenantsOf returns the tenants that the source object belongs to.
func (r *Rules) tenantsOf(source *Recipient) []*Tenant {
	var found []*Tenant
	for i := range r.Tenants {
		if r.Tenants[i].selects(source) {
			found = append(found, &r.Tenants[i])
		}
	}
	return found
}

// tenantOf returns the one tenant of the source object; nil if there is none, or several.
func (r *Rules) tenantOf(source *Recipient) *Tenant {
	if found := r.tenantsOf(source); len(found) == 1 {
		return found[0]
	}
	return nil
}

// tenantReads are the attributes by which people are told apart.
func (r *Rules) tenantReads() []string {
	var attrs []string
	for _, t := range r.Tenants {
		if t.Attribute != "" {
			attrs = append(attrs, t.Attribute)
		}
	}
	return attrs
}

// tenantWrites are the attributes that keep the companies apart.
func (r *Rules) tenantWrites() []string {
	var attrs []string
	for _, t := range r.Tenants {
		for attr, dn := range map[string]DN{attrQueryBase: t.queryBase(), attrUseOAB: t.OAB, attrBookPolicy: t.AddressBookPolicy} {
			if dn != "" && !slices.Contains(attrs, attr) {
				attrs = append(attrs, attr)
			}
		}
	}
	slices.Sort(attrs)
	return attrs
}

// checkTenant refuses who belongs to no company, or to several.
func (d *Directories) checkTenant(source *Recipient) []migrate.Finding {
	if len(d.Rules.Tenants) == 0 {
		return nil
	}
	found := d.Rules.tenantsOf(source)
	switch len(found) {
	case 1:
		return nil
	case 0:
		return []migrate.Finding{forbid("tenant.none", source.String(),
			fmt.Sprintf("%s belongs to none of the configured tenants.", source.DN), "Correct what selects the tenants' people.")}
	}
	var names []string
	for _, t := range found {
		names = append(names, t.Name)
	}
	return []migrate.Finding{forbid("tenant.several", source.String(),
		fmt.Sprintf("%s belongs to several tenants: %s.", source.DN, strings.Join(names, ", ")), "Correct what selects the tenants' people.")}
}

// place returns the organizational unit that a new target object for source goes into.
func (d *Directories) place(source *Recipient) DN {
	if t := d.Rules.tenantOf(source); t != nil {
		return t.OU
	}
	return d.Rules.TargetOU
}

// fillTenant plans what lets the person see their company and nobody else.
func (s *stagePlan) fillTenant(e *edit) {
	t := s.tenant
	if t == nil {
		return
	}
	origin := "tenant " + t.Name
	e.from(origin).fillText(attrQueryBase, string(t.queryBase()))
	e.from(origin).fillText(attrUseOAB, string(t.OAB))
	e.from(origin).fillText(attrBookPolicy, string(t.AddressBookPolicy))
}

// readGroups reads of which groups the target user is a direct member, where that counts.
func (s *stagePlan) readGroups(ctx context.Context) error {
	if s.tenant == nil || s.pair.Target == nil {
		return nil
	}
	entry, err := s.Target.Reader.Get(ctx, s.pair.Target.DN, attrMemberOf)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the groups of %q: %w", s.pair.Target.DN, err)
	}
	for _, dn := range entry.Values(attrMemberOf) {
		s.groups = append(s.groups, DN(dn))
	}
	return nil
}

// joinGroup plans that the target user is a member of the tenant's group.
func (s *stagePlan) joinGroup(user DN) {
	t := s.tenant
	if t == nil || t.Group == "" || slices.ContainsFunc(s.groups, t.Group.Equal) {
		return
	}
	s.plan.Changes = append(s.plan.Changes, Change{
		Forest: Target, Op: Modify, DN: t.Group, Why: whyTenant,
		Mods: []Mod{{Op: AddValues, Attr: attrMember, Values: texts(string(user)), Origin: "tenant " + t.Name}},
	})
}

// checkLeaks names by what the target user could see another company, or be seen by it.
// As long as the mailbox is not open it is the move that would make it so, and it is
// forbidden; afterwards somebody has to look.
func (s *stagePlan) checkLeaks() []migrate.Finding {
	target := s.pair.Target
	if s.tenant == nil || target == nil {
		return nil
	}
	severity := migrate.Forbid
	if target.IsMailbox() {
		severity = migrate.Warn
	}
	findings := s.checkOutside(target)
	for _, leak := range append(s.ownLeaks(target), s.foreignLeaks(target)...) {
		findings = append(findings, migrate.Finding{
			Rule: "tenant.leak", Severity: severity, Whom: s.pair.Source.String(), What: leak,
			Mend: fmt.Sprintf("Make it that of %s, to which the person belongs.", s.tenant.Name),
		})
	}
	return findings
}

// checkOutside tells of a target user who lies in no company's unit: nobody else sees it,
// and its own company does not either.
func (s *stagePlan) checkOutside(target *Recipient) []migrate.Finding {
	if target.DN.Under(s.tenant.queryBase()) || len(s.seenBy(target)) > 0 {
		return nil
	}
	return []migrate.Finding{warn("tenant.outside", s.pair.Source.String(),
		fmt.Sprintf("%s lies outside of %s, where %s looks for its people.", target.DN, s.tenant.queryBase(), s.tenant.Name),
		"Move it there.")}
}

// ownLeaks are what does not end at the tenant's own borders.
func (s *stagePlan) ownLeaks(target *Recipient) []string {
	base := DN(target.Entry.First(attrQueryBase))
	if base == "" || base.Under(s.tenant.queryBase()) {
		return nil
	}
	return []string{fmt.Sprintf("%s of %s is %s, outside of %s: it would find people of others there.",
		attrQueryBase, target.DN, base, s.tenant.queryBase())}
}

// seenBy returns the other tenants whose people find the target user where it lies.
func (s *stagePlan) seenBy(target *Recipient) []*Tenant {
	var found []*Tenant
	for i := range s.Rules.Tenants {
		t := &s.Rules.Tenants[i]
		if t != s.tenant && (target.DN.Under(t.OU) || target.DN.Under(t.queryBase())) {
			found = append(found, t)
		}
	}
	return found
}

// foreignLeaks are what belongs to another tenant.
func (s *stagePlan) foreignLeaks(target *Recipient) []string {
	var leaks []string
	for _, other := range s.seenBy(target) {
		leaks = append(leaks, fmt.Sprintf("%s lies where %s looks for its people, who would see it.", target.DN, other.Name))
	}
	for i := range s.Rules.Tenants {
		other := &s.Rules.Tenants[i]
		if other == s.tenant {
			continue
		}
		if other.Group != "" && !other.Group.Equal(s.tenant.Group) && slices.ContainsFunc(s.groups, other.Group.Equal) {
			leaks = append(leaks, fmt.Sprintf("%s is a member of %s, the group of %s.", target.DN, other.Group, other.Name))
		}
		for attr, pair := range map[string][2]DN{
			attrBookPolicy: {other.AddressBookPolicy, s.tenant.AddressBookPolicy}, attrUseOAB: {other.OAB, s.tenant.OAB},
		} {
			if value := DN(target.Entry.First(attr)); value != "" && value.Equal(pair[0]) && !value.Equal(pair[1]) {
				leaks = append(leaks, fmt.Sprintf("%s of %s is that of %s.", attr, target.DN, other.Name))
			}
		}
	}
	slices.Sort(leaks)
	return leaks
}

// CheckTenants returns what is wrong with the tenants as they are configured, by the
// number of the tenant, from 0.
func CheckTenants(tenants []Tenant) map[int][]string {
	faults := map[int][]string{}
	add := func(i int, format string, args ...any) { faults[i] = append(faults[i], fmt.Sprintf(format, args...)) }
	for i, t := range tenants {
		if t.Name == "" {
			add(i, "a tenant needs a name")
		}
		if t.OU == "" {
			add(i, "a tenant needs an ou for its target users")
		}
		if t.SourceOU == "" && t.SourceDomain == "" && t.Attribute == "" {
			add(i, "nothing says who belongs to the tenant: want source_ou, source_domain or attribute")
		}
		readable := slices.ContainsFunc(RecipientAttrs, func(a string) bool { return strings.EqualFold(a, t.Attribute) })
		if t.Attribute != "" && (!readable || t.Value == "") {
			add(i, "%q: want an attribute that is copied and its value, such as company=Contoso", t.Attribute+"="+t.Value)
		}
		for j, other := range tenants {
			if j != i && other.OU != "" && t.QueryBase != "" && other.OU.Under(t.QueryBase) {
				add(i, "its query_base holds the ou of %s, whose people it would find", other.Name)
			}
		}
		for _, other := range tenants[:i] {
			if strings.EqualFold(t.Name, other.Name) {
				add(i, "there is a tenant %q already", t.Name)
			}
			if t.OU != "" && other.OU != "" && (t.OU.Under(other.OU) || other.OU.Under(t.OU)) {
				add(i, "its ou and that of %s lie in one another, so that they would see each other", other.Name)
			}
		}
	}
	return faults
}
