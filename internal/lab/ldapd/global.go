package ldapd

import (
	"fmt"
	"slices"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// globalAttributes are those that a global catalog holds (MS-ADTS 3.1.1.1.9,
// isMemberOfPartialAttributeSet): the base schema's, and what Exchange's setup adds. Others
// are neither shown there nor found.
const globalAttributes = `altRecipient authOrig c cn co company dc delivContLength deliverAndRedirect department description
	directReports displayName distinguishedName dLMemRejectPerms dLMemSubmitPerms dNSHostName facsimileTelephoneNumber givenName
	groupType hideDLMembership homeMDB homeMTA homePhone info initials instanceType internetEncoding ipPhone l
	lastLogonTimestamp lDAPDisplayName legacyExchangeDN mail mailNickname manager mAPIRecipient mDBOverQuotaLimit
	mDBStorageQuota mDBUseDefaults member memberOf mobile msDS-PhoneticCompanyName msDS-PhoneticDepartment
	msDS-PhoneticDisplayName msDS-PhoneticFirstName msDS-PhoneticLastName msExchArchiveGUID msExchArchiveName
	msExchArchiveStatus msExchAssistantName msExchDelegateListLink msExchDynamicDLBaseDN msExchDynamicDLFilter
	msExchGenericForwardingAddress msExchHideFromAddressLists msExchHomeServerName msExchMailboxGuid
	msExchMailboxSecurityDescriptor msExchMasterAccountSid msExchOriginatingForest msExchQueryBaseDN
	msExchRecipientDisplayType msExchRecipientTypeDetails msExchRemoteRecipientType msExchRequireAuthToSendTo msExchUseOAB
	msExchUserAccountControl msExchVersion msExchWhenMailboxCreated name nTSecurityDescriptor o objectCategory objectClass
	objectGUID objectSid oOFReplyToOriginator otherIpPhone ou pager physicalDeliveryOfficeName postalCode primaryGroupID
	protocolSettings proxyAddresses publicDelegates reportToOriginator reportToOwner sAMAccountName sAMAccountType
	servicePrincipalName showInAddressBook sIDHistory sn st street streetAddress submissionContLength targetAddress
	telephoneNumber title unauthOrig userAccountControl userCert userCertificate userPrincipalName userSMIMECertificate
	uSNChanged uSNCreated whenChanged whenCreated`

// isGlobal reports whether a global catalog holds the attribute.
func isGlobal(name string, global []string) bool {
	return slices.Contains(global, strings.ToLower(name)) ||
		strings.HasPrefix(name, "extensionAttribute") || strings.HasPrefix(name, "msDS-cloudExtensionAttribute")
}

// GlobalURL returns where the server speaks LDAPS as a global catalog: all domains of the
// forest at once, by the attributes that it holds of them, and nothing can be written.
func (s *Server) GlobalURL() string { return "ldaps://" + s.global.Addr().String() }

// AddDomain adds a domain below the forest's own, such as "sales" for sales.alpine.test, and
// returns its DN. The server is no domain controller of it: over LDAP it refers to another,
// and only its global catalog shows what Seed puts there.
func (s *Server) AddDomain(label string) (directory.DN, error) {
	dn := s.BaseDN().Child("DC", label)
	dns := label + "." + s.config.Domain
	domain, err := newDomainSID()
	if err != nil {
		return "", err
	}
	sid, err := domain.Bytes()
	if err != nil {
		return "", err
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	b := &builder{s: st, base: dn}
	b.head(dn, "domainDNS", "objectSid", string(sid))
	b.add(dn.Child("CN", "Users"), "container", "isCriticalSystemObject", "TRUE")
	b.add(s.ConfigDN().Child("CN", "Partitions").Child("CN", strings.ToUpper(label)), "crossRef",
		"nCName", string(dn), "nETBIOSName", strings.ToUpper(label), "dnsRoot", dns, "systemFlags", "3")
	if b.err != nil {
		return "", fmt.Errorf("add domain %q: %w", label, b.err)
	}
	return dn, nil
}

// elsewhere returns the fault that refers a client to the domain controllers of the domain
// in which dn lies, if that is not the server's own (MS-ADTS 3.1.1.4.6).
func (s *store) elsewhere(dn string) *fault {
	parts, _ := parseDN(dn)
	for i := range parts {
		o := s.byDN[keyOf(parts[i:])]
		if o == nil {
			continue
		}
		head := o.context()
		if head == s.root || head.class.name != "domainDNS" {
			return nil
		}
		host := dnsName(head.dn())
		f := refuse(referral, "0000202B: RefErr: DSID-0310082F, data 0, 1 access points ref 1: '%s'", host)
		f.refer = "ldap://" + host + "/" + dn
		return f
	}
	return nil
}

// dnsName returns alpine.test for DC=alpine,DC=test.
func dnsName(dn directory.DN) string {
	parts, _ := parseDN(string(dn))
	labels := make([]string, len(parts))
	for i, part := range parts {
		labels[i] = part.value
	}
	return strings.Join(labels, ".")
}

// domainOf returns the SID of the domain in which o lies.
func (s *store) domainOf(o *object) migrate.SID {
	sid, err := migrate.SIDFromBytes([]byte(o.context().first("objectsid")))
	if err != nil {
		return s.domain // the configuration has none
	}
	return sid
}
