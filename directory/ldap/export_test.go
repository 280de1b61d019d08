package ldap

// Failure is failure, for the tests.
var Failure = failure

// IsCatalog reports whether a Conn of the config is one to a global catalog.
func IsCatalog(config Config) (bool, error) {
	checked, err := config.check()
	return (&Conn{pool: &pool{endpoint: checked}}).GlobalCatalog(), err
}

// Readdress changes what the configured name leads to, and forgets idle connections: the
// next connection is a new one.
func (c *Conn) Readdress(address string) {
	c.pool.mu.Lock()
	c.pool.endpoint.address = address
	idle := c.pool.idle
	c.pool.idle = nil
	c.pool.mu.Unlock()
	for _, w := range idle {
		w.close()
	}
}
