package replica

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/migrate"
)

const (
	pageSize = 500
	// sdParts are the parts of security descriptors that are read: owner, group and DACL
	// (MS-ADTS 3.1.1.3.4.1.11). The SACL takes a privilege.
	sdParts = 1 | 2 | 4
)

// An upstream is one bound connection to the server that is followed.
type upstream struct {
	conn  *goldap.Conn
	close func()
}

// dial connects and binds. The connection ends with ctx.
func dial(ctx context.Context, config Config) (*upstream, error) {
	address, trust, err := config.address()
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	stream, err := (&tls.Dialer{Config: trust}).DialContext(within, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	conn := goldap.NewConn(stream, true)
	conn.SetTimeout(config.Timeout)
	conn.Start()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	u := &upstream{conn: conn, close: func() {
		stop()
		_ = stream.Close()
		_ = conn.Close()
	}}
	if err := conn.Bind(config.BindDN, config.Password); err != nil {
		u.close()
		return nil, fmt.Errorf("bind to %s: %w", address, err)
	}
	return u, nil
}

// A rootDSE is what the upstream says about itself.
type rootDSE struct {
	base, config, schema string
	host                 string
	usn                  int64 // the highest that is committed
}

func (u *upstream) root() (rootDSE, error) {
	found, err := u.conn.Search(goldap.NewSearchRequest("", goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{"defaultNamingContext", "configurationNamingContext", "schemaNamingContext", "dnsHostName", "highestCommittedUSN"}, nil))
	if err != nil {
		return rootDSE{}, fmt.Errorf("read rootDSE: %w", err)
	}
	if len(found.Entries) != 1 {
		return rootDSE{}, fmt.Errorf("read rootDSE: got %d entries", len(found.Entries))
	}
	e := found.Entries[0]
	usn, err := strconv.ParseInt(e.GetAttributeValue("highestCommittedUSN"), 10, 64)
	if err != nil {
		return rootDSE{}, fmt.Errorf("read highest committed update number: %w", err)
	}
	return rootDSE{
		base: e.GetAttributeValue("defaultNamingContext"), config: e.GetAttributeValue("configurationNamingContext"),
		schema: e.GetAttributeValue("schemaNamingContext"), host: e.GetAttributeValue("dnsHostName"), usn: usn,
	}, nil
}

// guidOf returns the objectGUID of an entry.
func (u *upstream) guidOf(dn string) (migrate.GUID, error) {
	found, err := u.conn.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{"objectGUID"}, nil))
	if err == nil && len(found.Entries) != 1 {
		err = fmt.Errorf("got %d entries", len(found.Entries))
	}
	if err != nil {
		return migrate.GUID{}, fmt.Errorf("read objectGUID of %q: %w", dn, err)
	}
	guid, err := migrate.GUIDFromBytes(found.Entries[0].GetRawAttributeValue("objectGUID"))
	if err != nil {
		return migrate.GUID{}, fmt.Errorf("read %q: %w", dn, err)
	}
	return guid, nil
}

// search returns all entries at and below base that match, whole.
func (u *upstream) search(base, filter string, controls ...goldap.Control) ([]*goldap.Entry, error) {
	request := goldap.NewSearchRequest(base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, filter,
		[]string{"*", "nTSecurityDescriptor"}, append(controls, &goldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: sdParts}))
	found, err := u.conn.SearchWithPaging(request, pageSize)
	if err != nil {
		return nil, fmt.Errorf("search %q below %q: %w", filter, base, err)
	}
	return found.Entries, nil
}

// values reads a range of an attribute's values on (MS-ADTS 3.1.1.3.1.3.3). It returns the
// attribute under the name by which it came; nil: the entry is gone, or has no more.
func (u *upstream) values(dn, attr string, low int) (*goldap.EntryAttribute, error) {
	found, err := u.conn.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{fmt.Sprintf("%s;range=%d-*", attr, low)}, nil))
	if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of %q from value %d: %w", attr, dn, low, err)
	}
	for _, e := range found.Entries {
		for _, a := range e.Attributes {
			return a, nil
		}
	}
	return nil, nil
}
