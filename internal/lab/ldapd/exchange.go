package ldapd

import (
	"strconv"
	"strings"
	"time"

	"reforest/directory"
)

// adminGroup is the name of the administrative group that every Exchange
// organization since 2007 has.
const adminGroup = "Exchange Administrative Group (FYDIBOHF23SPDLT)"

// Bits of msExchAcceptedDomainFlags. The two lowest say whose the domain is.
const (
	DomainAuthoritative = 0 // every address of the domain is in this forest
	DomainExternalRelay = 1 // none is: mail goes on to a server elsewhere
	DomainInternalRelay = 2 // some are, and mail for the rest goes on
	DomainDefault       = 4 // new addresses get it
)

// exchange makes the Exchange organization: where its servers, databases, accepted domains
// and address books stand.
func (b *builder) exchange(config Config) {
	services := b.base.Child("CN", "Configuration").Child("CN", "Services")
	b.add(services.Child("CN", "Microsoft Exchange"), "msExchConfigurationContainer")
	legacy := "/o=" + strings.ReplaceAll(config.Organization, "/", "")
	org := config.organization()
	b.add(org, "msExchOrganizationContainer", "legacyExchangeDN", legacy)
	groups := org.Child("CN", "Administrative Groups")
	b.add(groups, "msExchAdminGroupContainer")
	group := groups.Child("CN", adminGroup)
	b.add(group, "msExchAdminGroup", "legacyExchangeDN", legacy+"/ou="+adminGroup)
	b.add(group.Child("CN", "Servers"), "msExchServersContainer")
	b.add(config.databases(), "msExchMDBContainer")
	b.add(org.Child("CN", "Transport Settings"), "msExchTransportSettings")
	b.add(config.domains(), "msExchContainer")
	b.add(config.domains().Child("CN", config.Domain), "msExchAcceptedDomain",
		"msExchAcceptedDomainName", config.Domain, "msExchAcceptedDomainFlags", strconv.Itoa(DomainDefault))
	b.addressBooks(config)
}

func (b *builder) addressBooks(config Config) {
	b.add(config.addressLists(), "msExchContainer")
	for _, root := range []string{"All Address Lists", "All Global Address Lists"} {
		b.add(config.addressLists().Child("CN", root), "addressBookContainer", "displayName", root)
	}
	b.add(config.offlineBooks(), "msExchContainer")
	b.add(config.policies(), "msExchContainer")
}

func (c Config) organization() directory.DN {
	return c.baseDN().Child("CN", "Configuration").Child("CN", "Services").
		Child("CN", "Microsoft Exchange").Child("CN", c.Organization)
}

// databases returns the DN below which mailbox databases stand.
func (c Config) databases() directory.DN {
	return c.organization().Child("CN", "Administrative Groups").Child("CN", adminGroup).Child("CN", "Databases")
}

func (c Config) domains() directory.DN {
	return c.organization().Child("CN", "Transport Settings").Child("CN", "Accepted Domains")
}

func (c Config) addressLists() directory.DN {
	return c.organization().Child("CN", "Address Lists Container")
}

func (c Config) offlineBooks() directory.DN {
	return c.addressLists().Child("CN", "Offline Address Lists")
}

func (c Config) policies() directory.DN {
	return c.organization().Child("CN", "AddressBook Mailbox Policies")
}

// AddDatabase adds a mailbox database to the Exchange organization and returns its
// DN, for homeMDB.
func (s *Server) AddDatabase(name string) (directory.DN, error) {
	dn := s.config.databases().Child("CN", name)
	_, err := s.Seed(dn, Attrs{
		"objectClass":           {"msExchPrivateMDB"},
		"adminDisplayName":      {name},
		"legacyExchangeDN":      {"/o=" + s.config.Organization + "/ou=" + adminGroup + "/cn=Configuration/cn=Servers/cn=" + hostLabel(s.config) + "/cn=Microsoft Private MDB"},
		"versionNumber":         {"1"},
		"msExchALObjectVersion": {strconv.Itoa(time.Now().Year())},
	})
	return dn, err
}

// AddAcceptedDomain adds a domain that the organization receives mail for. flags are the
// Domain bits. The forest's own domain is there from the start, authoritative and default.
func (s *Server) AddAcceptedDomain(domain string, flags int) (directory.DN, error) {
	dn := s.config.domains().Child("CN", domain)
	_, err := s.Seed(dn, Attrs{
		"objectClass":               {"msExchAcceptedDomain"},
		"msExchAcceptedDomainName":  {domain},
		"msExchAcceptedDomainFlags": {strconv.Itoa(flags)},
	})
	return dn, err
}

// AddAddressList adds an address list and returns its DN, for showInAddressBook.
func (s *Server) AddAddressList(name string) (directory.DN, error) {
	return s.addAddressBook("All Address Lists", name)
}

// AddGlobalAddressList adds a global address list and returns its DN, for
// showInAddressBook.
func (s *Server) AddGlobalAddressList(name string) (directory.DN, error) {
	return s.addAddressBook("All Global Address Lists", name)
}

func (s *Server) addAddressBook(root, name string) (directory.DN, error) {
	dn := s.config.addressLists().Child("CN", root).Child("CN", name)
	_, err := s.Seed(dn, Attrs{"objectClass": {"addressBookContainer"}, "displayName": {name}})
	return dn, err
}

// AddOfflineAddressBook adds an offline address book of the given address lists and
// returns its DN, for msExchUseOAB.
func (s *Server) AddOfflineAddressBook(name string, lists ...directory.DN) (directory.DN, error) {
	dn := s.config.offlineBooks().Child("CN", name)
	_, err := s.Seed(dn, Attrs{"objectClass": {"msExchOAB"}, "offLineABContainers": textsOf(lists)})
	return dn, err
}

// AddAddressBookPolicy adds an address book policy: a global address list, an offline
// address book and address lists. It returns its DN, for msExchAddressBookPolicyLink.
func (s *Server) AddAddressBookPolicy(name string, global, offline directory.DN, lists ...directory.DN) (directory.DN, error) {
	dn := s.config.policies().Child("CN", name)
	_, err := s.Seed(dn, Attrs{
		"objectClass":                  {"msExchAddressBookMailboxPolicy"},
		"msExchGlobalAddressListLink":  {string(global)},
		"msExchOfflineAddressBookLink": {string(offline)},
		"msExchAddressListsLink":       textsOf(lists),
	})
	return dn, err
}

func textsOf(dns []directory.DN) []string {
	out := make([]string, len(dns))
	for i, dn := range dns {
		out[i] = string(dn)
	}
	return out
}
