package ldap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"

	"reforest/directory"
)

// A Conn is one forest's directory. It is safe for use by many goroutines.
type Conn struct {
	pool   *pool
	naming directory.DN // the default naming context
	host   string       // the server's own name, dnsHostName
}

var errNotActiveDirectory = errors.New("the server names no default naming context: it is no Active Directory domain controller")

var (
	_ directory.Reader = (*Conn)(nil)
	_ directory.Writer = (*Conn)(nil)
)

// Dial connects and binds, and learns the default naming context. Every error is
// an *migrate.Error, or the cause of ctx where that has ended.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	checked, err := config.check()
	if err != nil {
		return nil, refusal("ldap.Dial", err)
	}
	c := &Conn{pool: newPool(checked)}
	root, err := c.Get(ctx, "", "defaultNamingContext", "dnsHostName")
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	c.naming, c.host = directory.DN(root.First("defaultNamingContext")), root.First("dnsHostName")
	if c.naming == "" {
		_ = c.Close()
		return nil, refusal("ldap.Dial", errNotActiveDirectory)
	}
	return c, nil
}

// DefaultNamingContext returns the DN of the domain, where a Query without a base
// looks, but on a global catalog.
func (c *Conn) DefaultNamingContext() directory.DN { return c.naming }

// Server returns the URL of the server. Where its host is a name that the server does not
// call itself by, which may stand for several, the server that was reached is added: all
// connections of a Conn lead to the same one.
func (c *Conn) Server() string {
	host, _, err := net.SplitHostPort(c.pool.endpoint.address)
	if err != nil || net.ParseIP(host) != nil || c.host == "" || strings.EqualFold(host, c.host) {
		return c.pool.endpoint.URL
	}
	return fmt.Sprintf("%s (%s, %s)", c.pool.endpoint.URL, c.host, c.pool.server())
}

// GlobalCatalog reports whether the URL leads to a global catalog, which holds a part of
// every entry's attributes alone: by its port, 3268 or 3269, or because Config says so.
func (c *Conn) GlobalCatalog() bool {
	if c.pool.endpoint.GlobalCatalog {
		return true
	}
	_, port, err := net.SplitHostPort(c.pool.endpoint.address)
	return err == nil && (port == "3268" || port == "3269")
}

// Close closes the idle connections; operations under way close theirs when they
// end. It returns nil.
func (c *Conn) Close() error {
	c.pool.close()
	return nil
}

// Get returns the entry with the given attributes, or all that are stored; DN ""
// is the rootDSE. It returns directory.ErrNotFound if there is no such entry, or
// none that may be seen.
func (c *Conn) Get(ctx context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	query := directory.Query{Base: dn, Scope: directory.Base, Filter: directory.Any, Attrs: attrs}
	var found *directory.Entry
	read := func(w *wire) error {
		raw, err := w.one(ctx, newRequest(query))
		if err == nil {
			found, err = w.entry(ctx, raw)
		}
		return err
	}
	err := c.reading(ctx, read, func() bool { return true })
	return found, err
}

// Find yields what matches, however much it is, a page at a time. The sequence
// ends with the first error. Without a base it searches the domain, and on a global
// catalog the whole forest.
func (c *Conn) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	query.Base = c.base(query.Base)
	return func(yield func(*directory.Entry, error) bool) {
		f := &finding{query: query, size: c.pool.endpoint.PageSize, yield: yield}
		read := func(w *wire) error { return f.run(ctx, w) }
		// Once an entry has been handed out, asking again would yield it twice.
		err := c.reading(ctx, read, func() bool { return !f.given })
		if err != nil && !f.stopped {
			yield(nil, err)
		}
	}
}

// base returns where a search begins. On the ports of a global catalog the root itself is
// a base, and every domain of the forest lies below it.
func (c *Conn) base(asked directory.DN) directory.DN {
	if asked == "" && !c.GlobalCatalog() {
		return c.naming
	}
	return asked
}

// Write carries out the change as one LDAP operation. Writes at the same time share one
// connection (RFC 4511 3.1): a server that keeps caches for each connection, as Samba does,
// has to fill them anew after every write on another. Where the connection is lost
// meanwhile, or ctx ends, the outcome is unknown; in the first case the error says Retry Now.
func (c *Conn) Write(ctx context.Context, change directory.Change) error {
	operation, err := newWrite(change)
	if err != nil {
		return refusal("ldap.Write", err)
	}
	w, err := c.pool.share(ctx)
	if err != nil {
		return err
	}
	if operation.secret && !w.secured() {
		c.pool.unshare(w)
		return refusal("ldap.Write", errPasswordPlain)
	}
	return c.explain(c.send(ctx, w, operation), change)
}

// send carries out the operation on a shared connection, and gives that back. When ctx
// ends it returns at once; the answer, which takes no longer than the Config's Timeout, is
// then awaited without it, because others go on using the connection.
func (c *Conn) send(ctx context.Context, w *wire, operation write) error {
	answer := make(chan error, 1)
	go func() {
		defer c.pool.unshare(w)
		err := operation.send(w.conn)
		if lost(failure(context.WithoutCancel(ctx), operation.name, err)) {
			w.close()
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		return failure(ctx, operation.name, err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reading runs a read on a connection of its own, and once more on another where
// an idle connection turns out to have been closed by the server.
func (c *Conn) reading(ctx context.Context, read func(*wire) error, repeatable func() bool) error {
	for {
		w, err := c.pool.take(ctx)
		if err != nil {
			return err
		}
		err = read(w)
		again := w.used && lost(err) && repeatable()
		if lost(err) {
			w.close()
		}
		c.pool.give(w)
		if !again {
			return err
		}
	}
}
