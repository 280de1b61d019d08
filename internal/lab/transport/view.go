package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	viewTime    = 10 * time.Second // bounds one question to the directory
	domainsLife = time.Second      // how long accepted domains are remembered
)

// An object is a recipient as the directory shows it.
type object struct {
	dn      string
	home    bool   // it has a mailbox
	target  string // targetAddress, its type included
	other   string // altRecipient, a DN
	both    bool   // deliverAndRedirect
	mailbox string // the mailbox's name
	primary string // primary SMTP address
}

// Kinds of accepted domains (msExchAcceptedDomainFlags, the two lowest bits).
const (
	authoritative = 0
	externalRelay = 1 // mail goes on to a server elsewhere
	internalRelay = 2 // mail for whom this forest does not know goes on
)

// A view asks one directory server.
type view struct {
	config    View
	mailboxBy string
	fixed     []string // accepted domains from the configuration

	mu      sync.Mutex
	session *session // that all share; nil: there is none
	domains map[string]int
	readAt  time.Time
}

// A session is a bound connection and what the server says of itself.
type session struct {
	conn          *ldap.Conn
	base          string // defaultNamingContext
	configuration string // configurationNamingContext
}

// lookup returns the objects that have the SMTP address.
func (v *view) lookup(ctx context.Context, address string) ([]object, error) {
	return v.search(ctx, "(proxyAddresses=smtp:"+ldap.EscapeFilter(address)+")")
}

// lookupX500 returns the objects that have the legacyExchangeDN or had it.
func (v *view) lookupX500(ctx context.Context, name string) ([]object, error) {
	escaped := ldap.EscapeFilter(name)
	return v.search(ctx, "(|(proxyAddresses=x500:"+escaped+")(legacyExchangeDN="+escaped+"))")
}

var objectAttributes = []string{
	"targetAddress", "altRecipient", "deliverAndRedirect", "homeMDB", "mail", "mailNickname", "sAMAccountName", "proxyAddresses",
}

func (v *view) search(ctx context.Context, filter string) ([]object, error) {
	entries, err := v.ask(ctx, func(s *session) *ldap.SearchRequest {
		return question(s.base, ldap.ScopeWholeSubtree, filter, objectAttributes...)
	})
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", filter, err)
	}
	objects := make([]object, len(entries))
	for i, entry := range entries {
		objects[i] = v.object(entry)
	}
	return objects, nil
}

