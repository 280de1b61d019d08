package ldapd

import "slices"

// attributeTable lists the attributes of the schema: those that the system keeps,
// and those that a mailbox migration reads or writes. Bounds and linkIDs are
// Active Directory's and Exchange's.
func attributeTable() []attribute {
	return slices.Concat(systemAttributes(), accountAttributes(), personAttributes(),
		linkAttributes(), mailAttributes(), exchangeAttributes(), extensionAttributes(), configurationAttributes(), classEntryAttributes())
}

func systemAttributes() []attribute {
	return []attribute{
		{name: "objectClass", syntax: class, multi: true, index: true},
		{name: "objectGUID", syntax: octets, upper: 16, system: true, index: true},
		{name: "objectSid", syntax: sid, upper: 28, system: true, index: true},
		{name: "objectCategory", syntax: name},
		{name: "distinguishedName", syntax: name, system: true},
		{name: "name", syntax: text, upper: 255, system: true},
		{name: "cn", syntax: text, upper: 64, index: true},
		{name: "ou", syntax: text, upper: 64, multi: true},
		{name: "dc", syntax: text, upper: 255},
		{name: "instanceType", syntax: integer, system: true},
		{name: "uSNCreated", syntax: largeInt, system: true},
		{name: "uSNChanged", syntax: largeInt, system: true},
		{name: "whenCreated", syntax: when, system: true},
		{name: "whenChanged", syntax: when, system: true},
		{name: "nTSecurityDescriptor", syntax: sd, upper: 132096},
		{name: "systemFlags", syntax: integer, system: true},
		{name: "isCriticalSystemObject", syntax: boolean, system: true},
		{name: "isDeleted", syntax: boolean, system: true},
		{name: "showInAdvancedViewOnly", syntax: boolean},
		{name: "adminDescription", syntax: text, upper: 1024},
		{name: "adminDisplayName", syntax: text, upper: 256},
		{name: "mS-DS-ConsistencyGuid", syntax: octets, index: true},
		{name: "lDAPDisplayName", syntax: text, upper: 256, index: true},
		{name: "allowedAttributes", syntax: class, multi: true, system: true, constructed: true},
		{name: "allowedAttributesEffective", syntax: class, multi: true, system: true, constructed: true},
		{name: "allowedChildClasses", syntax: class, multi: true, system: true, constructed: true},
		{name: "allowedChildClassesEffective", syntax: class, multi: true, system: true, constructed: true},
		{name: "sDRightsEffective", syntax: integer, system: true, constructed: true},
	}
}

func accountAttributes() []attribute {
	return []attribute{
		{name: "sAMAccountName", syntax: text, upper: 256, index: true, on: principals},
		{name: "sAMAccountType", syntax: integer, system: true},
		{name: "userPrincipalName", syntax: text, upper: 1024, index: true, on: accounts},
		{name: "userAccountControl", syntax: integer, on: accounts},
		{name: "unicodePwd", syntax: octets, on: accounts},
		{name: "pwdLastSet", syntax: largeInt, on: accounts},
		{name: "accountExpires", syntax: largeInt, on: accounts},
		{name: "badPasswordTime", syntax: largeInt, system: true},
		{name: "badPwdCount", syntax: integer, system: true},
		{name: "codePage", syntax: integer, upper: 65535, on: accounts},
		{name: "lastLogon", syntax: largeInt, system: true},
		{name: "lastLogoff", syntax: largeInt, system: true},
		{name: "lastLogonTimestamp", syntax: largeInt, system: true},
		{name: "lockoutTime", syntax: largeInt, on: accounts},
		{name: "logonCount", syntax: integer, system: true},
		{name: "logonHours", syntax: octets, on: accounts},
		{name: "primaryGroupID", syntax: integer, on: accounts},
		{name: "adminCount", syntax: integer, on: principals},
		{name: "groupType", syntax: integer, on: "group"},
		{name: "sIDHistory", syntax: sid, multi: true, system: true, index: true},
		{name: "servicePrincipalName", syntax: text, multi: true, index: true, on: accounts},
		{name: "homeDirectory", syntax: text, on: accounts},
		{name: "homeDrive", syntax: text, on: accounts},
		{name: "profilePath", syntax: text, on: accounts},
		{name: "scriptPath", syntax: text, on: accounts},
		{name: "dNSHostName", syntax: text, upper: 2048},
		{name: "operatingSystem", syntax: text, on: "computer"},
	}
}

// configurationAttributes belong to the forest and to the Exchange organization.
func configurationAttributes() []attribute {
	return []attribute{
		{name: "attributeSyntax", syntax: class, on: "attributeSchema"},
		{name: "isMemberOfPartialAttributeSet", syntax: boolean, on: "attributeSchema"},
		{name: "isSingleValued", syntax: boolean, on: "attributeSchema"},
		{name: "linkID", syntax: integer, on: "attributeSchema"},
		{name: "rangeUpper", syntax: integer, on: "attributeSchema"},
		{name: "searchFlags", syntax: integer, on: "attributeSchema"},
		{name: "dnsRoot", syntax: text, upper: 255, multi: true},
		{name: "nCName", syntax: name},
		{name: "nETBIOSName", syntax: text, upper: 16},
		{name: "uPNSuffixes", syntax: text, multi: true},
		{name: "msDS-Behavior-Version", syntax: integer},
		{name: "networkAddress", syntax: text, upper: 256, multi: true},
		{name: "serialNumber", syntax: text, upper: 64, multi: true},
		{name: "versionNumber", syntax: integer},
		{name: "purportedSearch", syntax: text, upper: 2048},
		{name: "msExchAcceptedDomainFlags", syntax: integer, on: "msExchAcceptedDomain"},
		{name: "msExchAcceptedDomainName", syntax: text, upper: 256, index: true, on: "msExchAcceptedDomain"},
		{name: "msExchDynamicDLFilter", syntax: text},
		{name: "msExchMailboxRetentionPeriod", syntax: integer, on: "msExchPrivateMDB"},
		{name: "msExchOABDefault", syntax: boolean},
	}
}
