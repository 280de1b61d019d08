package ldapd

import (
	"slices"
	"strconv"
)

// attributeTable lists the attributes of the schema: those that the system keeps,
// and those that a mailbox migration reads or writes. Bounds and linkIDs are
// Active Directory's and Exchange's; msExchDelegateListLink and the links of team
// mailboxes carry linkIDs of our own.
func attributeTable() []attribute {
	return slices.Concat(systemAttributes(), accountAttributes(), personAttributes(),
		linkAttributes(), mailAttributes(), exchangeAttributes(), extensionAttributes(), configurationAttributes(), schemaEntryAttributes())
}

func systemAttributes() []attribute {
	return []attribute{
		{name: "objectClass", syntax: class, multi: true, index: true},
		{name: "objectGUID", syntax: octets, upper: 16, system: true, index: true},
		{name: "objectSid", syntax: sid, system: true, index: true},
		{name: "objectCategory", syntax: name},
		{name: "distinguishedName", syntax: name, system: true},
		{name: "name", syntax: text, upper: 255, system: true},
		{name: "cn", syntax: text, upper: 64, index: true},
		{name: "ou", syntax: text, upper: 64, multi: true},
		{name: "dc", syntax: text},
		{name: "instanceType", syntax: integer, system: true},
		{name: "uSNCreated", syntax: largeInt, system: true},
		{name: "uSNChanged", syntax: largeInt, system: true},
		{name: "whenCreated", syntax: when, system: true},
		{name: "whenChanged", syntax: when, system: true},
		{name: "nTSecurityDescriptor", syntax: sd, upper: 131072},
		{name: "systemFlags", syntax: integer, system: true},
		{name: "isCriticalSystemObject", syntax: boolean, system: true},
		{name: "showInAdvancedViewOnly", syntax: boolean},
		{name: "adminDescription", syntax: text, upper: 1024},
		{name: "adminDisplayName", syntax: text, upper: 256},
		{name: "mS-DS-ConsistencyGuid", syntax: octets, index: true},
		{name: "lDAPDisplayName", syntax: text, upper: 256, index: true},
		{name: "allowedChildClassesEffective", syntax: class, multi: true, system: true},
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
		{name: "codePage", syntax: integer, on: accounts},
		{name: "lastLogon", syntax: largeInt, system: true},
		{name: "lastLogoff", syntax: largeInt, system: true},
		{name: "lastLogonTimestamp", syntax: largeInt, system: true},
		{name: "lockoutTime", syntax: largeInt, on: accounts},
		{name: "logonCount", syntax: integer, system: true},
		{name: "logonHours", syntax: octets, on: accounts},
		{name: "primaryGroupID", syntax: integer, on: accounts},
		{name: "adminCount", syntax: integer},
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

func personAttributes() []attribute {
	table := []attribute{
		{name: "c", syntax: text, upper: 3},
		{name: "co", syntax: text, upper: 128},
		{name: "countryCode", syntax: integer},
		{name: "comment", syntax: text},
		{name: "company", syntax: text, upper: 64},
		{name: "department", syntax: text, upper: 64},
		{name: "departmentNumber", syntax: text, multi: true},
		{name: "description", syntax: text, upper: 1024, multi: true},
		{name: "displayName", syntax: text, upper: 256, index: true},
		{name: "displayNamePrintable", syntax: text, upper: 256},
		{name: "division", syntax: text, upper: 256},
		{name: "employeeID", syntax: text, upper: 16, index: true},
		{name: "employeeNumber", syntax: text, upper: 512},
		{name: "employeeType", syntax: text, upper: 256},
		{name: "generationQualifier", syntax: text, upper: 64},
		{name: "givenName", syntax: text, upper: 64},
		{name: "info", syntax: text, upper: 1024},
		{name: "initials", syntax: text, upper: 6},
		{name: "jpegPhoto", syntax: octets, multi: true},
		{name: "l", syntax: text, upper: 128},
		{name: "labeledURI", syntax: text, multi: true},
		{name: "middleName", syntax: text, upper: 64},
		{name: "personalTitle", syntax: text, upper: 64},
		{name: "photo", syntax: octets, multi: true},
		{name: "physicalDeliveryOfficeName", syntax: text, upper: 128},
		{name: "postalAddress", syntax: text, upper: 4096, multi: true},
		{name: "postalCode", syntax: text, upper: 40},
		{name: "postOfficeBox", syntax: text, upper: 40, multi: true},
		{name: "preferredLanguage", syntax: text},
		{name: "roomNumber", syntax: text, multi: true},
		{name: "sn", syntax: text, upper: 64},
		{name: "st", syntax: text, upper: 128},
		{name: "street", syntax: text, upper: 1024},
		{name: "streetAddress", syntax: text, upper: 1024},
		{name: "thumbnailLogo", syntax: octets, upper: 32767},
		{name: "thumbnailPhoto", syntax: octets, upper: 102400},
		{name: "title", syntax: text, upper: 128},
		{name: "uid", syntax: text, upper: 256, multi: true},
		{name: "url", syntax: text, multi: true},
		{name: "userCert", syntax: octets, upper: 32767},
		{name: "userCertificate", syntax: octets, upper: 32768, multi: true},
		{name: "userSMIMECertificate", syntax: octets, upper: 32768, multi: true},
		{name: "wWWHomePage", syntax: text, upper: 2048},
	}
	return slices.Concat(table, numberAttributes(), phoneticAttributes())
}

// numberAttributes are telephones and their kin: 64 characters, one or many.
func numberAttributes() []attribute {
	var table []attribute
	for _, one := range []string{
		"facsimileTelephoneNumber", "homePhone", "ipPhone", "mobile", "pager", "personalPager",
		"primaryInternationalISDNNumber", "primaryTelexNumber", "telephoneAssistant", "telephoneNumber",
	} {
		table = append(table, attribute{name: one, syntax: text, upper: 64})
	}
	for _, many := range []string{
		"internationalISDNNumber", "otherFacsimileTelephoneNumber", "otherHomePhone", "otherIpPhone", "otherMobile",
		"otherPager", "otherTelephone", "telexNumber",
	} {
		table = append(table, attribute{name: many, syntax: text, upper: 64, multi: true})
	}
	return append(table,
		attribute{name: "homePostalAddress", syntax: text, upper: 4096},
		attribute{name: "otherMailbox", syntax: text, multi: true},
		attribute{name: "teletexTerminalIdentifier", syntax: octets, multi: true})
}

func phoneticAttributes() []attribute {
	var table []attribute
	for _, of := range []string{"FirstName", "LastName", "Department", "CompanyName", "DisplayName"} {
		upper := 64
		if of == "DisplayName" {
			upper = 256
		}
		table = append(table, attribute{name: "msDS-Phonetic" + of, syntax: text, upper: upper})
	}
	for _, of := range []string{"Altitude", "Latitude", "Longitude"} {
		table = append(table, attribute{name: "msDS-GeoCoordinates" + of, syntax: largeInt})
	}
	return table
}

// linkAttributes are the forward links and their back links.
func linkAttributes() []attribute {
	type pair struct {
		forward, back string
		link          int
		multi         bool
		on            string
	}
	var table []attribute
	for _, p := range []pair{
		{"member", "memberOf", 2, true, "group"},
		{"altRecipient", "altRecipientBL", 12, false, ""},
		{"publicDelegates", "publicDelegatesBL", 14, true, ""},
		{"homeMDB", "homeMDBBL", 32, false, ""},
		{"manager", "directReports", 42, false, ""},
		{"managedBy", "managedObjects", 72, false, ""},
		{"authOrig", "authOrigBL", 110, true, ""},
		{"dLMemSubmitPerms", "dLMemSubmitPermsBL", 112, true, ""},
		{"unauthOrig", "unauthOrigBL", 114, true, ""},
		{"dLMemRejectPerms", "dLMemRejectPermsBL", 116, true, ""},
		{"msExchUseOAB", "msExchUseOABBL", 1014, false, ""},
		{"msExchDelegateListLink", "msExchDelegateListBL", 9000, true, ""},
		{"msExchCoManagedByLink", "msExchCoManagedObjectsBL", 9002, true, ""},
		{"msExchTeamMailboxOwners", "msExchTeamMailboxOwnersBL", 9004, true, ""},
		{"msExchModeratedByLink", "msExchModeratedObjectsBL", 9006, true, ""},
	} {
		table = append(table,
			attribute{name: p.forward, syntax: name, multi: p.multi, link: p.link, on: p.on},
			attribute{name: p.back, syntax: name, multi: true, link: p.link + 1, system: true})
	}
	for _, plain := range []string{
		"assistant", "homeMTA", "msExchArchiveDatabaseLink", "msExchMailboxTemplateLink", "msExchMobileMailboxPolicyLink",
		"msExchQueryBaseDN", "msExchRBACPolicyLink", "offLineAB",
	} {
		table = append(table, attribute{name: plain, syntax: name})
	}
	return append(table,
		attribute{name: "secretary", syntax: name, multi: true},
		attribute{name: "seeAlso", syntax: name, multi: true},
		attribute{name: "showInAddressBook", syntax: name, multi: true})
}

func mailAttributes() []attribute {
	return []attribute{
		{name: "mail", syntax: text, upper: 256, index: true},
		{name: "mailNickname", syntax: text, upper: 64, index: true},
		{name: "proxyAddresses", syntax: text, upper: 1123, multi: true, index: true},
		{name: "targetAddress", syntax: text, upper: 1123, index: true},
		{name: "legacyExchangeDN", syntax: text, index: true},
		{name: "textEncodedORAddress", syntax: text, upper: 1024},
		{name: "autoReply", syntax: boolean},
		{name: "autoReplyMessage", syntax: text},
		{name: "deletedItemFlags", syntax: integer},
		{name: "delivContLength", syntax: integer},
		{name: "deliverAndRedirect", syntax: boolean},
		{name: "dLMemDefault", syntax: integer},
		{name: "garbageCollPeriod", syntax: integer},
		{name: "hideDLMembership", syntax: boolean},
		{name: "importedFrom", syntax: text, upper: 64},
		{name: "internetEncoding", syntax: integer},
		{name: "language", syntax: text},
		{name: "mAPIRecipient", syntax: boolean},
		{name: "mDBOverHardQuotaLimit", syntax: integer},
		{name: "mDBOverQuotaLimit", syntax: integer},
		{name: "mDBStorageQuota", syntax: integer},
		{name: "mDBUseDefaults", syntax: boolean},
		{name: "oOFReplyToOriginator", syntax: boolean},
		{name: "protocolSettings", syntax: text, upper: 256, multi: true},
		{name: "replicatedObjectVersion", syntax: integer},
		{name: "replicationSignature", syntax: octets},
		{name: "reportToOriginator", syntax: boolean},
		{name: "reportToOwner", syntax: boolean},
		{name: "securityProtocol", syntax: octets, multi: true},
		{name: "submissionContLength", syntax: integer},
		{name: "unmergedAtts", syntax: octets, multi: true},
	}
}

func exchangeAttributes() []attribute {
	table := []attribute{
		{name: "msExchArchiveGUID", syntax: octets, upper: 16, index: true},
		{name: "msExchArchiveName", syntax: text, upper: 512, multi: true},
		{name: "msExchAssistantName", syntax: text, upper: 256},
		{name: "msExchBlockedSendersHash", syntax: octets, upper: 32000},
		{name: "msExchBypassAudit", syntax: boolean},
		{name: "msExchDisabledArchiveGUID", syntax: octets, upper: 16},
		{name: "msExchELCExpirySuspensionEnd", syntax: when},
		{name: "msExchELCExpirySuspensionStart", syntax: when},
		{name: "msExchEnableModeration", syntax: boolean},
		{name: "msExchExternalOOFOptions", syntax: integer},
		{name: "msExchGenericForwardingAddress", syntax: text, upper: 1123},
		{name: "msExchHideFromAddressLists", syntax: boolean},
		{name: "msExchHomeServerName", syntax: text, index: true},
		{name: "msExchHouseIdentifier", syntax: text, upper: 128},
		{name: "msExchImmutableId", syntax: text, upper: 256},
		{name: "msExchLabeledURI", syntax: text, upper: 1024, multi: true},
		{name: "msExchMailboxGuid", syntax: octets, upper: 16, index: true},
		{name: "msExchMailboxSecurityDescriptor", syntax: sd, upper: 65535},
		{name: "msExchMasterAccountSid", syntax: sid, upper: 28, index: true},
		{name: "msExchOriginatingForest", syntax: text, multi: true},
		{name: "msExchPoliciesExcluded", syntax: text, multi: true},
		{name: "msExchPoliciesIncluded", syntax: text, multi: true},
		{name: "msExchPreviousAccountSid", syntax: sid, upper: 28},
		{name: "msExchPreviousMailboxGuid", syntax: octets, upper: 16},
		{name: "msExchRequireAuthToSendTo", syntax: boolean},
		{name: "msExchResourceDisplay", syntax: text, upper: 1024},
		{name: "msExchResourceMetaData", syntax: text, upper: 1024, multi: true},
		{name: "msExchResourceSearchProperties", syntax: text, upper: 1024, multi: true},
		{name: "msExchSafeRecipientsHash", syntax: octets, upper: 32000},
		{name: "msExchSafeSendersHash", syntax: octets, upper: 32000},
		{name: "msExchSenderHintTranslations", syntax: text, upper: 500, multi: true},
		{name: "msExchUMEnabledFlags", syntax: integer},
		{name: "msExchUserCulture", syntax: text},
		{name: "msExchWhenMailboxCreated", syntax: when},
	}
	for _, number := range []string{
		"msExchPreviousRecipientTypeDetails", "msExchRecipientTypeDetails", "msExchRemoteRecipientType", "msExchVersion",
	} {
		table = append(table, attribute{name: number, syntax: largeInt})
	}
	return append(table, exchangeNumbers()...)
}

func exchangeNumbers() []attribute {
	var table []attribute
	for _, number := range []string{
		"msExchALObjectVersion", "msExchArchiveQuota", "msExchArchiveStatus", "msExchArchiveWarnQuota", "msExchDumpsterQuota",
		"msExchDumpsterWarningQuota", "msExchELCMailboxFlags", "msExchMailboxAuditEnable", "msExchMailboxMoveStatus",
		"msExchMessageHygieneFlags", "msExchMessageHygieneSCLDeleteThreshold", "msExchMessageHygieneSCLJunkThreshold",
		"msExchMessageHygieneSCLQuarantineThreshold", "msExchMessageHygieneSCLRejectThreshold", "msExchMobileMailboxFlags",
		"msExchModerationFlags", "msExchProvisioningFlags", "msExchRecipientDisplayType", "msExchRecipientSoftDeletedStatus",
		"msExchRecipLimit", "msExchResourceCapacity", "msExchTransportRecipientSettingsFlags", "msExchUserAccountControl",
	} {
		table = append(table, attribute{name: number, syntax: integer})
	}
	return table
}

func extensionAttributes() []attribute {
	var table []attribute
	for n := 1; n <= 15; n++ {
		upper := 1024
		if n > 10 {
			upper = 2048
		}
		table = append(table, attribute{name: "extensionAttribute" + strconv.Itoa(n), syntax: text, upper: upper})
	}
	for n := 16; n <= 45; n++ {
		table = append(table, attribute{name: "msExchExtensionAttribute" + strconv.Itoa(n), syntax: text, upper: 2048})
	}
	for n := 1; n <= 5; n++ {
		table = append(table, attribute{name: "msExchExtensionCustomAttribute" + strconv.Itoa(n), syntax: text, upper: 2048, multi: true})
	}
	return table
}

func configurationAttributes() []attribute {
	return []attribute{
		{name: "dnsRoot", syntax: text, upper: 255, multi: true},
		{name: "nCName", syntax: name},
		{name: "nETBIOSName", syntax: text, upper: 15},
		{name: "uPNSuffixes", syntax: text, multi: true},
		{name: "msDS-Behavior-Version", syntax: integer},
		{name: "networkAddress", syntax: text, upper: 256, multi: true},
		{name: "serialNumber", syntax: text, upper: 64, multi: true},
		{name: "serverReference", syntax: name},
		{name: "versionNumber", syntax: integer},
		{name: "msExchDynamicDLBaseDN", syntax: name},
		{name: "msExchDynamicDLFilter", syntax: text},
	}
}
