package ldapd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// A ReplicaConfig says of what directory a replica holds a copy, and as what it presents
// itself.
type ReplicaConfig struct {
	// Base is the DN of the domain; it must be given.
	Base directory.DN
	// Host is the replica's own DNS name. Empty means "replica." and the domain's name.
	Host string
	// Writable is the DNS name of the server that clients are referred to with writes.
	Writable string
	// Address and GlobalAddress are where LDAPS listens, as a domain controller and as a
	// global catalog. Empty means 127.0.0.1:0.
	Address, GlobalAddress string
	// Authority signs the replica's certificate. Nil means one of its own.
	Authority *Authority
	// Logins are the passwords of those who may log on, and read everything, by a name in any
	// form that a bind takes. Passwords themselves are never replicated.
	Logins map[string]string
}

// String tells whose replica it is, without the passwords.
func (c ReplicaConfig) String() string { return "replica of " + string(c.Base) }

// GoString is String, so that %#v does not print the passwords.
func (c ReplicaConfig) GoString() string { return c.String() }

// LogValue is String, so that the passwords are never logged.
func (c ReplicaConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// A Record is one entry as another server shows it.
type Record struct {
	DN   directory.DN
	GUID migrate.GUID
	// Attrs are all attributes by lower-case name, without options. Back links and
	// constructed attributes are ignored: the replica computes them.
	Attrs map[string][][]byte
	// Deleted says that the entry is gone; Attrs and DN do not count then.
	Deleted bool
}

// first returns the attribute's first value as text, "" if it has none.
func (r Record) first(key string) string {
	if values := r.Attrs[key]; len(values) > 0 {
		return string(values[0])
	}
	return ""
}

// isHead reports whether a naming context begins with the entry (MS-ADTS 2.2.8,
// IT_NC_HEAD of instanceType).
func (r Record) isHead() bool {
	const head = 1
	kind, _ := strconv.Atoi(r.first("instancetype"))
	return kind&head != 0
}

func (r Record) is(class string) bool {
	for _, name := range r.Attrs["objectclass"] {
		if strings.EqualFold(string(name), class) {
			return true
		}
	}
	return false
}

// A replica is what a Server knows that is no writable domain controller.
type replica struct {
	writable string
	logins   map[string]*digest // by name
}

// StartReplica starts a read-only server of a directory that is written elsewhere. records
// are its whole content, the schema's objects included, whose attributes and classes it
// takes as its schema. It stops when ctx ends or Close is called.
//
// What makes entries by itself, such as Seed, is for other servers.
func StartReplica(ctx context.Context, config ReplicaConfig, records []Record) (*Server, error) {
	domain, err := domainIn(config.Base, records)
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	st, err := newStore(schemaOf(records), domain)
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	full, err := Config{
		Domain: dnsName(config.Base), NetBIOS: netBIOSIn(config.Base, records), Authority: config.Authority,
		Host:    either(config.Host, "replica."+dnsName(config.Base)),
		Address: config.Address, GlobalAddress: config.GlobalAddress,
	}.defaults()
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	s := &Server{config: full, store: st, copied: &replica{config.Writable, map[string]*digest{}}}
	for name, password := range config.Logins {
		s.copied.logins[name] = digestOf(password)
	}
	s.Replicate(records)
	if st.root == nil || st.config == nil {
		return nil, errors.New("start replica: the records hold no domain or no configuration")
	}
	return serve(ctx, s)
}

// domainIn returns the SID of the domain's head.
func domainIn(base directory.DN, records []Record) (migrate.SID, error) {
	for _, r := range records {
		if !r.DN.Equal(base) {
			continue
		}
		domain, err := migrate.SIDFromBytes([]byte(r.first("objectsid")))
		if err != nil {
			return "", fmt.Errorf("read SID of %q: %w", base, err)
		}
		return domain, nil
	}
	return "", fmt.Errorf("no record of %q", base)
}

// netBIOSIn returns the domain's short name from its crossRef object (MS-ADTS 6.1.1.2.1.1.2).
func netBIOSIn(base directory.DN, records []Record) string {
	for _, r := range records {
		if r.is("crossRef") && directory.DN(r.first("ncname")).Equal(base) {
			return r.first("netbiosname")
		}
	}
	return ""
}

// logOn checks a name and a password against the replica's own list: it has nobody's
// password. The lock is held.
func (s *Server) logOn(user, password string) (identity, *fault) {
	o := s.store.account(user, s.config)
	for name, secret := range s.copied.logins {
		same := strings.EqualFold(name, user) || o != nil && s.store.account(name, s.config) == o
		if !same || !secret.matches(password) {
			continue
		}
		who := identity{bound: true, admin: true}
		if o != nil {
			who.guid = o.guid
		}
		return who, nil
	}
	return identity{}, badCredentials("52e")
}

// refer is the answer to a write: it is to be done elsewhere (MS-ADTS 3.1.1.5.1, writes to
// a read-only domain controller).
func (r *replica) refer(req request) *fault {
	f := refuse(referral, "0000202B: RefErr: DSID-0310082F, data 0, 1 access points ref 1: '%s'", r.writable)
	f.refer = "ldap://" + r.writable + "/" + string(req.describe().DN)
	return f
}
