package ldapd

import (
	"fmt"
	"slices"
	"strconv"

	"reforest/directory"
	"reforest/migrate"
)

// newForest makes the tree of an empty forest.
func newForest(config Config) (*store, error) {
	domain, err := newDomainSID()
	if err != nil {
		return nil, err
	}
	s, err := newStore(theSchema(), domain)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &builder{s: s, base: config.baseDN()}
	b.domain()
	b.configuration(config)
	b.users(config)
	b.exchange(config)
	if b.err != nil {
		return nil, fmt.Errorf("build forest: %w", b.err)
	}
	return s, nil
}

// A builder adds the system's own objects; the first error stays.
type builder struct {
	s    *store
	base directory.DN
	err  error
}

// add adds an object. attrs are names and values in turn.
func (b *builder) add(dn directory.DN, class string, attrs ...string) {
	if b.err != nil {
		return
	}
	req := addition{dn: string(dn), system: true, sdParts: allParts}
	req.attrs = append(req.attrs, modification{attr: "objectClass", values: [][]byte{[]byte(class)}})
	for pair := range slices.Chunk(attrs, 2) {
		req.attrs = append(req.attrs, modification{attr: pair[0], values: [][]byte{[]byte(pair[1])}})
	}
	if _, f := b.s.add(req); f != nil {
		b.err = fmt.Errorf("add %q: %w", dn, f)
	}
}

// domain makes the head of the domain, which has no parent to be added below.
func (b *builder) domain() {
	parts, f := parseDN(string(b.base))
	if f != nil {
		b.err = f
		return
	}
	root := newObject(b.s.schema.classes["domaindns"], parts[0], nil)
	root.guid = b.s.newGUID()
	root.suffix, root.head = b.base, true
	b.s.root = root
	sid, err := b.s.domain.Bytes()
	if err != nil {
		b.err = err
		return
	}
	d := b.s.draft(root)
	d.attrs["objectclass"] = b.s.classNames(root.class, nil)
	b.s.generate(d)
	d.set("objectSid", string(sid))
	d.set("instanceType", "5")
	d.set("msDS-Behavior-Version", functionality)
	b.s.enter(root)
	d.commit()
}

func (b *builder) configuration(config Config) {
	top := b.base.Child("CN", "Configuration")
	b.head(top, "configuration")
	b.s.config, _ = b.s.find(string(top))
	schema := top.Child("CN", "Schema")
	b.add(schema, "dMD")
	for _, row := range classTable() {
		b.add(schema.Child("CN", row.cn), "classSchema", "lDAPDisplayName", row.name)
	}
	for _, a := range attributeTable() {
		b.add(schema.Child("CN", a.name), "attributeSchema", a.described()...)
	}
	b.categorize()
	b.describe()
	partitions := top.Child("CN", "Partitions")
	b.add(partitions, "crossRefContainer")
	if root, _ := b.s.find(string(partitions)); root != nil && len(config.UPNSuffixes) > 0 {
		b.set(partitions, "uPNSuffixes", config.UPNSuffixes)
	}
	b.add(partitions.Child("CN", config.NetBIOS), "crossRef",
		"nCName", string(b.base), "nETBIOSName", config.NetBIOS, "dnsRoot", config.Domain, "systemFlags", "3")
	b.add(partitions.Child("CN", "Enterprise Configuration"), "crossRef", "nCName", string(top), "dnsRoot", config.Domain, "systemFlags", "1")
	b.sites(config, top.Child("CN", "Sites"))
	b.add(top.Child("CN", "Services"), "container")
}

// head adds an object that begins a naming context.
func (b *builder) head(dn directory.DN, class string, attrs ...string) {
	b.add(dn, class, append(attrs, "instanceType", "13")...) // writable head with a context above (MS-ADTS 2.2.8)
	if o, _ := b.s.find(string(dn)); o != nil {
		o.head = true
	}
}

// categorize gives objects that are older than the schema their objectCategory.
func (b *builder) categorize() {
	for _, o := range b.s.byGUID {
		if category := b.s.categoryOf(o.class); category != nil {
			b.s.put(o, "objectcategory", []value{refTo(category)})
		}
	}
}

func (b *builder) set(dn directory.DN, attr string, values []string) {
	if b.err != nil {
		return
	}
	m := modification{op: modReplace, attr: attr}
	for _, v := range values {
		m.values = append(m.values, []byte(v))
	}
	if f := b.s.modify(modify{dn: string(dn), mods: []modification{m}, sdParts: allParts, system: true}); f != nil {
		b.err = fmt.Errorf("set %s of %q: %w", attr, dn, f)
	}
}

func (b *builder) sites(config Config, sites directory.DN) {
	site := sites.Child("CN", "Default-First-Site-Name")
	servers := site.Child("CN", "Servers")
	server := servers.Child("CN", hostLabel(config))
	b.add(sites, "sitesContainer")
	b.add(site, "site")
	b.add(servers, "serversContainer")
	b.add(server, "server", "dNSHostName", config.Host)
	b.add(server.Child("CN", "NTDS Settings"), "nTDSDSA")
}

func (b *builder) users(config Config) {
	users := b.base.Child("CN", "Users")
	const critical = "isCriticalSystemObject"
	b.add(users, "container", critical, "TRUE")
	b.add(b.base.Child("CN", "Computers"), "container", critical, "TRUE")
	b.add(b.base.Child("CN", "Builtin"), "builtinDomain", critical, "TRUE")
	b.add(b.base.Child("CN", "System"), "container", critical, "TRUE")
	b.add(b.base.Child("CN", "ForeignSecurityPrincipals"), "container", critical, "TRUE")
	admin := users.Child("CN", config.AdminUser)
	b.add(admin, "user", critical, "TRUE", "sAMAccountName", config.AdminUser, "objectSid", b.sid(500), "userAccountControl", "66050")
	for _, group := range []struct {
		name string
		rid  int
	}{{"Domain Admins", 512}, {"Domain Users", 513}, {"Domain Computers", 515}} {
		b.add(users.Child("CN", group.name), "group", critical, "TRUE", "sAMAccountName", group.name, "objectSid", b.sid(group.rid))
	}
	b.set(users.Child("CN", "Domain Admins"), "member", []string{string(admin)})
	if o, _ := b.s.find(string(admin)); o != nil {
		o.password = digestOf(config.AdminPassword)
	}
	b.set(admin, "userAccountControl", []string{"66048"}) // enabled, the password stays
}

// sid returns the bytes of one of the domain's own SIDs.
func (b *builder) sid(rid int) string {
	raw, err := (b.s.domain + migrate.SID("-"+strconv.Itoa(rid))).Bytes()
	if err != nil {
		b.err = err
	}
	return string(raw)
}