// get returns the object with this DN. False: it is not there.
func (v *view) get(ctx context.Context, dn string) (object, bool, error) {
	entries, err := v.ask(ctx, func(*session) *ldap.SearchRequest {
		return question(dn, ldap.ScopeBaseObject, "(objectClass=*)", objectAttributes...)
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return object{}, false, nil
	case err != nil:
		return object{}, false, fmt.Errorf("read %q: %w", dn, err)
	case len(entries) != 1:
		return object{}, false, nil
	}
	return v.object(entries[0]), true, nil
}

func (v *view) object(entry *ldap.Entry) object {
	o := object{
		dn: entry.DN, home: entry.GetAttributeValue("homeMDB") != "", target: entry.GetAttributeValue("targetAddress"),
		other: entry.GetAttributeValue("altRecipient"), both: strings.EqualFold(entry.GetAttributeValue("deliverAndRedirect"), "TRUE"),
	}
	name := map[string]string{ByMail: "mail", ByAlias: "mailNickname", BySAM: "sAMAccountName"}[v.mailboxBy]
	o.mailbox, o.primary = entry.GetAttributeValue(name), entry.GetAttributeValue("mail")
	for _, proxy := range entry.GetAttributeValues("proxyAddresses") {
		if address, found := strings.CutPrefix(proxy, "SMTP:"); found { // upper case: primary
			o.primary = address
		}
	}
	return o
}

// accepts reports whether the site receives mail for the domain, and of what kind the
// domain is.
func (v *view) accepts(ctx context.Context, domain string) (kind int, accepted bool, err error) {
	if len(v.fixed) > 0 {
		return authoritative, covers(v.fixed, domain), nil
	}
	domains, err := v.accepted(ctx)
	if err != nil {
		return 0, false, err
	}
	if kind, exactly := domains[strings.ToLower(domain)]; exactly {
		return kind, true, nil
	}
	for name, kind := range domains {
		if covers([]string{name}, domain) {
			return kind, true, nil
		}
	}
	return 0, false, nil
}

// accepted reads the accepted domains where they are not remembered.
func (v *view) accepted(ctx context.Context) (map[string]int, error) {
	v.mu.Lock()
	known, fresh := v.domains, time.Since(v.readAt) < domainsLife
	v.mu.Unlock()
	if fresh {
		return known, nil
	}
	entries, err := v.ask(ctx, func(s *session) *ldap.SearchRequest {
		return question(s.configuration, ldap.ScopeWholeSubtree, "(objectClass=msExchAcceptedDomain)", "msExchAcceptedDomainName", "msExchAcceptedDomainFlags")
	})
	if err != nil {
		return nil, fmt.Errorf("read accepted domains: %w", err)
	}
	domains := map[string]int{}
	for _, entry := range entries {
		flags, err := strconv.Atoi(either(entry.GetAttributeValue("msExchAcceptedDomainFlags"), "0"))
		if err != nil {
			return nil, fmt.Errorf("read accepted domain %q: %w", entry.DN, err)
		}
		domains[strings.ToLower(entry.GetAttributeValue("msExchAcceptedDomainName"))] = flags & 3
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.domains, v.readAt = domains, time.Now()
	return domains, nil
}

// covers reports whether the domain is one of the patterns, of which *.x stands for all
// domains below x.
func covers(patterns []string, domain string) bool {
	for _, pattern := range patterns {
		above, wild := strings.CutPrefix(strings.ToLower(pattern), "*")
		if wild && strings.HasSuffix(strings.ToLower(domain), above) || strings.EqualFold(pattern, domain) {
			return true
		}
	}
	return false
}

func question(base string, scope int, filter string, attributes ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, int(viewTime/time.Second), false, filter, attributes, nil)
}

// ask searches. A connection that broke meanwhile is made anew once.
func (v *view) ask(ctx context.Context, request func(*session) *ldap.SearchRequest) ([]*ldap.Entry, error) {
	for again := false; ; again = true {
		session, err := v.connect(ctx)
		if err != nil {
			return nil, err
		}
		result, err := session.conn.Search(request(session))
		if err == nil {
			return result.Entries, nil
		}
		if !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) && !session.conn.IsClosing() {
			return nil, err
		}
		v.discard(session)
		if again || ctx.Err() != nil {
			return nil, err
		}
	}
}

// connect returns the session that all share, and makes it where there is none.
func (v *view) connect(ctx context.Context) (*session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session != nil {
		return v.session, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := v.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the directory: %w", err)
	}
	session, err := v.greet(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	v.session = session
	return session, nil
}

func (v *view) dial(ctx context.Context) (*ldap.Conn, error) {
	u, err := url.Parse(v.config.URL)
	if err != nil {
		return nil, err
	}
	settings, err := trust(v.config.CAFile, either(v.config.ServerName, u.Hostname()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, viewTime)
	defer cancel()
	port := either(u.Port(), map[string]string{"ldaps": "636"}[u.Scheme])
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), either(port, "389")))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "ldaps" {
		raw = tls.Client(raw, settings)
	}
	conn := ldap.NewConn(raw, u.Scheme == "ldaps")
	conn.SetTimeout(viewTime)
	conn.Start()
	if u.Scheme == "ldaps" {
		return conn, nil
	}
	if err := conn.StartTLS(settings); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// greet binds and reads the naming contexts.
func (v *view) greet(conn *ldap.Conn) (*session, error) {
	if err := conn.Bind(v.config.BindDN, v.config.Password); err != nil {
		return nil, fmt.Errorf("bind to the directory: %w", err)
	}
	root, err := conn.Search(question("", ldap.ScopeBaseObject, "(objectClass=*)", "defaultNamingContext", "configurationNamingContext"))
	if err != nil {
		return nil, fmt.Errorf("read rootDSE: %w", err)
	}
	if len(root.Entries) != 1 {
		return nil, errors.New("read rootDSE: there is none")
	}
	return &session{
		conn:          conn,
		base:          root.Entries[0].GetAttributeValue("defaultNamingContext"),
		configuration: root.Entries[0].GetAttributeValue("configurationNamingContext"),
	}, nil
}

// discard forgets a session that broke.
func (v *view) discard(broken *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = broken.conn.Close()
	if v.session == broken {
		v.session = nil
	}
}

func (v *view) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session != nil {
		_ = v.session.conn.Close()
		v.session = nil
	}
}

// trust returns a TLS configuration that believes one CA file only.
func trust(caFile, serverName string) (*tls.Config, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA: no certificate in %s", caFile)
	}
	return &tls.Config{RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS12}, nil
}
