package ldap

// Failure is failure, for the tests.
var Failure = failure

// IsCatalog reports whether a Conn of the config is one to a global catalog.
func IsCatalog(config Config) (bool, error) {
	checked, err := config.check()
	return (&Conn{pool: &pool{endpoint: checked}}).GlobalCatalog(), err
}
