package ldapd

import (
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"

	"reforest/migrate"
)

// An identity is who a connection speaks for. It outlives the account, as a token does.
type identity struct {
	bound bool // false is nobody
	guid  migrate.GUID
	admin bool // belongs to the domain's administrators
}

func notBound() *fault {
	return refuse(operationsError, "000004DC: LdapErr: DSID-0C0909A2, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563")
}

// badCredentials answers a wrong password and an unknown name alike
// (MS-ERREF 2.2: 52e is ERROR_LOGON_FAILURE).
func badCredentials(data string) *fault {
	return refuse(invalidCredentials, "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data %s, v4563", data)
}

// bind answers a bind request (RFC 4511 4.2). Whatever comes of it, who was bound
// before is so no longer.
func (c *conn) bind(p *ber.Packet) *fault {
	c.who = identity{}
	if len(p.Children) != 3 {
		return malformed()
	}
	if version, ok := number64(p.Children[0]); !ok || version != 3 {
		return refuse(protocolError, "00000057: LdapErr: version 3 is spoken here")
	}
	if p.Children[2].Tag != 0 {
		return refuse(authMethodUnsupported, "00002027: LdapErr: DSID-0C090588, comment: simple bind only, data 0")
	}
	user, password := content(p.Children[1]), content(p.Children[2])
	if password == "" {
		return nil // anonymous, whatever the name (RFC 4513 5.1.2)
	}
	if !c.secure {
		return refuse(strongerAuthRequired, "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563")
	}
	who, f := c.server.authenticate(user, password)
	c.who = who
	return f
}

func (s *Server) authenticate(user, password string) (identity, *fault) {
	st := s.store
	st.mu.RLock()
	defer st.mu.RUnlock()
	if s.copied != nil {
		return s.logOn(user, password)
	}
	o := st.account(user, s.config)
	if o == nil || !o.password.matches(password) {
		return identity{}, badCredentials("52e")
	}
	d := st.draft(o)
	if d.number("useraccountcontrol")&uacDisabled != 0 {
		return identity{}, badCredentials("533")
	}
	admins, _ := st.find("CN=Domain Admins,CN=Users," + string(s.config.baseDN()))
	return identity{bound: true, guid: o.guid, admin: st.isMember(o, admins)}, nil
}

// account returns the object that a name of a simple bind means: a DN, a
// userPrincipalName, DOMAIN\user or user@domain (MS-ADTS 5.1.1.1.1).
func (s *store) account(user string, config Config) *object {
	if domain, sam, ok := strings.Cut(user, `\`); ok && !strings.Contains(user, "=") {
		if !strings.EqualFold(domain, config.NetBIOS) && !strings.EqualFold(domain, config.Domain) {
			return nil
		}
		return s.ownAccount(sam)
	}
	if o := s.first("userprincipalname", fold(user)); o != nil {
		return o
	}
	if sam, domain, ok := strings.Cut(user, "@"); ok && (strings.EqualFold(domain, config.Domain) || strings.EqualFold(domain, config.NetBIOS)) {
		return s.ownAccount(sam)
	}
	o, _ := s.find(user)
	return o
}

// ownAccount returns the account of the server's own domain with that name, or nil.
func (s *store) ownAccount(sam string) *object {
	for o := range s.index["samaccountname"][fold(sam)].all() {
		if o.context() == s.root {
			return o
		}
	}
	return nil
}

// whoAmI names who is bound, as Active Directory does: u:DOMAIN\user.
func (c *conn) whoAmI() string {
	c.store.mu.RLock()
	defer c.store.mu.RUnlock()
	o := c.store.byGUID[c.who.guid]
	if !c.who.bound || o == nil {
		return ""
	}
	return `u:` + c.server.config.NetBIOS + `\` + o.first("samaccountname")
}
