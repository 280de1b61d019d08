package ldap

import (
	"context"
	"net"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// Failure is failure, for the tests.
var Failure = failure

// MakePassword is makePassword, for the tests.
var MakePassword = makePassword

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

// WritePlain writes over a connection that has no TLS and that nobody reads from.
func WritePlain(ctx context.Context, change directory.Change) error {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	w := &wire{conn: goldap.NewConn(near, false), stream: near, idleAt: time.Now()}
	w.conn.Start()
	defer w.close()
	c := &Conn{pool: &pool{idle: []*wire{w}, open: make(chan struct{}, 1)}}
	return c.Write(ctx, change)
}

// SearchBase returns where a Conn of the config, to a server of the domain, begins a
// search that was asked for at base.
func SearchBase(config Config, domain, base directory.DN) (directory.DN, error) {
	checked, err := config.check()
	return (&Conn{pool: &pool{endpoint: checked}, naming: domain}).base(base), err
}
