package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// A Domain is one domain of a forest.
type Domain struct {
	DN      DN
	DNS     string
	NetBIOS string
	SID     migrate.SID // "" if the server that was asked does not know it
}

// Info is what a forest says about itself.
type Info struct {
	DefaultNC, ConfigNC, SchemaNC DN
	Domains                       []Domain // the server's own domain first
	Holds                         []DN     // the naming contexts that the server answers for
	UPNSuffixes                   []string // beside the domains' DNS names
	HasExchange                   bool     // Exchange servers are registered in the Configuration
	Accepted                      []AcceptedDomain
	// Schema are the attributes that there are, by lower-case name; empty: not known.
	Schema map[string]SchemaAttribute
}

// A Forest is one side with its adapters.
type Forest struct {
	Side   Side
	Reader Reader
	Writer Writer // nil where nothing is to be written
	Info   Info
	// Catalog is a global catalog of the forest; nil: there is none, or Reader answers for
	// every domain. Addresses and user principal names are looked for there too, so that
	// a clash with another domain is found before it does harm. A Query without a base
	// searches the whole forest.
	Catalog Reader
	// Watch are further domain controllers and global catalogs that must show what was
	// written before a step counts as settled; may be empty. A Reader that has a method
	// Server() string is named by it; of one whose GlobalCatalog() bool is true only
	// what global catalogs hold is expected.
	Watch []Reader
	// Account is who Writer is, as a command that grants it rights would name it:
	// user@domain, DOMAIN\user or a DN. "" is not known.
	Account string

	index *Index   // answers questions about names instead of Reader; nil: Reader does
	keep  []string // attributes that an Index keeps beside the names
}

// Survey reads what the forest says about itself: naming contexts, domains with
// their SIDs, UPN suffixes, whether Exchange runs there, and the schema's attributes.
func Survey(ctx context.Context, reader Reader) (Info, error) {
	root, err := reader.Get(ctx, "", "defaultNamingContext", "configurationNamingContext", "schemaNamingContext",
		"namingContexts")
	if err != nil {
		return Info{}, fmt.Errorf("read rootDSE: %w", err)
	}
	info := Info{
		DefaultNC: DN(root.First("defaultNamingContext")),
		ConfigNC:  DN(root.First("configurationNamingContext")),
		SchemaNC:  DN(root.First("schemaNamingContext")),
	}
	for _, context := range root.Values("namingContexts") {
		info.Holds = append(info.Holds, DN(context))
	}
	if info.DefaultNC == "" || info.ConfigNC == "" {
		return Info{}, errors.New("read rootDSE: the server names no default or configuration naming context")
	}
	for _, read := range []func(context.Context, Reader) error{
		info.readDomains, info.readSIDs, info.readSuffixes, info.readExchange, info.readSchema, info.readAccepted,
	} {
		if err := read(ctx, reader); err != nil {
			return Info{}, err
		}
	}
	return info, nil
}

// readDomains reads the crossRef objects that stand for domains: they alone carry a
// NetBIOS name (MS-ADTS 6.1.1.2.1.1.2).
func (i *Info) readDomains(ctx context.Context, reader Reader) error {
	query := Query{
		Base:   i.partitions(),
		Filter: And(Eq("objectClass", "crossRef"), Filter("(nETBIOSName=*)")),
		Attrs:  []string{"nCName", "dnsRoot", "nETBIOSName"},
	}
	own := Domain{DN: i.DefaultNC, DNS: dnsName(i.DefaultNC)}
	var others []Domain
	for entry, err := range reader.Find(ctx, query) {
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return fmt.Errorf("list domains: %w", err)
		}
		d := Domain{DN: DN(entry.First("nCName")), DNS: entry.First("dnsRoot"), NetBIOS: entry.First("nETBIOSName")}
		if d.DN.Equal(i.DefaultNC) {
			own = d
		} else {
			others = append(others, d)
		}
	}
	i.Domains = append([]Domain{own}, others...)
	return nil
}

// readSIDs reads the own domain's SID from its head, and those of the other domains
// from the trusts, which every domain of a forest has with its neighbours
// (MS-ADTS 6.1.6.7): the server holds no other domain's head.
func (i *Info) readSIDs(ctx context.Context, reader Reader) error {
	head, err := reader.Get(ctx, i.DefaultNC, attrSID)
	if err != nil {
		return fmt.Errorf("read domain %q: %w", i.DefaultNC, err)
	}
	p := recipientParser{entry: head}
	i.Domains[0].SID = p.sid(attrSID)
	if len(i.Domains) > 1 {
		err = i.readTrusts(ctx, reader)
	}
	return errors.Join(p.err, err)
}

func (i *Info) readTrusts(ctx context.Context, reader Reader) error {
	query := Query{
		Base:   i.DefaultNC.Child("CN", "System"),
		Filter: Eq("objectClass", "trustedDomain"),
		Attrs:  []string{"trustPartner", "flatName", "securityIdentifier"},
	}
	for entry, err := range reader.Find(ctx, query) {
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list trusts: %w", err)
		}
		p := recipientParser{entry: entry}
		sid := p.sid("securityIdentifier")
		if p.err != nil {
			return fmt.Errorf("read trust %q: %w", entry.DN, p.err)
		}
		for n := range i.Domains {
			if strings.EqualFold(i.Domains[n].DNS, entry.First("trustPartner")) {
				i.Domains[n].SID = sid
			}
		}
	}
	return nil
}

func (i *Info) readSuffixes(ctx context.Context, reader Reader) error {
	entry, err := reader.Get(ctx, i.partitions(), "uPNSuffixes")
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read UPN suffixes: %w", err)
	}
	i.UPNSuffixes = entry.Values("uPNSuffixes")
	return nil
}

func (i *Info) readExchange(ctx context.Context, reader Reader) error {
	query := Query{Base: i.ConfigNC, Filter: Eq("objectClass", "msExchExchangeServer"), Attrs: []string{"cn"}}
	for _, err := range reader.Find(ctx, query) {
		if err != nil {
			return fmt.Errorf("look for Exchange servers: %w", err)
		}
		i.HasExchange = true
		break
	}
	return nil
}

func (i *Info) partitions() DN { return i.ConfigNC.Child("CN", "Partitions") }

// domainsHeld returns the heads of the domains that the server answers for: its own,
// and, on a global catalog, those of the whole forest.
func (i *Info) domainsHeld() []DN {
	held := []DN{i.DefaultNC}
	for _, d := range i.Domains {
		answers := slices.ContainsFunc(i.Holds, d.DN.Equal)
		if answers && !d.DN.Equal(i.DefaultNC) {
			held = append(held, d.DN)
		}
	}
	return held
}

// hasSuffix reports whether the forest lets a UPN end in suffix.
func (i *Info) hasSuffix(suffix string) bool {
	for _, d := range i.Domains {
		if strings.EqualFold(d.DNS, suffix) {
			return true
		}
	}
	for _, s := range i.UPNSuffixes {
		if strings.EqualFold(s, suffix) {
			return true
		}
	}
	return false
}

// domainSIDs returns the SIDs of the forest's domains, as far as they are known.
func (i *Info) domainSIDs() []migrate.SID {
	var sids []migrate.SID
	for _, d := range i.Domains {
		if d.SID != "" {
			sids = append(sids, d.SID)
		}
	}
	return sids
}

// dnsName turns DC=corp,DC=example into corp.example.
func dnsName(dn DN) string {
	var labels []string
	for ; dn != ""; dn = dn.Parent() {
		labels = append(labels, dn.Name())
	}
	return strings.Join(labels, ".")
}
