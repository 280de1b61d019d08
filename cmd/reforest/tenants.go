package main

import (
	"fmt"
	"slices"
	"strings"

	"reforest/batch"
	"reforest/directory"
)

// A tenantConfig is one company of a hosted target.
type tenantConfig struct {
	Name              string `yaml:"name"`
	SourceOU          string `yaml:"source_ou"`
	SourceDomain      string `yaml:"source_domain"`
	Attribute         string `yaml:"attribute"` // name=value
	OU                string `yaml:"ou"`
	Group             string `yaml:"group"`
	UPNSuffix         string `yaml:"upn_suffix"`
	QueryBase         string `yaml:"query_base"`
	OAB               string `yaml:"oab"`
	AddressBookPolicy string `yaml:"address_book_policy"`
}

func (t tenantConfig) tenant() directory.Tenant {
	attr, value, _ := strings.Cut(t.Attribute, "=")
	return directory.Tenant{
		Name: t.Name, SourceOU: directory.DN(t.SourceOU), SourceDomain: t.SourceDomain,
		Attribute: strings.TrimSpace(attr), Value: strings.TrimSpace(value),
		OU: directory.DN(t.OU), Group: directory.DN(t.Group), UPNSuffix: strings.TrimPrefix(t.UPNSuffix, "@"),
		QueryBase: directory.DN(t.QueryBase), OAB: directory.DN(t.OAB), AddressBookPolicy: directory.DN(t.AddressBookPolicy),
	}
}

func (c *config) tenants() []directory.Tenant {
	var list []directory.Tenant
	for _, t := range c.Tenants {
		list = append(list, t.tenant())
	}
	return list
}

// checkTenants looks for what cannot work in the tenants block.
func (c *config) checkTenants(f *faults) {
	for i, t := range c.Tenants {
		key := itemKey("tenants", i)
		for name, dn := range map[string]string{
			"source_ou": t.SourceOU, "ou": t.OU, "group": t.Group, "query_base": t.QueryBase, "oab": t.OAB,
			"address_book_policy": t.AddressBookPolicy,
		} {
			if dn != "" && !strings.Contains(dn, "=") {
				f.add(key+"."+name, "%q: want a distinguished name, such as OU=Contoso,OU=Hosted,DC=fabrikam,DC=example", dn)
			}
		}
		if strings.Contains(t.SourceDomain, "@") {
			f.add(key+".source_domain", "%q: want a mail domain, without @", t.SourceDomain)
		}
	}
	for i, list := range directory.CheckTenants(c.tenants()) {
		for _, fault := range list {
			f.add(itemKey("tenants", i), "%s", fault)
		}
	}
}

// checkAttributes looks at the policies of single attributes.
func (c *config) checkAttributes(f *faults) {
	known := directory.PolicyNames()
	for name, policy := range c.Attributes {
		err := directory.CheckPolicy(name, directory.Policy(policy))
		if err == nil {
			continue
		}
		hint := ""
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			hint = fmt.Sprintf("; did you mean %q?", batch.Nearest(name, known))
		}
		f.add("attributes."+name, "%v%s", err, hint)
	}
}

// policies returns the attributes' policies as the directory wants them.
func (c *config) policies() map[string]directory.Policy {
	policies := make(map[string]directory.Policy, len(c.Attributes))
	for name, policy := range c.Attributes {
		policies[strings.ToLower(name)] = directory.Policy(policy)
	}
	return policies
}

// checkDomains looks at the further mail domains of both sides: one that both claim
// would send mail in circles.
func (c *config) checkDomains(f *faults) {
	owner := map[string]string{}
	for _, side := range []struct {
		key     string
		domains []string
	}{
		{"source.domain", []string{c.Source.Domain}},
		{"source.domains", c.Source.Domains},
		{"target.domains", c.Target.Domains},
	} {
		for _, domain := range side.domains {
			domain = strings.ToLower(domain)
			if strings.ContainsAny(domain, "@ ") || domain == "" && strings.HasSuffix(side.key, "s") {
				f.add(side.key, "%q: want a mail domain, such as alpine.example", domain)
			}
			if first := owner[domain]; strings.HasPrefix(side.key, "target") && strings.HasPrefix(first, "source") {
				f.add(side.key, "%s is one of %s too; each side needs domains of its own, or mail loops", domain, first)
			}
			owner[domain] = side.key
		}
	}
	if slices.ContainsFunc(c.Source.Domains, func(d string) bool { return d != "" && strings.EqualFold(d, c.Target.Domain) }) {
		f.add("source.domains", "%s is target.domain; each side needs domains of its own, or mail loops", c.Target.Domain)
	}
}
