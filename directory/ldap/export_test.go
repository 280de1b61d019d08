package ldap

import "reforest/directory"

// Failure is failure, for the tests.
var Failure = failure

// IsCatalog reports whether a Conn of the config is one to a global catalog.
func IsCatalog(config Config) (bool, error) {
	checked, err := config.check()
	return (&Conn{pool: &pool{endpoint: checked}}).GlobalCatalog(), err
}

// SearchBase returns where a Conn of the config, to a server of the domain, begins a
// search that was asked for at base.
func SearchBase(config Config, domain, base directory.DN) (directory.DN, error) {
	checked, err := config.check()
	return (&Conn{pool: &pool{endpoint: checked}, naming: domain}).base(base), err
}
