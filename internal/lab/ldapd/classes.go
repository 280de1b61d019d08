package ldapd

// Classes that may stand above others, and classes that share attributes.
const (
	holders    = "organizationalUnit container builtinDomain domainDNS"
	ouParents  = "organizationalUnit domainDNS"
	principals = "user computer inetOrgPerson group"
	accounts   = "user computer inetOrgPerson"
	people     = accounts + " contact"
	located    = people + " organizationalUnit"
)

// classTable lists the classes of the schema, as far as a migration meets them.
func classTable() []classRow {
	const exchange = "container msExchConfigurationContainer msExchOrganizationContainer msExchAdminGroupContainer msExchAdminGroup msExchMDBContainer msExchContainer msExchTransportSettings"
	return []classRow{
		{name: "top", cn: "Top", category: "top", hidden: true},
		{name: "person", super: "top", cn: "Person", category: "person", rdn: "CN", parents: holders, hidden: true},
		{name: "organizationalPerson", super: "person", cn: "Organizational-Person", category: "person", rdn: "CN", parents: holders, hidden: true},
		{name: "user", super: "organizationalPerson", cn: "User", category: "person", rdn: "CN", parents: holders},
		{name: "inetOrgPerson", super: "user", cn: "inetOrgPerson", category: "person", rdn: "CN", parents: holders},
		{name: "computer", super: "user", cn: "Computer", category: "computer", rdn: "CN", parents: holders},
		{name: "contact", super: "organizationalPerson", cn: "Contact", category: "person", rdn: "CN", parents: holders},
		{name: "group", super: "top", cn: "Group", category: "group", rdn: "CN", parents: holders},
		{name: "msExchDynamicDistributionList", super: "top", cn: "ms-Exch-Dynamic-Distribution-List", category: "msExchDynamicDistributionList", rdn: "CN", parents: holders},
		{name: "foreignSecurityPrincipal", super: "top", cn: "Foreign-Security-Principal", category: "foreignSecurityPrincipal", rdn: "CN", parents: "container"},
		{name: "organizationalUnit", super: "top", cn: "Organizational-Unit", category: "organizationalUnit", rdn: "OU", parents: ouParents},
		{name: "container", super: "top", cn: "Container", category: "container", rdn: "CN"},
		{name: "builtinDomain", super: "top", cn: "Builtin-Domain", category: "builtinDomain", rdn: "CN", hidden: true},
		{name: "domain", super: "top", cn: "Domain", category: "domainDNS", rdn: "DC", hidden: true},
		{name: "domainDNS", super: "domain", cn: "Domain-DNS", category: "domainDNS", rdn: "DC", hidden: true},
		{name: "configuration", super: "top", cn: "Configuration", category: "configuration", rdn: "CN", hidden: true},
		{name: "dMD", super: "top", cn: "DMD", category: "dMD", rdn: "CN", hidden: true},
		{name: "classSchema", super: "top", cn: "Class-Schema", category: "classSchema", rdn: "CN", parents: "dMD", hidden: true},
		{name: "attributeSchema", super: "top", cn: "Attribute-Schema", category: "attributeSchema", rdn: "CN", parents: "dMD", hidden: true},
		{name: "crossRefContainer", super: "top", cn: "Cross-Ref-Container", category: "crossRefContainer", rdn: "CN", hidden: true},
		{name: "crossRef", super: "top", cn: "Cross-Ref", category: "crossRef", rdn: "CN", parents: "crossRefContainer"},
		{name: "sitesContainer", super: "top", cn: "Sites-Container", category: "sitesContainer", rdn: "CN", hidden: true},
		{name: "site", super: "top", cn: "Site", category: "site", rdn: "CN", parents: "sitesContainer"},
		{name: "serversContainer", super: "top", cn: "Servers-Container", category: "serversContainer", rdn: "CN", parents: "site"},
		{name: "server", super: "top", cn: "Server", category: "server", rdn: "CN", parents: "serversContainer"},
		{name: "nTDSDSA", super: "top", cn: "NTDS-DSA", category: "nTDSDSA", rdn: "CN", parents: "server", hidden: true},
		{name: "msExchConfigurationContainer", super: "container", cn: "ms-Exch-Configuration-Container", category: "msExchConfigurationContainer", rdn: "CN", parents: "container"},
		{name: "msExchOrganizationContainer", super: "container", cn: "ms-Exch-Organization-Container", category: "msExchOrganizationContainer", rdn: "CN", parents: exchange},
		{name: "msExchAdminGroupContainer", super: "container", cn: "ms-Exch-Admin-Group-Container", category: "msExchAdminGroupContainer", rdn: "CN", parents: exchange},
		{name: "msExchAdminGroup", super: "container", cn: "ms-Exch-Admin-Group", category: "msExchAdminGroup", rdn: "CN", parents: exchange},
		{name: "msExchMDBContainer", super: "container", cn: "ms-Exch-MDB-Container", category: "msExchMDBContainer", rdn: "CN", parents: exchange},
		{name: "msExchPrivateMDB", super: "top", cn: "ms-Exch-Private-MDB", category: "msExchPrivateMDB", rdn: "CN", parents: exchange},
		{name: "msExchServersContainer", super: "container", cn: "ms-Exch-Servers-Container", category: "msExchServersContainer", rdn: "CN", parents: exchange},
		{name: "msExchExchangeServer", super: "server", cn: "ms-Exch-Exchange-Server", category: "msExchExchangeServer", rdn: "CN", parents: "msExchServersContainer"},
		{name: "msExchContainer", super: "container", cn: "ms-Exch-Container", category: "msExchContainer", rdn: "CN", parents: exchange},
		{name: "msExchTransportSettings", super: "container", cn: "ms-Exch-Transport-Settings", category: "msExchTransportSettings", rdn: "CN", parents: exchange},
		{name: "msExchAcceptedDomain", super: "top", cn: "ms-Exch-Accepted-Domain", category: "msExchAcceptedDomain", rdn: "CN", parents: "msExchContainer container"},
		{name: "msExchOAB", super: "top", cn: "ms-Exch-OAB", category: "msExchOAB", rdn: "CN", parents: "msExchContainer container"},
		{name: "msExchAddressBookMailboxPolicy", super: "top", cn: "ms-Exch-Address-Book-Mailbox-Policy", category: "msExchAddressBookMailboxPolicy", rdn: "CN", parents: "msExchContainer container"},
		{name: "addressBookContainer", super: "top", cn: "Address-Book-Container", category: "addressBookContainer", rdn: "CN", parents: "addressBookContainer msExchContainer configuration", must: "displayName"},
		{name: "mailRecipient", super: "top", cn: "Mail-Recipient", category: "mailRecipient", aux: true},
		{name: "securityPrincipal", super: "top", cn: "Security-Principal", category: "securityPrincipal", aux: true},
		{name: "msExchMailStorage", super: "top", cn: "ms-Exch-Mail-Storage", category: "msExchMailStorage", aux: true},
	}
}
